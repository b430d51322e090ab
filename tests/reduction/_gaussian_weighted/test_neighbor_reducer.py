# SPDX-License-Identifier: BSD-3-Clause
"""Facts about the reducer that keeps neighbourhoods."""

import pickle

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sktransform.exceptions import DegenerateDataWarning
from sktransform.metrics import stress, trustworthiness
from sktransform.reduction import (
    GaussianWeightedLinearReducer,
    GaussianWeightedNeighborReducer,
)
from sktransform.reduction._gaussian_weighted.solvers.neighbors import neighbor_defaults


def _reducer(**parameters):
    defaults = {"max_iter": 300, "random_state": 0}
    return GaussianWeightedNeighborReducer(**{**defaults, **parameters})


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:900], y[:900]


@pytest.fixture(scope="module")
def split(digits):
    """Digits to fit and new ones."""
    return digits[0][:600], digits[0][600:]


@pytest.fixture(scope="module")
def fitted(split):
    return _reducer().fit(split[0])


@pytest.fixture(scope="module")
def anchored(split):
    return _reducer(anchored=True).fit(split[0])


def _separation(Y, y):
    """Return the mean distance within classes over that between classes."""
    distances, same = cdist(Y, Y), y[:, None] == y
    others = ~np.eye(len(y), dtype=bool)
    return distances[same & others].mean() / distances[~same].mean()


# What is kept


def test_neighbours_are_kept_better_than_by_distances_and_by_pca(split, fitted):
    X = split[0]
    distance = GaussianWeightedLinearReducer(random_state=0).fit(X).embedding_
    found = trustworthiness(X, fitted.embedding_)
    assert found > 0.98
    assert found > trustworthiness(X, distance) + 0.05
    assert found > trustworthiness(X, PCA(2).fit_transform(X)) + 0.1


def test_stress_weight_trades_neighbours_for_distances(split):
    X = split[0]
    maps = [_reducer(stress_weight=weight).fit(X) for weight in (0.0, 0.5, 1.0)]
    stresses = [stress(X, m.embedding_, scaled=True) for m in maps]
    trusts = [trustworthiness(X, m.embedding_) for m in maps]
    assert stresses[0] > stresses[1] > stresses[2]
    assert trusts[2] > 0.86
    assert trusts[1] > trusts[0] - 0.01
    # At its end it reaches the stress of the closed form.
    closed = GaussianWeightedLinearReducer(random_state=0).fit(X).stress_
    assert stresses[2] < 1.02 * closed


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_the_embedding_is_in_the_units_of_the_rows(split, scale):
    X = scale * split[0]
    reducer = _reducer(max_iter=200).fit(X)
    assert stress(X, reducer.embedding_) <= 1.01 * stress(
        X, reducer.embedding_, scaled=True
    )
    assert reducer.stress_ == pytest.approx(stress(X, reducer.embedding_), rel=1e-6)


def test_loss_falls(split):
    curve = _reducer(stress_weight=0.0).fit(split[0]).loss_curve_
    assert len(curve) == 100
    assert curve[-10:].mean() < 0.75 * curve[:5].mean()
    # The loss falls throughout: each tenth is below the one before it.
    tenths = curve.reshape(10, 10).mean(axis=1)
    assert (np.diff(tenths[:5]) < 0).all()


# The map as a function


@pytest.mark.parametrize("which", ["fitted", "anchored"])
def test_embedding_is_the_transform_of_the_training_rows(which, split, request):
    reducer = request.getfixturevalue(which)
    np.testing.assert_array_equal(reducer.transform(split[0]), reducer.embedding_)


def test_embedding_is_centred_on_principal_axes(fitted):
    Y = fitted.embedding_
    np.testing.assert_allclose(Y.mean(axis=0), 0, atol=1e-8 * np.abs(Y).max())
    covariance = Y.T @ Y
    assert abs(covariance[0, 1]) < 1e-8 * covariance[0, 0]
    assert covariance[0, 0] > covariance[1, 1]


def test_the_seed_decides(split, fitted):
    again = _reducer().fit(split[0])
    np.testing.assert_array_equal(again.embedding_, fitted.embedding_)
    np.testing.assert_array_equal(again.loss_curve_, fitted.loss_curve_)
    other = _reducer(random_state=1).fit(split[0])
    assert not np.array_equal(other.embedding_, fitted.embedding_)


