# SPDX-License-Identifier: BSD-3-Clause
import tracemalloc

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr, special_ortho_group
from sklearn.manifold import smacof

from sktransform.metrics import (
    relative_error,
    spearman_distance_correlation,
    stress,
)

METRICS = [stress, relative_error, spearman_distance_correlation]


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((60, 5)) * [3, 2, 1, 0.5, 0.1]
    return X, 0.7 * X[:, :2] + 0.1 * generator.standard_normal((60, 2))


def test_stress_equals_its_formulas(pair):
    X, Y = pair
    delta, embedded = pdist(X), pdist(Y)
    squares = ((delta - embedded) ** 2).sum()
    assert stress(X, Y, normalization="raw") == pytest.approx(squares)
    assert stress(X, Y) == pytest.approx(np.sqrt(squares / (delta**2).sum()))
    kruskal = np.sqrt(squares / (embedded**2).sum())
    assert stress(X, Y, normalization="kruskal") == pytest.approx(kruskal)


def test_other_metrics_equal_their_formulas(pair):
    X, Y = pair
    delta, embedded = pdist(X), pdist(Y)
    expected = np.abs(delta - embedded).sum() / delta.sum()
    assert relative_error(X, Y) == pytest.approx(expected)
    expected = spearmanr(delta, embedded).statistic
    assert spearman_distance_correlation(X, Y) == pytest.approx(expected)


def test_kruskal_equals_normalized_stress_of_mds(pair):
    delta = squareform(pdist(pair[0]))
    Y, expected = smacof(
        delta,
        init=pair[1],
        n_init=1,
        max_iter=100,
        normalized_stress=True,
        random_state=0,
    )
    found = stress(delta, Y, metric="precomputed", normalization="kruskal")
    assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("normalization", ["raw", "target", "kruskal"])
def test_scaled_stress_is_the_least_over_factors(pair, normalization):
    X, Y = pair
    least = stress(X, Y, normalization=normalization, scaled=True)
    delta, embedded = pdist(X), pdist(Y)
    best = (delta @ embedded) / (embedded @ embedded)
    if normalization == "kruskal":
        best = (delta @ delta) / (delta @ embedded)
    assert stress(X, best * Y, normalization=normalization) == pytest.approx(least)
    for factor in (0.5, 0.9, 0.999, 1.001, 1.1, 2):
        assert stress(X, factor * best * Y, normalization=normalization) > least


@pytest.mark.parametrize("normalization", ["raw", "target", "kruskal"])
def test_scaled_stress_ignores_the_scale_of_the_embedding(pair, normalization):
    X, Y = pair
    options = {"normalization": normalization, "scaled": True}
    assert stress(X, 1e3 * Y, **options) == pytest.approx(stress(X, Y, **options))


def test_normalized_stresses_ignore_a_common_unit(pair):
    X, Y = pair
    for normalization in ("target", "kruskal"):
        found = stress(1e-4 * X, 1e-4 * Y, normalization=normalization)
        assert found == pytest.approx(stress(X, Y, normalization=normalization))
    squared = stress(10 * X, 10 * Y, normalization="raw")
    assert squared == pytest.approx(100 * stress(X, Y, normalization="raw"))


@pytest.mark.parametrize("metric", METRICS)
def test_rigid_motions_change_nothing(pair, metric):
    X, Y = pair
    turned_X = X @ special_ortho_group.rvs(5, random_state=0) + 7
    turned_Y = Y @ special_ortho_group.rvs(2, random_state=1) - 3
    assert metric(turned_X, turned_Y) == pytest.approx(metric(X, Y))


@pytest.mark.parametrize("metric", METRICS)
def test_isometry_is_perfect(pair, metric):
    X = pair[0]
    Y = X @ special_ortho_group.rvs(5, random_state=0)
    best = 1 if metric is spearman_distance_correlation else 0
    assert metric(X, Y) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("max_pairs", [500, 500_000])
@pytest.mark.parametrize("metric", METRICS)
def test_precomputed_distances_give_the_same(pair, metric, max_pairs):
    X, Y = pair
    delta = squareform(pdist(X))
    found = metric(delta, Y, metric="precomputed", max_pairs=max_pairs)
    assert metric(X, Y, max_pairs=max_pairs) == pytest.approx(found)


def test_normalized_stress_of_a_single_point_is_one(pair):
    X, Y = pair
    point = np.zeros_like(Y)
    assert stress(X, point) == 1
    assert stress(X, point, scaled=True) == 1
    assert relative_error(X, point) == 1


def test_sampled_stress_is_close_to_the_full_one(pair):
    generator = np.random.default_rng(1)
    X = generator.standard_normal((500, 4))
    Y = X[:, :2]
    n_sampled = 20_000
    delta, embedded = pdist(X), pdist(Y)
    squares = (delta - embedded) ** 2
    found = stress(X, Y, normalization="raw", max_pairs=n_sampled)
    standard_error = squares.std() / np.sqrt(n_sampled) * len(squares)
    assert abs(found - squares.sum()) < 4 * standard_error
    assert found != pytest.approx(squares.sum(), rel=1e-9)
    for metric in METRICS:
        assert metric(X, Y, max_pairs=n_sampled) == pytest.approx(
            metric(X, Y), rel=0.02
        )


