# SPDX-License-Identifier: BSD-3-Clause
"""Facts about the reducer's target distances."""

import warnings

import joblib
import numpy as np
import pytest
import sklearn
import torch
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import Isomap
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransform.datasets import make_swiss_roll
from sktransform.exceptions import DisconnectedGraphWarning
from sktransform.metrics import stress
from sktransform.reduction import GaussianWeightedLinearReducer


def _reducer(**parameters):
    return GaussianWeightedLinearReducer(**{"random_state": 0, **parameters})


@pytest.fixture(scope="module")
def classes():
    return np.arange(6).repeat(30)


def _distances(X):
    return squareform(pdist(X))


# Geodesic


@pytest.fixture(scope="module")
def roll():
    X, sheet = make_swiss_roll(1000, random_state=0)
    return X, sheet, _reducer(metric="geodesic").fit(X)


def test_geodesic_distances_unroll_the_roll(roll):
    _, sheet, reducer = roll
    length = np.corrcoef(reducer.embedding_[:, 0], sheet[:, 0])[0, 1]
    height = np.corrcoef(reducer.embedding_[:, 1], sheet[:, 1])[0, 1]
    assert abs(length) > 0.99
    assert abs(height) > 0.99
    assert reducer.stress_ <= 0.011
    # In the sheet's own units, and so are the distances.
    assert stress(sheet, reducer.embedding_) < 0.04


def test_new_rows_are_mapped_as_well_as_with_isomap(roll):
    X, _, reducer = roll
    new, sheet = make_swiss_roll(1000, random_state=1)
    isomap = Isomap(n_neighbors=10).fit(X).transform(new)
    assert stress(sheet, reducer.transform(new)) <= 1.02 * stress(sheet, isomap)


def test_the_sheet_leads_back_to_the_roll(roll):
    X, _, reducer = roll
    for rows in (X, make_swiss_roll(1000, random_state=1)[0]):
        back = reducer.inverse_transform(reducer.transform(rows))
        assert r2_score(rows, back, multioutput="variance_weighted") >= 0.999


def test_score_is_that_of_the_distances_along_the_data(roll, monkeypatch):
    X, _, reducer = roll
    assert reducer.score(X) == pytest.approx(-reducer.stress_, rel=1e-6)
    repeated = np.concatenate([X, X[:20]])
    assert reducer.score(repeated) == pytest.approx(-reducer.stress_, rel=0.05)
    assert reducer.score(torch.from_numpy(X)) == reducer.score(X)
    new, _ = make_swiss_roll(1000, random_state=1)
    assert reducer.score(new) > -0.05
    monkeypatch.setattr(
        "sktransform.reduction._gaussian_weighted.base._SCORED_ROWS", 300
    )
    assert reducer.score(X) == pytest.approx(-reducer.stress_, rel=0.1)
    folded = _reducer().fit(X).set_params(metric="geodesic")
    assert folded.score(new) < -0.5
    with pytest.raises(ValueError, match="does not take sparse rows"):
        reducer.score(csr_array(X))


def test_geodesic_landmarks_agree_with_all_rows(roll):
    X, _, everything = roll
    landmarks = _reducer(metric="geodesic", n_landmarks=400).fit(X)
    assert len(landmarks.map_["centers"]) < len(everything.map_["centers"])
    assert stress(everything.embedding_, landmarks.embedding_) < 0.03


def test_geodesic_paths_lead_over_rows_that_are_no_landmarks():
    X, sheet = make_swiss_roll(2000, random_state=0)
    # The graph of 100 landmarks alone would cut across the roll.
    reducer = _reducer(metric="geodesic", n_landmarks=100).fit(X)
    assert abs(np.corrcoef(reducer.embedding_[:, 0], sheet[:, 0])[0, 1]) > 0.99


