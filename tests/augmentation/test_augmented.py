# SPDX-License-Identifier: BSD-3-Clause
"""Rows grow inside `fit` alone: what is held out is neither seen nor changed."""

from typing import ClassVar

import narwhals.stable.v2 as nw
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransform.augmentation import (
    AugmentedClassifier,
    AugmentedRegressor,
    ConstrainedAugmenter,
    InvarianceAugmenter,
    InvarianceResampler,
)
from sktransform.augmentation._search import constants
from sktransform.augmentation.transforms import (
    ClassCutMix,
    GaussianNoise,
    MarginalSwap,
    Shift,
)

pytestmark = pytest.mark.usefixtures("quick_search")


@pytest.fixture(autouse=True)
def one_round(quick_search, monkeypatch):
    monkeypatch.setattr(constants, "MAX_ROUNDS", 1)


class Spy(ClassifierMixin, BaseEstimator):
    """Keep every row that is seen, by what it was seen for."""

    seen: ClassVar[list] = []

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        Spy.seen.append(("fit", np.array(X)))
        return self

    def predict_proba(self, X):
        Spy.seen.append(("predict", np.array(X)))
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def predict(self, X):
        self.predict_proba(X)
        return np.full(len(X), self.classes_[0])


def _augmenters():
    swap = [MarginalSwap([0, 1])]
    return [
        InvarianceAugmenter(swap, n_copies=1),
        ConstrainedAugmenter(swap),
        InvarianceAugmenter(swap, learn=False, n_copies=2),
    ]


@pytest.mark.parametrize("augmenter", _augmenters(), ids=str)
def test_held_out_rows_are_never_seen_and_never_changed(numbered, augmenter):
    X, y = numbered
    for train, test in KFold(4, shuffle=True, random_state=0).split(X):
        Spy.seen.clear()
        model = AugmentedClassifier(Spy(), augmenter, random_state=0)
        model.fit(X[train], y[train])
        # Whole rows are swapped in from the training marginals: a number of the
        # first column that was held out could come from nowhere else.
        for _, rows in Spy.seen:
            assert set(rows[:, 0]) <= set(X[train, 0])
        for reference in model.augmenter_.policy_["references"]:
            for values in reference.values():
                kept = np.asarray(values, dtype=float).ravel()
                assert not set(kept) & set(X[test, 0][X[test, 0] > 2])
        Spy.seen.clear()
        model.predict(X[test])
        assert_array_equal(Spy.seen[-1][1], X[test])


@pytest.mark.parametrize(
    "transformation",
    [GaussianNoise([1]), MarginalSwap([0]), ClassCutMix([0], max_rate=1.0)],
    ids=repr,
)
def test_the_acceptance_test_never_trains_on_what_it_holds_out(
    numbered, any_excess, transformation
):
    X, y = numbered
    Spy.seen.clear()
    augmenter = InvarianceAugmenter([transformation], n_copies=1)
    AugmentedClassifier(Spy(), augmenter, random_state=0).fit(X, y)
    trained = None
    n_held_out = 0
    for purpose, rows in Spy.seen:
        if purpose == "fit":
            trained = rows
            continue
        n_held_out += len(rows)
        # Not even a cell of a held-out row is swapped into another one.
        assert not set(rows[:, 0]) & set(trained[:, 0])
        assert {tuple(row) for row in rows} <= {tuple(row) for row in X}
    assert n_held_out == 3 * len(X)  # none, repeated, policy


def test_cross_validation_in_a_pipeline_predicts_rows_as_they_are(numbered):
    X, y = numbered
    Spy.seen.clear()
    augmenter = InvarianceAugmenter([Shift([0], max_sd=1.0)], learn=False)
    model = make_pipeline(clone(augmenter), Spy())
    cross_validate(model, X, y, cv=KFold(4))
    predicted = [rows for purpose, rows in Spy.seen if purpose == "predict"]
    assert_array_equal(np.unique(np.concatenate(predicted), axis=0), X)


