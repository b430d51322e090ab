# SPDX-License-Identifier: BSD-3-Clause
"""Going on from a fitted map: where it starts, what it keeps, and what it gains."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.spatial.distance import pdist
from sklearn.base import clone
from sklearn.datasets import load_digits, make_swiss_roll
from sklearn.metrics import r2_score

from sktransform.exceptions import DegenerateDataWarning
from sktransform.metrics import trustworthiness
from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.reduction import (
    GaussianWeightedLinearReducer,
    GaussianWeightedNeighborReducer,
)
from sktransform.reduction._gaussian_weighted.solvers.warm_start import PresentMap
from sktransform.runtime._runtime import Runtime

LINEAR, NEIGHBOR = GaussianWeightedLinearReducer, GaussianWeightedNeighborReducer
FEW_STEPS = {"max_iter": 20, "n_gaussians": 8}
ROLL = make_swiss_roll(500, random_state=0)[0]


def _reducer(cls=LINEAR, **parameters):
    return cls(**{"warm_start": True, "random_state": 0, **parameters})


def _neighbor_reducer(**parameters):
    return _reducer(NEIGHBOR, **{"max_iter": 300, "n_gaussians": 20, **parameters})


@pytest.fixture(scope="module")
def digits():
    X = load_digits().data
    return X[np.random.default_rng(0).permutation(len(X))[:900]]


@pytest.fixture(scope="module")
def neighbors(digits):
    return _neighbor_reducer().fit(digits[:500])


def _continued(fitted, X, **changes):
    """Return a copy of a fitted reducer after one more fit."""
    return copy.deepcopy(fitted).set_params(**changes).fit(X)


# The first fit, and what a fit is not bound to


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [(LINEAR, {}), (LINEAR, {"metric": "geodesic"}), (NEIGHBOR, {"max_iter": 30})],
)
def test_a_first_fit_is_that_without_warm_start(cls, parameters, digits):
    warm = _reducer(cls, **parameters).fit(digits[:200])
    cold = _reducer(cls, **parameters, warm_start=False).fit(digits[:200])
    np.testing.assert_array_equal(warm.embedding_, cold.embedding_)
    np.testing.assert_array_equal(warm.loss_curve_, cold.loss_curve_)
    for name, array in cold.map_.items():
        np.testing.assert_array_equal(warm.map_[name], array)


def test_without_warm_start_a_second_fit_is_like_the_first(digits):
    reducer = _reducer(warm_start=False).fit(digits[:200])
    first = reducer.embedding_
    reducer.fit(digits[200:400]).fit(digits[:200])
    np.testing.assert_array_equal(reducer.embedding_, first)


def test_a_clone_starts_anew(digits):
    warm = _reducer(max_iter=3).fit(digits[:200])
    again = clone(warm).fit(digits[:200])
    np.testing.assert_array_equal(again.embedding_, warm.embedding_)
    assert warm.fit(digits[:200]).loss_curve_[0] < again.loss_curve_[0]


@pytest.mark.parametrize(
    ("cls", "parameters"), [(LINEAR, {"max_iter": 5}), (NEIGHBOR, FEW_STEPS)]
)
def test_a_pickled_map_is_continued_like_the_map(cls, parameters, digits):
    fitted = _reducer(cls, **parameters).fit(digits[:200])
    loaded = pickle.loads(pickle.dumps(fitted))
    for reducer in (fitted, loaded):
        reducer.set_params(n_gaussians=25).fit(digits[200:400])
    np.testing.assert_array_equal(loaded.embedding_, fitted.embedding_)


class _Interrupter:
    """A callback that interrupts a fit at once."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        raise KeyboardInterrupt

    on_fit_task_end = on_fit_task_begin


@pytest.mark.usefixtures("callbacks")
def test_an_interrupted_continuation_leaves_the_map(digits):
    reducer = _reducer().fit(digits[:200]).set_callbacks(_Interrupter())
    before = vars(reducer).copy()
    with pytest.raises(KeyboardInterrupt):
        reducer.fit(digits[200:400])
    assert vars(reducer) == before


@pytest.mark.parametrize(
    ("cls", "parameters"), [(LINEAR, {}), (NEIGHBOR, {"max_iter": 20})]
)
def test_equal_rows_leave_nothing_to_continue(cls, parameters, digits):
    reducer = _reducer(cls, **parameters).fit(digits[:100])
    with pytest.warns(DegenerateDataWarning, match="All rows are equal"):
        reducer.fit(np.tile(digits[:1], (5, 1)))
    assert not reducer.embedding_.any()
    reducer.fit(digits[:100])
    first = _reducer(cls, **parameters).fit(digits[:100])
    np.testing.assert_array_equal(reducer.embedding_, first.embedding_)


