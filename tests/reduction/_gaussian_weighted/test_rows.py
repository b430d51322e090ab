# SPDX-License-Identifier: BSD-3-Clause
"""Sparse tables: the map of the same dense rows, without the dense rows."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.metrics import pairwise_distances
from sklearn.utils import get_tags

from sktransform.base import TorchTransformer
from sktransform.exceptions import DegenerateDataWarning
from sktransform.reduction import (
    GaussianWeightedLinearReducer,
    GaussianWeightedNeighborReducer,
)
from sktransform.reduction._gaussian_weighted.problem import (
    _lexicographic_keys,
    distinct_rows,
)
from sktransform.reduction._gaussian_weighted.rows import InternalRows, sparse_distances
from sktransform.runtime import _linalg
from sktransform.runtime._linalg import principal_axes, sparse_principal_axes
from sktransform.runtime._runtime import Runtime, SparseRows


def _documents(n_rows, n_words, length=60, n_topics=8, seed=0):
    """Return counts of words, logarithms taken, of documents about few topics."""
    generator = np.random.default_rng(seed)
    topics = generator.dirichlet(np.full(n_words, 0.05), n_topics)
    shares = generator.dirichlet(np.full(n_topics, 0.2), n_rows)
    counts = generator.multinomial(length, shares @ topics)
    return scipy.sparse.csr_array(np.log1p(counts))


WIDE = _documents(200, 300)
NARROW = _documents(200, 30)


def _fitted(X, sample_weight=None, **parameters):
    reducer = GaussianWeightedLinearReducer(random_state=0, **parameters)
    return reducer.fit(X, sample_weight=sample_weight)


def _anchored(X, max_iter):
    return GaussianWeightedNeighborReducer(
        anchored=True, max_iter=max_iter, random_state=0
    ).fit(X)


FITTED = _fitted(WIDE)


# Equal to dense


@pytest.mark.parametrize(
    ("n_rows", "n_words"), [(200, 30), (200, 300), (500, 300), (600, 700)]
)
def test_fit_equals_that_of_the_dense_rows(n_rows, n_words):
    X = _documents(n_rows, n_words)
    sparse, dense = _fitted(X), _fitted(X.toarray())
    size = np.abs(dense.embedding_).max()
    np.testing.assert_allclose(sparse.embedding_, dense.embedding_, atol=1e-6 * size)
    assert sparse.stress_ == pytest.approx(dense.stress_, rel=1e-8)
    np.testing.assert_allclose(sparse.feature_scale_, dense.feature_scale_, atol=1e-12)
    assert sparse.n_iter_ == dense.n_iter_
    if n_words == 30:
        np.testing.assert_array_equal(sparse.embedding_, dense.embedding_)


def test_landmarks_are_those_of_the_dense_rows():
    options = {"n_landmarks": 120, "target_weight": 0.3}
    labels = np.arange(200) % 3
    sparse = GaussianWeightedLinearReducer(random_state=0, **options).fit(WIDE, labels)
    dense = GaussianWeightedLinearReducer(random_state=0, **options)
    dense.fit(WIDE.toarray(), labels)
    np.testing.assert_allclose(sparse.embedding_, dense.embedding_, atol=1e-6)


def test_given_distances_go_with_sparse_rows():
    distances = pairwise_distances(WIDE.toarray(), metric="cityblock")
    options = {"metric": "precomputed", "n_gaussians": 7, "random_state": 0}
    sparse = GaussianWeightedLinearReducer(**options).fit(WIDE, distances=distances)
    dense = GaussianWeightedLinearReducer(**options)
    dense.fit(WIDE.toarray(), distances=distances)
    size = np.abs(dense.embedding_).max()
    np.testing.assert_allclose(sparse.embedding_, dense.embedding_, atol=1e-6 * size)


def test_neighbors_of_narrow_rows_are_those_of_the_dense_rows():
    sparse, dense = _anchored(NARROW, 50), _anchored(NARROW.toarray(), 50)
    np.testing.assert_array_equal(sparse.embedding_, dense.embedding_)
    assert sparse.stress_ == dense.stress_


def test_neighbors_of_wide_rows_see_the_same_inputs():
    # Single precision and gradient steps pull the two apart: the start is compared.
    sparse, dense = _anchored(WIDE, 1), _anchored(WIDE.toarray(), 1)
    for name in ("inputs", "embedding"):
        np.testing.assert_allclose(
            sparse.anchors_[name], dense.anchors_[name], rtol=1e-3, atol=1e-4
        )
    assert sparse.stress_ == pytest.approx(dense.stress_, rel=1e-4)


@pytest.mark.parametrize(
    "method", ["transform", "influence", "jacobian", "chart_weights", "suppression"]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_results_have_the_bits_of_the_dense_rows(method, dtype):
    X = WIDE[:70].astype(dtype)
    call = getattr(FITTED, method)
    values = call(X)
    assert values.dtype == dtype
    np.testing.assert_array_equal(values, call(X.toarray()))
    np.testing.assert_array_equal(values[40:41], call(X[40:41]))


def test_fit_transform_and_the_decoder():
    reducer = GaussianWeightedLinearReducer(random_state=0)
    Y = reducer.fit_transform(WIDE)
    np.testing.assert_array_equal(Y, reducer.embedding_)
    rows = reducer.inverse_transform(Y)
    assert isinstance(rows, np.ndarray)
    assert rows.shape == WIDE.shape


@pytest.mark.parametrize("X", [WIDE, NARROW], ids=["wide", "narrow"])
def test_score_is_that_of_the_dense_rows(X):
    reducer = _fitted(X)
    assert reducer.score(X) == pytest.approx(reducer.score(X.toarray()), rel=1e-8)
    single = X.astype(np.float32)
    assert reducer.score(single) == pytest.approx(reducer.score(X), rel=1e-4)


def test_score_of_many_rows_is_that_of_a_fixed_sample(monkeypatch):
    path = "sktransform.reduction._gaussian_weighted.base._SCORED_ROWS"
    monkeypatch.setattr(path, 120)
    assert FITTED.score(WIDE) == FITTED.score(WIDE)
    assert FITTED.score(WIDE) == pytest.approx(FITTED.score(WIDE.toarray()), rel=0.05)


def test_reconstruction_error_is_the_distance_to_the_decoded_row():
    errors = FITTED.reconstruction_error(WIDE)
    dense = WIDE.toarray()
    np.testing.assert_array_equal(errors, FITTED.reconstruction_error(dense))
    expected = np.linalg.norm(
        dense - FITTED.inverse_transform(FITTED.embedding_), axis=1
    )
    np.testing.assert_allclose(errors, expected, rtol=1e-12)


def test_tangent_influence_takes_dense_reference_rows():
    reference = WIDE.toarray()
    options = {"tangent": True, "reference": reference}
    np.testing.assert_array_equal(
        FITTED.influence(WIDE[:9], **options),
        FITTED.influence(reference[:9], **options),
    )


# Containers


@pytest.mark.parametrize(
    "container",
    [
        scipy.sparse.csr_array,
        scipy.sparse.csr_matrix,
        scipy.sparse.csc_array,
        scipy.sparse.csc_matrix,
        scipy.sparse.coo_array,
        scipy.sparse.coo_matrix,
        scipy.sparse.lil_array,
    ],
)
def test_every_sparse_container_is_taken(container):
    np.testing.assert_array_equal(
        _fitted(container(WIDE)).embedding_, FITTED.embedding_
    )
    np.testing.assert_array_equal(FITTED.transform(container(WIDE)), FITTED.embedding_)


def test_single_precision_comes_back():
    reducer = _fitted(WIDE.astype(np.float32))
    assert reducer.embedding_.dtype == np.float32
    assert reducer.transform(WIDE).dtype == np.float64
    np.testing.assert_allclose(reducer.embedding_, FITTED.embedding_, atol=1e-4)


def test_integers_are_taken():
    counts = np.round(WIDE.toarray()).astype(int)
    sparse = _fitted(scipy.sparse.csr_array(counts))
    np.testing.assert_allclose(sparse.embedding_, _fitted(counts).embedding_, atol=1e-6)


def test_entries_in_disorder_twice_and_zero_change_nothing():
    rows, columns = WIDE.tocoo().coords
    rows, columns = np.tile(rows, 2)[::-1], np.tile(columns, 2)[::-1]
    halves = np.tile(WIDE.tocoo().data / 2, 2)[::-1]
    order = np.argsort(rows, kind="stable")
    untidy = scipy.sparse.csr_array(
        (halves[order], columns[order], 2 * WIDE.indptr), shape=WIDE.shape
    )
    before = untidy.data.copy(), untidy.indices.copy(), untidy.indptr.copy()
    reducer = _fitted(untidy)
    np.testing.assert_array_equal(reducer.embedding_, FITTED.embedding_)
    for kept, now in zip(
        before, (untidy.data, untidy.indices, untidy.indptr), strict=True
    ):
        np.testing.assert_array_equal(kept, now)
    with_zeros = WIDE.copy()
    with_zeros.data[::7] = 0
    tidy = with_zeros.copy()
    tidy.eliminate_zeros()
    np.testing.assert_allclose(
        _fitted(with_zeros).embedding_, _fitted(tidy).embedding_, atol=1e-9
    )
    assert with_zeros.nnz > tidy.nnz


# Weights, repetition, degenerate tables


@pytest.mark.parametrize("X", [WIDE, NARROW], ids=["wide", "narrow"])
def test_weights_mean_repetition(X):
    counts = np.random.default_rng(0).integers(0, 4, X.shape[0])
    repeated = X[np.repeat(np.arange(X.shape[0]), counts)]
    by_weight = _fitted(X, sample_weight=counts.astype(float))
    by_rows = _fitted(repeated)
    np.testing.assert_array_equal(by_weight.transform(X), by_rows.transform(X))
    assert by_weight.stress_ == by_rows.stress_


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_distinct_rows_are_those_of_numpy(dtype, order):
    generator = np.random.default_rng(0)
    rows = np.round(1.5 * generator.normal(size=(500, 3)))
    rows[rows == 0] *= generator.choice([-1, 1], size=np.sum(rows == 0))  # both zeros
    rows[3], rows[4], rows[5] = 1e30, -1e-30, -1e30
    rows = np.array(rows, dtype=dtype, order=order)
    distinct, members = distinct_rows(rows)
    expected, expected_members = np.unique(rows, axis=0, return_inverse=True)
    np.testing.assert_array_equal(distinct, expected)
    np.testing.assert_array_equal(members, expected_members.ravel())


def test_distinct_rows_come_in_the_order_of_the_dense_rows():
    generator = np.random.default_rng(0)
    dense = generator.integers(-2, 3, size=(300, 5)) * generator.choice([1, 0.25], 5)
    dense[::5] = 0
    rows = SparseRows.from_table(scipy.sparse.csr_array(dense))
    distinct, members = distinct_rows(rows)
    expected, expected_members = np.unique(dense, axis=0, return_inverse=True)
    np.testing.assert_array_equal(distinct.toarray(), expected)
    np.testing.assert_array_equal(members, expected_members.ravel())


def test_order_of_rows_that_end_early_or_differ_in_sign():
    rising = np.array(
        [[-1, 0, 0], [0, -1, 1], [0, 0, -1], [0, 0, 0], [0, 0, 2], [0, 1, 0], [1, 0, 0]]
    )
    keys = _lexicographic_keys(scipy.sparse.csr_array(rising))
    assert list(keys) == sorted(keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "cls", [GaussianWeightedLinearReducer, GaussianWeightedNeighborReducer]
)
def test_equal_rows_get_a_warning(cls):
    with pytest.warns(DegenerateDataWarning, match="All rows are equal"):
        reducer = cls(random_state=0).fit(WIDE[np.zeros(20, dtype=int)])
    np.testing.assert_allclose(reducer.embedding_, 0, atol=1e-12)


def test_an_empty_table_gets_a_warning():
    with pytest.warns(DegenerateDataWarning, match="All rows are equal"):
        reducer = _fitted(scipy.sparse.csr_array((9, 300)))
    np.testing.assert_array_equal(reducer.embedding_, 0)


def test_two_rows_keep_their_distance():
    reducer = _fitted(WIDE[:2])
    expected = np.linalg.norm(WIDE[0].toarray() - WIDE[1].toarray())
    found = np.linalg.norm(reducer.embedding_[0] - reducer.embedding_[1])
    assert found == pytest.approx(expected, rel=1e-3)


# The parts


@pytest.mark.parametrize("shape", [(40, 130), (130, 40), (700, 900), (900, 700)])
@pytest.mark.parametrize("direct", [True, False])
def test_principal_axes_are_those_of_the_centred_rows(shape, direct, monkeypatch):
    monkeypatch.setattr(_linalg, "_DIRECT_SIZE", 10_000 if direct else 0)
    X = _documents(*shape)
    weights = np.random.default_rng(0).uniform(0.5, 2, shape[0])
    mean = weights @ X / weights.sum()
    axes = sparse_principal_axes(X, mean, 3, weights)
    centred = torch.from_numpy(X.toarray() - mean)
    expected = principal_axes(centred, 3, torch.from_numpy(weights))
    torch.testing.assert_close(axes, expected, rtol=0, atol=1e-8)


def test_axes_beyond_the_rank_are_zero():
    X = scipy.sparse.csr_array(WIDE[:3])
    mean = X.mean(0)
    axes = sparse_principal_axes(X, mean, 5, np.ones(3))
    gram = axes.T @ axes
    torch.testing.assert_close(gram, torch.diag(gram.new_tensor([1, 1, 0, 0, 0])))


def test_few_directions_in_many_rows():
    # Fewer directions than are asked for, in a table too large for the direct solution.
    generator = np.random.default_rng(0)
    basis = scipy.sparse.random_array((5, 700), density=0.05, rng=0)
    X = scipy.sparse.csr_array(generator.normal(size=(800, 5)) @ basis)
    sparse, dense = _fitted(X), _fitted(X.toarray())
    np.testing.assert_allclose(
        sparse.embedding_, dense.embedding_, atol=1e-6 * np.abs(dense.embedding_).max()
    )


def test_internal_rows_agree_with_dense_ones():
    weights = torch.from_numpy(np.random.default_rng(0).uniform(0.5, 2, 200))
    sparse = InternalRows.from_rows(SparseRows.from_table(WIDE), weights, 2)
    dense = InternalRows.from_rows(torch.from_numpy(WIDE.toarray()), weights, 2)
    some = slice(None, None, 3)
    for found, expected in (
        (sparse.unit, dense.unit),
        (sparse.mean, dense.mean),
        (sparse.deviations(), dense.deviations()),
        (sparse.distances(), dense.distances()),
        (sparse.pair_distances(some), dense.pair_distances(some)),
        (sparse.Z[:, :5].abs(), dense.Z[:, :5].abs()),
        (sparse.inputs(SparseRows.from_table(WIDE[:4])), sparse.Z[:4]),
        (sparse.inputs(torch.from_numpy(WIDE[:4].toarray())), sparse.Z[:4]),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)


def test_distances_come_in_blocks(monkeypatch):
    monkeypatch.setattr(
        "sktransform.reduction._gaussian_weighted.rows._BLOCK_NUMBERS", 700
    )
    np.testing.assert_allclose(
        sparse_distances(WIDE), pairwise_distances(WIDE.toarray()), atol=1e-9
    )


def test_runtime_maps_sparse_rows_as_dense_ones():
    runtime = Runtime.from_rows(WIDE, "cpu")
    rows = SparseRows.from_table(WIDE)
    np.testing.assert_array_equal(
        runtime.map(lambda block: block * 2, rows), WIDE.toarray() * 2
    )
    assert len(rows[3:8]) == 5
    with pytest.raises(TypeError, match="Sparse data was passed"):
        runtime.tensor(rows)


# Memory

MEASURED = """
import resource
import numpy as np, scipy.sparse
from sktransform import reduction

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