def test_grid_search_and_seeds():
    X, y = load_iris(return_X_y=True)
    augmenter = InvarianceAugmenter([GaussianNoise()], learn=False)
    model = AugmentedClassifier(
        LogisticRegression(max_iter=500), augmenter, n_copies=2, random_state=0
    )
    grid = {"estimator__C": [0.1, 1.0], "augmenter__bounds": ["train"]}
    search = GridSearchCV(model, grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.9
    again = clone(search.best_estimator_).fit(X, y)
    assert_array_equal(again.predict_proba(X), search.best_estimator_.predict_proba(X))


def test_rows_grow_by_the_number_of_copies_in_order(numbered):
    X, y = numbered
    augmenter = InvarianceAugmenter([Shift([1])], learn=False)
    resampler = InvarianceResampler(augmenter, n_copies=3, random_state=0)
    weight, names = np.arange(1.0, 49.0), np.array([f"r{i}" for i in range(48)])
    Xr, yr, wr, nr = resampler.fit_resample(X, y, sample_weight=weight, names=names)
    assert_array_equal(resampler.sample_indices_, np.tile(np.arange(48), 4))
    assert_array_equal(Xr[:48], X)
    assert_array_equal(Xr[:, 0], np.tile(X[:, 0], 4))
    assert_array_equal(yr, np.tile(y, 4))
    assert_array_equal(wr, np.tile(weight, 4))
    assert_array_equal(nr, np.tile(names, 4))
    assert not hasattr(resampler, "transform")


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_resampled_labels_come_as_they_were_given(numbered, library):
    pytest.importorskip(library)
    X, y = numbered
    names = np.array(["no", "yes"])[y]
    series = nw.new_series("label", names.tolist(), backend=library)
    augmenter = InvarianceAugmenter([Shift([1])], learn=False)
    resampler = InvarianceResampler(augmenter, n_copies=2, random_state=0)
    weight = np.repeat([0.0, 1.0], 24)
    found = resampler.fit_resample(X, series.to_native(), sample_weight=weight)[1]
    found = nw.from_native(found, series_only=True)
    assert found.dtype == series.dtype
    assert found.to_list() == np.tile(names[24:], 3).tolist()
    table = nw.from_dict({"a": X[:, 0], "b": X[:, 1]}, backend=library).to_native()
    found = resampler.fit_resample(X, table)[1]
    assert_array_equal(nw.from_native(found).to_numpy(), np.tile(X, (3, 1)))


def test_a_pipeline_of_imbalanced_learn_takes_the_resampler(numbered):
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = numbered
    Spy.seen.clear()
    augmenter = InvarianceAugmenter([Shift([1])], learn=False)
    model = pipeline.make_pipeline(
        StandardScaler(), InvarianceResampler(augmenter, n_copies=2), Spy()
    ).fit(X, y)
    model.predict(X)
    assert [len(rows) for _, rows in Spy.seen] == [144, 48]


# One of the checks hands in labels as a frame of one column.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize(
    "check", ["2d_target", "fit_resample", "nan", "pandas", "preserve_dtype"]
)
def test_checks_of_imbalanced_learn(check):
    checks = pytest.importorskip("imblearn.utils.estimator_checks")
    augmenter = InvarianceAugmenter([Shift()], learn=False)
    resampler = InvarianceResampler(augmenter, n_copies=1, random_state=0)
    getattr(checks, f"check_samplers_{check}")("InvarianceResampler", resampler)


