# SPDX-License-Identifier: BSD-3-Clause
"""Labelled rows: folds, weighted means."""

import numpy as np
from numpy.testing import assert_allclose

from sktransform.augmentation._tabular.dataset import (
    row_folds,
    weighted_mean,
)


def test_the_standard_error_of_equal_weights_is_the_textbooks():
    values = np.random.default_rng(0).normal(size=50)
    mean, error = weighted_mean(values, np.full(50, 3.0))
    assert_allclose([mean, error], [values.mean(), values.std(ddof=1) / np.sqrt(50)])


def test_rows_of_a_group_count_once_in_a_standard_error():
    values = np.random.default_rng(0).normal(size=(2, 50))
    groups = np.tile(np.arange(50), 4)
    found = weighted_mean(np.tile(values, 4), np.ones(200), groups)
    assert_allclose(found, weighted_mean(values, np.ones(50)))


def test_folds_keep_groups_together_and_classes_apart():
    codes, groups = np.tile([0, 0, 1], 20), np.arange(60) // 3
    for train, held_out in row_folds(codes, True, groups, 3, 0):
        assert not set(groups[train]) & set(groups[held_out])
        assert_allclose(codes[held_out].mean(), 1 / 3)
