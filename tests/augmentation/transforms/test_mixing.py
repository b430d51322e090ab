# SPDX-License-Identifier: BSD-3-Clause
"""Cells of other rows: marginals kept, classes kept, hulls kept."""

import numpy as np
import pytest
import torch
from scipy import stats

from sktransform.augmentation.transforms import (
    ClassCutMix,
    ClassMixup,
    ColumnTable,
    MarginalSwap,
    TrainingRows,
)


def _fitted(transformation, rows, labels=None, **kwargs):
    rows = torch.as_tensor(rows)
    labels = None if labels is None else torch.as_tensor(labels)
    training = TrainingRows(rows, ColumnTable.from_arrays(rows, **kwargs), labels)
    bound = transformation.bind(training.columns)
    reference = bound.fit(training)

    def apply(p, X=rows, y=labels):
        P = torch.full((len(X), 1), float(p), dtype=torch.float64)
        return bound.forward(X, P, reference, torch.arange(len(X)) + 5, y)

    return apply


@pytest.fixture
def classes():
    """Return rows of three classes around far corners, and their labels."""
    labels = np.arange(150) % 3
    corners = np.array([[0, 0, 0], [100, 0, 0], [0, 100, 0]])
    return corners[labels] + np.random.RandomState(0).rand(150, 3), labels


