# SPDX-License-Identifier: BSD-3-Clause
"""What an augmenter has learned, as a table."""

import dataclasses

import numpy as np
import torch

# Columns that a name lists; of more the first ones and the last.
_MOST_NAMES = 4


def range_report(augmenter):
    """Return a data frame with a row for each transformation."""
    import pandas as pd

    return pd.DataFrame(
        {
            "transformation": augmenter.names_,
            "status": augmenter.status_,
            "range": augmenter.range_,
            "up to": [
                natural_range(transformation, scale)
                for transformation, scale in zip(
                    augmenter.transformations_, augmenter.range_, strict=True
                )
            ],
            "active": augmenter.active_,
            "excess": augmenter.excess_,
            "excess_se": augmenter.excess_se_,
        }
    )


def natural_range(transformation, scale):
    """Return in words how far a transformation may go, in natural units."""
    if scale == 0:
        return "-"
    if transformation.discrete:
        return "all"
    end = torch.full((1, transformation.n_parameters), float(scale))
    parts = []
    for name, values in transformation.describe(end).items():
        value = np.asarray(values).ravel()[0]
        is_number = np.issubdtype(np.asarray(value).dtype, np.number)
        parts.append(f"{name} {value:.3g}" if is_number else f"{name} {value}")
    return ", ".join(parts)


def short_name(transformation, columns):
    """Return a bound transformation as it may have been declared, in few words.

    Parameters
    ----------
    transformation : Transformation
        Bound to places.

    columns : ColumnTable
        The table's columns.

    Returns
    -------
    str
        Without the columns if these are all that it may touch; else with their names,
        or places.
    """
    places = transformation.columns
    if tuple(places) == tuple(columns.of_kinds(transformation.cell_kinds)):
        return repr(dataclasses.replace(transformation, columns=None))
    if columns.names:
        places = _named(places, columns.names)
    name = repr(dataclasses.replace(transformation, columns=None))
    rest = name.partition("(")[2]
    comma = ", " if rest != ")" else ""
    return f"{type(transformation).__name__}([{_shown(places)}]{comma}{rest}"


def _shown(places):
    """Return places or names in few words, group by group where there are groups."""
    parts = [f"({_shown(p)})" if isinstance(p, tuple) else str(p) for p in places]
    if len(parts) > _MOST_NAMES:
        parts = [*parts[: _MOST_NAMES - 1], "...", parts[-1]]
    return ", ".join(parts)


def _named(places, names):
    """Return names in place of columns, group by group where there are groups."""
    return tuple(
        _named(place, names) if isinstance(place, tuple) else names[place]
        for place in places
    )
