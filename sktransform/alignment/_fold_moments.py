# SPDX-License-Identifier: BSD-3-Clause
"""Moments of folds: cross-validation of maps between views without the rows."""

import zlib
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch

from sktransform.runtime._moments import PairMoments

# Odd, and otherwise arbitrary: it carries the low bits of a sum into the high ones.
_MIXER = 0x2545F4914F6CDD1D


def row_folds(X, n_folds, groups=None):
    """Return the fold of each row, which depends on the row alone.

    A hash of the row's numbers, or of its group, picks the fold. Any order and split of
    the rows therefore gives the same folds, a repeated row is in one fold with its
    copies, and so are the rows of a group.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_inputs)
        The rows.

    n_folds : int
        Number of folds.

    groups : array-like of shape (n_rows,), default=None
        Labels of groups whose rows must share a fold.

    Returns
    -------
    Tensor of int64, shape (n_rows,)
        Folds from 0 to ``n_folds - 1``, of equal probability.
    """
    if groups is not None:
        labels, codes = np.unique(np.asarray(groups), return_inverse=True)
        hashes = [zlib.crc32(str(label).encode()) % n_folds for label in labels]
        return torch.tensor(hashes, dtype=torch.int64, device=X.device)[
            torch.from_numpy(codes).to(X.device)
        ]
    generator = torch.Generator().manual_seed(0)
    limits = torch.iinfo(torch.int64)
    factors = torch.randint(
        limits.min, limits.max, (X.shape[1],), generator=generator
    ).to(X.device)
    hashes = torch.cat([_row_hashes(block, factors | 1) for block in X.split(8192)])
    return (hashes >> 33 & 0x3FFFFFFF) % n_folds


def _row_hashes(X, factors):
    """Return a hash of each row's numbers, the same for -0 as for 0."""
    bits = (X.to(torch.float64) + 0.0).contiguous().view(torch.int64)
    sums = ((bits ^ (bits >> 32)) * factors).sum(1)
    return (sums ^ (sums >> 32)) * _MIXER


@dataclass(frozen=True)
class FoldMoments:
    """Moments of each fold of a set of pairs.

    Parameters
    ----------
    folds : tuple of PairMoments
        The moments of each fold; some may be of no rows.
    """

    folds: tuple

    @classmethod
    def empty(cls, n_inputs, n_outputs, n_folds, device="cpu"):
        """Return folds of no rows."""
        return cls((PairMoments.empty(n_inputs, n_outputs, device),) * n_folds)

    @classmethod
    def of(cls, X, Y, row_weights=None, *, n_folds=1, groups=None):
        """Return the moments of pairs, fold by fold.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_inputs)
            First view.

        Y : Tensor of shape (n_rows, n_outputs)
            Second view.

        row_weights : Tensor of shape (n_rows,), default=None
            Weights, not negative. None weighs every row 1.

        n_folds : int, default=1
            Number of folds.

        groups : array-like of shape (n_rows,), default=None
            See :func:`row_folds`.

        Returns
        -------
        FoldMoments
            The moments.
        """
        if n_folds == 1:
            return cls((PairMoments.of(X, Y, row_weights),))
        folds = row_folds(X, n_folds, groups)

        def moments_of(fold):
            places = (folds == fold).nonzero()[:, 0]
            weights = None if row_weights is None else row_weights[places]
            return PairMoments.of(X[places], Y[places], weights)

        return cls(tuple(moments_of(fold) for fold in range(n_folds)))

    @classmethod
    def from_state(cls, state):
        """Return the moments that :meth:`tensors` described, from its tensors."""
        columns = zip(*state.values(), strict=True)
        return cls(tuple(PairMoments(*fold) for fold in columns))

    def tensors(self):
        """Return a dict of tensors whose first axis is that of the folds."""
        folds = [fold.tensors() for fold in self.folds]
        return {name: torch.stack([f[name] for f in folds]) for name in folds[0]}

    def merge(self, other):
        """Return the moments of both sets of pairs together, fold by fold."""
        pairs = zip(self.folds, other.folds, strict=True)
        return FoldMoments(tuple(mine.merge(its) for mine, its in pairs))

    def total(self):
        """Return the moments of all folds together."""
        return reduce(PairMoments.merge, self.folds)

    def splits(self):
        """Return (moments of the other folds, moments of the fold), fold by fold.

        Folds of no weight are passed over. The others are merged, never subtracted:
        a difference would lose digits where one fold holds most of the rows.

        Returns
        -------
        list of tuple of PairMoments
            As many as there are folds with rows; none if there are fewer than two.
        """
        filled = [fold for fold in self.folds if fold.weight > 0]
        if len(filled) < 2:
            return []
        before, after = [None], [None]
        for fold in filled[:-1]:
            before.append(_merged(before[-1], fold))
        for fold in filled[:0:-1]:
            after.append(_merged(after[-1], fold))
        others = map(_merged, before, reversed(after))
        return list(zip(others, filled, strict=True))


def _merged(left, right):
    """Return the moments of both, either of which may be None."""
    if left is None or right is None:
        return right if left is None else left
    return left.merge(right)
