# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from sktransform.runtime import _nearest
from sktransform.runtime._nearest import (
    nearest_others,
    nearest_rows,
    smallest,
    squared_distances,
)


def _normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def _blobs(n_rows=1500, n_features=4, n_groups=12):
    generator = np.random.default_rng(0)
    centers = generator.normal(size=(n_groups, n_features)) * 6
    rows = centers[np.arange(n_rows) % n_groups]
    return torch.from_numpy(rows + generator.normal(size=rows.shape))


def _others(rows, n_neighbors, seed=0):
    return nearest_others(rows, n_neighbors, np.random.RandomState(seed))


def _expected_others(rows, n_neighbors):
    search = NearestNeighbors(n_neighbors=n_neighbors).fit(rows.numpy())
    return search.kneighbors(return_distance=False)


def _distances_to(rows, indices):
    return (rows[:, None] - rows[indices]).square().sum(2)


@pytest.fixture
def small_cells(monkeypatch):
    """Search in cells from 100 rows on, 40 to a cell; 14 are searched as ever."""
    monkeypatch.setattr(_nearest, "_EXACT_ROWS", 100)
    monkeypatch.setattr(_nearest, "_CELL_ROWS", 40)
    monkeypatch.setattr(_nearest, "_CELL_SAMPLE", 101)


# Every pair


def test_squared_distances_are_those_of_subtraction_and_never_negative():
    X, Y = _normal(20, 3), _normal(15, 3, seed=1)
    expected = (X[:, None] - Y).square().sum(2)
    torch.testing.assert_close(squared_distances(X, Y), expected)
    far = X.repeat(2, 1) + 1e4
    assert (squared_distances(far, far) >= 0).all()


@pytest.mark.parametrize("n_smallest", [1, 3, 10])
@pytest.mark.parametrize("n_columns", [10, 191, 192, 640, 1921, 3000])
def test_smallest_entries_are_those_of_sorting(n_columns, n_smallest):
    values = _normal(30, n_columns)
    values[3, -n_smallest:] = -5
    values[4, :100] = torch.inf
    found, indices = smallest(values, n_smallest)
    expected = values.sort(1).values
    assert torch.equal(found, expected[:, :n_smallest])
    assert torch.equal(values.gather(1, indices), found)
    assert (indices.sort(1).values.diff(dim=1) > 0).all()


@pytest.mark.parametrize("n_neighbors", [1, 7, 49])
def test_exact_search_agrees_with_scikit_learn(n_neighbors):
    rows = _normal(50, 4)
    np.testing.assert_array_equal(
        _others(rows, n_neighbors), _expected_others(rows, n_neighbors)
    )
    queries = _normal(30, 4, seed=1)
    squared, indices = nearest_rows(queries, rows, n_neighbors)
    expected = NearestNeighbors(n_neighbors=n_neighbors).fit(rows).kneighbors(queries)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_allclose(squared.sqrt(), expected[0], atol=1e-7)


def test_copies_of_a_row_are_its_neighbours_and_itself_is_not():
    rows = _normal(20, 3).repeat(3, 1)
    indices = _others(rows, 5)
    assert (indices != torch.arange(60)[:, None]).all()
    copies = (indices[:, :2] % 20) == torch.arange(60)[:, None] % 20
    assert copies.all()
    expected = _distances_to(rows, _expected_others(rows, 5))
    torch.testing.assert_close(_distances_to(rows, indices), expected)


def test_rows_that_are_all_equal_have_other_rows_as_neighbours():
    indices = _others(torch.ones(6, 2, dtype=torch.float64), 5)
    everything = torch.arange(6).expand(6, 6)
    with_itself = torch.cat([torch.arange(6)[:, None], indices], 1)
    assert torch.equal(with_itself.sort(1).values, everything)


@pytest.mark.parametrize("entries", [1, 170, 1000])
def test_blocks_do_not_matter(monkeypatch, entries):
    rows, queries = _normal(50, 4), _normal(33, 4, seed=1)
    expected = _others(rows, 6), *nearest_rows(queries, rows, 6)
    monkeypatch.setattr(_nearest, "_BLOCK_ENTRIES", entries)
    found = _others(rows, 6), *nearest_rows(queries, rows, 6)
    torch.testing.assert_close(found, expected)


# Nearby cells


@pytest.mark.parametrize("rows", [_blobs(), _normal(1500, 4)], ids=["blobs", "normal"])
def test_cells_find_nine_of_ten_neighbours(small_cells, rows):
    found, expected = _others(rows, 10).numpy(), _expected_others(rows, 10)
    common = [len(np.intersect1d(a, b)) for a, b in zip(found, expected, strict=True)]
    assert np.mean(common) >= 9


def test_neighbours_from_cells_are_distinct_others_in_order(small_cells):
    rows = _blobs()
    indices = _others(rows, 10)
    assert (indices != torch.arange(len(rows))[:, None]).all()
    assert (indices.sort(1).values.diff(dim=1) > 0).all()
    distances = _distances_to(rows, indices)
    assert (distances.diff(dim=1) >= -1e-9).all()


def test_more_neighbours_than_the_nearest_cells_hold_are_found_exactly(small_cells):
    rows = _normal(300, 4)
    np.testing.assert_array_equal(_others(rows, 250), _expected_others(rows, 250))


@pytest.mark.parametrize("n_neighbors", [15, 119])
def test_empty_and_tiny_cells_still_give_neighbours(small_cells, n_neighbors):
    # Most cells start on copies of one row and stay empty; others hold a row alone.
    rows = torch.cat([torch.zeros(100, 3), 50 * _normal(20, 3)]).double()
    indices = _others(rows, n_neighbors)
    assert indices.shape == (120, n_neighbors)
    assert (indices != torch.arange(120)[:, None]).all()
    assert (indices.sort(1).values.diff(dim=1) > 0).all()
    assert ((indices >= 0) & (indices < 120)).all()
    # The copies have each other.
    assert (indices[:100, :15] < 100).all()


def test_cells_are_seeded(small_cells):
    rows = _normal(800, 5)
    assert torch.equal(_others(rows, 8), _others(rows, 8))
    assert not torch.equal(_others(rows, 8), _others(rows, 8, seed=1))


def test_single_precision_finds_nearly_the_same(small_cells):
    rows = _blobs()
    single, double = _others(rows.float(), 10), _others(rows, 10)
    assert (single == double).double().mean() > 0.98
