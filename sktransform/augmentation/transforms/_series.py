# SPDX-License-Identifier: BSD-3-Clause
"""Transformations of series: shifts, crops, noise, and smooth random warps."""

import numpy as np
import torch

from sktransform.augmentation.transforms._base import (
    Transformation,
    check_number,
    declaration,
)
from sktransform.augmentation.transforms._numeric import _NoiseTransformation
from sktransform.augmentation.transforms._random_field import gaussian_fields

# The steepest fall of a time warp's displacement: time never runs backwards.
_STEEPEST = 0.9


class _SeriesTransformation(Transformation):
    """Takes rows that are series, all of their cells."""

    mixes_columns = True

    def _fit(self, training, indices):
        return {"shape": series_shape(self, training.columns, indices)}


@declaration
class SeriesRoll(_SeriesTransformation):
    """Shift series cyclically in time.

    The inverse is exact.

    Parameters
    ----------
    columns : object, default=None
        The samples, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_samples : float, default=10.0
        Largest shift, in samples, in either direction; shifts are rounded to integers.

    See Also
    --------
    SeriesPadShift : Shifts, and repeats the value at the end.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import SeriesRoll
    >>> SeriesRoll(max_samples=25).inverse_contract
    'exact'
    """

    max_samples: float = 10.0

    inverse_contract = "exact"

    def _check(self):
        check_number(self, "max_samples", self.max_samples)

    def _forward(self, X, P, reference, seeds, labels):
        length, channels = reference["shape"].tolist()
        steps = (self.max_samples * P).round().long()
        source = (torch.arange(length, device=X.device) - steps) % length
        return _taken(X.reshape(-1, length, channels), source).flatten(1)

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"samples": (self.max_samples * P[:, 0]).round()}


@declaration
class SeriesPadShift(_SeriesTransformation):
    """Shift series in time, and repeat the value at the end.

    The inverse is lossy: samples shifted out of the series are lost.

    Parameters
    ----------
    columns : object, default=None
        The samples, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_samples : float, default=10.0
        Largest shift, in samples, in either direction; shifts are rounded to integers.

    See Also
    --------
    SeriesRoll : Shifts cyclically.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import SeriesPadShift
    >>> SeriesPadShift(max_samples=5).inverse_contract
    'lossy'
    """

    max_samples: float = 10.0

    inverse_contract = "lossy"

    def _check(self):
        check_number(self, "max_samples", self.max_samples)

    def _forward(self, X, P, reference, seeds, labels):
        length, channels = reference["shape"].tolist()
        steps = (self.max_samples * P).round().long()
        source = torch.arange(length, device=X.device) - steps
        source = source.clamp_(0, length - 1)
        return _taken(X.reshape(-1, length, channels), source).flatten(1)

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"samples": (self.max_samples * P[:, 0]).round()}


@declaration
class SeriesCrop(_SeriesTransformation):
    """Crop a window of the series and stretch it to the full length.

    The inverse is lossy: samples outside the window are lost, and are replaced by
    repeated end values.

    Parameters
    ----------
    columns : object, default=None
        The samples, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_share : float, default=0.5
        Largest fraction of a series that is cut away, below 1.

    See Also
    --------
    SmoothWarp : Stretches some parts of a series and compresses others.

    Notes
    -----
    The first parameter is the fraction that is cut away, the second the position of the
    window: -1 at the beginning, 1 at the end.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import SeriesCrop
    >>> SeriesCrop(max_share=0.2).n_parameters
    2
    """

    max_share: float = 0.5

    n_parameters = 2
    inverse_contract = "lossy"

    def _check(self):
        check_number(self, "max_share", self.max_share, most=1)
        if self.max_share == 1:
            raise ValueError(
                f"max_share of SeriesCrop must be below 1, got {self.max_share!r}, at "
                "which nothing would remain of the series."
            )

    def magnitude(self, P: torch.Tensor) -> torch.Tensor:
        """Return the magnitude of parameters, which depends on the cut alone.

        Parameters
        ----------
        P : Tensor of shape (n_rows, n_parameters)
            Parameters.

        Returns
        -------
        Tensor of shape (n_rows,)
            From 0, the identity, to 1, the end of the declared range.
        """
        return P[:, 0].abs().clamp(max=1)

    def _forward(self, X, P, reference, seeds, labels):
        start, share, time = self._window(P, reference)
        return _interpolated(X, start + share * time, reference)

    def _inverse(self, X, P, reference, seeds):
        start, share, time = self._window(P, reference)
        return _interpolated(X, (time - start) / share, reference)

    def _window(self, P, reference):
        """Return where the window starts, its share of the length, and the times."""
        length = int(reference["shape"][0])
        share = 1 - self.max_share * P[:, :1].abs()
        start = (1 - share) * (length - 1) * (1 + P[:, 1:]) / 2
        return start, share, torch.arange(length, device=P.device).double()

    def _describe(self, P):
        return {"share": 1 - self.max_share * P[:, 0].abs(), "position": P[:, 1]}


@declaration
class SeriesJitter(_NoiseTransformation):
    """Add independent Gaussian noise to each sample.

    The inverse is exact given the row's seed, where no sample is clipped.

    Parameters
    ----------
    columns : object, default=None
        The samples, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_sd : float, default=0.3
        Largest standard deviation of the noise, in standard deviations of the channel.

    See Also
    --------
    GaussianNoise : Noise in units of each column.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import SeriesJitter
    >>> SeriesJitter().inverse_contract
    'seeded'
    """

    max_sd: float = 0.3

    def _fit(self, training, indices):
        length, channels = series_shape(self, training.columns, indices)
        cells = training.rows.cpu().double().numpy().reshape(-1, channels)
        present = ~np.isnan(cells).all(0)
        sd = np.zeros(channels)
        sd[present] = np.nanstd(cells[:, present], axis=0)
        return {"sd": np.tile(sd, length)}