# Distances


# Fewer parameters than rows, and more.
@pytest.mark.parametrize("n_gaussians", [5, 40])
@pytest.mark.parametrize("metric", ["euclidean", "geodesic"])
def test_the_same_rows_start_at_the_old_objective(metric, n_gaussians):
    reducer = _reducer(metric=metric, n_gaussians=n_gaussians, max_iter=8).fit(ROLL)
    old, old_stress = reducer.loss_curve_, reducer.stress_
    new = reducer.fit(ROLL).loss_curve_
    # Lower only by a rotation of the map, which the penalty notices.
    assert old_stress**2 < new[0] < old[-1] * (1 + 1e-12)
    assert new[0] > old[-1] - 0.01 * (old[0] - old[-1])
    assert (np.diff(new) <= 1e-12 * new[0]).all()
    assert new[-1] < new[0]


@pytest.fixture
def without_end(monkeypatch):
    """Let the majorisation go on until the objective has settled."""
    module = "sktransform.reduction._gaussian_weighted.solvers.majorize"
    monkeypatch.setattr(f"{module}._TOL", 1e-9)


@pytest.mark.usefixtures("without_end")
@pytest.mark.parametrize("n_gaussians", [5, 40])
def test_a_solved_problem_stays_solved(n_gaussians):
    reducer = _reducer(n_gaussians=n_gaussians, max_iter=1000).fit(ROLL)
    before, end = reducer.embedding_, reducer.loss_curve_[-1]
    reducer.fit(ROLL)
    assert end * (1 - 1e-5) < reducer.loss_curve_[0] <= end
    assert np.abs(reducer.embedding_ - before).max() < 1e-3 * np.abs(before).max()


@pytest.mark.usefixtures("without_end")
def test_two_fits_reach_what_one_long_fit_reaches():
    long = _reducer(metric="geodesic", max_iter=1000).fit(ROLL)
    short = _reducer(metric="geodesic", max_iter=3).fit(ROLL)
    short.set_params(max_iter=1000).fit(ROLL)
    assert short.loss_curve_[-1] == pytest.approx(long.loss_curve_[-1], rel=1e-4)


def test_other_rows_are_sooner_fitted_from_the_map_on(digits):
    warm = _reducer(n_gaussians=10).fit(digits[:500]).set_params(max_iter=2)
    warm.fit(digits[300:800])
    cold = _reducer(n_gaussians=10, max_iter=2).fit(digits[300:800])
    assert warm.loss_curve_[0] < 0.8 * cold.loss_curve_[0]
    assert warm.loss_curve_[-1] < cold.loss_curve_[-1]


def test_target_distances_are_continued_too():
    distances = np.sqrt(np.abs(ROLL[:80, None] - ROLL[:80]).sum(axis=2))
    reducer = _reducer(metric="precomputed", max_iter=10)
    old = reducer.fit(ROLL[:80], distances=distances).loss_curve_
    new = reducer.fit(ROLL[:80], distances=distances).loss_curve_
    assert new[-1] < new[0] <= old[-1] * (1 + 1e-12)


@pytest.mark.parametrize(("metric", "gain"), [("euclidean", 0.995), ("geodesic", 0.5)])
def test_more_charts_lower_the_stress_of_distances(metric, gain):
    reducer = _reducer(metric=metric, n_gaussians=10, n_neighbors=8).fit(ROLL)
    old_stress, old_end = reducer.stress_, reducer.loss_curve_[-1]
    kept = reducer.centers_, reducer.widths_
    reducer.set_params(n_gaussians=30).fit(ROLL)
    assert reducer.widths_.shape == (30,)
    np.testing.assert_allclose(reducer.centers_[:10], kept[0], atol=1e-12)
    np.testing.assert_allclose(reducer.widths_[:10], kept[1], rtol=1e-12)
    # What the nearest map misses is little.
    assert reducer.loss_curve_[0] < 1.1 * old_end
    assert (np.diff(reducer.loss_curve_) <= 1e-12).all()
    assert reducer.stress_ < gain * old_stress


def test_new_charts_lie_where_the_errors_are():
    # Most rows lie on a plane, which PCA keeps, and few in a ball beside it.
    generator = np.random.default_rng(0)
    X = generator.normal(size=(400, 3)) * [5, 5, 0.01]
    X[:80] = [30, 0, 0] + 3 * generator.normal(size=(80, 3))
    reducer = _reducer(n_gaussians=1).fit(X).set_params(n_gaussians=9).fit(X)
    assert np.sum(reducer.centers_[1:, 0] > 15) >= 5
    spread = GaussianWeightedLinearReducer(n_gaussians=8, random_state=0).fit(X)
    assert np.sum(spread.centers_[:, 0] > 15) <= 3


