# SPDX-License-Identifier: BSD-3-Clause
"""Record of draws as a plain table, from which they can be repeated or undone.

One line for each transformation that acted on a row, in the order in which they acted,
and one with transformation -1 for a row that was left unchanged.
"""

import narwhals.stable.v2 as nw
import numpy as np

from sktransform.augmentation._policy.policy import Draw

COLUMNS = (
    "row",
    "source",
    "copy",
    "order",
    "transformation",
    "operation",
    "seed",
    "label",
    "exact",
)


def to_table(draw, exact, sources, copies, labels, names):
    """Return the draws of m rows as a dict of columns of equal length.

    `exact` (m, K) says which applications can be undone exactly; `sources`, `copies`
    and `labels` (m,) are row indices, numbers of copies and codes of classes or None.
    Parameters are the columns ``p_1``, ``p_2``, ..., NaN where there are fewer.
    """
    rows, indices = np.nonzero(draw.on)
    clean = np.flatnonzero(~draw.on.any(1))
    rows = np.concatenate([rows, clean])
    indices = np.concatenate([indices, np.full(len(clean), -1)])
    order = np.lexsort((indices, rows))
    rows, indices = rows[order], indices[order]
    acted = indices >= 0
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    steps = np.arange(len(rows)) - np.repeat(first, np.diff([*first, len(rows)]))
    table = {
        "row": rows,
        "source": sources[rows],
        "copy": copies[rows],
        "order": np.where(acted, steps, -1),
        "transformation": indices,
        "operation": np.array([*names, ""])[indices],
        "seed": _taken(draw.seeds, rows, indices, -1),
        "label": np.full(len(rows), -1) if labels is None else labels[rows],
        "exact": _taken(exact, rows, indices, True),
    }
    return table | _parameter_columns(draw, rows, indices)


def _taken(values, rows, indices, otherwise):
    """Return values (m, K) of lines, and another one where nothing acted."""
    taken = np.full(len(rows), otherwise, dtype=values.dtype)
    acted = indices >= 0
    taken[acted] = values[rows[acted], indices[acted]]
    return taken


def _parameter_columns(draw, rows, indices):
    """Return one column for each parameter."""
    widest = max((own.shape[1] for own in draw.parameters), default=1)
    values = np.full((len(rows), widest), np.nan)
    for index, own in enumerate(draw.parameters):
        here = indices == index
        values[here, : own.shape[1]] = own[rows[here]]
    return {f"p_{number + 1}": column for number, column in enumerate(values.T)}


def from_table(table, transformations):
    """Return the draws of a table, the rows' sources (m,), and their labels or None.

    The table is what `to_table` returned, also as a data frame or in part, with all
    lines of a row.
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
    indices = columns["transformation"].astype(np.int64)
    _check_lines(columns, indices, transformations)
    _, first, rows = np.unique(columns["row"], return_index=True, return_inverse=True)
    # In the order of the table, whatever the numbers are.
    order = first.argsort()
    rows, first = order.argsort()[rows], first[order]
    shape = (len(first), len(transformations))
    on, seeds = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.int64)
    acted = indices >= 0
    on[rows[acted], indices[acted]] = True
    seeds[rows[acted], indices[acted]] = columns["seed"][acted]
    parameters = []
    for index, transformation in enumerate(transformations):
        own = np.zeros((len(first), transformation.n_parameters))
        here = indices == index
        for number in range(transformation.n_parameters):
            if here.any():
                own[rows[here], number] = columns[f"p_{number + 1}"][here]
        parameters.append(own)
    labels = columns["label"][first].astype(np.int64)
    labels = None if len(labels) and labels.min() < 0 else labels
    return Draw(on, parameters, seeds), columns["source"][first].astype(int), labels


def _check_lines(columns, indices, transformations):
    """Raise ValueError unless lines are of these transformations, and of one table."""
    n_all = len(transformations)
    foreign = indices[(indices < -1) | (indices >= n_all)]
    if len(foreign):
        raise ValueError(
            f"params refers to the transformation with index {foreign[0]}, but the "
            f"fitted policy has {n_all} transformations; give a record of the same fit."
        )
    widest = max(
        (transformations[k].n_parameters for k in {*indices} - {-1}), default=0
    )
    for number in range(widest):
        if f"p_{number + 1}" not in columns:
            raise ValueError(
                f"params has no column 'p_{number + 1}'; give the table that augment "
                "returns with return_params=True."
            )
    lines = columns["row"].astype(np.int64) * (n_all + 1) + columns["order"] + 1
    if len(np.unique(lines)) < len(lines):
        raise ValueError(
            "params has several lines with the same row and order; if records were "
            "concatenated, add an offset to the row numbers of the later records."
        )


def check_invertible(policy, draw, params, names, allow_lossy):
    """Raise ValueError, by name, for what acted and cannot be undone."""
    indices, exact = np.asarray(params["transformation"]), np.asarray(params["exact"])
    for index in np.flatnonzero(draw.on.any(0)):
        name, contract = names[index], policy.transformations[index].inverse_contract
        if contract is None:
            raise ValueError(f"{name} has no inverse; leave out its copies.")
        if allow_lossy:
            continue
        if contract == "lossy":
            raise ValueError(
                f"{name} has only an approximate inverse; set allow_lossy=True to "
                "accept it."
            )
        if not exact[indices == index].all():
            raise ValueError(
                f"Cells changed by {name} were clipped or rounded, so its inverse is "
                "not exact; set allow_lossy=True to accept an approximate inverse."
            )
