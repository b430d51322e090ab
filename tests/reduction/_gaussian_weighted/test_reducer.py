# SPDX-License-Identifier: BSD-3-Clause
"""Facts about the reducer, among them every trap of its method that applies."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist, squareform
from sklearn.base import clone
from sklearn.datasets import load_digits, make_s_curve
from sklearn.decomposition import PCA
from sklearn.manifold import smacof
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransform.datasets import make_swiss_roll
from sktransform.exceptions import DegenerateDataWarning
from sktransform.metrics import relative_error, stress
from sktransform.reduction import (
    GaussianWeightedLinearReducer,
    GaussianWeightedNeighborReducer,
)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data


def _reducer(**parameters):
    return GaussianWeightedLinearReducer(**{"random_state": 0, **parameters})


def _pca_stress(X, n_components=2):
    Y = PCA(n_components).fit_transform(X)
    return stress(X, Y, max_pairs=10**9)


# Against other methods


def test_starts_at_pca(blobs):
    reducer = _reducer(max_iter=1).fit(blobs)
    # At the start there is no penalty: the objective is the squared stress of PCA.
    assert reducer.loss_curve_[0] == pytest.approx(_pca_stress(blobs) ** 2, rel=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize("n_components", [1, 2, 4])
def test_never_worse_than_pca(blobs, ridge, n_components):
    reducer = _reducer(ridge=ridge, n_components=n_components).fit(blobs)
    assert reducer.stress_ <= _pca_stress(blobs, n_components)
    assert np.all(np.diff(reducer.loss_curve_) <= 0)


@pytest.mark.parametrize("n_gaussians", [1, 20])
def test_large_ridge_is_pca(blobs, n_gaussians):
    reducer = _reducer(ridge=1e12, n_gaussians=n_gaussians).fit(blobs)
    expected = PCA(2).fit_transform(blobs)
    found = reducer.embedding_ * np.sign((reducer.embedding_ * expected).sum(axis=0))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_chart_keeps_planar_data_as_they_are():
    plane = np.random.default_rng(0).normal(size=(80, 2)) @ [[1, 2, 0, 1], [0, 1, 3, 1]]
    reducer = _reducer(n_gaussians=1).fit(plane)
    np.testing.assert_allclose(pdist(reducer.embedding_), pdist(plane), atol=1e-6)
    assert reducer.components_.shape == (1, 2, 4)


def test_all_dimensions_keep_all_distances(blobs):
    reducer = _reducer(n_components=5).fit(blobs)
    np.testing.assert_allclose(pdist(reducer.embedding_), pdist(blobs), atol=1e-5)


def test_digits_are_within_a_hundredth_of_free_scaling(digits):
    reducer = _reducer().fit(digits)
    distances = squareform(pdist(digits))
    # Of Euclidean distances PCA is classical scaling.
    start = PCA(2).fit_transform(digits)
    free, _ = smacof(distances, init=start, n_init=1, max_iter=100, eps=0)
    free_stress = stress(digits, free, max_pairs=10**7)
    assert stress(digits, reducer.embedding_, max_pairs=10**7) <= 1.01 * free_stress


def test_new_digits_are_nearly_as_good_as_those_fitted(digits):
    order = np.random.default_rng(0).permutation(len(digits))
    fitted, new = digits[order[:1300]], digits[order[1300:]]
    reducer = _reducer().fit(fitted)
    assert -reducer.score(new) <= 1.02 * reducer.stress_


def test_s_curve_relative_error():
    X = make_s_curve(1000, random_state=0)[0]
    embedding = _reducer().fit(X).embedding_
    assert relative_error(X, embedding) <= 0.0865
    assert relative_error(X, PCA(2).fit_transform(X)) == pytest.approx(0.0997, abs=5e-4)


# The map as a function


def test_embedding_is_the_transform_of_the_training_rows(blobs):
    reducer = _reducer().fit(blobs)
    np.testing.assert_array_equal(reducer.transform(blobs), reducer.embedding_)
    np.testing.assert_allclose(reducer.embedding_.mean(axis=0), 0, atol=1e-10)
    covariance = reducer.embedding_.T @ reducer.embedding_
    assert abs(covariance[0, 1]) < 1e-8 * covariance[0, 0]
    assert covariance[0, 0] > covariance[1, 1]


@pytest.mark.parametrize(
    "kept",
    [
        GaussianWeightedLinearReducer(random_state=0),
        GaussianWeightedNeighborReducer(max_iter=5, random_state=0),
        GaussianWeightedNeighborReducer(max_iter=5, anchored=True, random_state=0),
    ],
)
def test_without_its_embedding_the_map_is_the_same(blobs, kept):
    kept = clone(kept).fit(blobs)
    light = clone(kept).fit(blobs)
    light.set_params(store_embedding=False).fit(blobs)
    assert not hasattr(light, "embedding_")
    assert light.stress_ == kept.stress_
    np.testing.assert_array_equal(light.transform(blobs), kept.transform(blobs))


def test_a_map_without_its_embedding_is_continued(blobs):
    reducers = [
        _reducer(warm_start=True, store_embedding=stored) for stored in (True, False)
    ]
    found = [reducer.fit(blobs).fit(blobs[:90]) for reducer in reducers]
    for name, array in found[0].map_.items():
        np.testing.assert_array_equal(found[1].map_[name], array)


def test_stress_is_that_of_the_embedding(blobs):
    reducer = _reducer().fit(blobs)
    assert reducer.stress_ == pytest.approx(stress(blobs, reducer.embedding_), rel=1e-7)
    assert reducer.score(blobs) == pytest.approx(-reducer.stress_, rel=1e-7)


def test_public_parameters_define_the_map(blobs):
    reducer = _reducer(n_gaussians=7).fit(blobs)
    squared = ((blobs[:, None] - reducer.centers_) ** 2).sum(axis=2)
    weights = np.exp(-squared / reducer.widths_)
    weights /= weights.sum(axis=1, keepdims=True)
    local = reducer.offsets_ + np.einsum(
        "mqd,nmd->nmq", reducer.components_, blobs[:, None] - reducer.centers_
    )
    expected = np.einsum("nm,nmq->nq", weights, local)
    np.testing.assert_allclose(reducer.embedding_, expected, atol=1e-9)


def test_public_parameters_define_the_map_of_projected_data():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 4)) @ generator.normal(size=(4, 130)) + 7
    reducer = _reducer().fit(X)
    assert reducer.map_["projection"].shape == (130, 50)
    assert reducer.components_.shape == (15, 2, 130)
    # Rank 4 data lie in the projected space, where distances to centres are the same.
    squared = ((X[:, None] - reducer.centers_) ** 2).sum(axis=2)
    weights = np.exp(-squared / reducer.widths_)
    weights /= weights.sum(axis=1, keepdims=True)
    local = reducer.offsets_ + np.einsum(
        "mqd,nmd->nmq", reducer.components_, X[:, None] - reducer.centers_
    )
    expected = np.einsum("nm,nmq->nq", weights, local)
    np.testing.assert_allclose(reducer.embedding_, expected, atol=1e-8)


def test_row_order_does_not_matter(blobs):
    order = np.random.default_rng(0).permutation(len(blobs))
    first, second = _reducer().fit(blobs), _reducer().fit(blobs[order])
    np.testing.assert_array_equal(first.embedding_[order], second.embedding_)


def test_far_rows_stay_finite_and_do_not_collapse(blobs):
    for dtype in (np.float32, np.float64):
        far = (
            _reducer().fit(blobs.astype(dtype)).transform(1e6 * np.eye(5, dtype=dtype))
        )
        assert far.dtype == dtype
        assert np.isfinite(far).all()
        assert np.linalg.norm(far, axis=1).max() > 1e4


def test_large_offset_in_single_precision(blobs):
    reference = _reducer().fit(blobs)
    offset = np.float32(1e4)
    reducer = _reducer().fit(blobs.astype(np.float32) + offset)
    # At 1e4 single precision leaves steps of 1e-3.
    np.testing.assert_allclose(reducer.embedding_, reference.embedding_, atol=0.05)
    assert reducer.stress_ == pytest.approx(reference.stress_, rel=1e-3)


def test_jacobian_agrees_with_central_differences(blobs):
    reducer = _reducer().fit(blobs)
    X = np.concatenate([blobs[:4], reducer.centers_[:1], 40 * blobs[:1]])
    step = 1e-5
    expected = np.stack(
        [
            (reducer.transform(X + step * e) - reducer.transform(X - step * e))
            / (2 * step)
            for e in np.eye(5)
        ],
        axis=2,
    )
    np.testing.assert_allclose(reducer.jacobian(X), expected, atol=1e-7)


def test_jacobian_of_one_chart_is_its_linear_map(blobs):
    reducer = _reducer(n_gaussians=1).fit(blobs)
    expected = np.broadcast_to(reducer.components_[0], (3, 2, 5))
    np.testing.assert_allclose(reducer.jacobian(blobs[:3]), expected, atol=1e-12)


def test_influence_is_zero_where_a_feature_does_nothing(blobs):
    X = np.column_stack([blobs, np.full(len(blobs), 3.0)])
    influence = _reducer().fit(X).influence(X)
    assert influence.shape == X.shape
    np.testing.assert_allclose(influence[:, 5], 0, atol=1e-30)
    assert influence[:, :5].mean(axis=0).min() > 0


def test_influence_in_standard_deviations_ignores_units():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(200, 3)) * [5.0, 1.0, 0.1]
    reducer = _reducer(n_gaussians=1).fit(X)
    np.testing.assert_allclose(reducer.feature_scale_, X.std(axis=0))
    jacobian = np.abs(reducer.jacobian(X[:2])).sum(axis=1)
    np.testing.assert_allclose(reducer.influence(X[:2], scaled=False), jacobian)
    np.testing.assert_allclose(reducer.influence(X[:2]), jacobian * X.std(axis=0))


# The decoder


def test_decoder_gives_the_swiss_roll_back_better_than_pca():
    X, _ = make_swiss_roll(800, random_state=0)
    reducer = _reducer(n_components=3).fit(X)
    residual = reducer.inverse_transform(reducer.embedding_) - X
    assert 1 - residual.var() / X.var(axis=0).mean() > 0.99
    two = _reducer().fit(X)
    back = two.inverse_transform(two.embedding_)
    pca = PCA(2).fit(X)
    linear = pca.inverse_transform(pca.transform(X))
    assert ((back - X) ** 2).sum() < 0.75 * ((linear - X) ** 2).sum()


def test_decoder_of_projected_data_returns_raw_features():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 2)) @ generator.normal(size=(2, 120)) + 5
    reducer = _reducer().fit(X)
    back = reducer.inverse_transform(reducer.embedding_)
    np.testing.assert_allclose(back, X, atol=1e-2 * X.std())


def test_decoder_stays_finite_far_outside(blobs):
    reducer = _reducer().fit(blobs)
    assert np.isfinite(reducer.inverse_transform([[1e6, -1e6], [0, 1e9]])).all()


# Weights and degenerate data


def test_weights_mean_repetition(blobs):
    counts = np.random.default_rng(0).integers(0, 4, len(blobs))
    weighted = _reducer().fit(blobs, sample_weight=counts)
    repeated = _reducer().fit(blobs.repeat(counts, axis=0))
    np.testing.assert_array_equal(weighted.transform(blobs), repeated.transform(blobs))


def test_weights_have_no_unit(blobs):
    weights = np.random.default_rng(0).uniform(0.1, 2, len(blobs))
    first = _reducer().fit(blobs, sample_weight=weights)
    second = _reducer().fit(blobs, sample_weight=1024 * weights)
    np.testing.assert_allclose(first.embedding_, second.embedding_, atol=1e-8)


def test_heavy_rows_are_kept_better(blobs):
    weights = np.ones(len(blobs))
    weights[:30] = 100
    plain, heavy = _reducer().fit(blobs), _reducer().fit(blobs, sample_weight=weights)
    assert stress(blobs[:30], heavy.transform(blobs[:30])) < stress(
        blobs[:30], plain.transform(blobs[:30])
    )


def test_duplicate_rows_and_constant_features(blobs):
    X = np.column_stack([blobs, np.ones(len(blobs))])
    X = np.concatenate([X, X[:50]])
    reducer = _reducer().fit(X)
    assert np.isfinite(reducer.embedding_).all()
    np.testing.assert_array_equal(reducer.embedding_[-50:], reducer.embedding_[:50])


def test_equal_rows_are_mapped_to_zero_with_a_warning():
    X = np.full((10, 3), 2.5)
    with pytest.warns(DegenerateDataWarning, match="All rows are equal"):
        reducer = _reducer().fit(X)
    np.testing.assert_array_equal(reducer.embedding_, 0)
    np.testing.assert_array_equal(reducer.inverse_transform(np.zeros((1, 2))), X[:1])
    assert reducer.stress_ == 0


@pytest.mark.parametrize("n_samples", [2, 3])
@pytest.mark.parametrize("n_features", [2, 4, 120])
def test_very_few_rows_keep_their_distances(n_samples, n_features):
    X = np.random.default_rng(0).normal(size=(n_samples, n_features))
    reducer = _reducer().fit(X)
    np.testing.assert_allclose(pdist(reducer.embedding_), pdist(X), rtol=1e-3)


def test_fewer_rows_than_components():
    X = np.random.default_rng(0).normal(size=(3, 8))
    reducer = _reducer(n_components=6).fit(X)
    assert reducer.embedding_.shape == (3, 6)
    assert np.isfinite(reducer.embedding_).all()


def test_more_charts_than_rows_are_clipped_with_a_warning(blobs):
    with pytest.warns(DegenerateDataWarning, match=r"n_gaussians=30, but there are 12"):
        reducer = _reducer(n_gaussians=30).fit(blobs[:12])
    assert len(reducer.centers_) == 12


# Many rows


@pytest.mark.parametrize(
    ("n_rows", "parameters", "n_charts", "factor"),
    [
        (12, {}, 5, 1.0),
        (200, {}, 20, 1.0),
        (200, {"n_components": 4}, 10, 1.0),
        (800, {}, 50, 1.0),
        (800, {"metric": "geodesic"}, 80, 0.5),
        (1200, {"metric": "geodesic"}, 100, 0.5),
    ],
)
def test_charts_and_their_width_follow_from_the_rows(
    n_rows, parameters, n_charts, factor
):
    X = np.random.default_rng(0).normal(size=(n_rows, 4))
    reducer = _reducer(max_iter=1, **parameters).fit(X)
    assert len(reducer.widths_) == n_charts
    # A factor on the mean squared distance to the three nearest other centres.
    squared = np.sort(squareform(pdist(reducer.centers_, "sqeuclidean")), axis=1)
    expected = factor * squared[:, 1:4].mean(axis=1)
    np.testing.assert_allclose(reducer.widths_, expected, rtol=1e-8)
    again = _reducer(max_iter=1, n_gaussians=n_charts, **parameters).fit(X)
    np.testing.assert_array_equal(again.widths_, reducer.widths_)


def test_landmarks_serve_all_rows():
    X, _ = make_swiss_roll(4000, noise=0.2, random_state=0)
    reducer = _reducer(n_landmarks=500).fit(X)
    assert reducer.embedding_.shape == (4000, 2)
    assert -reducer.score(X) <= 1.05 * reducer.stress_
    everything = _reducer(n_landmarks=4000, max_iter=20).fit(X[:1500])
    assert -reducer.score(X[:1500]) <= 1.05 * everything.stress_


def test_landmarks_are_seeded_and_skip_rows_without_weight():
    X = np.random.default_rng(0).normal(size=(300, 3))
    X[150:] += 1e6
    weights = np.repeat([1.0, 0.0], 150)
    first = _reducer(n_landmarks=60).fit(X, sample_weight=weights)
    second = _reducer(n_landmarks=60).fit(X, sample_weight=weights)
    np.testing.assert_array_equal(first.embedding_, second.embedding_)
    assert np.abs(first.centers_).max() < 10


def test_thread_counts_agree(digits):
    threads = torch.get_num_threads()
    embeddings = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            embeddings.append(_reducer().fit(digits[:400]).embedding_)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(*embeddings, atol=1e-5 * np.abs(embeddings[0]).max())


# Progress


def test_callbacks_see_every_iteration_and_may_stop(blobs, fit_recorder):
    recorder = fit_recorder()
    reducer = _reducer(max_iter=12).set_callbacks(recorder).fit(blobs)
    assert recorder.n_reports == reducer.n_iter_ == 12
    stopped = _reducer().set_callbacks(fit_recorder(stop_after=3)).fit(blobs)
    # Three iterations, and the plain step that closes every fit.
    assert stopped.n_iter_ == 4


def test_progress_bar_nests_in_a_search_over_a_pipeline(blobs, capsys, callbacks):
    pipeline = make_pipeline(StandardScaler(), _reducer(max_iter=5))
    search = GridSearchCV(
        pipeline, {"gaussianweightedlinearreducer__n_gaussians": [2, 4]}, cv=2
    )
    search.set_callbacks(callbacks.ProgressBar(max_propagation_depth=None)).fit(blobs)
    assert "GaussianWeightedLinearReducer" in capsys.readouterr().out
    assert search.best_params_["gaussianweightedlinearreducer__n_gaussians"] in (2, 4)


def test_search_scores_by_the_stress_of_new_rows(blobs):
    search = GridSearchCV(_reducer(), {"n_components": [1, 4]}, cv=3).fit(blobs)
    assert search.best_params_ == {"n_components": 4}
    assert search.best_score_ > search.cv_results_["mean_test_score"][0]


def test_clone_forgets_the_fit(blobs):
    copy = clone(_reducer(ridge=0.7).fit(blobs))
    assert copy.ridge == 0.7
    assert not hasattr(copy, "map_")
    assert not hasattr(copy, "centers_")
