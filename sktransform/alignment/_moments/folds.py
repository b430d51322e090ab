# SPDX-License-Identifier: BSD-3-Clause
"""Moments of folds: cross-validation of maps between views without the rows."""

import zlib
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
import torch
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sktransform.runtime._moments import PairMoments, RowMoments

# Odd, and otherwise arbitrary: it carries the low bits of a sum into the high ones.
# SplitMix64's mixer would assign other folds, and so change every fitted penalty.
_MIXER = 0x2545F4914F6CDD1D

# Folds of an estimator that chooses by rows held out: each of its maps sees four fifths
# of the rows, and what needs pairs of folds costs their square.
N_FOLDS = 5


def checked_groups(X, groups):
    """Return the groups of the rows of X as an array (n_samples,), None as it is."""
    if groups is None:
        return None
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    is_missing = (groups != groups) | np.equal(groups, None)
    if is_missing.any():
        raise ValueError(
            f"groups has {is_missing.sum()} missing values; give every row a group."
        )
    return groups


def row_folds(X, n_folds, groups=None):
    """Return the fold of each row, which depends on the row alone.

    A hash of the row's numbers, or of its group, picks the fold. Any order and split of
    the rows therefore gives the same folds, a repeated row is in one fold with its
    copies, and so are the rows of a group.

    Folds from 0 to ``n_folds - 1``, of equal probability.

    `groups`: labels of groups whose rows must share a fold.

    Shapes: X (n_rows, n_inputs), groups (n_rows,) -> (n_rows,).
    """
    if groups is not None:
        labels, codes = np.unique(np.asarray(groups), return_inverse=True)
        hashes = [zlib.crc32(str(label).encode()) % n_folds for label in labels]
        return torch.tensor(hashes, dtype=torch.int64, device=X.device)[
            torch.from_numpy(codes).to(X.device)
        ]
    return (row_hashes(X) >> 33 & 0x3FFFFFFF) % n_folds


def row_hashes(X, seed=0):
    """Return a hash of each row's numbers, the same for -0 as for 0.

    `X`: the rows, in any precision; equal numbers have equal hashes.
    `seed`: another seed gives hashes that do not depend on the first ones.

    Shapes: X (n_rows, n_inputs) -> (n_rows,).
    """
    generator = torch.Generator().manual_seed(seed)
    limits = torch.iinfo(torch.int64)
    factors = torch.randint(
        limits.min, limits.max, (X.shape[1],), generator=generator
    ).to(X.device)
    hashes = []
    for block in X.split(8192):
        bits = (block.to(torch.float64) + 0.0).contiguous().view(torch.int64)
        # Odd factors weigh the bits, and their sums are mixed.
        sums = ((bits ^ (bits >> 32)) * (factors | 1)).sum(1)
        hashes.append((sums ^ (sums >> 32)) * _MIXER)
    return torch.cat(hashes)


def hashed_sample(X, n_rows, *, copies=False):
    """Return indices of rows that any order and split of the rows would give.

    Indices of the rows of the smallest hashes, the smallest first. As good as drawn at
    random, but by the rows' content alone.

    `copies`: whether to return the indices of all copies of a row, or of the first
      alone.

    Shapes: X (n_rows_X, n_inputs) -> (n_indices,).
    """
    hashes, indices = row_hashes(X, seed=1).sort(stable=True)
    is_new = torch.ones_like(hashes, dtype=torch.bool)
    is_new[1:] = hashes[1:] != hashes[:-1]
    is_taken = is_new.cumsum(0) <= n_rows
    return indices[is_taken if copies else is_taken & is_new]


@dataclass(frozen=True)
class FoldMoments:
    """Moments of each fold of a set of pairs.

    - `folds`: the moments of each fold; some may be of no rows.
    """

    folds: tuple

    @classmethod
    def empty(cls, n_inputs, n_outputs, n_folds, device="cpu"):
        """Return folds of no rows."""
        return cls((PairMoments.empty(n_inputs, n_outputs, device),) * n_folds)

    @classmethod
    def from_rows(cls, X, Y, row_weights=None, *, n_folds=1, groups=None):
        """Return the moments of pairs, fold by fold.

        `row_weights`: weights, not negative. None weighs every row 1.

        Shapes: X (n_rows, n_inputs), Y (n_rows, n_outputs), row_weights (n_rows,),
        groups (n_rows,).
        """
        if n_folds == 1:
            return cls((PairMoments.of(X, Y, row_weights),))
        return cls.from_folds(X, Y, row_weights, row_folds(X, n_folds, groups), n_folds)

    @classmethod
    def from_folds(cls, X, Y, row_weights, folds, n_folds):
        """Return the moments of pairs whose folds are known.

        `row_weights`: weights, not negative. None weighs every row 1.
        `folds`: folds from 0 to ``n_folds - 1``, see :func:`row_folds`.

        Shapes: X (n_rows, n_inputs), Y (n_rows, n_outputs), row_weights (n_rows,),
        folds (n_rows,).
        """
        moments = []
        for fold in range(n_folds):
            indices = (folds == fold).nonzero()[:, 0]
            weights = None if row_weights is None else row_weights[indices]
            kind = RowMoments if len(indices) < X.shape[1] else PairMoments
            moments.append(kind.of(X[indices], Y[indices], weights))
        return cls(tuple(moments))

    @classmethod
    def from_arrays(cls, arrays, device="cpu"):
        """Return the moments of arrays whose first axis is that of the folds."""
        tensors = {name: torch.tensor(a, device=device) for name, a in arrays.items()}
        columns = zip(*tensors.values(), strict=True)
        return cls(tuple(PairMoments(*fold) for fold in columns))

    def tensors(self):
        """Return a dict of tensors whose first axis is that of the folds."""
        folds = [fold.tensors() for fold in self.folds]
        return {name: torch.stack([f[name] for f in folds]) for name in folds[0]}

    def merge(self, other):
        """Return the moments of both sets of pairs together, fold by fold."""
        pairs = zip(self.folds, other.folds, strict=True)
        return FoldMoments(tuple(first.merge(second) for first, second in pairs))

    def swapped(self):
        """Return the moments with the views exchanged."""
        return FoldMoments(tuple(fold.swapped() for fold in self.folds))

    def total(self):
        """Return the moments of all folds together."""
        return self._leading[-1] if self._leading else self.folds[0]

    @cached_property
    def _filled(self):
        """The folds that have a weight."""
        return [fold for fold in self.folds if fold.weight > 0]

    @cached_property
    def _leading(self):
        """Moments of the first fold with a weight, of the first two, and so on."""
        return list(accumulate(self._filled, PairMoments.merge))

    def mean_x(self):
        """Return the mean of the first view, without the other moments."""
        weights = torch.stack([fold.weight for fold in self.folds])
        means = torch.stack([fold.mean_x for fold in self.folds])
        return weights @ means / weights.sum()

    def splits(self):
        """Return (moments of the other folds, moments of the fold), fold by fold.

        Folds of no weight are passed over. The others are merged, never subtracted:
        a difference would lose digits where one fold holds most of the rows.

        There are as many as folds with rows; none if there are fewer than two.
        """
        filled = self._filled
        if len(filled) < 2:
            return []
        # Of the first folds, and of the last ones, up to each fold.
        leading = self._leading
        trailing = [*accumulate(filled[:0:-1], PairMoments.merge)][::-1]
        between = map(PairMoments.merge, leading, trailing[1:])
        others = [trailing[0], *between, leading[-2]]
        return list(zip(others, filled, strict=True))
