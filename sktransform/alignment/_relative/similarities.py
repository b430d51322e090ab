# SPDX-License-Identifier: BSD-3-Clause
"""Similarities of rows to anchors, with different invariances."""

import torch

from sktransform.nn._products import padded_columns

# Similarities that come from norms, and torch's order of the norm.
ORDERS = {"euclidean": 2.0, "l1": 1.0, "chebyshev": torch.inf}
SIMILARITIES = {"cosine", "geodesic", *ORDERS}

# Nearest anchors to which a path leads from an anchor, or from a row. Fewer let the
# graph fall into parts, more let paths take short cuts.
NEIGHBORS = 10


def unit_rows(X, floor):
    """Return rows scaled to length 1; rows of at most the floor's length become 0."""
    lengths = X.norm(dim=1, keepdim=True)
    return X / lengths.where(lengths > floor, torch.inf)


def distances(X, anchors, order):
    """Return distances between rows and anchors, shape (n_rows, n_anchors).

    Computed by differences: products would lose digits of small distances.

    `order`: order of the norm: 2, 1 or infinity.

    Shapes: X (n_rows, n_features), anchors (n_anchors, n_features) -> (n_rows,
    n_anchors).
    """
    return torch.cdist(X, anchors, p=order, compute_mode="donot_use_mm_for_euclid_dist")


def path_lengths(X, anchors, between):
    """Return lengths of shortest paths from rows over anchors to anchors.

    The lengths of an anchor are its paths to the others. A path goes from a row to one
    of its nearest anchors first.

    Shapes: X (n_rows, n_features), anchors (n_anchors, n_features), between (n_anchors,
    n_anchors) -> (n_rows, n_anchors).
    """
    n_steps = min(NEIGHBORS, len(anchors))
    steps, indices = distances(X, anchors, 2.0).topk(n_steps, largest=False)
    lengths = steps[:, :1] + between[indices[:, 0]]
    for step, index in zip(steps.T[1:], indices.T[1:], strict=True):
        lengths = torch.minimum(lengths, step[:, None] + between[index])
    return lengths


def mean_between(between):
    """Return the mean of distances between different anchors; 1 if it is 0.

    The mean, a unit of distance that any space of these anchors has.

    Shapes: between (n_anchors, n_anchors).
    """
    n_pairs = len(between) * (len(between) - 1)
    total = between.sum().item()
    return total / n_pairs if total > 0 else 1.0


def attended(parts):
    """Return the average of several similarities by self-attention.

    For each row, the queries, keys and values are the codes of all similarities.

    ``softmax(S S' / sqrt(n_anchors)) S`` averaged over its rows, for the matrix S of
    the codes of a row.

    `parts`: codes of the rows, one table for each similarity.

    Shapes: parts list of (n_rows, n_anchors) -> (n_rows, n_anchors).
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

    Takes rows, a Tensor of shape (n_rows, n_features).

    `origin`: subtracted from rows; cosines are taken around it.
    `scales`: unit of each similarity that is a distance.
    `paths`: lengths of paths between anchors, for "geodesic".

    Shapes: origin (n_features,), anchors (n_anchors, n_features), paths (n_anchors,
    n_anchors).
    """
    # A row at the mean differs from it by rounding.
    floor = torch.finfo(origin.dtype).eps * origin.norm().item()
    directions = padded_columns(unit_rows(anchors, floor).T)

    def part(name, rows):
        if name == "cosine":
            return (unit_rows(rows, floor) @ directions)[:, : len(anchors)]
        if name == "geodesic":
            return 1 - path_lengths(rows, anchors, paths) / scales[name]
        return 1 - distances(rows, anchors, ORDERS[name]) / scales[name]

    def encoded(rows):
        parts = [part(name, rows - origin) for name in similarities]
        if combination == "concatenate":
            return torch.cat(parts, 1)
        return sum(parts) if combination == "sum" else attended(parts)

    return encoded
