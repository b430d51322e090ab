# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.linear_model import LinearRegression, Ridge

from sktransform.alignment import GaussianWeightedAligner
from sktransform.alignment._local_affine.local_ridge import path_errors
from sktransform.alignment._moments.folds import row_folds
from sktransform.exceptions import DegenerateDataWarning


def _bent_views(n_rows=500, n_features=5, noise=0.05, seed=0):
    """A view, and one of another width that is no linear function of it."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, n_features)) + 2
    bent = np.concatenate([X, np.abs(X - 2)], axis=1)
    Y = bent @ generator.normal(size=(2 * n_features, 3)) - 1
    return X, Y + noise * generator.normal(size=Y.shape)


def _ridge(X, Y, ridge):
    """scikit-learn's regression with a penalty in units of the mean variance."""
    alpha = ridge * X.var(axis=0).mean() * len(X)
    return Ridge(alpha).fit(X, Y)


def test_infinite_chart_ridge_is_the_ridge_regression():
    X, Y = _bent_views()
    aligner = GaussianWeightedAligner(ridge=0.1, chart_ridge=np.inf).fit(X, Y)
    expected = _ridge(X, Y, 0.1)
    assert_allclose(aligner.transform(X), expected.predict(X))
    assert_allclose(aligner.global_coef_, expected.coef_)
    assert_allclose(aligner.global_intercept_, expected.intercept_)
    assert aligner.chart_ridge_ == np.inf


def test_one_chart_without_a_penalty_is_least_squares():
    X, Y = _bent_views()
    # What the first penalty takes away the second gives back.
    aligner = GaussianWeightedAligner(1, ridge=0.5, chart_ridge=1e-12).fit(X, Y)
    expected = LinearRegression().fit(X, Y).predict(X)
    assert_allclose(aligner.transform(X), expected, rtol=1e-8)


def test_each_chart_is_the_weighted_ridge_regression_of_what_is_left():
    X, Y = _bent_views()
    aligner = GaussianWeightedAligner(4, ridge=0.1, chart_ridge=0.2, random_state=0)
    weights = aligner.fit(X, Y).chart_weights(X)
    left = Y - _ridge(X, Y, 0.1).predict(X)
    unit = 0.2 * X.var(axis=0).mean()
    for i in range(4):
        of_chart = weights[:, i]
        chart = Ridge(unit * of_chart.sum()).fit(X, left, sample_weight=of_chart)
        mean_x, mean_left = (np.average(V, axis=0, weights=of_chart) for V in (X, left))
        change = aligner.components_[i] - aligner.global_coef_
        assert_allclose(change, chart.coef_)
        at_mean = aligner.map_["offsets"][i] + change @ (mean_x - aligner.centers_[i])
        assert_allclose(at_mean, mean_left / 1.2)


@pytest.mark.parametrize("n_features", [5, 140])
def test_transform_is_the_formula(n_features):
    X, Y = _bent_views(300, n_features)
    aligner = GaussianWeightedAligner(6, chart_ridge=0.1, random_state=0).fit(X, Y)
    assert ("projection" in aligner.map_) == (n_features == 140)
    steps = X[:, None] - aligner.centers_
    local = aligner.offsets_ + np.einsum("mqp,nmp->nmq", aligner.components_, steps)
    expected = np.einsum("nm,nmq->nq", aligner.chart_weights(X), local)
    assert_allclose(aligner.transform(X), expected)


def test_weights_are_the_softmax_of_scaled_squared_distances():
    X, Y = _bent_views()
    aligner = GaussianWeightedAligner(6, random_state=0).fit(X, Y)
    squared = ((X[:, None] - aligner.centers_) ** 2).sum(2)
    expected = softmax(-squared / aligner.map_["widths"], axis=1)
    assert_allclose(aligner.chart_weights(X), expected)


def test_jacobian_agrees_with_finite_differences():
    X, Y = _bent_views()
    aligner = GaussianWeightedAligner(8, random_state=0).fit(X, Y)
    jacobian = aligner.jacobian(X[:10])
    assert jacobian.shape == (10, 3, 5)
    step = 1e-5
    for feature, axis in enumerate(np.eye(5)):
        ahead, behind = (aligner.transform(X[:10] + s * axis) for s in (step, -step))
        assert_allclose(
            jacobian[:, :, feature], (ahead - behind) / (2 * step), atol=1e-7
        )


