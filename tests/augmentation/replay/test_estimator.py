# SPDX-License-Identifier: BSD-3-Clause
"""Generators of classes: what they keep, and what they leave alone."""

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sktransform.augmentation import ClassReplay
from sktransform.exceptions import DegenerateDataWarning


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:900] / 16, y[:900], X[900:] / 16, y[900:]


def small_autoencoders(**kw):
    return ClassReplay(min_rows=20, max_epochs=10, random_state=0, **kw)


def clouds(n_rows=200, seed=0):
    """Two classes of 20 columns, the first of two far clusters."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 20))
    y = np.arange(n_rows) % 2
    X[y == 0] += np.where(rng.random(n_rows // 2) < 0.5, -3.0, 3.0)[:, None]
    return X, y


@pytest.mark.parametrize("min_rows", [20, np.inf])
def test_a_linear_model_loses_little_on_drawn_rows(digits, min_rows):
    X, y, X_new, y_new = digits
    X, y = X[:600], y[:600]
    model = LogisticRegression(max_iter=2000)
    real = model.fit(X, y).score(X_new, y_new)
    replay = ClassReplay(min_rows=min_rows, max_epochs=30, random_state=0).fit(X, y)
    drawn = model.fit(*replay.sample(100)).score(X_new, y_new)
    assert drawn > real - 0.03


def test_means_and_covariances_are_those_of_the_rows(digits):
    X, y, *_ = digits
    replay = ClassReplay(random_state=0).fit(X, y)
    drawn, labels = replay.sample(2000)
    for label in range(10):
        old, new = X[y == label], drawn[labels == label]
        spread = np.sqrt(old.var(axis=0).sum())
        assert np.linalg.norm(new.mean(axis=0) - old.mean(axis=0)) < 0.05 * spread
        # Shrinkage leaves the total variance as it is.
        assert_allclose(new.var(axis=0).sum(), spread**2, rtol=0.05)
        covariance = np.cov(old.T)
        error = np.linalg.norm(np.cov(new.T) - covariance)
        assert error < 0.4 * np.linalg.norm(covariance)


def test_a_gaussian_has_the_moments_that_it_states():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)) + 5
    replay = ClassReplay(random_state=0).fit(X, np.zeros(60, int))
    (generator,) = replay.generators_
    components, noise = generator["components"], generator["noise"]
    stated = components.T @ components + noise**2 * np.eye(4)
    assert_allclose(np.trace(stated), 4)  # of standardised columns
    drawn = replay.sample(40_000)[0]
    scale = generator["scale"]
    assert_allclose(drawn.mean(axis=0), X.mean(axis=0), atol=0.05 * scale.max())
    assert_allclose(np.cov(drawn.T) / np.outer(scale, scale), stated, atol=0.04)


def test_an_autoencoder_keeps_clusters_apart_that_a_gaussian_fills():
    X, y = clouds(400)

    def share_between(replay):
        drawn, labels = replay.fit(X, y).sample(300)
        center = drawn[labels == 0].mean(axis=1)
        return np.mean(np.abs(center) < 1.5)

    assert share_between(ClassReplay(min_rows=np.inf, random_state=0)) > 0.25
    kept = ClassReplay(min_rows=100, max_epochs=100, random_state=0)
    assert share_between(kept) < 0.2


def test_new_classes_leave_old_generators_alone(digits):
    X, y, *_ = digits
    replay = small_autoencoders().fit(X[y < 3], y[y < 3])
    before = [joblib.hash(generator) for generator in replay.generators_]
    drawn = replay.sample(5, classes=[1])[0]
    replay.partial_fit(X[y == 7], y[y == 7])
    assert_array_equal(replay.classes_, [0, 1, 2, 7])
    assert [joblib.hash(g) for g in replay.generators_[:3]] == before
    assert_array_equal(replay.sample(5, classes=[1])[0], drawn)
    # Learned together or one after the other, the same.
    at_once = np.isin(y, [0, 1, 2, 7])
    together = small_autoencoders().fit(X[at_once], y[at_once])
    assert joblib.hash(together.generators_) == joblib.hash(replay.generators_)
    state = joblib.hash(replay.generators_)
    with pytest.warns(DegenerateDataWarning, match="has a generator already"):
        replay.partial_fit(X[y == 7][::2], y[y == 7][::2])
    assert joblib.hash(replay.generators_) == state
    with pytest.warns(DegenerateDataWarning, match="ignores rows of known classes"):
        replay.partial_fit(X[y > 6], y[y > 6])
    assert_array_equal(replay.classes_, [0, 1, 2, 7, 8, 9])
    assert joblib.hash(replay.generators_[:4]) == state


def test_a_stream_may_begin_with_partial_fit(digits):
    X, y, *_ = digits
    stream = ClassReplay(random_state=0)
    for label in (5, 2):
        stream.partial_fit(X[y == label], y[y == label])
    whole = ClassReplay(random_state=0).fit(
        X[np.isin(y, [2, 5])], y[np.isin(y, [2, 5])]
    )
    assert joblib.hash(stream.generators_) == joblib.hash(whole.generators_)


def test_seeds_and_numbers_of_rows():
    X, y = clouds()
    replay = small_autoencoders().fit(X, y)
    few, many = replay.sample(5)[0], replay.sample(40)[0]
    # A row depends on its index in the class alone.
    assert_array_equal(many[:5], few[:5])
    assert_array_equal(many[40:45], few[5:])
    assert_array_equal(replay.sample(5, random_state=0)[0], few)
    assert not np.array_equal(replay.sample(5, random_state=1)[0], few)
    drawn, labels = replay.sample({1: 3})
    assert_array_equal(labels, [1, 1, 1])
    assert_array_equal(drawn, few[5:8])
    assert replay.sample(0)[0].shape == (0, 20)
    free = ClassReplay().fit(X, y)
    assert not np.array_equal(free.sample(5)[0], free.sample(5)[0])


def test_constant_columns_stay_constant():
    X, y = clouds()
    X[:, 3], X[:, 4] = 0.1, 1e6
    X[y == 1, 5] = -2.0
    for replay in (small_autoencoders(), ClassReplay(random_state=0)):
        drawn, labels = replay.fit(X, y).sample(50)
        assert_array_equal(np.unique(drawn[:, 3]), [0.1])
        assert_array_equal(np.unique(drawn[:, 4]), [1e6])
        assert_array_equal(np.unique(drawn[labels == 1, 5]), [-2.0])
        assert drawn[labels == 0, 5].std() > 1
        assert np.isfinite(drawn).all()


def test_few_rows():
    X = np.random.default_rng(0).normal(size=(12, 30))
    y = np.repeat(["many", "two", "one"], [9, 2, 1])
    replay = ClassReplay(random_state=0)
    with pytest.warns(DegenerateDataWarning, match="'one' has a single row"):
        replay.fit(X, y)
    drawn, labels = replay.sample(20)
    assert_array_equal(drawn[labels == "one"], np.tile(X[-1], (20, 1)))
    assert np.isfinite(drawn).all()
    assert labels.dtype == y.dtype


def test_fit_resample_balances():
    X, y = clouds(60)
    X, y = X[y.argsort()][:40], np.sort(y)[:40]  # 30 and 10
    more, labels = ClassReplay(random_state=0).fit_resample(X, y)
    assert_array_equal(more[:40], X)
    assert_array_equal(labels[:40], y)
    assert_array_equal(np.bincount(labels), [30, 30])


def test_resampling_keeps_the_container():
    X, y = clouds(60)
    X, y = X[:-5], y[:-5]
    names = [f"column {j}" for j in range(20)]
    expected, labels = ClassReplay(random_state=0).fit_resample(X, y)
    frame = pd.DataFrame(X, columns=names)
    more, more_labels = ClassReplay(random_state=0).fit_resample(
        frame, pd.Series(y, name="class")
    )
    assert isinstance(more, pd.DataFrame)
    assert list(more.columns) == names
    assert_array_equal(more.to_numpy(), expected)
    assert isinstance(more_labels, pd.Series)
    assert more_labels.name == "class"
    assert_array_equal(more_labels, labels)
    more, more_labels = ClassReplay(random_state=0).fit_resample(
        pl.DataFrame(X, schema=names), pl.Series("class", y)
    )
    assert isinstance(more, pl.DataFrame)
    assert isinstance(more_labels, pl.Series)
    assert_array_equal(more.to_numpy(), expected)
    more, _ = ClassReplay(random_state=0).fit_resample(
        torch.from_numpy(X), torch.from_numpy(y)
    )
    assert isinstance(more, torch.Tensor)
    assert_array_equal(more.numpy(), expected)


def test_precision_of_the_rows_is_kept():
    X, y = clouds()
    for replay in (small_autoencoders(), ClassReplay(random_state=0)):
        single, _ = replay.fit(X.astype(np.float32), y).sample(10)
        double, _ = replay.fit(X, y).sample(10)
        assert single.dtype == np.float32
        assert double.dtype == np.float64
        assert_allclose(single, double, atol=1e-3)


def test_it_resamples_inside_a_pipeline_of_imbalanced_learn():
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = clouds()
    model = pipeline.make_pipeline(
        ClassReplay(random_state=0), LogisticRegression(max_iter=1000)
    )
    model.fit(X, y)
    assert model.predict(X).shape == y.shape


def test_global_generators_are_left_alone():
    X, y = clouds()
    numpy_state, torch_state = joblib.hash(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
    small_autoencoders().fit(X, y).sample(3)
    assert joblib.hash(np.random.get_state()) == numpy_state  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("later", [["a", "b"], [2.0, 3.0]])
def test_later_classes_are_of_the_type_of_the_first(later):
    X = np.random.default_rng(0).normal(size=(20, 3))
    replay = ClassReplay(random_state=0).fit(X, np.tile([0, 1], 10))
    before = replay.sample(3)
    with pytest.raises(ValueError, match="give all classes in one type"):
        replay.partial_fit(X, np.tile(later, 10))
    for new, old in zip(replay.sample(3), before, strict=True):
        assert_array_equal(new, old)


def test_wrong_usage_raises():
    X, y = clouds(40)
    replay = ClassReplay(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        ClassReplay().fit(X, None)
    with pytest.raises(ValueError, match="Class 9 has no generator"):
        replay.sample(3, classes=[9])
    with pytest.raises(
        ValueError, match="class 0 must be an integer of at least 0, got -1"
    ):
        replay.sample(-1)
    with pytest.raises(ValueError, match="Unknown label type"):
        ClassReplay().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="20 features"):
        replay.partial_fit(X[:, :3], y + 2)
