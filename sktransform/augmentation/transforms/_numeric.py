# SPDX-License-Identifier: BSD-3-Clause
"""Transformations of numeric columns: shifts, factors, rotations, flips, noise."""

import math
from typing import Any

import numpy as np
import torch

from sktransform.augmentation._random import normal
from sktransform.augmentation.transforms._base import (
    Transformation,
    check_number,
    declaration,
)


class _NoiseTransformation(Transformation):
    """Adds independent noise of up to `max_sd` times the reference's ``"sd"``."""

    inverse_contract = "seeded"
    uses_seeds = True

    def _check(self):
        check_number(self, "max_sd", self.max_sd)

    def _forward(self, X, P, reference, seeds, labels):
        return X + self._noise(X, P, reference, seeds)

    def _inverse(self, X, P, reference, seeds):
        return X - self._noise(X, P, reference, seeds)

    def _noise(self, X, P, reference, seeds):
        drawn = normal(seeds, X.shape[1]).to(X.dtype)
        return drawn.mul_((self.max_sd * P.abs()).to(X.dtype)).mul_(reference["sd"])

    def _describe(self, P):
        return {"noise_sd": self.max_sd * P[:, 0].abs()}


@declaration
class Shift(Transformation):
    """Add the same multiple of the standard deviation to each column.

    The inverse is exact.

    Parameters
    ----------
    columns : object, default=None
        Numeric columns, see :class:`Transformation`. None takes all of them.

    max_sd : float, default=1.0
        Largest absolute shift, in standard deviations of each column.

    See Also
    --------
    GaussianNoise : Shifts each cell independently.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import Shift
    >>> Shift(["age"], max_sd=0.5)
    Shift(columns=('age',), max_sd=0.5)
    """

    max_sd: float = 1.0

    inverse_contract = "exact"

    def _check(self):
        check_number(self, "max_sd", self.max_sd)

    def _fit(self, training, indices):
        return {"sd": training.columns.sd[indices]}

    def _forward(self, X, P, reference, seeds, labels):
        return X + (self.max_sd * P).to(X.dtype) * reference["sd"]

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"shift_sd": self.max_sd * P[:, 0]}


@declaration
class Scale(Transformation):
    """Multiply all columns by the same factor.

    Values that make up at least 15 % of a column are not changed, such as a 0 that
    means "none". The inverse is exact.

    Parameters
    ----------
    columns : object, default=None
        Numeric columns, see :class:`Transformation`. None takes all of them.

    max_log : float, default=0.3
        Largest absolute logarithm of the factor, which lies between ``exp(-max_log)``
        and ``exp(max_log)``.

    center : float or "mean", default=0.0
        Fixed point of the scaling: a value in the units of the columns, or "mean", the
        mean of each column.

    See Also
    --------
    ImageContrast : Scales images about their mean.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import Scale
    >>> Scale(slice(0, 3), max_log=0.1).inverse_contract
    'exact'
    """

    max_log: float = 0.3
    center: Any = 0.0

    inverse_contract = "exact"
    keeps_atoms = True

    def _check(self):
        check_number(self, "max_log", self.max_log)
        check_number(self, "center", self.center, least=-math.inf, among=("mean",))

    def _fit(self, training, indices):
        return {"center": _centers(self.center, training, indices)}

    def _forward(self, X, P, reference, seeds, labels):
        center = reference["center"]
        return center + (X - center) * (self.max_log * P).exp().to(X.dtype)

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"factor": (self.max_log * P[:, 0]).exp()}