@pytest.mark.parametrize("which", ["fitted", "anchored"])
def test_jacobian_agrees_with_central_differences(which, split, fitted, request):
    reducer = request.getfixturevalue(which)
    X, step = split[1][:5], 1e-4
    # `fitted` has no vote: both have the same map.
    expected = np.stack(
        [
            (fitted.transform(X + step * e) - fitted.transform(X - step * e))
            / (2 * step)
            for e in np.eye(X.shape[1])
        ],
        axis=2,
    )
    found = reducer.jacobian(X)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(found).max())


def test_new_rows_keep_their_neighbours(split, fitted):
    distance = GaussianWeightedLinearReducer(random_state=0).fit(split[0])
    found, other = (model.transform(split[1]) for model in (fitted, distance))
    assert trustworthiness(split[1], found) > trustworthiness(split[1], other) + 0.02
    # A short training suits few charts.
    few = len(split[0]) // 30
    models = [_reducer(n_gaussians=few, random_state=seed) for seed in range(3)]
    images = [model.fit(split[0]).transform(split[1]) for model in models]
    assert np.mean([trustworthiness(split[1], image) for image in images]) > 0.935


def test_single_precision_stays_single(split, fitted):
    X = split[0].astype(np.float32)
    single = _reducer().fit(X)
    assert single.embedding_.dtype == np.float32
    assert single.inverse_transform(single.embedding_).dtype == np.float32
    assert fitted.transform(X).dtype == np.float32
    scale = np.abs(fitted.embedding_).max()
    np.testing.assert_allclose(
        fitted.transform(X), fitted.embedding_, atol=1e-4 * scale
    )
    # The digits are whole numbers, alike in both: so are the maps.
    np.testing.assert_allclose(single.embedding_, fitted.embedding_, atol=1e-4 * scale)


def test_decoder_is_better_than_the_mean(split, fitted):
    for X, least in zip(split, (0.5, 0.2), strict=True):
        back = fitted.inverse_transform(fitted.transform(X))
        assert r2_score(X, back, multioutput="variance_weighted") > least


# Anchored


def test_new_rows_take_the_position_of_one_of_their_nearest_rows(split, anchored):
    X, new = split
    Y = anchored.transform(new)
    # In the 50 directions that the map sees, for each row in its own unit.
    mean, projection = anchored.map_["mean"], anchored.map_["projection"]
    inputs, new_inputs = (X - mean) @ projection, (new - mean) @ projection
    scales = np.sort(cdist(inputs, inputs), axis=1)[:, 7]
    np.testing.assert_allclose(anchored.anchors_["scales"], scales, rtol=1e-5)
    scales = np.maximum(scales, 0.5 * scales.mean())
    distances = cdist(new_inputs, inputs) ** 2 / scales
    nearest = distances.argsort(axis=1)[:, :10]
    offsets = np.linalg.norm(anchored.embedding_[nearest] - Y[:, None], axis=2)
    assert offsets.min(axis=1).max() <= 1e-5 * np.abs(Y).max()
    # Not merely the nearest one.
    assert (offsets.argmin(axis=1) > 0).mean() > 0.1


def test_training_rows_keep_the_position_that_the_map_gives_them(
    anchored, fitted, split
):
    scale = np.abs(fitted.embedding_).max()
    np.testing.assert_allclose(
        anchored.embedding_, fitted.embedding_, atol=1e-4 * scale
    )
    stored = anchored.anchors_["embedding"]
    np.testing.assert_allclose(anchored.embedding_, stored, atol=1e-12 * scale)


def test_the_vote_serves_new_rows_better_than_the_map(digits, fitted, anchored):
    X, y = digits
    rates = []
    for reducer in (fitted, anchored):
        knn = KNeighborsClassifier(10).fit(reducer.embedding_, y[:600])
        rates.append(knn.score(reducer.transform(X[600:]), y[600:]))
    assert rates[1] > rates[0]


def test_an_anchored_row_has_the_same_bits_alone_and_in_a_batch(split, anchored):
    together = anchored.transform(split[1][:50])
    alone = [anchored.transform(row[None])[0] for row in split[1][:50]]
    np.testing.assert_array_equal(together, alone)


def test_an_anchored_map_survives_pickling(split, anchored):
    loaded = pickle.loads(pickle.dumps(anchored))
    np.testing.assert_array_equal(
        loaded.transform(split[1]), anchored.transform(split[1])
    )
    assert loaded.anchors_["inputs"].shape == (600, 50)


