# SPDX-License-Identifier: BSD-3-Clause
"""Transformations of cells of any kind: permutations of columns, and masks."""

import itertools
import math

import numpy as np
import torch

from sktransform.augmentation._random import uniform
from sktransform.augmentation._tabular.columns import CATEGORICAL, NUMERIC
from sktransform.augmentation.transforms._base import (
    Transformation,
    check_number,
    declaration,
)

# More orders of columns than this are no longer a small set to draw from.
_MOST_SYMMETRIC = 6


@declaration
class Permute(Transformation):
    """Permute columns, or groups of columns, that have the same meaning.

    The inverse is exact. There is no continuous range: a policy uses the transformation
    or not.

    Parameters
    ----------
    columns : object, default=None
        The columns to permute, of one kind, or groups with equal numbers of columns
        that move together, such as ``[("x1", "y1"), ("x2", "y2")]``. They must have no
        missing cells. None selects all columns.

    group : {"symmetric", "cyclic"}, default="symmetric"
        Permutations that are drawn: "symmetric" draws from all permutations of at most
        6 columns or groups, "cyclic" from the cyclic shifts.

    See Also
    --------
    Rotate : Rotates two columns continuously.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import Permute
    >>> Permute([("x1", "y1"), ("x2", "y2"), ("x3", "y3")]).n_states
    6
    """

    group: str = "symmetric"

    inverse_contract = "exact"
    mixes_columns = True
    cell_kinds = (*NUMERIC, *CATEGORICAL)

    @property
    def discrete(self) -> bool:
        """True: the parameter is a state and not a number from a continuous range."""
        return True

    @property
    def n_states(self) -> int | None:
        """Number of permutations, including the identity."""
        count = len(self.columns)
        return math.factorial(count) if self.group == "symmetric" else count

    def _check(self):
        if self.group not in ("symmetric", "cyclic"):
            raise ValueError(
                f"group of Permute must be 'symmetric' or 'cyclic', got {self.group!r}."
            )

    def _check_kinds(self, columns):
        super()._check_kinds(columns)
        count, lengths = len(self.columns), {len(group) for group in self._groups}
        if count < 2 or len(lengths) > 1:
            raise ValueError(
                "Permute needs at least two columns, or groups with equal numbers of "
                f"columns; got {self.columns}."
            )
        if self.group == "symmetric" and count > _MOST_SYMMETRIC:
            raise ValueError(
                f"Permute with group='symmetric' takes at most {_MOST_SYMMETRIC} "
                f"columns or groups, got {count}; use group='cyclic'."
            )
        for together in zip(*self._groups, strict=True):
            codes = columns.categories or [()] * columns.n_features
            if len({(columns.kinds[j], codes[j]) for j in together}) > 1:
                raise ValueError(
                    f"Permute cannot exchange the columns {together}, which are of "
                    "different kinds or categories; name columns of one kind."
                )

    @property
    def _groups(self):
        return [g if isinstance(g, tuple) else (g,) for g in self.columns]

    @property
    def _touched(self):
        return tuple(itertools.chain.from_iterable(self._groups))

    def _fit(self, training, indices):
        count = len(self.columns)
        if self.group == "symmetric":
            orders = list(itertools.permutations(range(count)))
        else:
            orders = [np.roll(np.arange(count), -k) for k in range(count)]
        width = len(indices) // count
        items = np.array(orders, dtype=np.int64)[:, :, None] * width + np.arange(width)
        return {"orders": items.reshape(len(orders), -1)}

    def _forward(self, X, P, reference, seeds, labels):
        return X.gather(1, reference["orders"][P[:, 0].long()])

    def _inverse(self, X, P, reference, seeds):
        return X.gather(1, reference["orders"].argsort(1)[P[:, 0].long()])

    def _describe(self, P):
        return {"order": P[:, 0].long()}

    @classmethod
    def _variants(cls):
        return (cls((0, 1)),)


@declaration
class Mask(Transformation):
    """Replace cells by the median or mode of their column, or make them missing.

    There is no inverse.

    Parameters
    ----------
    columns : object, default=None
        Columns of any kind, see :class:`Transformation`. None takes all of them.

    max_rate : float, default=0.5
        Largest probability with which each cell is replaced, independently of the
        others.

    fill : {"median", "nan"}, default="median"
        Replacement: "median" is the median of a numeric column and the most frequent
        value of any other column; "nan" is NaN, for estimators that accept missing
        cells.

    See Also
    --------
    MarginalSwap : Replaces cells by values of other rows.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import Mask
    >>> Mask(max_rate=0.2, fill="nan").makes_missing
    True
    """

    max_rate: float = 0.5
    fill: str = "median"

    uses_seeds = True
    cell_kinds = (*NUMERIC, *CATEGORICAL)

    @property
    def makes_missing(self) -> bool:
        """Whether the transformation makes cells missing."""
        return self.fill == "nan"

    def _check(self):
        check_number(self, "max_rate", self.max_rate, most=1)
        if self.fill not in ("median", "nan"):
            raise ValueError(
                f"fill of Mask must be 'median' or 'nan', got {self.fill!r}."
            )

    def _fit(self, training, indices):
        units = training.columns.units(indices)
        if self.makes_missing:
            return {"units": units, "fill": np.full(len(indices), np.nan)}
        cells = training.rows[:, torch.as_tensor(indices)].cpu().double().numpy()
        numeric = [training.columns.kinds[j] in NUMERIC for j in indices]
        fill = np.array(list(map(_middle, cells.T, numeric)))
        for unit in np.flatnonzero(np.bincount(units) > 1):
            block = np.flatnonzero(units == unit)
            fill[block] = np.arange(len(block)) == cells[:, block].sum(0).argmax()
        return {"units": units, "fill": fill}

    def _forward(self, X, P, reference, seeds, labels):
        units = reference["units"]
        drawn = uniform(seeds, int(units.max()) + 1 if len(units) else 0)
        masked = (drawn < self.max_rate * P.abs())[:, units]
        return torch.where(masked, reference["fill"], X)

    def _describe(self, P):
        return {"rate": self.max_rate * P[:, 0].abs()}


def _middle(cells, numeric):
    """Return the lower median of a column, or its most frequent value."""
    present = np.sort(cells[~np.isnan(cells)])
    if len(present) == 0:
        return np.nan
    if numeric:
        return present[(len(present) - 1) // 2]
    values, counts = np.unique(present, return_counts=True)
    return values[counts.argmax()]