@pytest.mark.parametrize("n_rows", [200, 2000])
def test_a_swapped_column_keeps_its_distribution(n_rows):
    rng = np.random.RandomState(0)
    rows = rng.lognormal(size=(n_rows, 2))
    rows[:, 1] = rows[:, 0]
    swap = _fitted(MarginalSwap(joint=False), rows)
    swapped = swap(1, torch.from_numpy(np.tile(rows, (2000 // n_rows, 1)))).numpy()
    for column in range(2):
        test = stats.ks_2samp(swapped[:, column], rows[:, column])
        assert test.pvalue > 0.01
    assert abs(stats.spearmanr(*swapped.T).statistic) < 0.1


def test_a_joint_swap_takes_whole_blocks():
    rows = np.random.RandomState(0).randn(50, 4)
    swapped = _fitted(MarginalSwap([0, 2]), rows)(1).numpy()
    known = {tuple(pair) for pair in rows[:, [0, 2]]}
    assert {tuple(pair) for pair in swapped[:, [0, 2]]} <= known
    assert (swapped[:, [1, 3]] == rows[:, [1, 3]]).all()
    assert (swapped[:, 0] != rows[:, 0]).mean() > 0.9


def test_the_rate_of_a_swap():
    rows = np.random.RandomState(0).randn(3000, 2)
    swapped = _fitted(MarginalSwap(max_rate=0.6, joint=False), rows)(0.5).numpy()
    changed = swapped != rows
    assert abs(changed.mean() - 0.3) < 0.02
    assert abs(np.corrcoef(changed.T)[0, 1]) < 0.06
    together = _fitted(MarginalSwap(max_rate=0.6), rows)(0.5).numpy() != rows
    assert (together[:, 0] == together[:, 1]).all()


def test_categories_and_one_hot_codes_stay_valid():
    rng = np.random.RandomState(0)
    codes = np.eye(3)[rng.randint(3, size=80)]
    table = np.column_stack([rng.randn(80), codes, rng.randint(4, size=80)])
    kinds = ["continuous"] + ["boolean"] * 3 + ["categorical"]
    labels = rng.randint(2, size=80)
    for transformation in (
        MarginalSwap(joint=False),
        MarginalSwap(max_rate=0.5, joint=False),
        ClassMixup(),
        ClassMixup(n_neighbors=3),
        ClassCutMix(),
        ClassCutMix([(0, 1), (2, 4), 3]),
    ):
        result = _fitted(transformation, table, labels, kinds=kinds)(1).numpy()
        assert (result[:, 1:4].sum(1) == 1).all()
        assert set(result[:, 1:4].ravel()) <= {0, 1}
        assert set(result[:, 4]) <= set(range(4))
        assert (result[:, 1:4] != codes).any()


def test_swaps_never_make_cells_missing():
    rows = np.random.RandomState(0).randn(60, 2)
    rows[::4, 0] = np.nan
    for joint in (True, False):
        swapped = _fitted(MarginalSwap(joint=joint), rows)(1).numpy()
        assert (np.isnan(swapped) == np.isnan(rows)).all()


@pytest.mark.parametrize("n_neighbors", [None, 5])
def test_mixup_stays_within_the_hull_of_the_class(classes, n_neighbors):
    rows, labels = classes
    mixed = _fitted(ClassMixup(n_neighbors=n_neighbors), rows, labels)(0.8).numpy()
    for label in range(3):
        own, new = rows[labels == label], mixed[labels == label]
        assert (new >= own.min(0)).all()
        assert (new <= own.max(0)).all()
        assert (np.abs(new - own).max(1) > 0).mean() > 0.9
    # On the way to a row of the class: (new - own) / .4 + own is one.
    partner = rows + (mixed - rows) / (0.5 * 0.8)
    distance = np.abs(partner[:, None] - rows[None]).max(2)
    assert (distance.min(1) < 1e-9).all()
    assert (labels[distance.argmin(1)] == labels).all()


def test_neighbours_are_the_nearest_of_the_class():
    rng = np.random.RandomState(0)
    rows, labels = rng.randn(90, 2) * [1, 50], np.arange(90) % 2
    mixed = _fitted(ClassMixup(max_weight=1.0, n_neighbors=3), rows, labels)(1).numpy()
    z = rows / rows.std(0)
    for row in range(90):
        others = np.flatnonzero((labels == labels[row]) & (np.arange(90) != row))
        order = np.linalg.norm(z[others] - z[row], axis=1).argsort()[:3]
        nearest = rows[others[order]]
        assert np.isclose(nearest, mixed[row]).all(1).any()


def test_mixup_takes_shared_values_whole():
    rng = np.random.RandomState(0)
    rows = np.where(rng.rand(300, 1) < 0.4, 0.0, 1 + rng.rand(300, 1))
    labels = np.zeros(300, dtype=int)
    mixed = _fitted(ClassMixup(max_weight=0.5), rows, labels)(1).numpy()
    assert ((mixed == 0) | (mixed >= 1)).all()
    assert ((mixed == 0) != (rows == 0)).any()


def test_cutmix_takes_cells_of_the_class_and_groups_whole(classes):
    rows, labels = classes
    new = _fitted(ClassCutMix([(0, 2), 1], max_rate=0.5), rows, labels)(1).numpy()
    changed = new != rows
    assert (changed[:, 0] == changed[:, 2]).all()
    assert abs(changed.mean() - 0.5) < 0.1
    for label in range(3):
        own = {tuple(pair) for pair in rows[labels == label][:, [0, 2]]}
        assert {tuple(pair) for pair in new[labels == label][:, [0, 2]]} <= own


@pytest.mark.parametrize(
    "transformation", [ClassMixup(), ClassMixup(n_neighbors=5), ClassCutMix()], ids=repr
)
def test_rows_of_a_class_without_partners_stay(transformation, classes):
    rows, labels = classes
    apply = _fitted(transformation, rows, np.where(labels == 1, 0, labels))
    for unseen in (1, 7):
        y = torch.full((10,), unseen)
        X = torch.from_numpy(rows[:10])
        assert torch.equal(apply(1.0, X, y), X)


def test_a_class_of_one_row_has_no_neighbour():
    rows = np.random.RandomState(0).randn(5, 2)
    apply = _fitted(ClassMixup(n_neighbors=5), rows, [0, 0, 0, 0, 1])
    result = apply(1.0).numpy()
    assert (result[4] == rows[4]).all()
    assert (result[:4] != rows[:4]).all()


def test_many_rows_are_kept_in_part():
    rows = np.random.RandomState(0).randn(9000, 2)
    labels = np.repeat([0, 1, 1], 3000)
    columns = ColumnTable.from_arrays(rows)
    training = TrainingRows(torch.from_numpy(rows), columns, torch.from_numpy(labels))
    assert MarginalSwap(joint=False).fit(training)["pool"].shape == (256, 2)
    assert MarginalSwap().fit(training)["pool"].shape == (2048, 2)
    reference = ClassMixup().fit(training)
    assert reference["counts"].tolist() == [1024, 1024]
    assert len(reference["partners"]) == 2048
