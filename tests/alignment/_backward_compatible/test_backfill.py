# SPDX-License-Identifier: BSD-3-Clause
import doctest
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors

from sktransform.alignment import BackfillPlanner, EmbeddingAdapter
from sktransform.alignment._backward_compatible import backfill


@pytest.fixture
def gallery():
    return np.random.default_rng(0).normal(size=(100, 6)) + 0.5


def _neighbor_distances(rows, references):
    """Return what the planner computes, by scikit-learn; no row is among references."""
    unit, references = (
        table / np.linalg.norm(table, axis=1, keepdims=True)
        for table in (rows, references)
    )
    found = NearestNeighbors(n_neighbors=10).fit(references).kneighbors(unit)[0]
    return np.sqrt(np.square(found).mean(1))


def test_rows_in_dense_regions_come_first(gallery):
    planner = BackfillPlanner().fit(gallery)
    unit = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    found = NearestNeighbors(n_neighbors=10).fit(unit).kneighbors()[0]
    expected = np.sqrt(np.square(found).mean(1))
    assert_allclose(planner.distances_, expected)
    assert_array_equal(planner.order_, np.argsort(expected))


def test_a_large_gallery_seeks_neighbours_among_evenly_spaced_rows(
    gallery, monkeypatch
):
    monkeypatch.setattr(backfill, "_MOST_REFERENCES", 50)
    planner = BackfillPlanner().fit(gallery)
    assert_allclose(
        planner.distances_[1::2], _neighbor_distances(gallery[1::2], gallery[::2])
    )
    alone = BackfillPlanner().fit(gallery[::2])
    assert_allclose(planner.distances_[::2], alone.distances_)


def test_rows_at_equal_distance_keep_their_order():
    X = np.tile([[1.0, 0.0], [-1.0, 0.0]], (20, 1))
    assert_array_equal(BackfillPlanner().fit(X).order_, np.arange(40))
    assert_array_equal(BackfillPlanner().fit(X[:1]).order_, [0])


def test_lengths_of_rows_do_not_count(gallery):
    scales = np.random.default_rng(1).uniform(0.1, 10, (100, 1))
    plain = BackfillPlanner().fit(gallery)
    assert_array_equal(BackfillPlanner().fit(scales * gallery).order_, plain.order_)
    tensor = BackfillPlanner().fit(torch.from_numpy(gallery))
    assert_array_equal(tensor.order_, plain.order_)


def test_curve_leads_from_the_old_gallery_to_the_new(gallery):
    planner = BackfillPlanner().fit(gallery)
    new = gallery + 1
    seen = []
    curve = planner.curve(gallery, new, lambda mixed: seen.append(mixed) or mixed.sum())
    assert_array_equal(seen[0], gallery)
    assert_array_equal(seen[-1], new)
    replaced = np.flatnonzero((seen[3] == new).all(1))
    assert_array_equal(replaced, np.sort(planner.order_[:30]))
    # Each row adds the same here: the curve is a straight line.
    assert_allclose(curve.scores, gallery.sum() + curve.fractions * gallery.size)
    assert_allclose(curve.area, gallery.sum() + gallery.size / 2)


def _encoders(seed):
    """Two encoders of digits: pairs, gallery and queries of each."""
    generator = np.random.default_rng(seed)
    images = generator.permutation(load_digits().data) / 16
    spaces = []
    for width in (48, 64):
        weights = generator.normal(size=(64, width)) / 4
        spaces.append(np.maximum((images - images.mean(axis=0)) @ weights, 0))
    return [np.split(space, [150, 1350]) for space in spaces]


@pytest.mark.parametrize("seed", range(2))
def test_the_plan_beats_chance_and_its_reverse(seed):
    (old_pairs, old, _), (new_pairs, new, queries) = _encoders(seed)
    gallery = EmbeddingAdapter().fit(old_pairs, new_pairs).transform(old)
    planner = BackfillPlanner().fit(gallery)
    plan, best = planner.order_, _top(queries, new)

    def overlap(mixed):
        found = zip(_top(queries, mixed), best, strict=True)
        return np.mean([len({*rows} & {*others}) / 10 for rows, others in found])

    def area(order):
        planner.order_ = order
        return planner.curve(gallery, new, overlap, n_points=5).area

    chance = area(np.random.default_rng(seed).permutation(len(old)))
    assert area(plan) > max(chance, area(plan[::-1])) + 0.01


def _top(queries, gallery):
    """Return the 10 rows of largest cosine for each query."""
    unit = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    return np.argsort(-(queries @ unit.T), axis=1)[:, :10]


def test_wrong_usage_raises(gallery):
    planner = BackfillPlanner().fit(gallery)
    with pytest.raises(ValueError, match="both must have the 100 rows of fit"):
        planner.curve(gallery[:50], gallery[:50], np.sum)
    with pytest.raises(ValueError, match="both must have the 100 rows of fit"):
        planner.curve(gallery, gallery[:, :3], np.sum)
    with pytest.raises(ValueError, match="n_points must be at least 2, got 1"):
        planner.curve(gallery, gallery, np.sum, n_points=1)


def test_the_recipe_of_the_user_guide_runs_as_it_stands():
    guide = Path(__file__).parents[3] / "doc" / "modules" / "alignment.rst"
    result = doctest.testfile(str(guide), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0
