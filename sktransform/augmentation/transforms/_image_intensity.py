# SPDX-License-Identifier: BSD-3-Clause
"""Transformations of the intensities of images."""

from sktransform.augmentation.transforms._base import (
    Transformation,
    check_number,
    declaration,
)
from sktransform.augmentation.transforms._image_geometry import image_shape
from sktransform.augmentation.transforms._numeric import _NoiseTransformation


class _PixelTransformation(Transformation):
    """Knows the pixels' standard deviation, one for each channel."""

    def _fit(self, training, indices):
        image_shape(self, training.columns, indices)
        return {"sd": training.columns.sd[indices]}


@declaration
class ImageBrightness(_PixelTransformation):
    """Add the same number to all pixels of an image.

    The inverse is exact if no pixel is clipped.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_sd : float, default=0.5
        Largest absolute change, in standard deviations of all pixels of the channel.

    See Also
    --------
    ImageContrast : Scales values about the image's mean.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageBrightness
    >>> ImageBrightness(max_sd=0.2)
    ImageBrightness(max_sd=0.2)
    """

    max_sd: float = 0.5

    inverse_contract = "exact"

    def _check(self):
        check_number(self, "max_sd", self.max_sd)

    def _forward(self, X, P, reference, seeds, labels):
        return X + (self.max_sd * P).to(X.dtype) * reference["sd"]

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"shift_sd": self.max_sd * P[:, 0]}


@declaration
class ImageContrast(_PixelTransformation):
    """Scale the values of an image about its mean.

    The inverse is exact if no pixel is clipped.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_log : float, default=0.3
        Largest absolute logarithm of the factor, which lies between ``exp(-max_log)``
        and ``exp(max_log)``.

    See Also
    --------
    Scale : Scales columns of a table.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageContrast
    >>> ImageContrast().inverse_contract
    'exact'
    """

    max_log: float = 0.3

    inverse_contract = "exact"
    mixes_columns = True

    def _check(self):
        check_number(self, "max_log", self.max_log)

    def _forward(self, X, P, reference, seeds, labels):
        mean = X.mean(1, keepdim=True)
        return mean + (X - mean) * (self.max_log * P).exp().to(X.dtype)

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"factor": (self.max_log * P[:, 0]).exp()}


@declaration
class ImageNoise(_PixelTransformation, _NoiseTransformation):
    """Add independent Gaussian noise to each pixel.

    The inverse is exact given the row's seed, if no pixel is clipped.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_sd : float, default=0.4
        Largest standard deviation of the noise, in standard deviations of all pixels of
        the channel.

    See Also
    --------
    GaussianNoise : Noise in units of each column.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageNoise
    >>> ImageNoise().inverse_contract
    'seeded'
    """

    max_sd: float = 0.4