def test_groups_are_never_split(numbered, any_excess):
    X, y = numbered
    groups = np.arange(48) // 4
    Spy.seen.clear()
    augmenter = InvarianceAugmenter([GaussianNoise([1])], n_copies=1)
    model = AugmentedClassifier(Spy(), augmenter, random_state=0)
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(groups=True)
        cross_val_score(model, X, y, cv=GroupKFold(3), params={"groups": groups})
    trained = None
    for purpose, rows in Spy.seen:
        if purpose == "fit":
            trained = set(rows[:, 0] // 4)
        else:
            assert not set(rows[:, 0] // 4) & trained


def test_an_estimator_without_weights_raises(numbered):
    model = AugmentedClassifier(KNeighborsClassifier(), random_state=0)
    with pytest.raises(ValueError, match="does not support sample weights"):
        model.fit(*numbered, sample_weight=np.ones(48))


def test_rows_of_weight_zero_are_no_rows(numbered):
    X, y = numbered
    weight = np.repeat([1.0, 0.0], 24)
    Spy.seen.clear()
    augmenter = InvarianceAugmenter([MarginalSwap([0, 1])], learn=False)
    model = AugmentedClassifier(Spy(), augmenter, n_copies=4, random_state=0)
    model.fit(X, y, sample_weight=weight)
    assert set(Spy.seen[-1][1][:, 0]) <= set(X[:24, 0])


@pytest.mark.parametrize("tta", [0, 3, "auto"])
def test_averaged_predictions_are_those_of_single_rows(tta):
    X, y = load_iris(return_X_y=True)
    augmenter = InvarianceAugmenter([GaussianNoise(), Shift()], learn=False)
    model = AugmentedClassifier(
        LogisticRegression(max_iter=500), augmenter, n_copies=2, tta=tta, random_state=0
    ).fit(X, y)
    whole = model.predict_proba(X)
    alone = np.concatenate([model.predict_proba(X[[i]]) for i in (0, 60, 149)])
    assert_allclose(whole[[0, 60, 149]], alone, atol=1e-12)
    assert_allclose(whole.sum(1), 1.0)
    assert_array_equal(model.predict(X), model.classes_[whole.argmax(1)])
    if tta == 3:
        assert not np.allclose(whole, model.estimator_.predict_proba(X))


def test_numbers_in_several_columns(monkeypatch):
    monkeypatch.setattr(constants, "TABLE_STEPS", 220)
    monkeypatch.setattr(constants, "MAX_ROUNDS", 6)
    X = np.random.default_rng(0).normal(size=(60, 3))
    Y = np.column_stack([X[:, 0], X[:, 1] ** 2])
    augmenter = InvarianceAugmenter([Shift([2]), Shift([0])], n_copies=2)
    model = AugmentedRegressor(Ridge(), augmenter, random_state=0).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.augmenter_.status_[1] != "kept"
    assert model.augmenter_.classes_ is None


def test_classes_of_rows_without_weight_are_no_classes():
    X, y = load_iris(return_X_y=True)
    augmenter = InvarianceAugmenter([Shift(max_sd=0.01)], learn=False)
    model = AugmentedClassifier(LogisticRegression(), augmenter, tta=2, random_state=0)
    model.fit(X, y, sample_weight=(y != 0).astype(float))
    assert_array_equal(model.classes_, [1, 2])
    assert model.predict_proba(X).shape == (150, 2)
    assert_array_equal(
        model.predict(X), model.classes_[model.predict_proba(X).argmax(1)]
    )
    assert model.score(X[y > 0], y[y > 0]) > 0.9


def test_the_number_of_copies_is_what_was_asked_for(numbered):
    X, y = numbered
    for n_copies, expected in ((3, 3), ("auto", 1)):
        Spy.seen.clear()
        augmenter = InvarianceAugmenter([Shift()], learn=False, n_copies=1)
        AugmentedClassifier(Spy(), augmenter, n_copies=n_copies).fit(X, y)
        assert len(Spy.seen[-1][1]) == 48 * (1 + expected)


def test_the_acceptance_test_weighs_rows_through_a_pipeline(numbered, any_excess):
    X, y = numbered
    weighed = []

    class Weighed(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            weighed.append(sample_weight)
            return super().fit(X, y, sample_weight)

    augmenter = InvarianceAugmenter([GaussianNoise([1])], n_copies=1)
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False),
            Weighed().set_fit_request(sample_weight=True),
        )
        model = AugmentedClassifier(pipeline, augmenter, random_state=0)
        model.set_fit_request(sample_weight=True).fit(X, y, sample_weight=1.0 + y)
    assert len(weighed) == 3 * 8 + 1  # none, repeated and a policy in eight folds
    for weights in weighed:
        assert set(weights) == {1.0, 2.0}


def test_predictions_are_averaged_over_what_is_known_to_be_harmless(numbered):
    X, y = numbered
    augmenter = InvarianceAugmenter([Shift([1])], learn=False)
    model = AugmentedClassifier(LogisticRegression(), augmenter, tta=2, random_state=0)
    model.fit(X, y)
    assert model.tta_ == 2
    alone = model.estimator_.predict_proba(X)
    assert not np.allclose(model.predict_proba(X), alone)
    model.augmenter_.status_ = ["inconclusive"]
    assert_array_equal(model.predict_proba(X), alone)
