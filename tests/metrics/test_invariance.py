# SPDX-License-Identifier: BSD-3-Clause
"""Invariance of a model, and of a task: facts, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.svm import SVC

from sktransform.metrics import invariance_score, label_invariance_excess


class FirstColumn(ClassifierMixin, BaseEstimator):
    """The first column is the probability of class "b"."""

    classes_ = np.array(["a", "b"])

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])

    def predict(self, X):
        return self.classes_[(X[:, 0] > 0.5).astype(int)]


def nothing(X, magnitude, random_state):
    return X


def shift(X, magnitude, random_state):
    return X + magnitude * np.r_[1.0, np.zeros(X.shape[1] - 1)]


def noise(X, magnitude, random_state):
    return X + magnitude * random_state.normal(size=X.shape)


@pytest.fixture
def rows():
    X = np.random.default_rng(0).normal(size=(300, 3))
    return X, (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize("metric", ["tv", "js", "agreement"])
def test_a_constant_classifier_is_perfectly_invariant(rows, metric):
    X, y = rows
    constant = DummyClassifier().fit(X, y)
    assert invariance_score(constant, X, noise, metric=metric) == 1
    assert label_invariance_excess(constant, X, y, noise) == (0, 0)


@pytest.mark.parametrize("metric", ["tv", "js", "agreement"])
def test_what_changes_nothing_scores_one(rows, metric):
    model = LogisticRegression().fit(*rows)
    assert invariance_score(model, rows[0], nothing, metric=metric) == 1


def test_changes_of_probabilities_by_hand():
    X = np.array([[0.25], [0.5]])

    def flip(X, magnitude, random_state):
        return 1 - X

    score = {
        m: invariance_score(FirstColumn(), X, flip, metric=m)
        for m in ("tv", "js", "agreement")
    }
    assert_allclose(score["tv"], 1 - 0.5 / 2)
    # H(1/2) - H(1/4) bits, for the first row of two.
    entropy = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
    assert_allclose(score["js"], 1 - (1 - entropy) / 2)
    assert score["agreement"] == 0.5


def test_all_mass_elsewhere_scores_zero():
    X = np.zeros((4, 1))
    for metric in ("tv", "js", "agreement"):
        assert invariance_score(FirstColumn(), X, shift, metric=metric) == 0


def test_squared_change_of_a_linear_regressor(rows):
    X, _ = rows
    model = LinearRegression().fit(X, 3 * X[:, 0])
    expected = 1 - 0.5**2 / (2 * X[:, 0].var())
    score = invariance_score(model, X, shift, metric="squared", magnitudes=[0, 0.5])
    assert_allclose(score, [1, expected])
    constant = DummyRegressor().fit(X, X[:, 0])
    assert invariance_score(constant, X, shift, metric="squared") == 1


def test_axes_are_those_that_were_asked_for(rows):
    X, y = rows
    names = np.array(["z", "a", "m"])[np.arange(300) % 3]
    model = LogisticRegression().fit(X, y)
    kw = {"n_draws": 2, "random_state": 0}
    table = invariance_score(model, X, noise, magnitudes=[0, 1], labels=names, **kw)
    assert table.shape == (2, 3)
    assert_array_equal(table[0], 1)
    by_name = invariance_score(model, X, noise, labels=names, **kw)
    assert_allclose(by_name, table[1])
    by_magnitude = invariance_score(model, X, noise, magnitudes=[0, 1], **kw)
    assert_allclose(by_magnitude, table.mean(axis=1))
    assert isinstance(invariance_score(model, X, noise, **kw), float)
    # The labels come in sorted order.
    only_a = invariance_score(model, X[names == "a"], shift)
    assert_allclose(invariance_score(model, X, shift, labels=names)[0], only_a)


def test_sixes_and_nines_turn_into_each_other():
    X, y = load_digits(return_X_y=True)
    model = LogisticRegression(max_iter=5000).fit(X[:1000] / 16, y[:1000])
    X, y = X[1000:] / 16, y[1000:]

    def turn(X, magnitude, random_state):
        return X[:, ::-1] if magnitude == 1 else X

    score = invariance_score(model, X, turn, labels=y, metric="agreement")
    assert score[[0, 8]].min() > 0.7
    assert score[[6, 9]].max() < 0.2
    excess, error = label_invariance_excess(model, X, y, turn, per_class=True)
    assert excess[[6, 9]].min() > 1
    assert excess[0] < 0.1
    assert (error > 0).all()


def test_excess_is_the_paired_difference_of_brier_scores(rows):
    X, y = rows
    model = LogisticRegression().fit(X[:100], y[:100])
    X, y = X[100:], y[100:]

    def brier(X):
        return 2 * (model.predict_proba(X)[:, 1] - y) ** 2

    differences = brier(shift(X, 1, None)) - brier(X)
    excess, error = label_invariance_excess(model, X, y, shift)
    assert_allclose(excess, differences.mean())
    assert_allclose(error, differences.std(ddof=1) / np.sqrt(200))


def test_excess_of_a_regressor_is_in_units_of_the_variance(rows):
    X, _ = rows
    y = 2 * X[:, 0]
    model = LinearRegression().fit(X, y)
    excess, _ = label_invariance_excess(model, X, y, shift, magnitudes=[0, 0.5, 1])
    assert_allclose(excess, np.array([0, 1, 4]) / y.var(), atol=1e-12)


def test_true_and_false_invariances_are_told_apart_by_folds(rows):
    X, y = rows
    kw = {"cv": 3, "random_state": 0}
    flips = [np.eye(3)[j] * -2 + 1 for j in range(3)]
    found = [
        label_invariance_excess(
            LogisticRegression(), X, y, lambda X, m, r, f=flip: X * f, **kw
        )
        for flip in flips
    ]
    assert found[0][0] > 1
    for excess, error in found[1:]:
        assert abs(excess) < 0.03 + error


def test_folds_keep_the_measured_rows_out(rows):
    X, y = rows
    seen, asked = [], []

    class Spy(LogisticRegression):
        def fit(self, X, y):
            seen.append({row.tobytes() for row in X})
            return super().fit(X, y)

    def spy(X, magnitude, random_state):
        asked.append({row.tobytes() for row in X})
        return X

    groups = np.arange(300) // 10
    label_invariance_excess(
        Spy(), X, y, spy, cv=GroupKFold(4), groups=groups, n_draws=1
    )
    assert len(seen) == len(asked) == 4
    for trained, held_out in zip(seen, asked, strict=True):
        assert not trained & held_out
    assert len(set.union(*asked)) == 300


def test_a_class_that_was_never_seen_costs_its_whole_mass():
    X = np.array([[0.5], [0.5]])
    y = np.array(["a", "never"])
    # From (.5, .5) to (0, 1): .5 - 2 for class a; 1.5 - 2 for the class never seen.
    excess, _ = label_invariance_excess(
        FirstColumn(), X, y, lambda X, m, r: X + 0.5, per_class=True
    )
    assert_allclose(excess, [1.5, 0.5])


def test_without_probabilities_a_classifier_counts_as_certain(rows):
    X, y = rows
    model = SVC().fit(X, y)
    excess, _ = label_invariance_excess(model, X, y, lambda X, m, r: -X)
    wrong = np.mean(model.predict(-X) != y) - np.mean(model.predict(X) != y)
    assert_allclose(excess, 2 * wrong)
    assert invariance_score(model, X, nothing, metric="agreement") == 1


def test_seeds(rows):
    X, y = rows
    model = LogisticRegression().fit(X, y)

    def score(seed):
        return invariance_score(model, X, noise, random_state=seed)

    assert score(0) == score(0) != score(1)
    excess = [label_invariance_excess(model, X, y, noise, random_state=3) for _ in "ab"]
    assert excess[0] == excess[1]
    # The draws are the same ones at every magnitude.
    draws = []

    def spy(X, magnitude, random_state):
        draws.append(random_state.normal())
        return X

    invariance_score(model, X, spy, magnitudes=[0.1, 0.2], n_draws=2)
    assert draws[:2] == draws[2:]
    assert draws[0] != draws[1]


def test_augmenters_and_frames_are_taken_as_they_are(rows):
    X, y = rows
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = LogisticRegression().fit(frame, y)
    seeds = []

    class Augmenter:
        def augment(self, X, random_state=None):
            assert isinstance(X, pd.DataFrame)
            seeds.append(random_state)
            return X * 2

    score = invariance_score(model, frame, Augmenter(), n_draws=3)
    assert 0 < score < 1
    assert len(set(seeds)) == 3
    excess, _ = label_invariance_excess(
        LogisticRegression(), frame, y, Augmenter(), cv=2
    )
    assert np.isfinite(excess)
    with pytest.raises(ValueError, match="its own ranges"):
        invariance_score(model, frame, Augmenter(), magnitudes=[1])


def test_one_row_has_no_standard_error(rows):
    X, y = rows
    model = LogisticRegression().fit(X, y)
    excess, error = label_invariance_excess(model, X[:1], y[:1], shift)
    assert np.isfinite(excess)
    assert np.isnan(error)


def test_wrong_usage_raises(rows):
    X, y = rows
    model = LogisticRegression().fit(X, y)
    regressor = LinearRegression().fit(X, y)
    with pytest.raises(ValueError, match="use metric='agreement'"):
        invariance_score(SVC().fit(X, y), X, noise)
    with pytest.raises(ValueError, match="use metric='squared'"):
        invariance_score(regressor, X, noise)
    with pytest.raises(ValueError, match="compares predictions of regressors"):
        invariance_score(model, X, noise, metric="squared")
    with pytest.raises(ValueError, match="returned 5 rows for 300"):
        invariance_score(model, X, lambda X, m, r: X[:5])
    with pytest.raises(ValueError, match="from 0, which changes nothing"):
        invariance_score(model, X, noise, magnitudes=[2])
    with pytest.raises(ValueError, match="at least one number"):
        invariance_score(model, X, noise, magnitudes=[])
    with pytest.raises(TypeError, match="a function of rows"):
        invariance_score(model, X, "rotate")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        invariance_score(model, X, noise, labels=y[:5])
    with pytest.raises(ValueError, match="per_class=True needs a classifier"):
        label_invariance_excess(regressor, X, y, noise, per_class=True)
    with pytest.raises(ValueError, match="All targets are equal"):
        label_invariance_excess(regressor, X, np.ones(300), noise)
    with pytest.raises(ValueError, match="neither a classifier nor a regressor"):
        label_invariance_excess(BaseEstimator(), X, y, noise)
