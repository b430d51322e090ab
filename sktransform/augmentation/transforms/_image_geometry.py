# SPDX-License-Identifier: BSD-3-Clause
"""Transformations of images that move their pixels."""

import math

import numpy as np
import torch

from sktransform.augmentation.transforms._base import (
    Transformation,
    check_number,
    declaration,
)
from sktransform.augmentation.transforms._grid_sample import affine

_AXES = ("x", "y")


class _ImageTransformation(Transformation):
    """Takes rows that are flattened images, all of their cells."""

    mixes_columns = True

    def _fit(self, training, indices):
        return {"shape": image_shape(self, training.columns, indices)}


class _AffineTransformation(_ImageTransformation):
    """Moves pixels by a linear map about the middle, and by a shift."""

    inverse_contract = "lossy"

    def _forward(self, X, P, reference, seeds, labels):
        shape = reference["shape"].tolist()
        return affine(X, shape, *self._map(P[:, 0]))

    def _inverse(self, X, P, reference, seeds):
        shape = reference["shape"].tolist()
        return affine(X, shape, *self._map(-P[:, 0]))

    def _map(self, p):
        """Return the map from a pixel to where its value comes from."""
        raise NotImplementedError


@declaration
class ImageTranslate(_AffineTransformation):
    """Translate images along one axis, with zeros at the border.

    The inverse is lossy: pixels shifted out of the image are lost, and shifts by
    fractions of a pixel blur.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    axis : {"x", "y"}, default="x"
        Axis of the shift.

    max_pixels : float, default=2.0
        Largest shift, in pixels, in either direction.

    See Also
    --------
    ImageRoll : Shifts cyclically by whole pixels, with an exact inverse.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageTranslate
    >>> ImageTranslate(axis="y", max_pixels=1)
    ImageTranslate(axis='y', max_pixels=1)
    """

    axis: str = "x"
    max_pixels: float = 2.0

    def _check(self):
        check_axis(self)
        check_number(self, "max_pixels", self.max_pixels)

    def _map(self, p):
        one, zero, shift = torch.ones_like(p), torch.zeros_like(p), self.max_pixels * p
        # An image moves to the right when its values come from the left.
        moves = (-shift, zero) if self.axis == "x" else (zero, -shift)
        return (one, zero, zero, one), moves

    def _describe(self, P):
        return {"pixels": self.max_pixels * P[:, 0]}


@declaration
class ImageRotate(_AffineTransformation):
    """Rotate images about their centre, with zeros at the border.

    Images that are not square are rotated without distortion. The inverse is lossy:
    corners are lost, and interpolation blurs.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_degrees : float, default=30.0
        Largest angle, in degrees, in either direction. Positive angles rotate
        counter-clockwise if the first row is at the top.

    See Also
    --------
    ImageQuarterTurn : Rotates by multiples of 90 degrees, with an exact inverse.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageRotate
    >>> ImageRotate(max_degrees=90).inverse_contract
    'lossy'
    """

    max_degrees: float = 30.0

    def _check(self):
        check_number(self, "max_degrees", self.max_degrees, most=180)

    def _map(self, p):
        angle = math.radians(self.max_degrees) * p
        cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(p)
        return (cos, -sin, sin, cos), (zero, zero)

    def _describe(self, P):
        return {"degrees": self.max_degrees * P[:, 0]}


@declaration
class ImageZoom(_AffineTransformation):
    """Enlarge or shrink images about their centre, with zeros at the border.

    The inverse is lossy: parts moved out of the image are lost, and interpolation
    blurs.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_log : float, default=0.2
        Largest absolute logarithm of the zoom factor, which lies between
        ``exp(-max_log)`` and ``exp(max_log)``.

    See Also
    --------
    ImageShear : Shears images.

    Examples
    --------
    >>> import torch
    >>> from sktransform.augmentation.transforms import ImageZoom
    >>> ImageZoom(max_log=0.3).describe(torch.tensor([[1.0]]))["factor"].round(2)
    array([1.35])
    """

    max_log: float = 0.2

    def _check(self):
        check_number(self, "max_log", self.max_log)

    def _map(self, p):
        step, zero = (-self.max_log * p).exp(), torch.zeros_like(p)
        return (step, zero, zero, step), (zero, zero)

    def _describe(self, P):
        return {"factor": (self.max_log * P[:, 0]).exp()}


@declaration
class ImageShear(_AffineTransformation):
    """Shear images: rows of pixels are shifted in proportion to their height.

    The inverse is lossy: parts moved out of the image are lost, and interpolation
    blurs.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    max_slope : float, default=0.5
        Largest shear slope in either direction: the horizontal shift in pixels for each
        pixel of vertical distance from the centre.

    See Also
    --------
    ImageRotate : Rotates images without distortion.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageShear
    >>> ImageShear(max_slope=0.3)
    ImageShear(max_slope=0.3)
    """

    max_slope: float = 0.5

    def _check(self):
        check_number(self, "max_slope", self.max_slope)

    def _map(self, p):
        one, zero = torch.ones_like(p), torch.zeros_like(p)
        return (one, self.max_slope * p, zero, one), (zero, zero)

    def _describe(self, P):
        return {"slope": self.max_slope * P[:, 0]}