def test_sampled_pairs_are_uniform_and_of_distinct_rows():
    # Two rows that differ have one pair: a row paired with itself would show.
    X = np.array([[0.0], [1.0], [3.0]])
    squares = [
        stress(X, 0 * X, normalization="raw", max_pairs=1, random_state=seed) / 3
        for seed in range(600)
    ]
    values, counts = np.unique(np.round(squares, 9), return_counts=True)
    assert values.tolist() == [1, 4, 9]
    # 5 standard deviations of a binomial with n = 600 and p = 1/3.
    assert np.abs(counts - 200).max() < 58


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_only_sampled_rows_are_widened(metric, dtype):
    X = np.random.default_rng(0).integers(0, 256, size=(20_000, 100)).astype(dtype)
    wide = X.astype(np.float64)
    expected = metric(wide, wide[:, :2], max_pairs=500)
    tracemalloc.start()
    found = metric(X, X[:, :2], max_pairs=500)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == expected
    assert peak < wide.nbytes / 4


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32])
def test_any_real_type_gives_the_value_of_double_precision(metric, dtype, pair):
    X, Y = ((10 * rows.clip(0)).astype(dtype) for rows in pair)
    wide = X.astype(np.float64), Y.astype(np.float64)
    for max_pairs in (None, 300):
        assert metric(X, Y, max_pairs=max_pairs) == metric(*wide, max_pairs=max_pairs)


def test_max_pairs_none_uses_all_pairs(pair):
    X, Y = pair
    assert stress(X, Y, max_pairs=None) == stress(X, Y)
    assert stress(X, Y, max_pairs=60 * 59 // 2) == stress(X, Y)
    assert stress(X, Y, max_pairs=60 * 59 // 2 - 1) != stress(X, Y)


def test_seeds_and_global_generators(pair):
    X, Y = pair
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = stress(X, Y, max_pairs=100)
    assert stress(X, Y, max_pairs=100) == first
    assert stress(X, Y, max_pairs=100, random_state=1) != first
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("max_pairs", [1000, None])
@pytest.mark.parametrize("metric", METRICS)
def test_single_precision_far_from_the_origin(metric, max_pairs):
    X = np.random.default_rng(0).standard_normal((100, 3))
    X = (X + 1e4).astype(np.float32)
    exact = X.astype(np.float64) - 1e4
    found = metric(X, X[:, :2], max_pairs=max_pairs)
    assert found == pytest.approx(
        metric(exact, exact[:, :2], max_pairs=max_pairs), rel=1e-9
    )


@pytest.mark.parametrize("metric", METRICS)
def test_tensors_and_lists(pair, metric):
    X, Y = pair
    expected = metric(X, Y)
    assert metric(torch.from_numpy(X), torch.from_numpy(Y)) == expected
    assert metric(X.tolist(), Y.tolist()) == expected
    assert isinstance(expected, float)


def test_inputs_are_not_written_to(pair):
    X, Y = pair
    for array in (X, Y):
        array.setflags(write=False)
    stress(X, Y, scaled=True)


def test_two_rows():
    assert stress([[0.0], [2.0]], [[0.0], [1.0]]) == pytest.approx(0.5)
    assert relative_error([[0.0], [2.0]], [[0.0], [1.0]]) == pytest.approx(0.5)


@pytest.mark.parametrize("metric", METRICS)
def test_equal_rows_are_refused(metric):
    with pytest.raises(ValueError, match="All target distances are"):
        metric(np.ones((5, 2)), np.zeros((5, 1)))


def test_equal_embedded_rows_are_refused_where_they_divide(pair):
    X, Y = pair
    with pytest.raises(ValueError, match="All embedded distances are zero"):
        stress(X, 0 * Y, normalization="kruskal")
    with pytest.raises(ValueError, match="All embedded distances are equal"):
        spearman_distance_correlation(X, 0 * Y)
    assert stress(np.ones((5, 2)), np.ones((5, 2)), normalization="raw") == 0


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros((4, 3)), "square matrix"),
        (np.eye(4) - 1, "distances of at least 0, got -1"),
        (np.ones((4, 4)), "diagonal"),
        (np.triu(np.ones((4, 4)), 1), "symmetric"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4), np.inf), "infinity"),
    ],
)
def test_invalid_distance_matrices_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        stress(X, np.zeros((4, 1)), metric="precomputed")


@pytest.mark.parametrize("metric", METRICS)
def test_bad_arguments_are_refused(pair, metric):
    X, Y = pair
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        metric(X, Y[:-1])
    with pytest.raises(ValueError, match="minimum of 2"):
        metric(X[:1], Y[:1])
    with pytest.raises(ValueError, match="NaN"):
        metric(np.where(X > 0, X, np.nan), Y)
    with pytest.raises(ValueError, match="'X' parameter"):
        metric(csr_array(X), Y)
    with pytest.raises(ValueError, match="'metric' parameter"):
        metric(X, Y, metric="cosine")
    with pytest.raises(ValueError, match="'max_pairs' parameter"):
        metric(X, Y, max_pairs=0)
