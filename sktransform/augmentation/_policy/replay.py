# SPDX-License-Identifier: BSD-3-Clause
"""What happened to rows as a plain table, from which it can be done again or undone.

One line for each transformation that acted on a row, in the order in which they acted,
and one with place -1 for a row that was left as it is.
"""

import narwhals.stable.v2 as nw
import numpy as np

from sktransform.augmentation._policy.policy import Draw

COLUMNS = (
    "row",
    "source",
    "copy",
    "order",
    "place",
    "operation",
    "seed",
    "label",
    "exact",
)


def to_table(draw, exact, sources, copies, labels, names):
    """Return draws as a dict of columns of equal length.

    Parameters
    ----------
    draw : Draw
        What happened to each of m rows.

    exact : ndarray of bool of shape (m, K)
        Whether each application can be undone exactly.

    sources : ndarray of int of shape (m,)
        Numbers of the rows that were given.

    copies : ndarray of int of shape (m,)
        Numbers of the copies.

    labels : ndarray of int of shape (m,) or None
        Codes of classes, where a transformation may need them.

    names : list of str
        Names of the transformations.

    Returns
    -------
    dict of str to ndarray
        The columns; parameters are ``p_1``, ``p_2``, ..., NaN where there are fewer.
    """
    rows, places = np.nonzero(draw.on)
    clean = np.flatnonzero(~draw.on.any(1))
    rows = np.concatenate([rows, clean])
    places = np.concatenate([places, np.full(len(clean), -1)])
    order = np.lexsort((places, rows))
    rows, places = rows[order], places[order]
    acted = places >= 0
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    steps = np.arange(len(rows)) - np.repeat(first, np.diff([*first, len(rows)]))
    table = {
        "row": rows,
        "source": sources[rows],
        "copy": copies[rows],
        "order": np.where(acted, steps, -1),
        "place": places,
        "operation": np.array([*names, ""])[places],
        "seed": np.where(acted, draw.seeds[rows, places], -1),
        "label": np.full(len(rows), -1) if labels is None else labels[rows],
        "exact": np.where(acted, exact[rows, places], True),
    }
    return table | _parameter_columns(draw, rows, places)


def _parameter_columns(draw, rows, places):
    """Return one column for each parameter."""
    widest = max((own.shape[1] for own in draw.parameters), default=1)
    values = np.full((len(rows), widest), np.nan)
    for place, own in enumerate(draw.parameters):
        here = places == place
        values[here, : own.shape[1]] = own[rows[here]]
    return {f"p_{number + 1}": column for number, column in enumerate(values.T)}


def from_table(table, transformations):
    """Return the draws of a table, the rows' sources and their labels.

    Parameters
    ----------
    table : dict or data frame
        What `to_table` returned, also as a data frame, with all lines of a row.

    transformations : tuple of Transformation
        The law's transformations.

    Returns
    -------
    draw : Draw
        What happens to each row.

    sources : ndarray of int of shape (m,)
        Numbers of the source rows.

    labels : ndarray of int of shape (m,) or None
        Codes of classes, None if there are none.

    Raises
    ------
    ValueError
        If columns are missing, or a place is not one of the law's.
    """
    frame = nw.from_native(table, pass_through=True, eager_only=True)
    names = frame.columns if isinstance(frame, nw.DataFrame) else list(table)
    columns = {name: np.asarray(table[name]) for name in names}
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise ValueError(
            f"params has no column {missing[0]!r}; give the table that augment returns "
            "with return_params=True."
        )
    places = columns["place"].astype(np.int64)
    _check_lines(columns, places, transformations)
    _, first, rows = np.unique(columns["row"], return_index=True, return_inverse=True)
    # In the order of the table, whatever the numbers are.
    order = first.argsort()
    rows, first = order.argsort()[rows], first[order]
    shape = (len(first), len(transformations))
    on, seeds = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.int64)
    acted = places >= 0
    on[rows[acted], places[acted]] = True
    seeds[rows[acted], places[acted]] = columns["seed"][acted]
    parameters = []
    for place, transformation in enumerate(transformations):
        own = np.zeros((len(first), transformation.n_parameters))
        here = places == place
        for number in range(transformation.n_parameters):
            if here.any():
                own[rows[here], number] = columns[f"p_{number + 1}"][here]
        parameters.append(own)
    labels = columns["label"][first].astype(np.int64)
    labels = None if len(labels) and labels.min() < 0 else labels
    return Draw(on, parameters, seeds), columns["source"][first].astype(int), labels


def _check_lines(columns, places, transformations):
    """Raise ValueError unless lines are of these transformations, and of one table."""
    n_all = len(transformations)
    foreign = places[(places < -1) | (places >= n_all)]
    if len(foreign):
        raise ValueError(
            f"params names transformation {foreign[0]}, but the fitted law has "
            f"{n_all}; give a table of the same fit."
        )
    widest = max((transformations[k].n_parameters for k in {*places} - {-1}), default=0)
    for number in range(widest):
        if f"p_{number + 1}" not in columns:
            raise ValueError(
                f"params has no column 'p_{number + 1}'; give the table that augment "
                "returns with return_params=True."
            )
    lines = columns["row"].astype(np.int64) * (n_all + 1) + columns["order"] + 1
    if len(np.unique(lines)) < len(lines):
        raise ValueError(
            "params has several lines of one row and order, as tables put together "
            "have; number the rows of the later ones on."
        )
