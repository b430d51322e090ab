# SPDX-License-Identifier: BSD-3-Clause
"""Widths of affine changes learned on training rows, after Benton et al. (2020).

A network and the widths are trained together: each image is moved by a draw from the
widths, and the loss is the cross-entropy less a reward for wide ranges.
"""

import numpy as np
import torch

# Shift in x and y, rotation, zoom, shear: generators of affine maps of the plane.
_GENERATORS = torch.zeros(5, 3, 3)
_GENERATORS[0, 0, 2] = _GENERATORS[1, 1, 2] = 1.0
_GENERATORS[2, 0, 1], _GENERATORS[2, 1, 0] = -1.0, 1.0
_GENERATORS[3, 0, 0] = _GENERATORS[3, 1, 1] = 1.0
_GENERATORS[4, 0, 1] = _GENERATORS[4, 1, 0] = 1.0


def moved(images, widths, generator):
    """Return images (n, h, w) moved by one draw each from ranges of these widths."""
    draws = torch.rand(len(images), 5, generator=generator) - 0.5
    exponent = torch.einsum("nk,kij->nij", draws * widths, _GENERATORS)
    maps = torch.linalg.matrix_exp(exponent)[:, :2]
    shape = len(images), 1, *images.shape[1:]
    grid = torch.nn.functional.affine_grid(maps, shape, align_corners=False)
    return torch.nn.functional.grid_sample(images[:, None], grid, align_corners=False)[
        :, 0
    ]


def learned_widths(X, y, shape, seed, *, reward=0.01, n_steps=600):
    """Return the widths (5,) after training with a small network."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.as_tensor(X, dtype=torch.float32).view(-1, *shape)
    images = (images - images.mean()) / images.std()
    labels = torch.as_tensor(np.unique(y, return_inverse=True)[1])
    raw = torch.full((5,), -1.0, requires_grad=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(X.shape[1], 64),
            torch.nn.ReLU(),
            torch.nn.Linear(64, int(labels.max()) + 1),
        )
    optimizer = torch.optim.Adam(
        [{"params": network.parameters(), "lr": 4e-3}, {"params": [raw], "lr": 2e-2}]
    )
    for _ in range(n_steps):
        batch = torch.randint(len(images), (64,), generator=generator)
        widths = torch.nn.functional.softplus(raw)
        outputs = network(moved(images[batch], widths, generator))
        loss = torch.nn.functional.cross_entropy(outputs, labels[batch])
        optimizer.zero_grad()
        (loss - reward * widths.norm()).backward()
        optimizer.step()
    return torch.nn.functional.softplus(raw).detach()


@torch.no_grad()
def versions(X, widths, shape, n_copies, seed):
    """Return moved copies (n_copies n, d) of the rows."""
    generator = torch.Generator().manual_seed(seed + 1)
    images = torch.as_tensor(X, dtype=torch.float32).view(-1, *shape)
    copies = moved(images.repeat(n_copies, 1, 1), widths, generator)
    return copies.flatten(1).numpy().astype(X.dtype)
