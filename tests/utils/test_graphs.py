# SPDX-License-Identifier: BSD-3-Clause
import warnings

import numpy as np
import pytest
import scipy
from packaging.version import Version
from scipy.sparse.csgraph import floyd_warshall
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap

from sktransform.datasets import make_s_curve, make_swiss_roll
from sktransform.exceptions import DisconnectedGraphWarning
from sktransform.utils import _graphs
from sktransform.utils._graphs import classical_scaling, geodesic_distances


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(80, 3))


def _clusters(n_clusters, n_rows_each, n_features=3, seed=0):
    generator = np.random.default_rng(seed)
    centers = 100 * generator.normal(size=(n_clusters, n_features))
    noise = generator.normal(size=(n_clusters * n_rows_each, n_features))
    return centers.repeat(n_rows_each, axis=0) + noise


def _geodesics_by_definition(X, n_neighbors):
    distances = squareform(pdist(X))
    graph = np.full_like(distances, np.inf)
    for row, to_others in enumerate(distances):
        nearest = np.argsort(to_others)[: n_neighbors + 1]
        graph[row, nearest] = graph[nearest, row] = to_others[nearest]
    return floyd_warshall(graph)


# Shortest paths


@pytest.mark.parametrize("n_neighbors", [4, 10])
def test_geodesics_agree_with_their_definition(rows, n_neighbors):
    found = geodesic_distances(rows, n_neighbors)
    expected = _geodesics_by_definition(rows, n_neighbors)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diagonal(found), 0)


def test_geodesics_agree_with_isomap():
    X = make_s_curve(400, random_state=0)[0]
    expected = Isomap(n_neighbors=8).fit(X).dist_matrix_
    np.testing.assert_allclose(geodesic_distances(X, 8), expected, atol=1e-12)


@pytest.mark.parametrize("n_neighbors", [79, 80, 10_000])
def test_all_neighbors_give_euclidean_distances(rows, n_neighbors):
    found = geodesic_distances(rows, n_neighbors)
    np.testing.assert_allclose(found, squareform(pdist(rows)), atol=1e-12)


def test_landmarks_are_joined_by_paths_over_all_rows(monkeypatch):
    X = make_swiss_roll(3000, random_state=0)[0]
    sources = np.random.default_rng(0).choice(3000, 500, replace=False)
    everything = geodesic_distances(X, 10)
    found = geodesic_distances(X, 10, sources)
    np.testing.assert_array_equal(found, everything[np.ix_(sources, sources)])
    monkeypatch.setattr(_graphs, "_BLOCK_NUMBERS", 7 * 3000)
    in_blocks = geodesic_distances(X, 10, sources[:50])
    np.testing.assert_array_equal(in_blocks, found[:50, :50])


def test_equal_rows_are_at_distance_zero():
    line = np.repeat(np.arange(10.0), 3)[:, None]
    # Two of a row's three neighbours are its copies, over edges of length 0.
    found = geodesic_distances(line, 3)
    np.testing.assert_allclose(found, np.abs(line - line.T), atol=1e-12)


def test_more_equal_rows_than_neighbors_are_connected_once():
    line = np.repeat(np.arange(4.0), 6)[:, None]
    with pytest.warns(DisconnectedGraphWarning):
        found = geodesic_distances(line, 2)
    np.testing.assert_allclose(found, np.abs(line - line.T), atol=1e-12)


def test_parts_of_equal_rows_are_bridged_by_edges_of_length_zero():
    # 12 copies and 2 neighbours: which copies find which is up to the search.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DisconnectedGraphWarning)
        found = geodesic_distances(np.ones((12, 2)), 2)
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("n_rows", [1, 2])
def test_one_row_and_two(n_rows):
    X = np.array([[0.0, 0.0], [3.0, 4.0]])[:n_rows]
    np.testing.assert_allclose(geodesic_distances(X, 10), cdist(X, X))


@pytest.mark.parametrize("n_features", [3, 60])
def test_single_precision_far_from_the_origin(n_features):
    X = np.random.default_rng(0).normal(size=(200, n_features))
    X = (X + 1e4).astype(np.float32)
    exact = _geodesics_by_definition(X.astype(np.float64) - 1e4, 8)
    np.testing.assert_allclose(geodesic_distances(X, 8), exact, rtol=1e-9)


def test_rows_are_not_written_to(rows):
    rows.setflags(write=False)
    geodesic_distances(rows, 5)


# Parts of a graph


def test_parts_are_connected_with_one_warning_that_counts_them():
    X = _clusters(5, 20)
    with pytest.warns(DisconnectedGraphWarning, match="falls into 5 parts") as caught:
        found = geodesic_distances(X, 4)
    assert len(caught) == 1
    assert "larger n_neighbors" in str(caught[0].message)
    assert np.all(np.isfinite(found))


def test_two_parts_are_connected_by_the_shortest_edge():
    X = _clusters(2, 30)
    between = cdist(X[:30], X[30:])
    first, second = np.unravel_index(between.argmin(), between.shape)
    with pytest.warns(DisconnectedGraphWarning, match="2 parts"):
        found = geodesic_distances(X, 8)
    bridged = found[:30, first, None] + between.min() + found[30 + second, 30:]
    np.testing.assert_allclose(found[:30, 30:], bridged, rtol=1e-12)


