# SPDX-License-Identifier: BSD-3-Clause
"""Changes of a cell's rank within its column."""

import numpy as np
import torch

from sktransform.augmentation._transformation import (
    Transformation,
    check_number,
    declaration,
)

_MOST_QUANTILES = 256


@declaration
class QuantileJitter(Transformation):
    """Move cells up or down in rank, by the same share in all of its columns.

    A value moves far where values are rare and little where they are dense, and never
    leaves the training range. The inverse is lossy: what reaches an end of the range,
    or a value that several rows share, stays there.

    Parameters
    ----------
    columns : object, default=None
        Numeric columns, see :class:`Transformation`. None takes all of them.

    max_shift : float, default=0.1
        The largest shift, as a share of all ranks.

    See Also
    --------
    Shift : Moves by a multiple of the standard deviation.

    Notes
    -----
    Ranks are linear between at most 256 quantiles of the training column.

    Examples
    --------
    >>> from sktransform.augmentation import QuantileJitter
    >>> QuantileJitter(["income"], max_shift=0.05).inverse_contract
    'lossy'
    """

    max_shift: float = 0.1

    inverse_contract = "lossy"

    def _check(self):
        check_number(self, "max_shift", self.max_shift, most=1)

    def _fit(self, training, places):
        cells = training.rows[:, torch.as_tensor(places)].cpu().double().numpy()
        levels = np.linspace(0, 1, min(max(len(cells), 2), _MOST_QUANTILES))
        quantiles = np.zeros((len(places), len(levels)))
        for column, values in enumerate(cells.T):
            present = values[~np.isnan(values)]
            if len(present):
                quantiles[column] = np.quantile(present, levels)
        knots, ranks = np.empty_like(quantiles), np.empty_like(quantiles)
        for column, values in enumerate(quantiles):
            unique, which = np.unique(values, return_inverse=True)
            # A shared value has the middle of its ranks.
            middle = np.bincount(which, levels) / np.bincount(which)
            last = len(levels) - len(unique)
            knots[column] = np.pad(unique, (0, last), mode="edge")
            ranks[column] = np.pad(middle, (0, last), mode="edge")
        return {"quantiles": quantiles, "knots": knots, "ranks": ranks}

    def _forward(self, X, P, reference, seeds, labels):
        rank = _rank(X, reference["knots"], reference["ranks"])
        rank = (rank + (self.max_shift * P).to(X.dtype)).clamp_(0, 1)
        return _quantile(rank, reference["quantiles"])

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"rank_shift": self.max_shift * P[:, 0]}


def _rank(X, knots, ranks):
    """Return ranks in [0, 1], linear between knots; missing cells get any."""
    cells = X.T.contiguous()  # (columns, rows)
    upper = torch.searchsorted(knots, cells, right=True).clamp_(1, knots.shape[1] - 1)
    low, high = knots.gather(1, upper - 1), knots.gather(1, upper)
    width = high - low
    share = torch.where(width > 0, (cells - low) / width, 0).clamp_(0, 1)
    low, high = ranks.gather(1, upper - 1), ranks.gather(1, upper)
    return torch.nan_to_num(low + share * (high - low)).T


def _quantile(rank, quantiles):
    """Return values of ranks in [0, 1], linear between evenly spaced quantiles."""
    position = rank.T * (quantiles.shape[1] - 1)
    lower = position.floor().clamp_(max=quantiles.shape[1] - 2).long()
    low, high = quantiles.gather(1, lower), quantiles.gather(1, lower + 1)
    return (low + (position - lower) * (high - low)).T
