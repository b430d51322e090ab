# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from sktransform.runtime._validation import check_tensor, is_valid_array


class Named(BaseEstimator):
    """An estimator with nothing but a name."""


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.float16, torch.float64),
        (torch.int64, torch.float64),
        (torch.bool, torch.float64),
    ],
)
def test_precision_is_single_or_double(dtype, expected):
    rows = check_tensor(Named(), torch.ones((2, 2), dtype=dtype))
    assert rows.dtype == expected


def test_reset_sets_the_number_of_features_and_forgets_names():
    estimator = Named()
    estimator.feature_names_in_ = np.array(["a", "b"], dtype=object)
    check_tensor(estimator, torch.ones((2, 3)), reset=True)
    assert estimator.n_features_in_ == 3
    assert not hasattr(estimator, "feature_names_in_")
    with pytest.raises(ValueError, match="X has 2 features, but Named is expecting 3"):
        check_tensor(estimator, torch.ones((2, 2)), reset=False)


@pytest.mark.parametrize(
    ("rows", "error", "sentence"),
    [
        (torch.ones(3), ValueError, "Expected 2D tensor, got 1D tensor"),
        (torch.ones((0, 3)), ValueError, r"Found array with 0 sample\(s\)"),
        (torch.ones((3, 0)), ValueError, r"Found array with 0 feature\(s\)"),
        (torch.ones((2, 2)).to_sparse(), TypeError, "dense data is required by Named"),
        (torch.full((2, 2), torch.nan), ValueError, "Input X contains NaN"),
        (torch.full((2, 2), -torch.inf), ValueError, "Input X contains infinity"),
    ],
)
def test_wrong_tensors_get_one_clear_sentence(rows, error, sentence):
    with pytest.raises(error, match=sentence):
        check_tensor(Named(), rows)


# Arrays


def _fitted(n_features=2):
    estimator = Named()
    estimator.n_features_in_ = n_features
    return estimator


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, np.flip])
def test_a_plain_array_is_what_the_long_check_returns(dtype, layout):
    rows = layout(np.arange(6, dtype=dtype).reshape(3, 2))
    assert is_valid_array(_fitted(), rows)
    dtypes = [np.float64, np.float32]
    assert validate_data(_fitted(), rows, dtype=dtypes, reset=False) is rows


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, 2.0]],
        np.ones((3, 2), dtype=int),
        np.ones((3, 2), dtype=np.float16),
        np.ones((3, 2), dtype=">f4"),
        np.ones((3, 2), dtype=object),
        np.ones((3, 2)).view(np.matrix),
        np.ma.masked_array(np.ones((3, 2)), mask=True),
        np.ones(2),
        np.ones((1, 3, 2)),
        np.ones((3, 3)),
        np.ones((0, 2)),
        np.full((3, 2), np.nan),
        np.array([[1, np.inf]]),
        np.array([[-np.inf, np.inf]]),
        np.ones((3, 2)) * 1j,
    ],
)
def test_whatever_else_is_left_to_the_long_check(rows):
    assert not is_valid_array(_fitted(), rows)


def test_numbers_whose_sum_is_too_large_are_left_to_the_long_check():
    rows = np.full((1, 2), np.finfo(np.float32).max)
    assert not is_valid_array(_fitted(), rows)
    assert validate_data(_fitted(), rows, reset=False) is rows


def test_names_and_the_least_number_of_rows_count():
    named = _fitted()
    named.feature_names_in_ = np.array(["a", "b"], dtype=object)
    assert not is_valid_array(named, np.ones((3, 2)))
    assert not is_valid_array(_fitted(), np.ones((1, 2)), min_samples=2)
    assert not is_valid_array(Named(), np.ones((3, 2)))
