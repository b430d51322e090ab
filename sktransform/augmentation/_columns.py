# SPDX-License-Identifier: BSD-3-Clause
"""What is known of a table's columns: kinds, legal values and statistics."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from sktransform.augmentation._column_statistics import (
    NUMERIC,
    kinds_of,
    one_hot_blocks,
    statistics,
)

__all__ = ["CATEGORICAL", "NUMERIC", "ColumnTable"]

CATEGORICAL = ("categorical", "boolean")


@dataclass(frozen=True, eq=False)
class ColumnTable:
    """What is known of the columns of a table of rows.

    Parameters
    ----------
    kinds : tuple of str
        One of ``"continuous"``, ``"integer"``, ``"categorical"`` and ``"boolean"`` for
        each column. Cells of the last two are codes; they are exchanged, never
        computed with.

    lower : ndarray of shape (n_features,)
        Least legal value of each column, in input units; -inf for none.

    upper : ndarray of shape (n_features,)
        Largest legal value of each column; inf for none.

    mean : ndarray of shape (n_features,)
        Mean of each column, NaN left out.

    sd : ndarray of shape (n_features,)
        Standard deviation of each column, NaN left out. For images and series of one
        channel, the same for all places.

    atoms : ndarray of shape (n_atoms, n_features)
        Values that hold at least 15 % of a column, NaN where there are fewer.

    has_nan : ndarray of bool of shape (n_features,)
        Which columns have missing cells.

    blocks : tuple of tuple of int, default=()
        Columns that encode one category together, such as those of a one-hot code.

    names : tuple of str, default=None
        The columns' names. None if they have none.

    categories : tuple of tuple, default=None
        For each column the values that its codes stand for, or an empty tuple. None
        for tables without codes.

    shape : tuple of int, default=None
        What a row is when it is not flattened: ``(length,)`` or ``(length, channels)``
        of a series, ``(height, width)`` or ``(height, width, channels)`` of an image.

    See Also
    --------
    TrainingRows : The rows themselves, as a transformation's `fit` takes them.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.augmentation import ColumnTable
    >>> rows = np.array([[0.5, 0, 3], [1.5, 1, 4], [0.0, 0, 9], [2.5, 1, 3]])
    >>> columns = ColumnTable.of(rows)
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
    def of(
        cls,
        rows,
        *,
        kinds="auto",
        bounds="train",
        blocks="auto",
        names=None,
        categories=None,
        shape=None,
    ):
        """Return what a table of rows tells of its columns.

        Parameters
        ----------
        rows : array-like of shape (n_samples, n_features)
            Training rows in input units; NaN is a missing cell.

        kinds : "auto" or sequence of str, default="auto"
            The kind of each column. ``"auto"``: 0 and 1 alone are boolean, whole
            numbers are integer, all else is continuous. With a `shape` the dtype alone
            decides between integer and continuous.

        bounds : {"train", "none"} or tuple of float, default="train"
            Legal values of numeric columns: between the least and the largest training
            value, all, or between two numbers. With a `shape` the range is that of
            the channel, not of the place.

        blocks : "auto" or sequence of sequence of int, default="auto"
            Columns that encode one category together. ``"auto"`` finds neighbouring
            columns of 0 and 1 of which exactly one is 1 in each row.

        names : sequence of str, default=None
            The columns' names.

        categories : sequence, default=None
            For each column the values that its codes stand for.

        shape : tuple of int, default=None
            What a row is when it is not flattened.

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

    def refitted(self, rows):
        """Return the same columns with the statistics of other rows.

        Parameters
        ----------
        rows : array-like of shape (n_samples, n_features)
            Rows of the same columns, such as those of one fold.

        Returns
        -------
        ColumnTable
            Mean, standard deviation, atoms and missing cells are those of `rows`;
            kinds, blocks and legal bounds are kept.
        """
        found = statistics(np.asarray(rows), self.kinds, "none", self.shape)
        kept = {"lower": self.lower, "upper": self.upper}
        return dataclasses.replace(self, **{**found, **kept})

    @property
    def n_features(self):
        """Number of columns."""
        return len(self.kinds)

    def of_kinds(self, kinds):
        """Return the columns of some kinds.

        Parameters
        ----------
        kinds : sequence of str
            Which kinds.

        Returns
        -------
        tuple of int
            Places of the columns. Columns of blocks count as categorical.
        """
        in_block = {column for block in self.blocks for column in block}
        return tuple(
            column
            for column, kind in enumerate(self.kinds)
            if ("categorical" if column in in_block else kind) in kinds
        )

    def units(self, places):
        """Return which columns move as one, because they encode one category.

        Parameters
        ----------
        places : sequence of int
            Columns.

        Returns
        -------
        ndarray of int64, shape (n_places,)
            Numbers from 0 on, the same for columns of one block.
        """
        block_of = {j: -1 - b for b, block in enumerate(self.blocks) for j in block}
        numbers = {}
        return np.array(
            [numbers.setdefault(block_of.get(j, j), len(numbers)) for j in places],
            dtype=np.int64,
        )

    def to_state(self):
        """Return the table as a dict of arrays, lists and strings.

        Returns
        -------
        dict
            What `from_state` takes; fit to be kept by a fitted estimator.
        """
        state = {field.name: getattr(self, field.name) for field in _FIELDS}
        for name in ("kinds", "names", "shape"):
            state[name] = None if state[name] is None else list(state[name])
        for name in ("blocks", "categories"):
            state[name] = None if state[name] is None else list(map(list, state[name]))
        return state

    @classmethod
    def from_state(cls, state):
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
