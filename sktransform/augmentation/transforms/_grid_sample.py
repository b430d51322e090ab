# SPDX-License-Identifier: BSD-3-Clause
"""Pictures sampled elsewhere: batched bilinear interpolation in pixels.

Coordinates are those of pixel edges: a picture reaches from -1 to 1, so that one pixel
is 2 / width wide, and turns and zooms are about its middle.
"""

import torch
from torch.nn import functional

# Rows sampled at once: their pictures stay in a processor's own memory.
_BLOCK_NUMBERS = 2**17


def sampled(X, shape, displacements):
    """Return pictures whose pixels are taken from displaced places.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Flattened pictures.

    shape : tuple of int
        Height, width, and channels where there are some.

    displacements : callable
        Takes a slice of rows and the places of the pixels in pixels from the middle,
        x of shape (width,) and y of shape (height, 1). Returns the places x and y to
        take the values from, shapes (n, height, width) or what broadcasts to it.

    Returns
    -------
    Tensor of shape (n_rows, n_features)
        Pictures, 0 where a place is outside.
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
        pictures = X[block].reshape(count, height, width, channels).movedim(3, 1)
        moved = functional.grid_sample(pictures, grid, align_corners=False)
        result[block] = moved.movedim(1, 3).reshape(count, -1)
    return result


def affine(X, shape, matrix, shift):
    """Return pictures sampled at affine images of their pixels.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Flattened pictures.

    shape : tuple of int
        Height, width, and channels where there are some.

    matrix : tuple of Tensor, each of shape (n_rows,)
        Entries xx, xy, yx and yy of the map from a pixel to the place that its value
        comes from, in pixels about the middle.

    shift : tuple of Tensor, each of shape (n_rows,)
        What is added to x and y, in pixels.

    Returns
    -------
    Tensor of shape (n_rows, n_features)
        Pictures, 0 where a place is outside.
    """
    columns = [entry.to(X.dtype)[:, None, None] for entry in (*matrix, *shift)]

    def places(block, x, y):
        xx, xy, yx, yy, move_x, move_y = (column[block] for column in columns)
        return (xx * x + move_x) + xy * y, yx * x + (yy * y + move_y)

    return sampled(X, shape, places)