def test_parts_that_are_not_connected_warn_once(blobs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reducer = _reducer(metric="geodesic").fit(blobs)
    assert [w.category for w in caught] == [DisconnectedGraphWarning]
    assert "parts" in str(caught[0].message)
    assert np.isfinite(reducer.embedding_).all()


@pytest.mark.parametrize("n_neighbors", [39, 40, 1000])
def test_a_graph_of_all_rows_has_straight_distances(n_neighbors):
    X = np.random.default_rng(0).normal(size=(40, 3))
    reducer = _reducer(metric="geodesic", n_neighbors=n_neighbors).fit(X)
    straight = _reducer(metric="precomputed").fit(X, distances=_distances(X))
    np.testing.assert_allclose(reducer.embedding_, straight.embedding_, atol=1e-6)
    assert reducer.stress_ == pytest.approx(straight.stress_, rel=1e-6)


# Precomputed


def test_straight_distances_may_be_given(blobs, monkeypatch):
    # Given distances get narrower charts, because they may follow a bent sheet.
    module = "sktransform.reduction._gaussian_weighted.solvers.majorize"
    monkeypatch.setattr(f"{module}._WIDTH_ALONG_DATA", 1.0)
    options = {"n_gaussians": 12}
    own = _reducer(**options).fit(blobs)
    given = _reducer(metric="precomputed", **options)
    given.fit(blobs, distances=_distances(blobs))
    assert given.stress_ == pytest.approx(own.stress_, rel=0.01)
    assert stress(own.embedding_, given.embedding_) < 0.01
    assert given.stress_ == pytest.approx(stress(blobs, given.embedding_), rel=1e-7)


def test_given_distances_are_the_ones_that_are_kept(blobs):
    bent = _distances(blobs) ** 1.5
    reducer = _reducer(metric="precomputed").fit(blobs, distances=bent)
    found = stress(bent, reducer.embedding_, metric="precomputed")
    assert reducer.stress_ == pytest.approx(found, rel=1e-7)
    straight = _reducer().fit(blobs).embedding_
    assert found < stress(bent, straight, metric="precomputed", scaled=True)


@pytest.mark.parametrize("kind", [np.float32, torch.from_numpy])
def test_distances_come_in_single_precision_or_as_a_tensor(blobs, kind):
    D = _distances(blobs)
    given = kind(D)
    expected = _reducer(metric="precomputed").fit(blobs, distances=D).embedding_
    found = _reducer(metric="precomputed").fit(blobs, distances=given).embedding_
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def _spoiled(value, *indices):
    def spoil(D):
        D = D.copy()
        for index in indices:
            D[index] = value
        return D

    return spoil


WRONG_DISTANCES = {
    "asymmetric": (_spoiled(3.0, (2, 5)), "distances must be a symmetric matrix"),
    "negative": (
        _spoiled(-1.0, (2, 5), (5, 2)),
        "distances must hold distances of at least 0",
    ),
    "nan": (_spoiled(np.nan, (2, 5), (5, 2)), "Input distances contains NaN"),
    "infinite": (
        _spoiled(np.inf, (2, 5), (5, 2)),
        "Input distances contains infinity",
    ),
    "diagonal": (_spoiled(1.0, (4, 4)), "distances must have a zero diagonal"),
    "of other rows": (
        lambda D: D[:50, :50],
        r"distances must be the distances between the 180 rows of X",
    ),
    "not square": (lambda D: D[:, :50], "distances must be a square matrix"),
}


@pytest.mark.parametrize("mistake", WRONG_DISTANCES)
def test_wrong_distances_are_refused_and_change_nothing(blobs, mistake):
    spoil, sentence = WRONG_DISTANCES[mistake]
    D = _distances(blobs)
    reducer = _reducer(metric="precomputed").fit(blobs, distances=D)
    before = joblib.hash(vars(reducer))
    with pytest.raises(ValueError, match=sentence):
        reducer.fit(blobs, distances=spoil(D))
    assert joblib.hash(vars(reducer)) == before


def test_score_is_that_of_the_given_distances(blobs):
    D = 3 * _distances(blobs)
    reducer = _reducer(metric="precomputed").fit(blobs, distances=D)
    assert reducer.score(blobs, distances=D) == pytest.approx(-reducer.stress_)
    some = slice(None, None, 2)
    expected = stress(
        D[some, some], reducer.transform(blobs[some]), metric="precomputed"
    )
    found = reducer.score(blobs[some], distances=D[some, some])
    assert found == pytest.approx(-expected)
    with pytest.raises(ValueError, match="distances are not given"):
        reducer.score(blobs)
    with pytest.raises(ValueError, match="'euclidean', but distances are given"):
        reducer.set_params(metric="euclidean").score(blobs, distances=D)


def test_distances_and_their_metric_come_together(blobs):
    D = _distances(blobs)
    with pytest.raises(ValueError, match=r"'euclidean', but distances are given"):
        _reducer().fit(blobs, distances=D)
    with pytest.raises(ValueError, match=r"'precomputed', but distances are not given"):
        _reducer(metric="precomputed").fit(blobs)


def test_distances_are_passed_through_a_pipeline(blobs):
    D = _distances(blobs)
    with sklearn.config_context(enable_metadata_routing=True):
        reducer = _reducer(metric="precomputed").set_fit_request(distances=True)
        pipeline = make_pipeline(StandardScaler(), reducer).fit(blobs, distances=D)
    scaled = StandardScaler().fit_transform(blobs)
    alone = _reducer(metric="precomputed").fit(scaled, distances=D)
    np.testing.assert_array_equal(pipeline[-1].embedding_, alone.embedding_)
    np.testing.assert_array_equal(pipeline.transform(blobs), alone.embedding_)


def test_given_distances_need_no_landmarks_to_agree_with_them(blobs):
    D = _distances(blobs)
    few = _reducer(metric="precomputed", n_landmarks=90).fit(blobs, distances=D)
    assert few.embedding_.shape == (180, 2)
    every = _reducer(metric="precomputed").fit(blobs, distances=D)
    assert stress(blobs, few.embedding_) < 1.1 * every.stress_


# Weights


@pytest.mark.filterwarnings("ignore::sktransform.exceptions.DisconnectedGraphWarning")
@pytest.mark.parametrize("metric", ["geodesic", "precomputed"])
def test_weights_mean_repetition(blobs, classes, metric):
    counts = np.random.default_rng(0).integers(0, 4, len(blobs))
    repeats = np.arange(len(blobs)).repeat(counts)
    given, repeated = {}, {}
    if metric == "precomputed":
        D = _distances(blobs) ** 1.2
        given, repeated = {"distances": D}, {"distances": D[repeats][:, repeats]}
    # Labels mean the same too.
    reducer = _reducer(metric=metric, target_weight=0.3)
    first = reducer.fit(blobs, classes, sample_weight=counts, **given)
    scale = np.abs(first.embedding_).max()
    Y, first_stress = first.transform(blobs), first.stress_
    second = reducer.fit(blobs[repeats], classes[repeats], **repeated)
    np.testing.assert_allclose(second.transform(blobs), Y, atol=1e-9 * scale)
    assert second.stress_ == pytest.approx(first_stress, rel=1e-9)


# Labels


def _separation(Y, y):
    """Return the mean distance within classes over that between classes."""
    distances, same = _distances(Y), y[:, None] == y
    others = ~np.eye(len(y), dtype=bool)
    return distances[same & others].mean() / distances[~same].mean()


@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
def test_labels_pull_classes_together(blobs, classes, metric):
    given = {"distances": _distances(blobs)} if metric == "precomputed" else {}
    shares = []
    for weight in (0.0, 0.3, 0.6, 0.9):
        reducer = _reducer(metric=metric, target_weight=weight)
        reducer.fit(blobs, classes, **given)
        shares.append(_separation(reducer.embedding_, classes))
    assert (np.diff(shares) < 0).all()
    assert shares[-1] < 0.75 * shares[0]


def test_labels_shorten_distances_within_classes_by_the_share(blobs, classes):
    same = classes[:, None] == classes
    targets = np.where(same, 0.6, 1.0) * _distances(blobs)
    reducer = _reducer(target_weight=0.4).fit(blobs, classes)
    found = stress(targets, reducer.embedding_, metric="precomputed")
    assert reducer.stress_ == pytest.approx(found, rel=1e-7)


def test_rows_without_a_class_keep_their_distances(blobs, classes):
    unknown = np.full(len(blobs), -1)
    options = {"n_gaussians": 12}
    plain = _reducer(**options).fit(blobs)
    ignored = _reducer(target_weight=0.8, **options).fit(blobs, unknown)
    np.testing.assert_array_equal(ignored.embedding_, plain.embedding_)
    half = np.where(classes < 3, classes, -1)
    reducer = _reducer(target_weight=0.8, **options).fit(blobs, half)
    known = half >= 0
    shares = [
        [np.mean(pdist(Y[classes == c])) for c in range(6)]
        for Y in (reducer.embedding_, plain.embedding_)
    ]
    ratios = np.divide(*shares)
    assert ratios[:3].max() < ratios[3:].min()
    assert known.sum() == 90


def test_labels_of_words_and_of_numbers_mean_the_same(blobs, classes):
    numbers = _reducer(target_weight=0.5).fit(blobs, classes + 7)
    words = _reducer(target_weight=0.5).fit(blobs, np.array(list("abcdef"))[classes])
    np.testing.assert_array_equal(numbers.embedding_, words.embedding_)


def test_words_go_with_the_number_of_rows_without_a_class(blobs, classes):
    y = np.where(np.arange(180) % 3 == 0, -1, classes)
    words = np.array([f"class {label}" for label in classes], dtype=object)
    words[y == -1] = -1
    fitted = [_reducer(target_weight=0.5).fit(blobs, y_) for y_ in (y, words)]
    np.testing.assert_array_equal(fitted[0].embedding_, fitted[1].embedding_)


def test_labels_without_a_weight_are_not_read(blobs):
    noise = np.random.default_rng(0).normal(size=len(blobs))
    np.testing.assert_array_equal(
        _reducer().fit(blobs, noise).embedding_, _reducer().fit(blobs).embedding_
    )


def test_labels_are_asked_for_and_must_be_classes(blobs):
    reducer = _reducer(target_weight=0.5)
    with pytest.raises(ValueError, match="needs class labels, but y is None"):
        reducer.fit(blobs)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        reducer.fit(blobs, blobs[:, 0])
    with pytest.raises(ValueError, match="NaN"):
        reducer.fit(blobs, np.where(np.arange(180) == 3, np.nan, 1))
    with pytest.raises(ValueError, match="1d array"):
        reducer.fit(blobs, np.zeros((180, 2)))


def test_one_class_pulled_onto_one_point_leaves_no_stress(blobs):
    reducer = _reducer(target_weight=1.0).fit(blobs, np.zeros(180, dtype=int))
    np.testing.assert_allclose(reducer.embedding_, 0, atol=1e-6)
    assert reducer.stress_ == 0