def test_fewer_rows_than_voters():
    X = np.random.default_rng(0).normal(size=(4, 3))
    reducer = _reducer(anchored=True, max_iter=20).fit(X)
    assert np.isfinite(reducer.transform(X + 1)).all()


def test_anchors_are_those_of_the_last_fit(split):
    reducer = _reducer(anchored=True, max_iter=20).fit(split[0])
    assert reducer.anchors_ is not None
    assert reducer.set_params(anchored=False).fit(split[0]).anchors_ is None


# Weights and labels


def test_rows_of_weight_zero_are_as_good_as_absent(split):
    X, other = split
    plain = _reducer(max_iter=100).fit(X)
    everything = np.concatenate([X, 100 + 3 * other])
    weights = np.repeat([1.0, 0.0], [len(X), len(other)])
    weighted = _reducer(max_iter=100).fit(everything, sample_weight=weights)
    np.testing.assert_array_equal(weighted.transform(X), plain.transform(X))
    np.testing.assert_array_equal(weighted.loss_curve_, plain.loss_curve_)
    # Nor does it matter where they stand.
    first = _reducer(max_iter=100).fit(everything[::-1], sample_weight=weights[::-1])
    alone = _reducer(max_iter=100).fit(X[::-1])
    np.testing.assert_array_equal(first.transform(X), alone.transform(X))


def test_equal_weights_are_no_weights(split):
    X = split[0]
    weighted = _reducer(max_iter=50).fit(X, sample_weight=np.full(len(X), 4.0))
    np.testing.assert_array_equal(
        weighted.embedding_, _reducer(max_iter=50).fit(X).embedding_
    )


def test_heavy_rows_are_kept_better(digits):
    X, y = digits
    heavy = y == 0
    weights = np.where(heavy, 100.0, 1.0)
    plain = _reducer().fit(X)
    weighted = _reducer().fit(X, sample_weight=weights)
    trusts = [
        trustworthiness(X[heavy], m.transform(X[heavy])) for m in (plain, weighted)
    ]
    assert trusts[1] > trusts[0] + 0.02


def test_labels_pull_classes_together(digits):
    X, y = digits[0][:600], digits[1][:600]
    shares = [
        _separation(_reducer(target_weight=w, n_gaussians=33).fit(X, y).embedding_, y)
        for w in (0.0, 0.5, 1.0)
    ]
    assert shares[0] > 1.1 * shares[1]
    assert shares[1] > shares[2]


def test_rows_without_a_class_pull_like_any_others(digits):
    X, y = digits[0][:600], digits[1][:600]
    plain = _reducer(target_weight=0.9, stress_weight=0).fit(X, np.full(600, -1))
    # The share is drawn, but there is only one kind of neighbour to draw from.
    assert trustworthiness(X, plain.embedding_) > 0.98
    partly = np.where(np.arange(600) % 2, y, -1)
    found = _reducer(target_weight=0.9).fit(X, partly).embedding_
    known = partly >= 0
    unsupervised = _reducer().fit(X).embedding_
    assert _separation(found[known], y[known]) < _separation(
        unsupervised[known], y[known]
    )


def test_names_of_classes_do_not_matter(digits):
    X, y = digits[0][:300], digits[1][:300]
    numbers = _reducer(target_weight=0.5, max_iter=50).fit(X, y).embedding_
    words = np.array(list("abcdefghij"))[y]
    named = _reducer(target_weight=0.5, max_iter=50).fit(X, words).embedding_
    np.testing.assert_array_equal(numbers, named)


def test_a_class_of_one_row_is_like_no_class(split):
    X = split[0][:100]
    labels = np.full(100, -1)
    none = _reducer(target_weight=0.7, max_iter=50).fit(X, labels).embedding_
    labels[3] = 8
    one = _reducer(target_weight=0.7, max_iter=50).fit(X, labels).embedding_
    np.testing.assert_array_equal(none, one)


def test_labels_are_asked_for_and_must_be_classes(split):
    X = split[0][:50]
    with pytest.raises(ValueError, match="needs class labels, but y is None"):
        _reducer(target_weight=0.5).fit(X)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        _reducer(target_weight=0.5).fit(X, X[:, 2] + 0.5 * np.arange(50) / 50)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        _reducer(target_weight=0.5).fit(X, np.zeros(49))


# Degenerate data


