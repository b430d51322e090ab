# SPDX-License-Identifier: BSD-3-Clause
"""Report of a learned policy: names, ranges in natural units, a table."""

import dataclasses

import numpy as np
import torch

# Columns that a name lists; of more the first ones and the last.
_MOST_NAMES = 4


def range_report(augmenter):
    """Return a data frame with a row for each transformation of a fitted augmenter."""
    import pandas as pd

    columns = {
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
    }
    for name in ("excess", "excess_se", "dual"):
        if hasattr(augmenter, f"{name}_"):
            columns[name] = getattr(augmenter, f"{name}_")
    return pd.DataFrame(columns)


def natural_range(transformation, scale):
    """Return the learned range of a transformation in natural units, as text."""
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

    Its columns are left out if these are all that it may touch, and named if they have
    names.
    """
    selected = transformation.columns
    if tuple(selected) == tuple(columns.of_kinds(transformation.cell_kinds)):
        return repr(dataclasses.replace(transformation, columns=None))
    if columns.names:
        selected = _named(selected, columns.names)
    name = repr(dataclasses.replace(transformation, columns=None))
    rest = name.partition("(")[2]
    comma = ", " if rest != ")" else ""
    return f"{type(transformation).__name__}([{_shown(selected)}]{comma}{rest}"


def _shown(selected):
    """Return columns in few words, group by group where there are groups."""
    parts = [f"({_shown(p)})" if isinstance(p, tuple) else str(p) for p in selected]
    if len(parts) > _MOST_NAMES:
        parts = [*parts[: _MOST_NAMES - 1], "...", parts[-1]]
    return ", ".join(parts)


def _named(selected, names):
    """Return the names of columns, group by group where there are groups."""
    return tuple(
        _named(item, names) if isinstance(item, tuple) else names[item]
        for item in selected
    )
