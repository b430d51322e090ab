# SPDX-License-Identifier: BSD-3-Clause
"""Geodesic distances by shortest paths over neighbours, and classical scaling."""

import warnings

import numpy as np
from scipy.linalg import eigh
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.sparse.linalg import eigsh
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.neighbors import kneighbors_graph

from sktransform.exceptions import DisconnectedGraphWarning

# Numbers that the shortest paths of one block of sources take, 64 MB in float64.
_BLOCK_NUMBERS = 2**23

# A few eigenvectors of a matrix of more rows than this come from Lanczos' iteration.
_DIRECT_ROWS = 200


def geodesic_distances(X, n_neighbors, sources=None):
    """Return lengths of shortest paths over the graph of nearest neighbours.

    Two rows are joined by an edge, as long as their Euclidean distance, if either is
    among the nearest neighbours of the other. If the graph falls into parts, the
    shortest edges that connect them are added: a minimum spanning tree of the parts.

    Symmetric distances in float64 with a zero diagonal.

    `X`: rows. More than `n_neighbors` equal rows are a part of their own.
    `n_neighbors`: neighbours of a row, clipped to the number of other rows.
    `sources`: rows between which distances are returned; paths lead over all rows. None
      takes all rows.

    Shapes: X (n_rows, n_features), sources (n_sources,) -> (n_sources, n_sources).
    """
    # Neighbours may be found by expanding squares, which loses digits far from 0.
    X = np.asarray(X, dtype=np.float64)
    X = X - X.mean(axis=0)
    sources = np.arange(len(X)) if sources is None else np.asarray(sources)
    if len(X) == 1:
        return np.zeros((len(sources), len(sources)))
    graph = _neighbor_graph(X, min(n_neighbors, len(X) - 1))
    distances = np.empty((len(sources), len(sources)))
    step = max(1, _BLOCK_NUMBERS // len(X))
    for start in range(0, len(sources), step):
        block = slice(start, start + step)
        paths = dijkstra(graph, directed=False, indices=sources[block])
        distances[block] = paths[:, sources]
    # The same edges added up from the other end may differ in the last digit.
    return np.minimum(distances, distances.T)


def _neighbor_graph(X, n_neighbors):
    """Return a connected graph; an edge stands in either or both directions."""
    graph = kneighbors_graph(X, n_neighbors, mode="distance").tocoo()
    n_parts, labels = connected_components(graph, directed=False)
    ends, lengths = np.stack((graph.row, graph.col)), graph.data
    if n_parts > 1:
        warnings.warn(
            f"The graph of {n_neighbors} nearest neighbours falls into {n_parts} "
            "parts, which were connected by the shortest edges between the parts. "
            "Distances from one part to another are unreliable; a larger n_neighbors "
            "may connect the parts.",
            DisconnectedGraphWarning,
            stacklevel=6,
        )
        bridges = _shortest_bridges(X, labels)
        ends = np.concatenate((ends, bridges), axis=1)
        bridge_lengths = np.linalg.norm(X[bridges[0]] - X[bridges[1]], axis=1)
        lengths = np.concatenate((lengths, bridge_lengths))
    # Not a sum or a maximum of matrices: these would drop edges of length 0.
    return coo_array((lengths, tuple(ends)), shape=graph.shape).tocsr()


def _shortest_bridges(X, labels):
    """Return the ends, shape (2, n_parts - 1), of edges that connect the parts.

    The nearest row outside any part belongs to a minimum spanning tree. The smallest
    part asks first: then no row is asked more often than the parts can double.
    """
    labels = labels.copy()
    sizes = np.bincount(labels)
    bridges = []
    for _ in range(len(sizes) - 1):
        smallest = np.argmin(np.where(sizes > 0, sizes, len(X) + 1))
        is_inside = labels == smallest
        inside, outside = np.flatnonzero(is_inside), np.flatnonzero(~is_inside)
        nearest, lengths = pairwise_distances_argmin_min(X[inside], X[outside])
        shortest = np.argmin(lengths)
        bridge = inside[shortest], outside[nearest[shortest]]
        bridges.append(bridge)
        labels[inside] = labels[bridge[1]]
        sizes[labels[bridge[1]]] += len(inside)
        sizes[smallest] = 0
    return np.array(bridges).T


def classical_scaling(distances, n_components, row_weights=None):
    """Return coordinates whose inner products are nearest to those of the distances.

    Coordinates of weighted mean 0 in order of falling variance; the entry of largest
    magnitude is positive in each column. Columns without a positive eigenvalue, and
    those beyond the number of rows, are 0.

    `row_weights`: positive weights; a row of weight 2 counts like two equal rows. None
      weighs every row 1.

    Shapes: distances (n_rows, n_rows), row_weights (n_rows,) -> (n_rows, n_components).
    """
    n_rows = len(distances)
    weights = np.ones(n_rows) if row_weights is None else row_weights
    products = -0.5 * distances**2
    means = products @ weights / weights.sum()
    products -= means[:, None]
    products -= means - weights @ means / weights.sum()
    roots = np.sqrt(weights)
    products *= roots[:, None]
    products *= roots
    n_found = min(n_components, n_rows)
    values, vectors = _leading_eigen(products, n_found)
    coordinates = np.zeros((n_rows, n_components))
    scales = np.sqrt(np.maximum(values, 0))
    coordinates[:, :n_found] = (vectors * scales / roots[:, None])[:, ::-1]
    peaks = np.take_along_axis(
        coordinates, np.abs(coordinates).argmax(axis=0)[None], axis=0
    )
    return np.where(peaks < 0, -coordinates, coordinates)


def _leading_eigen(matrix, n_values):
    """Return the largest eigenvalues in rising order, and their eigenvectors."""
    n_rows = len(matrix)
    if n_rows <= _DIRECT_ROWS or 10 * n_values > n_rows or not matrix.any():
        return eigh(matrix, subset_by_index=[n_rows - n_values, n_rows - 1])
    # Not a vector of ones, for which the iteration finds nothing: its product is 0.
    start = np.random.default_rng(0).uniform(-1, 1, n_rows)
    values, vectors = eigsh(matrix, n_values, which="LA", v0=start)
    order = np.argsort(values)
    return values[order], vectors[:, order]