@pytest.mark.parametrize("n_features", [2, 40])
def test_bridges_are_the_minimum_spanning_tree_of_the_parts(n_features):
    n_parts, size = 12, 6
    X = _clusters(n_parts, size, n_features)
    order = np.random.default_rng(1).permutation(len(X))
    labels = np.repeat(np.arange(n_parts), size)[order]
    bridges = _graphs._shortest_bridges(X[order], labels)
    lengths = np.linalg.norm(X[order][bridges[0]] - X[order][bridges[1]], axis=1)
    # Prim's algorithm on the shortest distances between parts.
    blocks = cdist(X, X).reshape(n_parts, size, n_parts, size)
    between = blocks.min(axis=(1, 3))
    inside, expected = [0], []
    while len(inside) < n_parts:
        outside = np.setdiff1d(np.arange(n_parts), inside)
        nearest = between[np.ix_(inside, outside)].min(axis=0)
        expected.append(nearest.min())
        inside.append(outside[nearest.argmin()])
    np.testing.assert_allclose(np.sort(lengths), np.sort(expected), rtol=1e-9)


def test_hundreds_of_parts_of_many_rows_are_connected():
    X = _clusters(300, 10)
    sources = np.arange(0, 3000, 10)
    with pytest.warns(DisconnectedGraphWarning, match="parts"):
        found = geodesic_distances(X, 5, sources)
    assert np.all(found >= squareform(pdist(X[sources])) - 1e-9)
    assert np.all(np.isfinite(found))
    with pytest.warns(DisconnectedGraphWarning):
        again = geodesic_distances(X, 5, sources)
    np.testing.assert_array_equal(found, again)


# Classical scaling


@pytest.mark.parametrize("n_rows", [80, 400])
def test_scaling_of_euclidean_distances_is_pca(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 4)) * [5, 3, 2, 1]
    found = classical_scaling(squareform(pdist(X)), 3)
    expected = PCA(3).fit_transform(X)
    expected *= np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.all(found[np.abs(found).argmax(axis=0), np.arange(3)] > 0)


def test_scaling_is_the_start_of_isomap():
    X = make_swiss_roll(400, random_state=0)[0]
    isomap = Isomap(n_neighbors=12).fit(X)
    found = classical_scaling(isomap.dist_matrix_, 2)
    expected = isomap.embedding_ * np.sign((found * isomap.embedding_).sum(axis=0))
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("n_rows", [50, 250])
def test_scaling_weights_are_repetitions(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 3)) * [3, 2, 1]
    weights = np.random.default_rng(1).integers(1, 4, n_rows)
    found = classical_scaling(squareform(pdist(X)), 2, weights.astype(float))
    repeated = X.repeat(weights, axis=0)
    expected = classical_scaling(squareform(pdist(repeated)), 2)
    np.testing.assert_allclose(found.repeat(weights, axis=0), expected, atol=1e-8)
    np.testing.assert_allclose(weights @ found, 0, atol=1e-9)


def test_negative_eigenvalues_give_no_coordinates():
    # A star: the points are 2 apart along edges of length 1, which no plane allows.
    star = 2.0 * (1 - np.eye(4))
    star[0] = star[:, 0] = [0, 1, 1, 1]
    found = classical_scaling(star, 4)
    assert np.all(np.isfinite(found))
    np.testing.assert_allclose(found[:, 2:], 0, atol=1e-7)
    assert np.linalg.matrix_rank(found, tol=1e-6) == 2


@pytest.mark.parametrize("n_rows", [3, 300])
def test_equal_rows_are_scaled_to_zero(n_rows):
    found = classical_scaling(np.zeros((n_rows, n_rows)), 2)
    np.testing.assert_array_equal(found, np.zeros((n_rows, 2)))


def test_more_coordinates_than_rows_are_zero():
    found = classical_scaling(np.array([[0.0, 2.0], [2.0, 0.0]]), 3)
    np.testing.assert_allclose(np.abs(found), [[1, 0, 0], [1, 0, 0]], atol=1e-12)


# Where an invariant subspace is exhausted, ARPACK goes on with a random vector. Before
# SciPy 1.17 its generator is one of the process, and no argument seeds it.
old_arpack = pytest.mark.xfail(
    Version(scipy.__version__) < Version("1.17"),
    reason="ARPACK draws from a generator that it keeps from call to call",
)


@pytest.mark.parametrize("n_rows", [60, pytest.param(300, marks=old_arpack)])
def test_scaling_is_repeatable_where_eigenvalues_are_equal(n_rows):
    equidistant = 1 - np.eye(n_rows)
    first, second = (classical_scaling(equidistant, 2) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    # Any direction is as good as another; the extent is the same in each.
    np.testing.assert_allclose((first**2).sum(axis=0), 0.5, rtol=1e-9)


def test_distances_are_not_written_to(rows):
    distances = squareform(pdist(rows))
    distances.setflags(write=False)
    classical_scaling(distances, 2)
