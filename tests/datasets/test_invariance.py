# SPDX-License-Identifier: BSD-3-Clause
"""The invariance problem keeps what it promises."""

import numpy as np
import pytest
import torch

from sktransform.augmentation import transforms
from sktransform.augmentation.transforms import ColumnTable, TrainingRows
from sktransform.datasets import make_invariance_problem


def _classes(X):
    score = 2.2 * (np.hypot(X[:, 0], X[:, 1]) - 1.18) + 1.3 * X[:, 2]
    return (score + 0.9 * (X[:, 6] + X[:, 7]) / np.sqrt(2) > 0).astype(int)


def _changed(X, declared):
    rows = torch.from_numpy(X)
    transformation = getattr(transforms, declared["kind"])(**declared["parameters"])
    columns = ColumnTable.from_arrays(X, bounds="none")
    reference = transformation.fit(TrainingRows(rows, columns))
    transformation = transformation.bind(columns)
    generator = torch.Generator().manual_seed(0)
    drawn = transformation.sample(len(X), 1.0, generator)
    return transformation.forward(rows, drawn, reference, torch.arange(len(X))).numpy()


@pytest.mark.parametrize("index", range(10))
def test_classes_change_only_where_a_change_does_not_hold(index):
    X, y, declared = make_invariance_problem(2000, noise=0.0, random_state=0)
    np.testing.assert_array_equal(_classes(X), y)
    changed = (_classes(_changed(X, declared[index])) != y).mean()
    if declared[index]["holds"]:
        # A rotation turns in units of the sample's deviations, which are nearly 1.
        assert changed <= 0.02
    else:
        assert changed > 0.05


def test_a_seed_gives_the_same_rows():
    first, second = (make_invariance_problem(random_state=3) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[2] == second[2]
