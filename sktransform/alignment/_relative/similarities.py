# SPDX-License-Identifier: BSD-3-Clause
"""Similarities of rows to anchors, with different invariances."""

import torch

from sktransform.nn._products import padded_columns

# Similarities that come from norms, and torch's order of the norm.
ORDERS = {"euclidean": 2.0, "l1": 1.0, "chebyshev": torch.inf}
SIMILARITIES = {"cosine", "geodesic", *ORDERS}


def unit_rows(X, floor):
    """Return rows of length 1, and of length 0 where they were at most the floor."""
    lengths = X.norm(dim=1, keepdim=True)
    return X / lengths.where(lengths > floor, torch.inf)


def distances(X, anchors, order):
    """Return distances between rows and anchors, shape (n_rows, n_anchors).

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Rows.

    anchors : Tensor of shape (n_anchors, n_features)
        Anchors.

    order : float
        Order of the norm: 2, 1 or infinity.

    Returns
    -------
    Tensor of shape (n_rows, n_anchors)
        The distances, by differences: products would lose digits of small ones.
    """
    return torch.cdist(X, anchors, p=order, compute_mode="donot_use_mm_for_euclid_dist")


def path_lengths(X, anchors, between, n_neighbors):
    """Return lengths of shortest paths from rows over anchors to anchors.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Rows.

    anchors : Tensor of shape (n_anchors, n_features)
        Anchors.

    between : Tensor of shape (n_anchors, n_anchors)
        Lengths of shortest paths between anchors.

    n_neighbors : int
        A path goes from a row to one of so many nearest anchors first.

    Returns
    -------
    Tensor of shape (n_rows, n_anchors)
        The lengths; those of an anchor are its paths to the others.
    """
    n_steps = min(n_neighbors, len(anchors))
    steps, indices = distances(X, anchors, 2.0).topk(n_steps, largest=False)
    lengths = steps[:, :1] + between[indices[:, 0]]
    for step, index in zip(steps.T[1:], indices.T[1:], strict=True):
        lengths = torch.minimum(lengths, step[:, None] + between[index])
    return lengths


def mean_between(between):
    """Return the mean of distances between different anchors; 1 if it is 0.

    Parameters
    ----------
    between : Tensor of shape (n_anchors, n_anchors)
        Distances, with a diagonal of zeros.

    Returns
    -------
    float
        The mean, a unit of distance that any space of these anchors has.
    """
    n_pairs = len(between) * (len(between) - 1)
    total = between.sum().item()
    return total / n_pairs if total > 0 else 1.0


def attended(parts):
    """Return the mean of what similarities make of each other by self-attention.

    Row by row the codes of each similarity ask those of all, their own included, and
    take most of those whose product with them is largest.

    Parameters
    ----------
    parts : list of Tensor of shape (n_rows, n_anchors)
        Codes of the rows, one table for each similarity.

    Returns
    -------
    Tensor of shape (n_rows, n_anchors)
        ``softmax(S S' / sqrt(n_anchors)) S`` averaged over its rows, for the matrix S
        of the codes of a row.
    """
    codes = torch.stack(parts, 1)  # (n_rows, n_similarities, n_anchors)
    # Not a product of matrices, whose rounding would depend on the number of rows.
    agreement = (codes[:, :, None] * codes[:, None]).sum(3) / codes.shape[2] ** 0.5
    weights = agreement.softmax(2).mean(1)
    return sum(
        weight[:, None] * part for weight, part in zip(weights.T, parts, strict=True)
    )


def encoding(similarities, combination, origin, anchors, scales, paths):
    """Return the function from rows to their codes.

    Parameters
    ----------
    similarities : list of str
        Names in `SIMILARITIES`.

    combination : {"concatenate", "sum", "attention"}
        What becomes of several.

    origin : Tensor of shape (n_features,)
        Is subtracted from rows; cosines are taken around it.

    anchors : Tensor of shape (n_anchors, n_features)
        Anchors less the origin.

    scales : dict of str to float
        Unit of each similarity that is a distance.

    paths : tuple of Tensor of shape (n_anchors, n_anchors) and int, or None
        Lengths of paths between anchors, and the number of nearest anchors that a row's
        path may go to first; for "geodesic".

    Returns
    -------
    callable
        Takes rows, a Tensor of shape (n_rows, n_features).
    """
    # A row at the mean differs from it by rounding.
    floor = torch.finfo(origin.dtype).eps * origin.norm().item()
    directions = padded_columns(unit_rows(anchors, floor).T)

    def part(name, rows):
        if name == "cosine":
            return (unit_rows(rows, floor) @ directions)[:, : len(anchors)]
        if name == "geodesic":
            return 1 - path_lengths(rows, anchors, *paths) / scales[name]
        return 1 - distances(rows, anchors, ORDERS[name]) / scales[name]

    def encoded(rows):
        parts = [part(name, rows - origin) for name in similarities]
        if combination == "concatenate":
            return torch.cat(parts, 1)
        return sum(parts) if combination == "sum" else attended(parts)

    return encoded
