# SPDX-License-Identifier: BSD-3-Clause
"""Columns of a table: kinds, allowed values, statistics, and their selection."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

NUMERIC = ("continuous", "integer")

# A value with at least this share of its column, such as 0 for "none", has a meaning of
# its own.
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
            # A single column of ones is a constant, not a one-hot code.
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
        n_tiles = values.shape[1] // pooled.shape[1]
        mean, sd, lower, upper = (np.tile(a, n_tiles) for a in (mean, sd, lower, upper))
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
            f"bounds must be 'train', 'none' or two numbers (lower, upper) with "
            f"lower < upper, got {bounds!r}."
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
        # The value of a constant column has no special meaning.
        found.append(unique[large] if is_numeric and len(unique) > 1 else unique[:0])
    atoms = np.full((max(map(len, found), default=0), values.shape[1]), np.nan)
    for column, values_of_column in enumerate(found):
        atoms[: len(values_of_column), column] = values_of_column
    return atoms


__all__ = ["CATEGORICAL", "NUMERIC", "ColumnTable"]

CATEGORICAL = ("categorical", "boolean")


@dataclass(frozen=True, eq=False)
class ColumnTable:
    """Kinds, allowed values and statistics of the columns of a table.

    Parameters
    ----------
    kinds : tuple of str
        One of ``"continuous"``, ``"integer"``, ``"categorical"`` and ``"boolean"`` for
        each column. Cells of the last two kinds are codes, which are swapped between
        rows but never computed with.

    lower : ndarray of shape (n_features,)
        Least allowed value of each column, in input units; -inf for none.

    upper : ndarray of shape (n_features,)
        Largest allowed value of each column; inf for none.

    mean : ndarray of shape (n_features,)
        Mean of each column without NaN.

    sd : ndarray of shape (n_features,)
        Standard deviation of each column without NaN. For images and series of one
        channel, the same for all cells.

    atoms : ndarray of shape (n_atoms, n_features)
        Frequent values: values that make up at least 15 % of a column, padded with NaN.

    has_nan : ndarray of bool of shape (n_features,)
        Which columns have missing cells.

    blocks : tuple of tuple of int, default=()
        Groups of columns that encode one category together, as a one-hot encoding.

    names : tuple of str, default=None
        Names of the columns. None if the table has no names.

    categories : tuple of tuple, default=None
        For each column the values that its codes stand for, or an empty tuple. None
        for tables without codes.

    shape : tuple of int, default=None
        Shape of a row that is a series, ``(length,)`` or ``(length, channels)``, or an
        image, ``(height, width)`` or ``(height, width, channels)``. None for tables.

    See Also
    --------
    TrainingRows : The rows themselves, as a transformation's `fit` takes them.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.augmentation.transforms import ColumnTable
    >>> rows = np.array([[0.5, 0, 3], [1.5, 1, 4], [0.0, 0, 9], [2.5, 1, 3]])
    >>> columns = ColumnTable.from_arrays(rows)
    >>> columns.kinds
    ('continuous', 'boolean', 'integer')
    >>> columns.upper
    array([2.5, 1. , 9. ])
    """

    kinds: tuple
    lower: np.ndarray
    upper: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    atoms: np.ndarray
    has_nan: np.ndarray
    blocks: tuple = ()
    names: tuple | None = None
    categories: tuple | None = None
    shape: tuple | None = None

    @classmethod
    def from_arrays(
        cls,
        rows: ArrayLike,
        *,
        kinds: str | Sequence[str] = "auto",
        bounds: str | tuple[Any, ...] = "train",
        blocks: Any = "auto",
        names: Sequence[str] | None = None,
        categories: Sequence[Any] | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> Self:
        """Return the kinds and statistics of the columns of a table of rows.

        Parameters
        ----------
        rows : array-like of shape (n_samples, n_features)
            Training rows in input units; NaN is a missing cell.

        kinds : "auto" or sequence of str, default="auto"
            The kind of each column. With ``"auto"``, columns of only 0 and 1 are
            boolean, other columns of whole numbers are integer, and all others are
            continuous; with a `shape` only the dtype decides between integer and
            continuous.

        bounds : {"train", "none"} or tuple of float, default="train"
            Allowed values of numeric columns: the range of the training rows, all
            numbers, or the range (lower, upper). With a `shape` all cells of a channel
            have the range of the channel.

        blocks : "auto" or sequence of sequence of int, default="auto"
            Groups of columns that encode one category together. ``"auto"`` finds
            neighbouring columns of 0 and 1 of which exactly one is 1 in each row.

        names : sequence of str, default=None
            The columns' names.

        categories : sequence, default=None
            For each column the values that its codes stand for.

        shape : tuple of int, default=None
            Shape of a row that is a series or an image. None for tables.

        Returns
        -------
        ColumnTable
            The table of columns.

        Raises
        ------
        ValueError
            If kinds, bounds, blocks or shape do not fit the rows.
        """
        rows = np.asarray(rows)
        shape = _checked_shape(shape, rows.shape[1])
        if isinstance(kinds, str):
            kinds = kinds_of(rows, shape)
        kinds = _checked_kinds(kinds, rows.shape[1])
        if isinstance(blocks, str):
            blocks = one_hot_blocks(rows, kinds)
        found = statistics(rows, kinds, bounds, shape)
        return cls(
            kinds=kinds,
            blocks=_checked_blocks(blocks, rows.shape[1]),
            names=None if names is None else tuple(map(str, names)),
            categories=None if categories is None else tuple(map(tuple, categories)),
            shape=shape,
            **found,
        )

    def refitted(self, rows: ArrayLike) -> Self:
        """Return the same columns with the statistics of other rows.

        Parameters
        ----------
        rows : array-like of shape (n_samples, n_features)
            Rows of the same columns, such as those of one fold.

        Returns
        -------
        ColumnTable
            The columns with the mean, standard deviation, frequent values and missing
            cells of `rows`, and with unchanged kinds, blocks and bounds.
        """
        found = statistics(np.asarray(rows), self.kinds, "none", self.shape)
        kept = {"lower": self.lower, "upper": self.upper}
        return dataclasses.replace(self, **{**found, **kept})

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.kinds)

    def of_kinds(self, kinds: Sequence[str]) -> tuple[int, ...]:
        """Return the columns of some kinds.

        Parameters
        ----------
        kinds : sequence of str
            Kinds to select, such as ``["continuous", "integer"]``.

        Returns
        -------
        tuple of int
            Indices of the columns. Columns of blocks count as categorical.
        """
        in_block = {column for block in self.blocks for column in block}
        return tuple(
            column
            for column, kind in enumerate(self.kinds)
            if ("categorical" if column in in_block else kind) in kinds
        )

    def units(self, columns: Sequence[int]) -> np.ndarray:
        """Return the group of each column; columns of one block form one group.

        Parameters
        ----------
        columns : sequence of int
            Indices of columns.

        Returns
        -------
        ndarray of int64, shape (n_columns,)
            Index of the group of each column, from 0.
        """
        block_of = {j: -1 - b for b, block in enumerate(self.blocks) for j in block}
        numbers = {}
        return np.array(
            [numbers.setdefault(block_of.get(j, j), len(numbers)) for j in columns],
            dtype=np.int64,
        )

    def to_state(self) -> dict[str, Any]:
        """Return the table as a dict of arrays, lists and strings.

        Returns
        -------
        dict
            The state, which `from_state` takes and a fitted estimator can store.
        """
        state = {field.name: getattr(self, field.name) for field in _FIELDS}
        for name in ("kinds", "names", "shape"):
            state[name] = None if state[name] is None else list(state[name])
        for name in ("blocks", "categories"):
            state[name] = None if state[name] is None else list(map(list, state[name]))
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the table that `to_state` described.

        Parameters
        ----------
        state : dict
            What `to_state` returned.

        Returns
        -------
        ColumnTable
            The table.
        """
        state = dict(state)
        for name in ("kinds", "names", "shape"):
            state[name] = None if state[name] is None else tuple(state[name])
        for name in ("blocks", "categories"):
            nested = state[name]
            state[name] = None if nested is None else tuple(map(tuple, nested))
        return cls(**state)