def test_no_more_charts_than_rows():
    reducer = _reducer(n_gaussians=10).fit(ROLL[:30])
    reducer.set_params(n_gaussians=100).fit(ROLL[:30])
    assert len(reducer.widths_) == 30
    reducer.fit(ROLL[:20])
    assert len(reducer.widths_) == 30


# The frame


@pytest.mark.parametrize(("cls", "parameters"), [(LINEAR, {}), (NEIGHBOR, FEW_STEPS)])
def test_mean_and_projection_are_kept_and_scales_are_those_of_the_rows(cls, parameters):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(400, 130)) * np.linspace(3, 0.1, 130)
    reducer = _reducer(cls, **parameters).fit(X[:200])
    old = reducer.map_
    reducer.fit(2 * X[200:] + 1)
    for name in ("mean", "projection"):
        np.testing.assert_allclose(reducer.map_[name], old[name], rtol=1e-6)
    np.testing.assert_allclose(reducer.feature_scale_, 2 * X[200:].std(axis=0))
    np.testing.assert_allclose(reducer.embedding_.mean(axis=0), 0, atol=1e-4)


@pytest.mark.parametrize(
    # Wide sparse rows are projected differently, and training magnifies rounding.
    ("cls", "parameters"),
    [(LINEAR, {}), (NEIGHBOR, {**FEW_STEPS, "max_iter": 1})],
)
def test_sparse_rows_are_continued_like_dense_ones(cls, parameters):
    table = scipy.sparse.random_array(
        (300, 200), density=0.1, rng=np.random.default_rng(0), format="csr"
    )
    found, expected = (
        _reducer(cls, **parameters).fit(rows[:150]).fit(rows[150:])
        for rows in (table, table.toarray())
    )
    size = np.abs(expected.embedding_).max()
    np.testing.assert_allclose(found.embedding_, expected.embedding_, atol=1e-4 * size)
    np.testing.assert_allclose(found.feature_scale_, expected.feature_scale_)


def test_tensors_are_continued_like_arrays(digits):
    found = _reducer(max_iter=5).fit(digits[:100]).fit(torch.from_numpy(digits[100:]))
    expected = _reducer(max_iter=5).fit(digits[:100]).fit(digits[100:])
    np.testing.assert_allclose(found.embedding_, expected.embedding_, atol=1e-8)


def test_a_continued_map_keeps_its_direction():
    # Of equal variance in two directions: principal axes are arbitrary.
    generator = np.random.default_rng(0)
    X = generator.normal(size=(2000, 3)) * [1, 1, 0.2]
    reducer = _reducer(max_iter=5, n_landmarks=300).fit(X[:500])
    before = reducer.transform(X)
    after = reducer.fit(X[500:]).transform(X)
    for axis in range(2):
        assert np.corrcoef(before[:, axis], after[:, axis])[0, 1] > 0.99


# Neighbours


def _loss(reducer):
    """Return the mean loss of the last fifth of the steps."""
    return reducer.loss_curve_[-20:].mean()


def _size(reducer):
    """Return the size of the embedding in units of the kernel."""
    return reducer.embedding_.std() / reducer.continuation_["output_unit"]


def test_a_split_leaves_the_map_of_neighbours_as_it_was(neighbors, digits):
    # The schedule ends at a rate of 0: a single step moves nothing.
    grown = _continued(neighbors, digits[:500], n_gaussians=45, max_iter=1)
    before, after = neighbors.transform(digits), grown.transform(digits)
    assert len(grown.widths_) == 45
    assert np.abs(after - before).max() < 1e-5 * np.abs(before).max()
    jacobians = neighbors.jacobian(digits[:50]), grown.jacobian(digits[:50])
    assert np.abs(jacobians[1] - jacobians[0]).max() < 1e-4 * np.abs(jacobians).max()


def test_more_charts_keep_neighbours_better_and_the_map_close(neighbors, digits):
    X = digits[:500]
    grown = _continued(neighbors, X, n_gaussians=45, max_iter=200)
    assert _loss(grown) < _loss(neighbors)
    before, after = neighbors.embedding_, grown.embedding_
    assert np.corrcoef(pdist(before), pdist(after))[0, 1] > 0.97
    assert trustworthiness(X, after) > trustworthiness(X, before) - 0.002


