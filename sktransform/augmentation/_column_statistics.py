# SPDX-License-Identifier: BSD-3-Clause
"""What the cells of a table tell of its columns."""

import numpy as np

NUMERIC = ("continuous", "integer")

# A value that holds so large a share of its column means something of its own.
_ATOM_SHARE = 0.15


def kinds_of(rows, shape):
    """Return the kind of each column, from its values."""
    if shape is not None:
        whole = rows.dtype.kind in "iu"
        return ("integer" if whole else "continuous",) * rows.shape[1]
    return tuple(map(_kind, rows.T))


def _kind(column):
    if column.dtype.kind == "b":
        return "boolean"
    present = column[~np.isnan(column)] if column.dtype.kind == "f" else column
    # Most columns are told apart by a few cells.
    if not (present[:64] == np.floor(present[:64])).all():
        return "continuous"
    if len(present) == 0 or not (present == np.floor(present)).all():
        return "continuous"
    least, largest = present.min(), present.max()
    return "boolean" if (least, largest) == (0, 1) else "integer"


def one_hot_blocks(rows, kinds):
    """Return runs of 0-1 columns of which exactly one is 1 in each row."""
    blocks, start = [], 0
    while start < len(kinds):
        block = _block_from(rows, kinds, start)
        if block is not None:
            blocks.append(block)
        start = block[-1] + 1 if block is not None else start + 1
    return tuple(blocks)


def _block_from(rows, kinds, start):
    total = np.zeros(len(rows))
    for column in range(start, len(kinds)):
        values = rows[:, column]
        binary = kinds[column] == "boolean" or not np.any(values)
        if not binary or np.isnan(values).any():
            return None
        total += values
        if total.max(initial=0) > 1:
            return None
        if total.min(initial=0 if len(total) == 0 else 1) == 1:
            # Two columns that exclude each other are one yes-or-no question asked
            # twice; a single column of ones is a constant.
            return tuple(range(start, column + 1)) if column > start else None
    return None


def statistics(rows, kinds, bounds, shape):
    """Return bounds, moments, atoms and missing cells of each column."""
    values = np.asarray(rows, dtype=np.float64)
    numeric = np.array([kind in NUMERIC for kind in kinds], dtype=bool)
    has_nan = np.isnan(values).any(0)
    pooled = values if shape is None else _by_channel(values, shape)
    missing = np.isnan(pooled)
    count = np.maximum((~missing).sum(0), 1)
    # Numbers whose squares overflow have an infinite deviation; bounds tame the rest.
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.where(missing, 0, pooled).sum(0) / count
        centred = np.where(missing, 0, pooled - mean)
        sd = np.sqrt(np.square(centred).sum(0) / count)
    lower, upper = _bounds(pooled, bounds)
    if shape is not None:
        places = values.shape[1] // pooled.shape[1]
        mean, sd, lower, upper = (np.tile(a, places) for a in (mean, sd, lower, upper))
    # Codes have bounds of their own, whatever was asked of numbers.
    least, largest = _bounds(values, "train")
    whole = np.array([kind == "integer" for kind in kinds], dtype=bool)
    lower = np.where(whole, np.ceil(lower), lower)
    upper = np.where(whole, np.floor(upper), upper)
    return {
        "lower": np.where(numeric, lower, least),
        "upper": np.where(numeric, upper, largest),
        "mean": mean,
        "sd": sd,
        "atoms": _atoms(values, numeric) if shape is None else _no_atoms(values),
        "has_nan": has_nan,
    }


def _by_channel(values, shape):
    """Return cells of one channel in one column each, shape (cells, channels).

    Two axes may be an image or a series of several channels: they are pooled.
    """
    return values.reshape(-1, shape[2] if len(shape) == 3 else 1)


def _bounds(values, bounds):
    d = values.shape[1]
    if isinstance(bounds, str) and bounds == "none":
        return np.full(d, -np.inf), np.full(d, np.inf)
    if isinstance(bounds, str) and bounds == "train":
        least = np.where(np.isnan(values), np.inf, values).min(0, initial=np.inf)
        most = np.where(np.isnan(values), -np.inf, values).max(0, initial=-np.inf)
        empty = least > most
        return np.where(empty, -np.inf, least), np.where(empty, np.inf, most)
    if isinstance(bounds, str) or len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise ValueError(
            f"bounds={bounds!r} must be 'train', 'none' or two numbers (lower, upper), "
            "the lower one first."
        )
    return np.full(d, float(bounds[0])), np.full(d, float(bounds[1]))


def _no_atoms(values):
    return np.empty((0, values.shape[1]))


def _atoms(values, numeric):
    """Return the values that hold a large share of a numeric column."""
    found = []
    for column, is_numeric in zip(values.T, numeric, strict=True):
        unique, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        large = counts >= max(2, _ATOM_SHARE * len(column))
        # In a column of one value there is nothing else to tell it from.
        found.append(unique[large] if is_numeric and len(unique) > 1 else unique[:0])
    atoms = np.full((max(map(len, found), default=0), values.shape[1]), np.nan)
    for column, values_of_column in enumerate(found):
        atoms[: len(values_of_column), column] = values_of_column
    return atoms
