# SPDX-License-Identifier: BSD-3-Clause
"""Gaussian random fields, and transformations of images by them."""

import math

import torch
from torch.nn import functional

from sktransform.augmentation._random import normal
from sktransform.augmentation.transforms._base import (
    Transformation,
    check_number,
    declaration,
)
from sktransform.augmentation.transforms._grid_sample import sampled
from sktransform.augmentation.transforms._image_geometry import image_shape

# Numbers of fields made at once.
_BLOCK_NUMBERS = 2**17

# Fixed-point iterations that invert a warp; each is a contraction.
_INVERSE_ITERATIONS = 20


def gaussian_fields(seeds, shape, length_scale, stream=0):
    """Return float64 Gaussian random fields (n, *shape) of variance 1, one a seed.

    Their correlation at distance r is exp(-r^2 / (2 length_scale^2)), on a periodic
    grid; fields of different streams are independent.
    """
    axes = tuple(range(1, len(shape) + 1))
    weight = _spectrum(shape, length_scale, seeds.device)
    result = torch.empty((len(seeds), *shape), dtype=torch.float64, device=seeds.device)
    n_cells = math.prod(shape)
    step = max(1, _BLOCK_NUMBERS // n_cells)
    for start in range(0, len(seeds), step):
        block = slice(start, start + step)
        noise = normal(seeds[block], n_cells, stream).reshape(-1, *shape)
        result[block] = torch.fft.ifftn(
            torch.fft.fftn(noise, dim=axes).mul_(weight), dim=axes
        ).real
    return result


def _spectrum(shape, length_scale, device):
    """Return the weights of white noise's frequencies; their mean square is 1."""
    squared = torch.zeros(tuple(shape), dtype=torch.float64, device=device)
    for axis, length in enumerate(shape):
        wave = torch.fft.fftfreq(length, dtype=torch.float64, device=device)
        others = [1] * len(shape)
        others[axis] = length
        squared += (2 * math.pi * wave).square().reshape(others)
    weight = (-(length_scale**2) * squared / 4).exp()
    return weight / weight.square().mean().sqrt()


@declaration
class RandomField(Transformation):
    """Change images by a smooth random function of position.

    Parameters
    ----------
    columns : object, default=None
        The pixels, see :class:`Transformation`. Only None, which selects all columns,
        or all columns in order are allowed.

    kind : {"warp", "gain", "offset"}, default="warp"
        Use of the field: "warp" displaces pixels, with one field for each axis; "gain"
        multiplies pixels by the exponential of the field; "offset" adds the field. The
        inverse of "warp" is lossy; the others have an exact inverse given the row's
        seed, if no pixel is clipped.

    max_strength : float, default=0.5
        Largest standard deviation of the field: in pixels for "warp", of the logarithm
        of the factor for "gain", and in standard deviations of all pixels of the
        channel for "offset".

    length_scale : float, default=4.0
        Correlation length in pixels: at distance r the correlation of the field is
        ``exp(-r^2 / (2 length_scale^2))``, 0.61 at ``r = length_scale``.

    See Also
    --------
    SmoothWarp : Changes series by a smooth random function.

    References
    ----------
    .. [1] Mansfield, P. A., Afkanpour, A., Morningstar, W. R., Singhal, K. "Random
       field augmentations for self-supervised representation learning",
       arXiv:2311.03629, 2023.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import RandomField
    >>> RandomField(kind="gain", length_scale=8.0).inverse_contract
    'seeded'
    """

    kind: str = "warp"
    max_strength: float = 0.5
    length_scale: float = 4.0

    uses_seeds = True

    @property
    def inverse_contract(self) -> str:
        """Contract of the inverse: "lossy" for ``kind="warp"``, otherwise "seeded"."""
        return "lossy" if self.kind == "warp" else "seeded"

    @property
    def mixes_columns(self) -> bool:
        """Whether values of several pixels are combined: only by ``kind="warp"``."""
        return self.kind == "warp"

    def _check(self):
        if self.kind not in ("warp", "gain", "offset"):
            raise ValueError(
                "kind of RandomField must be 'warp', 'gain' or 'offset', got "
                f"{self.kind!r}."
            )
        check_number(self, "max_strength", self.max_strength)
        check_number(self, "length_scale", self.length_scale)

    def _fit(self, training, indices):
        shape = image_shape(self, training.columns, indices)
        return {"shape": shape, "sd": training.columns.sd[indices]}

    def _forward(self, X, P, reference, seeds, labels):
        if self.kind == "warp":
            return self._warped(X, P, reference, seeds, back=False)
        return self._changed(X, P, reference, seeds, 1)

    def _inverse(self, X, P, reference, seeds):
        if self.kind == "warp":
            return self._warped(X, P, reference, seeds, back=True)
        return self._changed(X, P, reference, seeds, -1)

    def _changed(self, X, P, reference, seeds, sign):
        """Return pixels multiplied by e to the field, or with the field added."""
        height, width, channels = reference["shape"].tolist()
        field = gaussian_fields(seeds, (height, width), self.length_scale).flatten(1)
        field = field.mul_(sign * self.max_strength * P.abs())
        field = field.repeat_interleave(channels, 1)
        if self.kind == "gain":
            return X * field.exp().to(X.dtype)
        return X + field.to(X.dtype) * reference["sd"]

    def _warped(self, X, P, reference, seeds, *, back):
        """Return images of which each pixel is taken from a displaced position."""
        shape = reference["shape"].tolist()
        size = self.max_strength * P.abs()[:, :, None]

        def positions(block, x, y):
            move_x, move_y = (
                size[block]
                * gaussian_fields(seeds[block], shape[:2], self.length_scale, stream)
                for stream in range(2)
            )
            if back:
                move_x, move_y = _inverse_moves(move_x, move_y)
            return x + move_x.to(x.dtype), y + move_y.to(y.dtype)

        return sampled(X, shape, positions)

    def _describe(self, P):
        return {"strength": self.max_strength * P[:, 0].abs()}

    @classmethod
    def _variants(cls):
        return tuple(cls(kind=kind) for kind in ("warp", "gain", "offset"))


def _inverse_moves(move_x, move_y):
    """Return displacements v with v(z) = -u(z + v(z)), for u given on the grid."""
    height, width = move_x.shape[1:]
    forward = torch.stack([move_x, move_y], 1)
    size = forward.new_tensor([2 / width, 2 / height])
    x = (torch.arange(width).to(forward) - (width - 1) / 2) * size[0]
    y = (torch.arange(height).to(forward) - (height - 1) / 2) * size[1]
    home = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    back = -forward
    for _ in range(_INVERSE_ITERATIONS):
        grid = home + back.movedim(1, 3) * size
        back = -functional.grid_sample(
            forward, grid, padding_mode="border", align_corners=False
        )
    return back.unbind(1)