def test_the_scale_of_distances_stays_frozen(neighbors, digits):
    # Frozen anew each time it would let the map shrink.
    again = _continued(neighbors, digits[:500], max_iter=100)
    for name in ("scale", "radius", "input_unit"):
        assert again.continuation_[name] == neighbors.continuation_[name]
    assert _size(again) > 0.97 * _size(neighbors)


def test_other_rows_are_sooner_kept_from_the_map_on(neighbors, digits):
    rows = digits[200:700]
    warm = _continued(neighbors, rows, max_iter=40)
    cold = _neighbor_reducer(max_iter=40).fit(rows)
    assert _loss(warm) < _loss(cold) - 0.2
    found = trustworthiness(rows, warm.embedding_)
    assert found > trustworthiness(rows, cold.embedding_) + 0.03


def test_distances_may_be_kept_later(digits):
    settings = {"max_iter": 60, "stress_weight": 0.0}
    reducer = _neighbor_reducer(**settings).fit(digits[:300])
    assert "scale" not in reducer.continuation_
    old_stress = reducer.stress_
    reducer.set_params(stress_weight=0.8).fit(digits[:300])
    assert reducer.continuation_["scale"] > 0
    assert reducer.stress_ < 0.95 * old_stress


def test_stored_rows_are_those_of_the_last_fit(digits):
    reducer = _neighbor_reducer(max_iter=20, anchored=True)
    reducer.fit(digits[:200]).set_params(n_gaussians=30).fit(digits[200:500])
    assert reducer.anchors_["inputs"].shape[0] == 300
    np.testing.assert_array_equal(
        reducer.transform(digits[200:500]), reducer.embedding_
    )


@pytest.fixture(scope="module")
def grown(neighbors, digits):
    return _continued(neighbors, digits[:500], n_gaussians=45, max_iter=60)


def test_weights_of_split_charts_sum_to_one(grown, digits):
    masses = np.exp(grown.map_["log_masses"])
    # Shares of 20 charts, each of mass 1.
    assert masses.sum() == pytest.approx(20, rel=1e-5)
    assert masses.min() < 0.6
    weights = grown.chart_weights(digits)
    assert weights.shape == (900, 45)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-10)


def test_the_state_alone_gives_the_map(grown, digits):
    state = {name: torch.tensor(a).double() for name, a in grown.map_.items()}
    Y = GaussianWeightedMap(**state)(torch.from_numpy(digits)).detach().numpy()
    np.testing.assert_allclose(Y, grown.transform(digits), atol=1e-8)
    del state["log_masses"]
    without = GaussianWeightedMap(**state)(torch.from_numpy(digits)).detach().numpy()
    assert np.abs(without - Y).max() > 0.01 * np.abs(Y).max()


def test_jacobian_of_split_charts_is_the_derivative(grown, digits):
    X, step = digits[:5], 1e-4
    jacobian = grown.jacobian(X)
    for feature in (20, 36, 42):
        shifted = step * np.eye(64)[feature]
        difference = grown.transform(X + shifted) - grown.transform(X - shifted)
        np.testing.assert_allclose(
            jacobian[:, :, feature], difference / (2 * step), atol=1e-5
        )


def test_split_charts_have_a_decoder(grown, neighbors, digits):
    X = digits[:500]
    found, before = (
        r2_score(X, reducer.inverse_transform(reducer.transform(X)))
        for reducer in (grown, neighbors)
    )
    assert found > before - 0.01
    points = grown.transform(X[:20])
    errors = [
        np.abs(
            grown.transform(grown.inverse_transform(points, n_refinements=n)) - points
        )
        for n in (0, 5)
    ]
    assert errors[1].mean() < 0.05 * errors[0].mean()


def test_split_charts_are_split_again(grown, digits):
    again = _continued(grown, digits[:500], n_gaussians=150, max_iter=1)
    before, after = grown.transform(digits), again.transform(digits)
    assert np.exp(again.map_["log_masses"]).min() < 0.3
    assert np.abs(after - before).max() < 1e-5 * np.abs(before).max()


def test_the_present_map_is_the_fitted_one_in_other_units(grown, digits):
    runtime = Runtime.from_rows(digits, "cpu")
    present = PresentMap.from_arrays(grown.map_, grown.continuation_, runtime)
    frame = present.frame
    Z = (torch.from_numpy(digits) - frame.mean) / frame.unit
    Z = Z if frame.projection is None else Z @ frame.projection
    Y = present.charts.values(Z) * grown.continuation_["output_unit"]
    np.testing.assert_allclose(Y.numpy(), grown.transform(digits), atol=1e-6)
    assert present.frozen.keys() == {"scale", "radius"}


def test_continuing_warns_of_nothing(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _reducer(max_iter=5).fit(digits[:100]).set_params(n_gaussians=30).fit(digits)
