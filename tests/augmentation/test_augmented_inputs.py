# SPDX-License-Identifier: BSD-3-Clause
"""Whatever users hand in: tables of any kind, tiny ones, scores of any form."""

import pickle

import narwhals.stable.v2 as nw
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sktransform.augmentation import (
    AugmentedClassifier,
    AugmentedRegressor,
    InvarianceAugmenter,
)
from sktransform.augmentation.transforms import GaussianNoise, Shift


@pytest.mark.parametrize("n_classes", [3, 4])
def test_decisions_of_pairs_of_classes_are_not_taken_for_classes(n_classes):
    generator = np.random.default_rng(0)
    y = np.tile(np.arange(n_classes), 20)
    X = 6.0 * np.eye(n_classes)[y] + generator.normal(size=(len(y), n_classes))
    augmenter = InvarianceAugmenter([Shift(max_sd=0.1)], learn=False)
    for shape in ("ovo", "ovr"):
        pipeline = make_pipeline(StandardScaler(), SVC(decision_function_shape=shape))
        model = AugmentedClassifier(pipeline, augmenter, tta=2, random_state=0)
        assert_array_equal(model.fit(X, y).predict(X), y)


def test_a_classifier_without_scores_is_averaged_by_its_predictions():
    X = np.linspace(-1, 1, 40)[:, None]
    y = (X[:, 0] > 0).astype(int)

    class Threshold(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return (np.asarray(X)[:, 0] > 0).astype(int)

    augmenter = InvarianceAugmenter([Shift(max_sd=0.01)], learn=False)
    model = AugmentedClassifier(Threshold(), augmenter, tta=2, random_state=0)
    assert_array_equal(model.fit(X, y).predict(X), y)


def test_a_logarithm_of_no_probability_is_minus_infinity():
    X, y = load_iris(return_X_y=True)
    augmenter = InvarianceAugmenter([Shift(max_sd=0.01)], learn=False)
    forest = RandomForestClassifier(3, random_state=0)
    model = AugmentedClassifier(forest, augmenter, tta=2, random_state=0).fit(X, y)
    logarithms = model.predict_log_proba(X)  # warnings are errors here
    assert_allclose(np.exp(logarithms), model.predict_proba(X))
    assert np.isneginf(logarithms).any()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (AugmentedClassifier(Ridge()), "Ridge is a regressor.* give a classifier"),
        (
            AugmentedRegressor(LogisticRegression()),
            "LogisticRegression is a classifier.* give a regressor",
        ),
        (
            AugmentedClassifier(
                LogisticRegression(), InvarianceAugmenter(task="regression")
            ),
            "task='regression'; use task='auto'",
        ),
        (
            InvarianceAugmenter(estimator=Ridge(), task="classification"),
            "Ridge is a regressor",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_tasks_that_do_not_fit_are_refused(numbered, model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(*numbered)


@pytest.mark.parametrize("learner", [AugmentedClassifier, InvarianceAugmenter])
def test_classes_in_several_columns_are_refused(numbered, learner):
    X, y = numbered
    model = learner(estimator=LogisticRegression())
    with pytest.raises(ValueError, match="should be a 1d array"):
        model.fit(X, np.column_stack([y, y]))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_mixed_table_end_to_end(library):
    pytest.importorskip(library)
    generator = np.random.default_rng(0)
    age = generator.integers(20, 60, 80)
    frame = nw.from_dict(
        {
            "age": age.tolist(),
            "pay": generator.normal(size=80).tolist(),
            "job": generator.choice(["a", "b", "c"], 80).tolist(),
            "owns": (generator.random(80) < 0.5).tolist(),
        },
        backend=library,
    ).to_native()
    y = np.where(age > 40, "old", "young")
    coded = ColumnTransformer([("job", OneHotEncoder(), ["job"])], remainder="drop")
    kept = ColumnTransformer([("rest", "passthrough", ["age", "pay", "owns"])])
    estimator = make_pipeline(
        make_union(coded, kept), DecisionTreeClassifier(max_depth=3)
    )
    augmenter = InvarianceAugmenter(learn=False)
    model = AugmentedClassifier(estimator, augmenter, n_copies=2, random_state=0)
    model.fit(frame, y)
    assert list(model.classes_) == ["old", "young"]
    assert list(model.feature_names_in_) == ["age", "pay", "job", "owns"]
    assert model.score(frame, y) > 0.8
    assert cross_val_score(model, frame, y, cv=3).shape == (3,)


@pytest.mark.usefixtures("quick_search")
def test_tiny_tables_and_tiny_classes_end_in_a_fitted_model():
    X = np.random.default_rng(0).normal(size=(30, 3))
    y = np.zeros(30, dtype=int)
    y[:2] = [1, 2]
    augmenter = InvarianceAugmenter()
    model = AugmentedClassifier(
        KNeighborsClassifier(1), augmenter, tta="auto", random_state=0
    )
    for n_rows in (1, 2, 3, 5, 30):
        model.fit(X[:n_rows], y[:n_rows])
        assert_array_equal(model.classes_, np.unique(y[:n_rows]))
        assert_array_equal(model.predict(X[:n_rows]), y[:n_rows])


def test_pickles_predict_the_same(numbered):
    X, y = numbered
    augmenter = InvarianceAugmenter([Shift([1]), GaussianNoise()], learn=False)
    model = AugmentedClassifier(LogisticRegression(), augmenter, tta=2, random_state=0)
    model.fit(X, y)
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_failed_training_leaves_the_former_model(numbered):
    X, y = numbered
    augmenter = InvarianceAugmenter([Shift([1])], learn=False)
    model = AugmentedClassifier(LogisticRegression(), augmenter, random_state=0)
    before = model.fit(X, y).predict_proba(X)
    with pytest.raises(ValueError, match="at least 2 classes"):
        model.fit(np.hstack([X, X]), np.zeros(48, dtype=int))
    assert model.n_features_in_ == 2
    assert_array_equal(model.predict_proba(X), before)