X = scipy.sparse.random_array((3000, 30_000), density=0.002, format="csr", rng=0)
reducer = reduction.{reducer}
reducer.fit(np.eye(60, 40))
before = peak()
reducer.fit(X).transform(X)
reducer.score(X)
reducer.reconstruction_error(X)
print((peak() - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is in kilobytes on Linux")
@pytest.mark.parametrize(
    "reducer",
    [
        "GaussianWeightedLinearReducer(n_landmarks=1000, max_iter=5, random_state=0)",
        "GaussianWeightedNeighborReducer(max_iter=5, random_state=0)",
    ],
    ids=["distance", "neighbors"],
)
def test_memory_stays_far_below_the_dense_table(reducer):
    finished = subprocess.run(
        [sys.executable, "-c", MEASURED.format(reducer=reducer)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    # The table has 687 MB, a sample of it 229 MB, the landmarks' distances 8 MB.
    assert float(finished.stdout) < 200


# Refusals


def test_tags_tell_who_takes_sparse_tables():
    assert get_tags(FITTED).input_tags.sparse
    assert not get_tags(TorchTransformer()).input_tags.sparse


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_refused(value):
    wrong = WIDE.copy()
    wrong.data[5] = value
    with pytest.raises(ValueError, match="Input X contains"):
        _fitted(wrong)
    with pytest.raises(ValueError, match="Input X contains"):
        FITTED.transform(wrong)


def test_another_number_of_columns_is_refused():
    with pytest.raises(ValueError, match="X has 299 features, but"):
        FITTED.transform(WIDE[:, :299])


def test_what_holds_all_rows_refuses_sparse_ones():
    with pytest.raises(TypeError, match=r"Sparse data was passed.*X\.toarray\(\)"):
        FITTED.tangent_directions(WIDE)
