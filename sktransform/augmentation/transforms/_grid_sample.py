# SPDX-License-Identifier: BSD-3-Clause
"""Bilinear interpolation of images at displaced positions, in batches.

Coordinates are those of pixel edges: an image reaches from -1 to 1, so that one pixel
is 2 / width wide, and rotations and zooms are about its centre.
"""

import torch
from torch.nn import functional

# Numbers of the images sampled at once: 1 MiB stays in the cache of a core.
_BLOCK_NUMBERS = 2**17


def sampled(X, shape, displacements):
    """Return images (n, d) sampled at displaced positions, 0 outside of the image.

    `displacements(block, x, y)` takes a slice of rows and the pixels' positions from
    the centre, x (width,) and y (height, 1); it returns the positions x and y to sample
    at, (n, height, width) or what broadcasts to it.
    """
    height, width, channels = (*shape, 1)[:3]
    x = torch.arange(width, device=X.device, dtype=X.dtype) - (width - 1) / 2
    y = torch.arange(height, device=X.device, dtype=X.dtype) - (height - 1) / 2
    result = torch.empty_like(X, memory_format=torch.contiguous_format)
    step = max(1, _BLOCK_NUMBERS // X.shape[1])
    for start in range(0, len(X), step):
        block = slice(start, min(start + step, len(X)))
        count = block.stop - start
        new_x, new_y = displacements(block, x, y[:, None])
        grid = torch.empty((count, height, width, 2), dtype=X.dtype, device=X.device)
        grid[..., 0].copy_(new_x * (2 / width))
        grid[..., 1].copy_(new_y * (2 / height))
        images = X[block].reshape(count, height, width, channels).movedim(3, 1)
        moved = functional.grid_sample(images, grid, align_corners=False)
        result[block] = moved.movedim(1, 3).reshape(count, -1)
    return result


def affine(X, shape, matrix, shift):
    """Return images (n, d) sampled at affine maps of their pixels, 0 outside.

    `matrix` holds xx, xy, yx and yy, `shift` x and y, each (n,): the map from a pixel
    to the position that its value is taken from, in pixels from the centre.
    """
    columns = [entry.to(X.dtype)[:, None, None] for entry in (*matrix, *shift)]

    def positions(block, x, y):
        xx, xy, yx, yy, move_x, move_y = (column[block] for column in columns)
        return (xx * x + move_x) + xy * y, yx * x + (yy * y + move_y)

    return sampled(X, shape, positions)