_FIELDS = dataclasses.fields(ColumnTable)


def _checked_kinds(kinds, n_features):
    kinds = tuple(kinds)
    unknown = sorted(set(kinds) - {*NUMERIC, *CATEGORICAL})
    if unknown or len(kinds) != n_features:
        what = f"unknown kinds {unknown}" if unknown else f"{len(kinds)} entries"
        raise ValueError(
            f"kinds has {what}; give one of 'continuous', 'integer', 'categorical' and "
            f"'boolean' for each of the {n_features} columns."
        )
    return kinds


def _checked_blocks(blocks, n_features):
    blocks = tuple(tuple(map(int, block)) for block in blocks)
    columns = [column for block in blocks for column in block]
    if len(set(columns)) != len(columns) or not set(columns) <= set(range(n_features)):
        raise ValueError(
            "blocks must hold columns of the table, none of them twice; got "
            f"{blocks} for {n_features} columns."
        )
    return blocks


def _checked_shape(shape, n_features):
    if shape is None:
        return None
    shape = (shape,) if np.ndim(shape) == 0 else tuple(map(int, shape))
    if not 1 <= len(shape) <= 3 or np.prod(shape) != n_features:
        raise ValueError(
            f"shape={shape} does not describe rows of {n_features} columns; its "
            "product must be the number of columns, its length 1 (series), 2 or 3 "
            "(images)."
        )
    return shape


