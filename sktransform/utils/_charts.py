# SPDX-License-Identifier: BSD-3-Clause
"""Charts of a Gaussian-weighted mixture: their centres and widths."""

import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_random_state

from sktransform.exceptions import DegenerateDataWarning

# A chart's width comes from the distances to this many nearest other centres.
_NEIGHBORS = 3


def place_centers(X, n_centers, row_weights, random_state):
    """Return the means of clusters of distinct rows.

    `n_centers`: how many; clipped to the number of rows with a warning.

    Shapes: X (n_rows, n_features), row_weights (n_rows,) -> (at most n_centers,
    n_features).
    """
    if n_centers > len(X):
        warnings.warn(
            f"n_gaussians={n_centers}, but there are {len(X)} distinct rows; "
            f"{len(X)} charts are used.",
            DegenerateDataWarning,
            stacklevel=4,
        )
        n_centers = len(X)
    if n_centers == 1:
        return np.average(X, axis=0, weights=row_weights)[None]
    clusters = KMeans(
        n_centers, n_init=1, max_iter=30, random_state=check_random_state(random_state)
    ).fit(X, sample_weight=row_weights)
    # A cluster may come out empty or equal to another one.
    return np.unique(clusters.cluster_centers_, axis=0)


def farthest_rows(X, n_rows, row_weights):
    """Return indices of rows each of which is farthest from those before it.

    Different indices; the first is that of the row nearest to the weighted mean.

    `X`: rows, not far from 0 beside their distances.

    Shapes: X (n_rows_X, n_features), row_weights (n_rows_X,) -> (n_rows,).
    """
    mean = np.average(X, axis=0, weights=row_weights)
    chosen = [int(np.argmin(euclidean_distances(X, mean[None])))]
    nearest = euclidean_distances(X, X[chosen]).ravel()
    for _ in range(n_rows - 1):
        nearest[chosen[-1]] = -1  # never again, even if all rows left are equal to it
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, euclidean_distances(X, X[chosen[-1:]]).ravel())
    return np.array(chosen)


def chart_widths(centers, width):
    """Return a width for each centre from the distances to its nearest centres.

    Positive widths in squared units of the centres; 1 for a single centre, whose width
    does not matter.

    `width`: factor on the mean squared distance to the three nearest other centres.

    Shapes: centers (n_centers, n_features) -> (n_centers,).
    """
    if len(centers) == 1:
        return np.ones(1)
    squared = euclidean_distances(centers, squared=True)
    np.fill_diagonal(squared, np.inf)
    nearest = np.sort(squared, axis=1)[:, : min(_NEIGHBORS, len(centers) - 1)]
    widths = width * nearest.mean(axis=1)
    return np.maximum(widths, 1e-6 * np.median(widths))
