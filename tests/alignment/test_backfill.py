# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sktransform.alignment import BackfillPlanner
from sktransform.metrics import recall_at_k


@pytest.fixture
def gallery():
    generator = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], [20, 30, 50])
    means = 5 * np.eye(3, 6)[np.repeat([0, 1, 2], [20, 30, 50])]
    return means + generator.normal(size=(100, 6)), labels


def test_rows_come_in_falling_distance_to_their_class_mean(gallery):
    X, y = gallery
    planner = BackfillPlanner().fit(X, y)
    means = np.stack([X[y == label].mean(0) for label in "abc"])
    distances = np.linalg.norm(X - means[np.unique(y, return_inverse=True)[1]], axis=1)
    assert_allclose(planner.distances_, distances)
    assert_allclose(planner.means_, means)
    assert np.all(np.diff(distances[planner.order_]) <= 0)
    assert_array_equal(np.sort(planner.order_), np.arange(100))


def test_rows_at_equal_distance_keep_their_order():
    X = np.tile([[1.0, 0.0], [-1.0, 0.0]], (5, 1))
    assert_array_equal(BackfillPlanner().fit(X, np.zeros(10)).order_, np.arange(10))


def test_cosine_does_not_see_lengths(gallery):
    X, y = gallery
    scales = np.random.default_rng(1).uniform(0.1, 10, (100, 1))
    plain = BackfillPlanner(metric="cosine").fit(X, y)
    scaled = BackfillPlanner(metric="cosine").fit(scales * X, y)
    assert_array_equal(plain.order_, scaled.order_)
    assert_allclose(plain.transform(X), scaled.transform(scales * X))


def test_clusters_stand_for_classes_that_are_not_given(gallery):
    X, y = gallery
    by_class = BackfillPlanner().fit(X, y)
    by_cluster = BackfillPlanner(n_clusters=3, random_state=0).fit(X)
    assert_array_equal(by_cluster.order_, by_class.order_)


def test_transform_gives_the_distance_to_each_mean(gallery):
    X, y = gallery
    planner = BackfillPlanner().fit(X, y)
    distances = planner.transform(X)
    own = np.unique(y, return_inverse=True)[1]
    assert_allclose(distances[np.arange(100), own], planner.distances_)
    assert planner.transform(torch.from_numpy(X)).shape == (100, 3)


def test_curve_leads_from_the_old_gallery_to_the_new(gallery):
    X, y = gallery
    planner = BackfillPlanner().fit(X, y)
    new = X + 1
    seen = []
    curve = planner.curve(X, new, lambda mixed: seen.append(mixed) or mixed.sum())
    assert_array_equal(seen[0], X)
    assert_array_equal(seen[-1], new)
    replaced = np.flatnonzero((seen[3] == new).all(1))
    assert_array_equal(replaced, np.sort(planner.order_[:30]))
    # Each row adds the same here: the curve is a straight line.
    assert_allclose(curve.scores, X.sum() + curve.fractions * X.size)
    assert_allclose(curve.area, X.sum() + X.size / 2)


def test_far_rows_first_beats_the_reverse_order():
    generator = np.random.default_rng(0)
    new = generator.normal(size=(300, 16))
    # Some rows were embedded badly: far from the mean, and of no use to queries.
    spoiled = generator.permutation(300)[:60]
    old = new.copy()
    old[spoiled] = 4 * generator.normal(size=(60, 16))
    planner = BackfillPlanner().fit(old, np.zeros(300))
    area = planner.curve(old, new, lambda g: recall_at_k(new, g)).area
    planner.order_ = planner.order_[::-1]
    assert area > planner.curve(old, new, lambda g: recall_at_k(new, g)).area + 0.1


def test_wrong_usage_is_said(gallery):
    X, y = gallery
    planner = BackfillPlanner().fit(X, y)
    with pytest.raises(ValueError, match="both must be the 100 rows of fit"):
        planner.curve(X[:50], X[:50], np.sum)
    with pytest.raises(ValueError, match="both must be the 100 rows of fit"):
        planner.curve(X, X[:, :3], np.sum)
    with pytest.raises(ValueError, match="n_points=1 is no curve"):
        planner.curve(X, X, np.sum, n_points=1)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        BackfillPlanner().fit(X, y[:5])