@declaration
class Rotate(Transformation):
    """Rotate rows in the plane of two standardised columns.

    The inverse is exact.

    Parameters
    ----------
    columns : object, default=None
        The two numeric columns, which must have no missing cells. None selects the
        numeric columns if there are exactly two.

    max_degrees : float, default=180.0
        Largest angle, in degrees, in either direction.

    See Also
    --------
    ImageRotate : Rotation of images.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import Rotate
    >>> Rotate(["east", "north"], max_degrees=30)
    Rotate(columns=('east', 'north'), max_degrees=30)
    """

    max_degrees: float = 180.0

    inverse_contract = "exact"
    mixes_columns = True

    def _check(self):
        check_number(self, "max_degrees", self.max_degrees, most=180)

    def _check_kinds(self, columns):
        if len(self.columns) != 2:
            raise ValueError(
                f"Rotate needs a plane of two columns, got {len(self.columns)} "
                "columns; name two."
            )
        super()._check_kinds(columns)

    def _fit(self, training, indices):
        sd = training.columns.sd[indices]
        return {
            "mean": training.columns.mean[indices],
            "sd": np.where(sd > 0, sd, 1.0),
        }

    def _forward(self, X, P, reference, seeds, labels):
        angle = P[:, 0] * math.radians(self.max_degrees)
        cos, sin = angle.cos().to(X.dtype), angle.sin().to(X.dtype)
        first, second = ((X - reference["mean"]) / reference["sd"]).unbind(1)
        turned = torch.stack(
            [cos * first - sin * second, sin * first + cos * second], 1
        )
        return reference["mean"] + turned * reference["sd"]

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"degrees": self.max_degrees * P[:, 0]}

    @classmethod
    def _variants(cls):
        return (cls((0, 1)),)


@declaration
class SignFlip(Transformation):
    """Reflect all columns about a centre.

    The inverse is exact. There is no continuous range: a policy uses the transformation
    or not.

    Parameters
    ----------
    columns : object, default=None
        Numeric columns, see :class:`Transformation`. None takes all of them.

    center : float or "mean", default=0.0
        Centre of the reflection: a value in the units of the columns, or "mean", the
        mean of each column.

    See Also
    --------
    ImageFlip : Mirrors images.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import SignFlip
    >>> SignFlip([0, 2]).discrete
    True
    """

    center: Any = 0.0

    n_states = 2
    inverse_contract = "exact"

    def _check(self):
        check_number(self, "center", self.center, least=-math.inf, among=("mean",))

    def _fit(self, training, indices):
        return {"center": _centers(self.center, training, indices)}

    def _forward(self, X, P, reference, seeds, labels):
        center = reference["center"]
        # About 0 the sum below would turn a zero's sign.
        return torch.where(center == 0, -X, center - (X - center))

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, P, reference, seeds, None)

    def _describe(self, P):
        return {"flipped": P[:, 0] != 0}


@declaration
class GaussianNoise(_NoiseTransformation):
    """Add independent Gaussian noise to each cell.

    Values that make up at least 15 % of a column are not changed. The inverse is exact
    given the row's seed.

    Parameters
    ----------
    columns : object, default=None
        Numeric columns, see :class:`Transformation`. None takes all of them.

    max_sd : float, default=0.5
        Largest standard deviation of the noise, in standard deviations of each column.

    See Also
    --------
    ImageNoise : Noise with the same standard deviation for all pixels.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import GaussianNoise
    >>> GaussianNoise().inverse_contract
    'seeded'
    """

    max_sd: float = 0.5

    keeps_atoms = True

    def _fit(self, training, indices):
        return {"sd": training.columns.sd[indices]}


def _centers(center, training, indices):
    if center == "mean":
        return training.columns.mean[indices]
    return np.full(len(indices), float(center))


_MOST_QUANTILES = 256


@declaration
class QuantileJitter(Transformation):
    """Shift the ranks of cells within their columns, by the same amount in all columns.

    Values change much where training values are sparse and little where they are dense,
    and never leave the training range. The inverse is lossy for cells that reach an end
    of the range or a value that several rows share.

    Parameters
    ----------
    columns : object, default=None
        Numeric columns, see :class:`Transformation`. None takes all of them.

    max_shift : float, default=0.1
        Largest absolute shift, as a fraction of all ranks.

    See Also
    --------
    Shift : Adds a multiple of the standard deviation.

    Notes
    -----
    Ranks are interpolated linearly between at most 256 quantiles of the training
    column.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import QuantileJitter
    >>> QuantileJitter(["income"], max_shift=0.05).inverse_contract
    'lossy'
    """

    max_shift: float = 0.1

    inverse_contract = "lossy"

    def _check(self):
        check_number(self, "max_shift", self.max_shift, most=1)

    def _fit(self, training, indices):
        cells = training.rows[:, torch.as_tensor(indices)].cpu().double().numpy()
        levels = np.linspace(0, 1, min(max(len(cells), 2), _MOST_QUANTILES))
        quantiles = np.zeros((len(indices), len(levels)))
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