@declaration
class SmoothWarp(_SeriesTransformation):
    """Change series by a smooth random function of time.

    Parameters
    ----------
    columns : object, default=None
        The samples, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    kind : {"time", "magnitude"}, default="time"
        Use of the function: "time" displaces samples in time and keeps their order;
        "magnitude" multiplies samples by the exponential of the function. The inverse
        of "time" is lossy; that of "magnitude" is exact given the row's seed, if no
        sample is clipped.

    max_strength : float, default=0.5
        Largest standard deviation of the function: in samples for "time", of the
        logarithm of the factor for "magnitude".

    length_scale : float, default=10.0
        Correlation length in samples: at distance r the correlation of the function is
        ``exp(-r^2 / (2 length_scale^2))``, 0.61 at ``r = length_scale``.

    See Also
    --------
    RandomField : Changes images by a smooth random function.

    Notes
    -----
    If the displacement decreases by more than 0.9 samples per sample anywhere, the
    whole displacement is scaled down, so that samples keep their order.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import SmoothWarp
    >>> SmoothWarp(kind="magnitude", max_strength=0.2).inverse_contract
    'seeded'
    """

    kind: str = "time"
    max_strength: float = 0.5
    length_scale: float = 10.0

    uses_seeds = True

    @property
    def inverse_contract(self) -> str:
        """Contract of the inverse: "lossy" for ``kind="time"``, otherwise "seeded"."""
        return "lossy" if self.kind == "time" else "seeded"

    @property
    def mixes_columns(self) -> bool:
        """Whether values of several samples are combined: only by ``kind="time"``."""
        return self.kind == "time"

    def _check(self):
        if self.kind not in ("time", "magnitude"):
            raise ValueError(
                f"kind of SmoothWarp must be 'time' or 'magnitude', got {self.kind!r}."
            )
        check_number(self, "max_strength", self.max_strength)
        check_number(self, "length_scale", self.length_scale)

    def _forward(self, X, P, reference, seeds, labels):
        if self.kind == "time":
            return _interpolated(X, self._times(P, reference, seeds), reference)
        return X * self._field(P, reference, seeds).exp().to(X.dtype)

    def _inverse(self, X, P, reference, seeds):
        if self.kind == "time":
            times = self._times(P, reference, seeds)
            return _interpolated(X, _inverse_times(times), reference)
        return X * self._field(P, reference, seeds, -1).exp().to(X.dtype)

    def _field(self, P, reference, seeds, sign=1):
        """Return the logarithm of each sample's factor."""
        length, channels = reference["shape"].tolist()
        field = gaussian_fields(seeds, (length,), self.length_scale)
        field = field.mul_(sign * self.max_strength * P.abs())
        return field.repeat_interleave(channels, 1)

    def _times(self, P, reference, seeds):
        """Return the time that each sample is taken from; it rises strictly."""
        length = int(reference["shape"][0])
        moves = gaussian_fields(seeds, (length,), self.length_scale)
        moves = moves.mul_(self.max_strength * P.abs())
        if length > 1:
            fall = -moves.diff(dim=1).amin(1, keepdim=True)
            moves = moves * (_STEEPEST / fall.clamp(min=_STEEPEST))
        return torch.arange(length, device=moves.device) + moves

    def _describe(self, P):
        return {"strength": self.max_strength * P[:, 0].abs()}

    @classmethod
    def _variants(cls):
        return cls(kind="time"), cls(kind="magnitude")


def series_shape(owner, columns, indices):
    """Return length and channels of series (2,), checked for an owner."""
    if columns.shape is None or len(columns.shape) > 2:
        raise ValueError(
            f"{type(owner).__name__} needs series; declare shape=(length,) or "
            f"(length, channels), got shape={columns.shape}."
        )
    if not np.array_equal(indices, np.arange(columns.n_features)):
        raise ValueError(
            f"{type(owner).__name__} needs all {columns.n_features} columns of the "
            f"series in order, got {len(indices)}; omit the parameter columns."
        )
    return np.array((*columns.shape, 1)[:2], dtype=np.int64)


def _taken(series, source):
    """Return samples by their indices, shape (n_rows, length)."""
    return series.gather(1, source[:, :, None].expand_as(series))


def _interpolated(X, times, reference):
    """Return series at times, linear between samples; beyond them the ends."""
    length, channels = reference["shape"].tolist()
    series = X.reshape(-1, length, channels)
    times = times.clamp(0, length - 1)
    lower = times.floor().clamp_(max=max(length - 2, 0)).long()
    share = (times - lower).to(X.dtype)[:, :, None]
    low, high = _taken(series, lower), _taken(series, (lower + 1).clamp(max=length - 1))
    return (low + share * (high - low)).flatten(1)


def _inverse_times(times):
    """Return at which sample, in fractions, each whole time is reached."""
    times = times.contiguous()
    length = times.shape[1]
    whole = torch.arange(length, device=times.device, dtype=times.dtype)
    whole = whole.expand_as(times).contiguous()
    if length < 2:
        return whole
    upper = torch.searchsorted(times, whole).clamp_(1, length - 1)
    low, high = times.gather(1, upper - 1), times.gather(1, upper)
    return upper - 1 + (whole - low) / (high - low)