def test_repeated_rows_share_a_position():
    X = np.tile(np.random.default_rng(0).normal(size=(8, 3)), (30, 1))
    Y = _reducer(max_iter=50).fit(X).embedding_
    assert np.isfinite(Y).all()
    np.testing.assert_array_equal(Y, np.tile(Y[:8], (30, 1)))
    assert np.linalg.norm(Y[0] - Y[1]) > 0


@pytest.mark.parametrize("value", [1.0, 2.5])
def test_equal_rows_are_mapped_to_zero_with_a_warning(value):
    X = np.full((50, 3), value)
    with pytest.warns(DegenerateDataWarning, match="All rows are equal"):
        reducer = _reducer(max_iter=20).fit(X)
    np.testing.assert_array_equal(reducer.embedding_, 0)
    np.testing.assert_array_equal(reducer.inverse_transform(np.zeros((1, 2))), X[:1])


def test_a_single_row_of_positive_weight_is_mapped_to_zero_with_a_warning():
    X = np.random.default_rng(0).normal(size=(5, 3))
    with pytest.warns(DegenerateDataWarning, match="All rows are equal"):
        reducer = _reducer(max_iter=20).fit(X, sample_weight=[0, 1, 0, 0, 0])
    np.testing.assert_allclose(reducer.transform(X[1:2]), 0, atol=1e-12)


@pytest.mark.parametrize(("n_samples", "n_features"), [(2, 2), (3, 120), (7, 4)])
def test_very_few_rows_stay_finite(n_samples, n_features):
    X = np.random.default_rng(0).normal(size=(n_samples, n_features))
    reducer = _reducer(max_iter=30).fit(X)
    assert np.isfinite(reducer.embedding_).all()
    assert np.isfinite(reducer.inverse_transform(reducer.embedding_)).all()


def test_far_rows_stay_finite(split, fitted):
    far = 1e6 * split[1][:3]
    assert np.isfinite(fitted.transform(far)).all()
    assert np.isfinite(fitted.inverse_transform([[1e9, -1e9]])).all()


# Progress


@pytest.mark.parametrize(("max_iter", "n_reports"), [(200, 100), (1000, 100), (7, 7)])
def test_callbacks_get_about_a_hundred_reports(
    split, max_iter, n_reports, fit_recorder
):
    recorder = fit_recorder()
    reducer = _reducer(max_iter=max_iter).set_callbacks(recorder).fit(split[0][:100])
    assert recorder.n_reports == n_reports == len(reducer.loss_curve_)
    assert reducer.n_iter_ == max_iter


@pytest.mark.parametrize("max_iter", [101, 150, 199, 250])
def test_any_number_of_steps_gives_about_a_hundred_reports(split, max_iter):
    reducer = _reducer(max_iter=max_iter).fit(split[0][:100])
    assert reducer.n_iter_ == max_iter
    assert 50 <= len(reducer.loss_curve_) <= 101


def test_callbacks_may_stop_the_fit(split, fit_recorder):
    recorder = fit_recorder(stop_after=3)
    stopped = _reducer().set_callbacks(recorder).fit(split[0][:100])
    assert stopped.n_iter_ == 9
    assert len(stopped.loss_curve_) == 3
    assert np.isfinite(stopped.embedding_).all()


# Settings


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [
        (30, (5, 2500, 256)),
        (1797, (149, 2500, 256)),
        (4999, (200, 2500, 256)),
        (30_000, (200, 2000, 512)),
        (30_001, (400, 4000, 512)),
    ],
)
def test_automatic_settings_are_those_of_the_description(n_rows, expected):
    automatic = neighbor_defaults(n_rows)
    names = ("n_gaussians", "max_iter", "batch_size")
    assert tuple(automatic[name] for name in names) == expected


# Numbers


@pytest.mark.slow
def test_the_numbers_of_the_digits():
    X, y = load_digits(return_X_y=True)
    trusts, accuracies = [], []
    for seed in (0, 1):
        Y = _reducer(max_iter="auto", random_state=seed).fit(X).embedding_
        trusts.append(trustworthiness(X, Y))
        knn = KNeighborsClassifier(10)
        accuracies.append(cross_val_score(knn, Y, y, cv=5).mean())
    assert np.mean(trusts) >= 0.988
    assert np.mean(accuracies) >= 0.97
    reducer = _reducer(max_iter="auto", stress_weight=0.6).fit(X)
    assert trustworthiness(X, reducer.embedding_) >= 0.97
    assert stress(X, reducer.embedding_, scaled=True, max_pairs=None) <= 0.35
