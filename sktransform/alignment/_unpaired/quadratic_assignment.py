# SPDX-License-Identifier: BSD-3-Clause
"""Quadratic assignment: cluster centres matched by their Gram matrices."""

import torch

# Rows among which the first centres of a run are drawn.
_START_ROWS = 500

# A swap must gain more than this, of matrices of norm 1 in single precision.
_LEAST_GAIN = 1e-6


def batched_kmeans(X, n_runs, n_clusters, generator, n_iter=15):
    """Return the centres of several runs of k-means at once.

    A centre whose cluster loses all rows stays where it was.

    `n_clusters`: clusters of each run. With fewer different rows some centres are
      equal.
    `generator`: source of the first centres, which are drawn as k-means++ does.

    Shapes: X (n_rows, n_features) -> (n_runs, n_clusters, n_features).
    """
    centers = _first_centers(X, n_runs, n_clusters, generator)
    n_centers = n_runs * n_clusters
    offsets = torch.arange(n_runs, device=X.device)[:, None] * n_clusters
    labels = None
    for _ in range(n_iter):
        flat = centers.flatten(0, 1)
        nearness = torch.addmm(-flat.square().sum(1, keepdim=True) / 2, flat, X.T)
        nearest = nearness.unflatten(0, (n_runs, n_clusters)).max(1).indices + offsets
        if labels is not None and torch.equal(nearest, labels):
            break
        labels = nearest
        sums = torch.zeros_like(flat)
        for run_labels in labels:
            sums.index_add_(0, run_labels, X)
        counts = labels.flatten().bincount(minlength=n_centers)[:, None]
        means = torch.where(counts > 0, sums / counts.clamp_min(1), flat)
        centers = means.unflatten(0, (n_runs, n_clusters))
    return centers


def _first_centers(X, n_runs, n_clusters, generator):
    """Return rows far from each other, drawn for each run among rows of its own."""
    n_drawn = min(len(X), _START_ROWS)
    drawn = torch.rand(n_runs, len(X), generator=generator, device=X.device)
    rows = X[drawn.topk(n_drawn, dim=1).indices]
    runs = torch.arange(n_runs, device=X.device)
    squared = rows.new_full((n_runs, n_drawn), torch.inf)
    chosen = torch.zeros(n_runs, dtype=torch.int64, device=X.device)
    centers = []
    for _ in range(n_clusters):
        centers.append(rows[runs, chosen])
        distances = (rows - centers[-1][:, None]).square().sum(2)
        squared = torch.minimum(squared, distances)
        # Where all rows are centres already, any of them will do.
        odds = squared.clamp_min(torch.finfo(rows.dtype).tiny)
        chosen = torch.multinomial(odds, 1, generator=generator)[:, 0]
    return torch.stack(centers, 1)


def centred_gram(centers):
    """Return inner products of centres around their mean, of Frobenius norm 1.

    Symmetric matrices; 0 where the centres of a run are all equal.

    Shapes: centers (n_runs, n_clusters, n_features) -> (n_runs, n_clusters,
    n_clusters).
    """
    centred = centers - centers.mean(1, keepdim=True)
    gram = centred @ centred.mT
    norm = torch.linalg.matrix_norm(gram)[:, None, None]
    return gram / norm.where(norm > 0, 1.0)


def swap_gains(A, Bp):
    """Return what each swap of two positions adds to ``<A, Bp>``.

    Entry (r, s) is the gain of exchanging rows and columns r and s of Bp.

    Shapes: A (..., n, n), Bp (..., n, n) -> (..., n, n).
    """
    product = A @ Bp
    gains = product + product.mT
    own = product.diagonal(dim1=-2, dim2=-1)
    gains = gains.sub_(own.unsqueeze(-1)).sub_(own.unsqueeze(-2)).mul_(2)
    return gains.addcmul_(_spreads(A), _spreads(Bp))


def _spreads(matrix):
    """Return ``m_rr + m_ss - 2 m_rs``: squared distances, if these are products."""
    own = matrix.diagonal(dim1=-2, dim2=-1)
    return own.unsqueeze(-1) + own.unsqueeze(-2) - 2 * matrix


def best_assignments(A, B, linear, n_restarts, generator, max_iter=300):
    """Return permutations under which matrices agree best, found by swaps.

    The quadratic assignment problem ``max <A, B[p][:, p]> + sum_i L[i, p_i]`` is
    climbed from many random permutations at once, each by the best swap there is.

    `n_restarts`: random permutations to begin at, for each problem.

    Shapes: A (n_problems, n, n), B (n_problems, n, n), linear (n_problems, n, n) ->
    permutations (n_problems, n), agreements (n_problems,).
    """
    n_problems, n = A.shape[:2]
    problems = torch.arange(n_problems, device=A.device)
    problems = problems.repeat_interleave(n_restarts)
    order = torch.rand(len(problems), n, generator=generator, device=A.device)
    order = order.argsort(1)
    climbing = torch.arange(len(problems) if n > 1 else 0, device=A.device)
    for _ in range(max_iter):
        if len(climbing) == 0:
            break
        at, now = problems[climbing], order[climbing]
        gains = swap_gains(A[at], _permuted(B, at, now)) + _linear_gains(
            linear[at], now
        )
        best, swap = gains.flatten(1).max(1)
        rising = best > _LEAST_GAIN
        climbing, swap, now = climbing[rising], swap[rising], now[rising]
        rows = torch.arange(len(climbing), device=A.device)
        first, second = swap // n, swap % n
        now[rows, first], now[rows, second] = now[rows, second], now[rows, first]
        order[climbing] = now
    agreements = (A[problems] * _permuted(B, problems, order)).sum((1, 2))
    values = agreements + linear[problems].gather(2, order[:, :, None]).sum((1, 2))
    best = values.view(n_problems, n_restarts).argmax(1)
    best = best + n_restarts * torch.arange(n_problems, device=A.device)
    return order[best], agreements[best]


def _permuted(B, problems, order):
    """Return the matrix of each problem with rows and columns in an order."""
    return B[problems[:, None, None], order[:, :, None], order[:, None, :]]


def _linear_gains(linear, order):
    """Return what each swap adds to the linear term."""
    # Entry (r, s): the gain of giving position r what position s has now.
    given = linear.gather(2, order[:, None, :].expand_as(linear))
    own = given.diagonal(dim1=1, dim2=2)
    return given + given.mT - own.unsqueeze(2) - own.unsqueeze(1)


def pair_affinity(centers_x, centers_y, pairs, sharpness=10.0):
    """Return how often known pairs fall into each pair of clusters, softly.

    Covariances of memberships, of Frobenius norm 1, or 0.

    `pairs`: rows of both views of the known pairs, of length 1.
    `sharpness`: factor of the cosines in a row's membership of clusters.

    Shapes: centers_x (n_runs, n_clusters, n_inputs), centers_y (n_runs, n_clusters,
    n_outputs) -> (n_runs, n_clusters, n_clusters).
    """
    normalize = torch.nn.functional.normalize
    members = []
    for rows, centers in zip(pairs, (centers_x, centers_y), strict=True):
        cosines = rows @ normalize(centers, dim=2).mT
        member = torch.softmax(sharpness * cosines, dim=2)
        members.append(member - member.mean(1, keepdim=True))
    affinity = members[0].mT @ members[1]
    norm = torch.linalg.matrix_norm(affinity)[:, None, None]
    return affinity / norm.where(norm > 0, 1.0)
