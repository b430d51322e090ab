# SPDX-License-Identifier: BSD-3-Clause
"""Transformations as functions: exact magnitudes, containers, seeds."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression

from sktransform.augmentation.transforms import (
    ClassMixup,
    GaussianNoise,
    Rotate,
    Shift,
    SignFlip,
    view_function,
)
from sktransform.metrics import invariance_score, label_invariance_excess


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(80, 3))


def test_rows_go_exactly_as_far_as_asked(rows):
    shift = view_function(Shift([1], max_sd=2.0), rows, bounds="none")
    for magnitude in (0.0, 0.25, 1.0):
        moved = shift(rows, magnitude, np.random.default_rng(0))
        expected = np.full(80, 2 * magnitude * rows[:, 1].std())
        assert_allclose(np.abs(moved[:, 1] - rows[:, 1]), expected, atol=1e-12)
        assert_array_equal(moved[:, [0, 2]], rows[:, [0, 2]])


def test_discrete_ones_act_at_any_magnitude_but_zero(rows):
    flip = view_function(SignFlip([0]), rows, bounds="none")
    assert_array_equal(flip(rows, 0.0, np.random.default_rng(0)), rows)
    for magnitude in (0.1, 1.0):
        moved = flip(rows, magnitude, np.random.default_rng(0))
        assert_allclose(moved[:, 0], -rows[:, 0])


def test_seeds_pickles_and_frames(rows):
    noise = view_function(GaussianNoise(), rows)
    first = noise(rows, 1.0, np.random.default_rng(0))
    assert_array_equal(noise(rows, 1.0, np.random.default_rng(0)), first)
    assert not np.array_equal(noise(rows, 1.0, np.random.default_rng(1)), first)
    loaded = pickle.loads(pickle.dumps(noise))
    assert_array_equal(loaded(rows, 1.0, np.random.default_rng(0)), first)
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    moved = view_function(Shift(["b"]), frame)(frame, 1.0, np.random.default_rng(0))
    assert isinstance(moved, pd.DataFrame)
    assert_array_equal(moved["a"], frame["a"])


def test_metrics_tell_a_true_rotation_from_a_false_one(rows):
    X = np.random.default_rng(1).normal(size=(400, 3))
    y = (X[:, 2] > 0).astype(int)
    kept = view_function(Rotate([0, 1], max_degrees=180), X, bounds="none")
    lost = view_function(Rotate([1, 2], max_degrees=180), X, bounds="none")
    model = LogisticRegression().fit(X[:200], y[:200])
    scores = [invariance_score(model, X[200:], v, random_state=0) for v in (kept, lost)]
    assert scores[0] > 0.9 > 0.7 > scores[1]
    magnitudes = [0, 0.5, 1]
    excess, _ = label_invariance_excess(
        LogisticRegression(), X, y, lost, magnitudes=magnitudes, cv=3, random_state=0
    )
    assert excess[0] == 0
    assert (np.diff(excess) > 0.1).all()


def test_labels_are_refused(rows):
    with pytest.raises(ValueError, match="mixes rows of one class"):
        view_function(ClassMixup(), rows)
