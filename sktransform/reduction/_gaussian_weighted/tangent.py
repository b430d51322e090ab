# SPDX-License-Identifier: BSD-3-Clause
"""Tangent directions: local principal axes of the data, and their images."""

import torch

from sktransform.nn._products import row_stable_product
from sktransform.runtime._linalg import with_positive_peaks

# Largest number of distances held at once, 2 to this power.
_DISTANCES_BITS = 25

# Spread along a direction, relative to the largest, below which it is rounding.
_NO_SPREAD = 1e-7


def tangent_directions(rows, reference, n_directions, n_neighbors):
    """Return the leading directions of the nearest reference rows of each row.

    Shapes: `rows` (n_rows, n_features) and `reference` (n_reference, n_features),
    centred alike; returned: (n_rows, n_features, n_directions), orthonormal columns in
    order of falling spread, the entry of largest magnitude positive in each. Columns
    are 0 where the neighbours span fewer directions.
    """
    # A power of two divides the blocks of rows: each product has one shape.
    step = max(32, 2 ** (_DISTANCES_BITS - len(reference).bit_length()))
    nearest = [_nearest(part, reference, n_neighbors) for part in rows.split(step)]
    neighbors = reference[torch.cat(nearest)]
    neighbors = neighbors - neighbors.mean(1, keepdim=True)
    _, spread, directions = torch.linalg.svd(neighbors, full_matrices=False)
    spans = spread > _NO_SPREAD * spread[:, :1]
    columns = with_positive_peaks(directions.mT) * spans.unsqueeze(1)
    return columns[:, :, :n_directions]


def _nearest(rows, reference, n_neighbors):
    """Return the indices of the nearest reference rows, shape (n_rows, n_neighbors)."""
    products = row_stable_product(rows, reference.T)
    # What a row's own norm adds is the same for all candidates.
    squared = reference.square().sum(1) - 2 * products
    return squared.topk(n_neighbors, dim=1, largest=False).indices


def push_forward(jacobian, tangent):
    """Return the images of tangent directions, shape (n_rows, n_outputs, n_directions).

    Sums of products instead of a batched product: equal rows get equal bits
    wherever they are.
    """
    columns = [(jacobian * part.unsqueeze(1)).sum(2) for part in tangent.unbind(2)]
    return torch.stack(columns, 2)


def null_directions(images, tangent, n_directions):
    """Return the combinations of tangent directions that a map shows least.

    Shapes: `images` (..., n_outputs, n_tangent), `tangent` (..., n_features,
    n_tangent); returned: `directions` (..., n_directions, n_features), `magnitudes`
    (..., n_directions).
    """
    values, vectors = torch.linalg.eigh(images.mT @ images)
    directions = with_positive_peaks(tangent @ vectors[..., :n_directions])
    magnitudes = values[..., :n_directions].clamp_min(0).sqrt()
    return directions.mT, magnitudes


def distortion(rows, images, partners, partner_images):
    """Return the stress of each row's distances to its partners.

    Shapes: `rows` (n_rows, n_features), `images` (n_rows, n_outputs), `partners`
    (n_partners, n_features), `partner_images` (n_partners, n_outputs); returned:
    (n_rows,).
    """
    # Products would leave rounding in small distances, which are as important here.
    exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
    targets = torch.cdist(rows, partners, **exact)
    embedded = torch.cdist(images, partner_images, **exact)
    squared_error = (targets - embedded).square().sum(1)
    power = targets.square().sum(1).clamp_min(torch.finfo(targets.dtype).tiny)
    return (squared_error / power).sqrt()