@pytest.mark.parametrize("noise", [0.05, 3.0])
def test_held_out_pairs_are_never_mapped_worse_than_by_the_global_map(noise):
    X, Y = _bent_views(200, noise=noise)
    aligner = GaussianWeightedAligner(random_state=0).fit(X, Y)
    tried, errors = aligner.cv_results_.values()
    assert tried[0] == np.inf
    assert errors[tried == aligner.chart_ridge_] == errors.min() <= errors[0]


def test_held_out_error_of_the_global_map_is_that_of_folds():
    X, Y = _bent_views()
    aligner = GaussianWeightedAligner(ridge=0.1, chart_ridge=1.0).fit(X, Y)
    folds = row_folds(torch.from_numpy(X), 5).numpy()
    squares = 0
    for fold in range(5):
        seen, held_out = folds != fold, folds == fold
        # The penalty on the sum of squares is the same whatever rows there are.
        alpha = 0.1 * X.var(axis=0).mean() * len(X)
        error = Y[held_out] - Ridge(alpha).fit(X[seen], Y[seen]).predict(X[held_out])
        squares += np.sum(error**2)
    assert_allclose(aligner.cv_results_["error"][0], squares / len(X))


def test_a_nonlinear_map_is_learnt():
    X, Y = _bent_views(2000)
    aligner = GaussianWeightedAligner(random_state=0).fit(X[:1000], Y[:1000])
    line = GaussianWeightedAligner(chart_ridge=np.inf).fit(X[:1000], Y[:1000])
    left, left_by_line = (1 - a.score(X[1000:], Y[1000:]) for a in (aligner, line))
    assert left < left_by_line / 3


def test_what_is_linear_is_left_to_the_global_map():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 6))
    Y = X @ generator.normal(size=(6, 4)) + generator.normal(size=(300, 4))
    aligner = GaussianWeightedAligner(random_state=0).fit(X, Y)
    change = aligner.transform(X) - X @ aligner.global_coef_.T
    assert np.std(change - aligner.global_intercept_) < 0.05
    # The search ended long before the smallest penalty.
    assert aligner.cv_results_["chart_ridge"].min() > 0.1


def test_summary_names_the_region_that_moved():
    generator = np.random.default_rng(0)
    indices = np.repeat([-10.0, 0.0, 10.0], 100)
    X = generator.normal(size=(300, 4))
    X[:, 0] += indices
    move = np.array([0.0, 3.0, 0.0, -4.0])
    Y = X + move * (indices == 0)[:, None] + 0.01 * generator.normal(size=X.shape)
    aligner = GaussianWeightedAligner(3, width=0.05, random_state=0).fit(X, Y)
    summary = aligner.chart_summary_
    order = np.argsort(summary["center"][:, 0])
    assert_allclose(summary["center"][order, 0], [-10, 0, 10], atol=0.5)
    assert_allclose(summary["weight_share"], 1 / 3, atol=0.01)
    change = summary["mean_change"][order]
    assert_allclose(change[1] - change[[0, 2]].mean(0), move, atol=0.1)
    assert order[1] == summary["change_length"].argmax()
    assert np.all(summary["error_before"] > 1)
    assert np.all(summary["error_after"] < 0.1)


def test_summary_adds_up():
    X, Y = _bent_views()
    aligner = GaussianWeightedAligner(random_state=0).fit(X, Y)
    summary, errors = aligner.chart_summary_, aligner.cv_results_["error"]
    weights = aligner.chart_weights(X)
    change = aligner.transform(X) - X @ aligner.global_coef_.T
    change -= aligner.global_intercept_
    mean_change = weights.T @ change / weights.sum(0)[:, None]
    assert_allclose(summary["mean_change"], mean_change, atol=1e-12)
    lengths = weights.T @ np.sum(change**2, axis=1) / weights.sum(0)
    assert_allclose(summary["change_length"] ** 2, lengths)
    shares = summary["weight_share"]
    assert_allclose(shares, weights.mean(0))
    assert_allclose(shares @ summary["error_before"] ** 2, errors[0])
    assert_allclose(shares @ summary["error_after"] ** 2, errors.min())


