# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator

from sktransform.runtime._validation import check_tensor


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
