# SPDX-License-Identifier: BSD-3-Clause
"""Unpaired alignment as mini-vec2vec does it, to compare with.

Dar, G. (2025). mini-vec2vec: scaling universal geometry alignment with linear
transformations, arXiv 2510.02348. Written from its description, for equal or unequal
widths, and seeded; nothing else is changed.
"""

import numpy as np
from scipy.linalg import orthogonal_procrustes, svd
from scipy.optimize import quadratic_assignment
from sklearn.cluster import KMeans
from sklearn.preprocessing import normalize

N_RUNS, N_CLUSTERS, N_RESTARTS, MAX_ROWS = 30, 20, 30, 10_000
N_NEAREST = 50
N_REFINEMENTS, REFINEMENT_ROWS, BLEND = 100, 1000, 0.5
N_FINE_CLUSTERS = 500


def _rotation(X, Y):
    """Return the matrix with orthonormal rows or columns that best turns X into Y."""
    if X.shape[1] == Y.shape[1]:
        return orthogonal_procrustes(X, Y)[0]
    left, _, right = svd(X.T @ Y, full_matrices=False)
    return left @ right


def _some(X, n_rows, generator):
    return X[generator.permutation(len(X))[:n_rows]]


def _centroids(X, generator):
    """Return centroids of clusters, and the Gram matrix of the centred ones."""
    seed = int(generator.integers(2**31))
    sample = _some(X, MAX_ROWS, generator)
    centroids = KMeans(N_CLUSTERS, n_init=1, random_state=seed).fit(sample)
    centroids = centroids.cluster_centers_
    centred = centroids - centroids.mean(axis=0)
    return centroids, centred @ centred.T


def _matched_centroids(X, Y, generator):
    """Return centroids of both sides, in the best order that assignments found."""
    of_x, gram_x = _centroids(X, generator)
    of_y, gram_y = _centroids(Y, generator)
    tries = (
        quadratic_assignment(
            gram_x,
            gram_y,
            method="2opt",
            options={"maximize": True, "rng": generator},
        )
        for _ in range(N_RESTARTS)
    )
    best = max(tries, key=lambda tried: tried.fun)
    return of_x, of_y[best.col_ind]


def _mean_of_nearest(queries, keys, values):
    """Return the mean of the values whose keys have the largest cosines."""
    scores = normalize(queries) @ normalize(keys).T
    n_nearest = min(N_NEAREST, len(keys))
    nearest = np.argpartition(-scores, n_nearest - 1, axis=1)[:, :n_nearest]
    return values[nearest].mean(axis=1)


def _first_map(X, Y, generator):
    """Return a map from rows that see the matched centroids alike."""
    runs = [_matched_centroids(X, Y, generator) for _ in range(N_RUNS)]
    anchors_x, anchors_y = (np.vstack(side) for side in zip(*runs, strict=True))
    seen_x = normalize(X) @ normalize(anchors_x).T
    seen_y = normalize(Y) @ normalize(anchors_y).T
    return _rotation(X, _mean_of_nearest(seen_x, seen_y, Y))


def _by_clusters(X, Y, matrix, generator):
    """Return the map between clusters of X and clusters of Y that started there."""
    seed = int(generator.integers(2**31))
    n_clusters = min(N_FINE_CLUSTERS, len(X), len(Y))
    of_x = KMeans(n_clusters, n_init=1, random_state=seed).fit(X).cluster_centers_
    of_y = KMeans(n_clusters, init=of_x @ matrix, n_init=1).fit(Y).cluster_centers_
    return _rotation(of_x, of_y)


def mini_vec2vec(X, Y, seed=0):
    """Return a function that maps rows of X's space into that of Y, up to length.

    Parameters
    ----------
    X : ndarray of shape (n_rows_X, n_inputs)
        Rows of one view.

    Y : ndarray of shape (n_rows_Y, n_outputs)
        Other rows, in the other view.

    seed : int, default=0
        Seed of samples and starts.
    """
    generator = np.random.default_rng(seed)
    mean_x, mean_y = X.mean(axis=0), Y.mean(axis=0)
    X, Y = normalize(X - mean_x), normalize(Y - mean_y)
    matrix = _first_map(X, Y, generator)
    for _ in range(N_REFINEMENTS):
        rows = _some(X, REFINEMENT_ROWS, generator)
        step = _rotation(rows, _mean_of_nearest(rows @ matrix, Y, Y))
        matrix = (1 - BLEND) * matrix + BLEND * step
    step = _by_clusters(X, Y, matrix, generator)
    matrix = (1 - BLEND) * matrix + BLEND * step
    return lambda rows: normalize(rows - mean_x) @ matrix + mean_y