def test_moved_turned_and_scaled_views_give_the_moved_turned_and_scaled_map():
    X, Y = _bent_views()
    generator = np.random.default_rng(1)
    turn_x = np.linalg.qr(generator.normal(size=(5, 5)))[0]
    turn_y = np.linalg.qr(generator.normal(size=(3, 3)))[0]
    # One chart for each row, so that the order of k-means' draws does not matter.
    X, Y = X[:40], Y[:40]
    aligner = GaussianWeightedAligner(40, ridge=0.1, chart_ridge=0.1)
    expected = 3 * aligner.fit(X, Y).transform(X) @ turn_y + 7
    turned = 0.01 * X @ turn_x - 4
    found = aligner.fit(turned, 3 * Y @ turn_y + 7).transform(turned)
    assert_allclose(found, expected, rtol=1e-8)


def test_order_of_rows_does_not_matter():
    X, Y = _bent_views()
    order = np.random.default_rng(1).permutation(len(X))
    first = GaussianWeightedAligner(random_state=0).fit(X, Y)
    second = GaussianWeightedAligner(random_state=0).fit(X[order], Y[order])
    assert first.chart_ridge_ == second.chart_ridge_
    assert_allclose(first.transform(X), second.transform(X), rtol=1e-8)


def test_weights_are_repetitions():
    X, Y = _bent_views(200)
    weights = np.random.default_rng(1).integers(0, 3, len(X))
    weighted = GaussianWeightedAligner(random_state=0).fit(X, Y, sample_weight=weights)
    repeated = GaussianWeightedAligner(random_state=0).fit(
        np.repeat(X, weights, 0), np.repeat(Y, weights, 0)
    )
    assert weighted.chart_ridge_ == repeated.chart_ridge_
    assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-8)


def test_constant_column_changes_nothing():
    X, Y = _bent_views()
    settings = {"ridge": 1e-9, "chart_ridge": 1e-6, "random_state": 0}
    plain = GaussianWeightedAligner(6, **settings).fit(X, Y)
    X_wide = np.insert(X, 2, 0.1, axis=1)
    wide = GaussianWeightedAligner(6, **settings).fit(X_wide, Y)
    assert_allclose(wide.transform(X_wide), plain.transform(X), rtol=1e-4)


@pytest.mark.parametrize("n_rows", [1, 20])
def test_equal_rows_give_the_mean_target(n_rows):
    X = np.full((n_rows, 3), 0.1)
    Y = np.random.default_rng(0).normal(size=(n_rows, 2))
    with pytest.warns(DegenerateDataWarning, match="not vary"):
        aligner = GaussianWeightedAligner().fit(X, Y)
    assert aligner.chart_ridge_ == np.inf
    assert_allclose(aligner.transform(X), np.tile(Y.mean(0), (n_rows, 1)))
    assert_allclose(aligner.transform(X + 5), aligner.transform(X))


def test_fewer_rows_than_features():
    X, Y = _bent_views(30, 200)
    aligner = GaussianWeightedAligner(random_state=0).fit(X, Y)
    assert aligner.score(X, Y) > 0
    assert aligner.components_.shape == (3, 3, 200)


def test_penalties_that_are_given_are_taken():
    X, Y = _bent_views(200)
    aligner = GaussianWeightedAligner(ridge=0.3, chart_ridge=0.2).fit(X, Y)
    assert_allclose([aligner.ridge_, aligner.chart_ridge_], [0.3, 0.2])
    assert_array_equal(aligner.cv_results_["chart_ridge"], [np.inf, 0.2])


def test_search_ends_after_two_penalties_that_are_worse():
    class Fold:
        def errors(self, penalty):
            return torch.tensor([abs(penalty - 3.0), 1.0])

    found = list(path_errors([Fold(), Fold()], [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]))
    assert_array_equal(torch.stack(found)[:, 0], [4, 2, 0, 2, 4])


def test_no_inverse_is_offered():
    assert not hasattr(GaussianWeightedAligner(), "inverse_transform")
