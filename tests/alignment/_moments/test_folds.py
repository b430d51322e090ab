# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_array_equal

from sktransform.alignment._moments.folds import FoldMoments, checked_groups, row_folds
from sktransform.runtime._runtime import Runtime


def _rows(n_rows=500, n_columns=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, n_columns, generator=generator, dtype=torch.float64)


def test_fold_of_a_row_depends_on_the_row_alone():
    X = _rows()
    folds = row_folds(X, 5)
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(1))
    assert torch.equal(row_folds(X[order], 5), folds[order])
    assert torch.equal(row_folds(X[37:38], 5), folds[37:38])
    assert torch.equal(row_folds(X.float().double(), 5), row_folds(X.float(), 5))


def test_folds_are_about_equally_large():
    for X in (_rows(5000), torch.arange(5000.0)[:, None], (_rows(5000) * 3).round()):
        counts = row_folds(X, 5).bincount(minlength=5)
        assert counts.min() > 0.12 * 5000


def test_zero_has_no_sign():
    X = torch.tensor([[0.0, 1.0], [-0.0, 1.0]])
    assert row_folds(X, 97)[0] == row_folds(X, 97)[1]


def test_groups_share_a_fold_whatever_their_rows():
    X, groups = _rows(), np.repeat([f"g{i}" for i in range(50)], 10)
    folds = row_folds(X, 5, groups).reshape(50, 10)
    assert (folds == folds[:, :1]).all()
    assert len(folds.unique()) == 5
    assert torch.equal(row_folds(X[:10], 5, groups[:10]), folds[0])


def test_splits_leave_out_one_fold_each():
    X, Y = _rows(), _rows(n_columns=2, seed=1)
    folds = row_folds(X, 5)
    splits = FoldMoments.from_rows(X, Y, n_folds=5).splits()
    assert len(splits) == 5
    for fold, (others, held_out) in enumerate(splits):
        kept = folds != fold
        expected = FoldMoments.from_rows(X[kept], Y[kept]).total()
        torch.testing.assert_close(others.xy, expected.xy)
        torch.testing.assert_close(others.mean_y, expected.mean_y)
        assert held_out.weight == (~kept).sum()


def test_state_comes_back():
    moments = FoldMoments.from_rows(_rows(), _rows(n_columns=2, seed=1), n_folds=3)
    again = FoldMoments.from_arrays(Runtime.state(moments.tensors()))
    assert torch.equal(again.total().xx, moments.total().xx)
    assert len(again.folds) == 3


@pytest.mark.parametrize("container", [list, np.array, pd.Series])
def test_groups_of_any_container(container):
    labels = ["one", "other", "one"]
    assert_array_equal(checked_groups(np.zeros((3, 2)), container(labels)), labels)
    assert checked_groups(np.zeros((3, 2)), None) is None


@pytest.mark.parametrize("missing", [np.nan, None])
def test_missing_groups_are_refused(missing):
    groups = np.array(["one", missing, "other"], dtype=object)
    with pytest.raises(ValueError, match="has 1 missing values"):
        checked_groups(np.zeros((3, 2)), groups)