@declaration
class ImageRoll(_ImageTransformation):
    """Shift images cyclically by whole pixels.

    The inverse is exact.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    axis : {"x", "y"}, default="x"
        Axis of the shift.

    max_pixels : float, default=2.0
        Largest shift, in pixels, in either direction; shifts are rounded to integers.

    See Also
    --------
    ImageTranslate : Shifts by fractions of a pixel, with zeros at the border.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageRoll
    >>> ImageRoll(max_pixels=3).inverse_contract
    'exact'
    """

    axis: str = "x"
    max_pixels: float = 2.0

    inverse_contract = "exact"

    def _check(self):
        check_axis(self)
        check_number(self, "max_pixels", self.max_pixels)

    def _forward(self, X, P, reference, seeds, labels):
        shape = reference["shape"].tolist()
        axis = int(self.axis == "x")
        others = [1, 1]
        others[axis] = shape[axis]
        pixels = torch.arange(shape[axis], device=X.device).reshape(1, *others, 1)
        steps = (self.max_pixels * P[:, 0]).round().long()[:, None, None, None]
        images = X.reshape(-1, *shape)
        source = ((pixels - steps) % shape[axis]).expand_as(images)
        return images.gather(1 + axis, source).flatten(1)

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, -P, reference, seeds, None)

    def _describe(self, P):
        return {"pixels": (self.max_pixels * P[:, 0]).round()}


@declaration
class ImageFlip(_ImageTransformation):
    """Mirror images, left to right or upside down.

    The inverse is exact. There is no continuous range: a policy uses the transformation
    or not.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    axis : {"x", "y"}, default="x"
        Coordinate that changes its sign: "x" exchanges left and right, "y" top and
        bottom.

    See Also
    --------
    ImageQuarterTurn : Rotates by multiples of 90 degrees.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageFlip
    >>> ImageFlip(axis="y").discrete
    True
    """

    axis: str = "x"

    n_states = 2
    inverse_contract = "exact"

    def _check(self):
        check_axis(self)

    def _forward(self, X, P, reference, seeds, labels):
        images = X.reshape(-1, *reference["shape"].tolist())
        return images.flip(1 + int(self.axis == "x")).flatten(1)

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, P, reference, seeds, None)

    def _describe(self, P):
        return {"flipped": P[:, 0] != 0}


@declaration
class ImageQuarterTurn(_ImageTransformation):
    """Rotate square images by 90, 180 or 270 degrees.

    The inverse is exact. There is no continuous range: a policy uses the transformation
    or not.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    See Also
    --------
    ImageRotate : Rotates by any angle, with interpolation.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ImageQuarterTurn
    >>> ImageQuarterTurn().n_states
    4
    """

    n_states = 4
    inverse_contract = "exact"

    def _fit(self, training, indices):
        shape = image_shape(self, training.columns, indices)
        if shape[0] != shape[1]:
            raise ValueError(
                f"ImageQuarterTurn needs square images, got {shape[0]} x {shape[1]}; "
                "use ImageRotate."
            )
        pixels = np.arange(len(indices)).reshape(shape)
        orders = [np.rot90(pixels, turns).ravel() for turns in range(4)]
        return {"shape": shape, "orders": np.stack(orders)}

    def _forward(self, X, P, reference, seeds, labels):
        return X.gather(1, reference["orders"][P[:, 0].long()])

    def _inverse(self, X, P, reference, seeds):
        return self._forward(X, (4 - P) % 4, reference, seeds, None)

    def _describe(self, P):
        return {"degrees": 90 * P[:, 0]}


def image_shape(owner, columns, indices):
    """Return height, width and channels of images (3,), checked for an owner."""
    if columns.shape is None or len(columns.shape) < 2:
        raise ValueError(
            f"{type(owner).__name__} needs images; declare shape=(height, width) or "
            f"(height, width, channels), got shape={columns.shape}."
        )
    if not np.array_equal(indices, np.arange(columns.n_features)):
        raise ValueError(
            f"{type(owner).__name__} needs all {columns.n_features} columns of the "
            f"images in order, got {len(indices)}; omit the parameter columns."
        )
    return np.array((*columns.shape, 1)[:3], dtype=np.int64)


def check_axis(owner):
    """Raise ValueError unless the axis of a declaration is "x" or "y"."""
    if owner.axis not in _AXES:
        raise ValueError(
            f"axis of {type(owner).__name__} must be 'x' or 'y', got {owner.axis!r}."
        )
