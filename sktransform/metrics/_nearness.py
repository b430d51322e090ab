# SPDX-License-Identifier: BSD-3-Clause
"""Nearest rows of a gallery: ranks and masks that do not depend on rounding."""

import math

import numpy as np
import torch

# Scores of queries and gallery held at once, 8 MB in float64.
_BLOCK_ENTRIES = 2**20

# Rows of which the median is taken, evenly spaced.
_CENTER_ROWS = 10_000

# What differs by less than this fraction differs by the rounding of a product, which
# depends on the shape of the matrices.
_ROUNDING = 1e-14


def _unit_rows(rows):
    """Return rows of length 1; zero rows stay zero."""
    peaks = rows.abs().amax(1, keepdim=True)
    rows = rows / peaks.where(peaks > 0, 1)  # squares of the largest numbers are finite
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return rows / lengths.where(lengths > 0, 1)


def _preparation(queries, gallery, metric, runtime):
    """Return the function that makes rows ready for products.

    Unit rows for cosines. For Euclidean distances rows around the gallery's median,
    which keeps the digits of rows far from the origin and, unlike the mean, follows no
    remote row; in a unit near the largest number, a power of two and therefore exact.
    """
    if metric == "cosine":
        return lambda rows: _unit_rows(runtime.tensor(rows))
    peak = max(max(-float(a.min()), float(a.max())) for a in (queries, gallery))
    unit = math.ldexp(1.0, math.frexp(peak)[1] - 1)
    sample = gallery[:: -(-len(gallery) // _CENTER_ROWS)]
    median = np.quantile(sample, 0.5, axis=0, method="lower")
    center = runtime.tensor(median) / unit
    return lambda rows: runtime.tensor(rows) / unit - center


def nearness_blocks(queries, gallery, metric, runtime):
    """Yield how near each row of the gallery is, for some queries at a time.

    `scores`: cosines, or products less half the squared lengths of the gallery's rows.
      Both are larger for nearer rows.
    `margins`: more than what rounding can have done to the scores.

    Shapes: queries (n_queries, n_features), gallery (n_gallery, n_features) -> part,
    scores (n_block, n_gallery), margins (n_block, n_gallery).
    """
    prepare = _preparation(queries, gallery, metric, runtime)
    rows = prepare(gallery)
    lengths = torch.linalg.vector_norm(rows, dim=1)
    offsets = lengths.square() / 2 if metric == "euclidean" else lengths.new_zeros(1)
    step = max(1, _BLOCK_ENTRIES // len(rows))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        block = prepare(queries[part])
        reach = torch.linalg.vector_norm(block, dim=1, keepdim=True) + lengths
        scores = torch.addmm(-offsets, block, rows.T)
        yield part, scores, _ROUNDING * lengths * reach


def partner_ranks(queries, gallery, partners, metric, runtime):
    """Return how many rows of the gallery are at least as near as the partner.

    Ranks from 1, the partner and rows equally near counted.

    `partners`: index of each query's partner in the gallery.

    Shapes: queries (n_queries, n_features), gallery (n_gallery, n_features), partners
    (n_queries,) -> (n_queries,).
    """
    ranks = np.empty(len(queries), dtype=np.int64)
    for part, scores, margins in nearness_blocks(queries, gallery, metric, runtime):
        indices = runtime.tensor(partners[part], torch.int64)[:, None]
        ranks[part] = ranks_in_block(scores, margins, indices).cpu().numpy()
    return ranks


def ranks_in_block(scores, margins, indices):
    """Return the ranks of partners in a block of :func:`nearness_blocks`.

    Shapes: scores (n_block, n_gallery), margins (n_block, n_gallery), indices (n_block,
    1) -> (n_block,).
    """
    least = scores.gather(1, indices) - margins.gather(1, indices)
    return (scores + margins >= least).sum(1)


def nearest_masks(queries, gallery, k, metric, runtime):
    """Yield which rows of the gallery are the k nearest, for some queries at a time.

    Exactly k entries of each row are true.

    `k`: how many, at most n_gallery. Of rows equally near the first ones are taken.

    Shapes: queries (n_queries, n_features), gallery (n_gallery, n_features) ->
    (n_block, n_gallery).
    """
    for _, scores, margins in nearness_blocks(queries, gallery, metric, runtime):
        yield mask_of_block(scores, margins, k)


def mask_of_block(scores, margins, k):
    """Return which rows are the k nearest in a block of :func:`nearness_blocks`.

    Exactly k entries of each row are true.

    Shapes: scores (n_block, n_gallery), margins (n_block, n_gallery) -> (n_block,
    n_gallery).
    """
    last = scores.topk(k).indices[:, -1:]
    limit, margin = scores.gather(1, last), margins.gather(1, last)
    nearer = scores - margins > limit + margin
    as_near = ~nearer & (scores + margins >= limit - margin)
    n_left = k - nearer.sum(1, keepdim=True)
    return nearer | (as_near & (as_near.cumsum(1) <= n_left))