def as_builtins(value):
    """Return sequences and arrays as tuples of Python objects; all else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return tuple(as_builtins(item) for item in value)
    return value


def resolved(selection, columns, X, owner):
    """Return selected columns as indices, nested as they were; None stays None.

    A selection holds indices, names, a slice, a boolean mask, sequences of these, or a
    callable of the table X. `owner` is named in errors.
    """
    if selection is None:
        return None
    if callable(selection):
        if X is None:
            raise ValueError(
                f"{owner} selects its columns by a callable, which needs the table, "
                "but X is None; call bind(columns, X)."
            )
        selection = as_builtins(list(selection(X)))
    if isinstance(selection, (int, str)) and not isinstance(selection, bool):
        selection = (selection,)
    if isinstance(selection, slice):
        indices = tuple(range(*_slice_of_indices(selection, columns, owner)))
    elif _is_mask(selection):
        indices = _masked(selection, columns, owner)
    else:
        indices = tuple(_index(item, columns, owner) for item in selection)
    groups = [item if isinstance(item, tuple) else [item] for item in indices]
    flat = [j for group in groups for j in group]
    if len(set(flat)) != len(flat):
        raise ValueError(
            f"{owner} has a column twice in {selection!r}; give each column once."
        )
    return indices


def check_touched(owner, touched, kinds, columns):
    """Raise ValueError where columns of these kinds may not be touched."""
    for block in columns.blocks:
        if set(touched) & set(block) and not set(touched) >= set(block):
            raise ValueError(
                f"{owner} must transform the columns {block} together, since they are "
                "the one-hot encoding of one category; give all of them or none."
            )
    allowed = set(columns.of_kinds(kinds))
    for j in touched:
        if j not in allowed:
            name = repr(columns.names[j]) if columns.names else j
            kind = "one-hot" if columns.kinds[j] in NUMERIC else columns.kinds[j]
            raise ValueError(
                f"{owner} supports {' and '.join(kinds)} columns, but column {name} is "
                f"{kind}; remove this column from its columns."
            )


def _index(item, columns, owner):
    """Return the index of one column, or of each column of a group."""
    if isinstance(item, tuple):
        return tuple(_index(each, columns, owner) for each in item)
    if isinstance(item, str):
        if columns.names is None:
            raise ValueError(
                f"{owner} selects column {item!r} by name, but the table has no column "
                "names; give indices."
            )
        if item not in columns.names:
            raise ValueError(f"{owner}: the table has no column named {item!r}.")
        return columns.names.index(item)
    if isinstance(item, bool) or not isinstance(item, int):
        raise ValueError(
            f"{owner}: columns are indices, names, a slice, a mask or a callable, got "
            f"{item!r}."
        )
    if not -columns.n_features <= item < columns.n_features:
        raise ValueError(
            f"{owner}: column {item} does not exist; the table has "
            f"{columns.n_features} columns."
        )
    return item % columns.n_features


def _is_mask(selection):
    return len(selection) > 0 and all(isinstance(item, bool) for item in selection)


def _masked(mask, columns, owner):
    if len(mask) != columns.n_features:
        raise ValueError(
            f"{owner}: a mask of columns needs {columns.n_features} entries, got "
            f"{len(mask)}."
        )
    return tuple(int(j) for j in np.flatnonzero(mask))


def _slice_of_indices(selection, columns, owner):
    """Return start, stop and step; of names, the stop is included."""
    ends = [selection.start, selection.stop]
    for which, end in enumerate(ends):
        if isinstance(end, str):
            ends[which] = _index(end, columns, owner) + which
    return slice(*ends, selection.step).indices(columns.n_features)
