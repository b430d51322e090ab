# SPDX-License-Identifier: BSD-3-Clause
"""Directions in which data vary around a row, and what a map does to them."""

import torch

from sktransform.nn._products import row_stable_product
from sktransform.runtime._linalg import with_positive_peaks

# Largest number of distances held at once, 2 to this power.
_DISTANCES_BITS = 25

# Spread along a direction, relative to the largest, below which it is rounding.
_NO_SPREAD = 1e-7


def tangent_directions(rows, reference, n_directions, n_neighbors):
    """Return the leading directions of the nearest reference rows of each row.

    Parameters
    ----------
    rows : Tensor of shape (n_rows, n_features)
        Centred rows in float64.

    reference : Tensor of shape (n_reference, n_features)
        Distinct rows, centred alike.

    n_directions : int
        How many; at most n_features and one less than the neighbours.

    n_neighbors : int
        How many of the nearest reference rows; at most n_reference.

    Returns
    -------
    Tensor of shape (n_rows, n_features, n_directions)
        Orthonormal columns in order of falling spread, the entry of largest magnitude
        positive in each. Columns are 0 where the neighbours span fewer directions.
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
    """Return the places of the nearest reference rows, shape (n_rows, n_neighbors)."""
    products = row_stable_product(rows, reference.T)
    # What a row's own norm adds is the same for all candidates.
    squared = reference.square().sum(1) - 2 * products
    return squared.topk(n_neighbors, dim=1, largest=False).indices


def push_forward(jacobian, tangent):
    """Return the images of tangent directions, shape (n_rows, n_outputs, n_directions).

    Sums of products instead of a batched product: equal rows get equal bits in any
    place.
    """
    columns = [(jacobian * part.unsqueeze(1)).sum(2) for part in tangent.unbind(2)]
    return torch.stack(columns, 2)


def null_directions(images, tangent, n_directions):
    """Return the combinations of tangent directions that a map shows least.

    Parameters
    ----------
    images : Tensor of shape (..., n_outputs, n_tangent)
        Images of the tangent directions.

    tangent : Tensor of shape (..., n_features, n_tangent)
        Orthonormal tangent directions.

    n_directions : int
        How many.

    Returns
    -------
    directions : Tensor of shape (..., n_directions, n_features)
        Unit vectors, the least shown first.

    magnitudes : Tensor of shape (..., n_directions)
        Length of the image of each.
    """
    values, vectors = torch.linalg.eigh(images.mT @ images)
    directions = with_positive_peaks(tangent @ vectors[..., :n_directions])
    magnitudes = values[..., :n_directions].clamp_min(0).sqrt()
    return directions.mT, magnitudes


def distortion(rows, images, partners, partner_images):
    """Return the stress of each row's distances to its partners.

    Parameters
    ----------
    rows : Tensor of shape (n_rows, n_features)
        Rows.

    images : Tensor of shape (n_rows, n_outputs)
        Their images.

    partners : Tensor of shape (n_partners, n_features)
        Other rows; a row itself among them adds nothing.

    partner_images : Tensor of shape (n_partners, n_outputs)
        Their images.

    Returns
    -------
    Tensor of shape (n_rows,)
        Root of the squared error over the squared distances; 0 if both are 0.
    """
    # Products would leave rounding in small distances, which are as important here.
    exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
    targets = torch.cdist(rows, partners, **exact)
    embedded = torch.cdist(images, partner_images, **exact)
    squared_error = (targets - embedded).square().sum(1)
    power = targets.square().sum(1).clamp_min(torch.finfo(targets.dtype).tiny)
    return (squared_error / power).sqrt()
