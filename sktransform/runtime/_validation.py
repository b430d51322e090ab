# SPDX-License-Identifier: BSD-3-Clause
"""Checks of rows in addition to those of scikit-learn.

scikit-learn's checks do not accept tensors on every device; the checks of tensors here
raise the same messages. For a single row scikit-learn's check takes longer than the
transformation, so valid arrays are recognised here.
"""

import numpy as np
import torch

from sktransform.utils._sklearn import check_n_features

_DTYPES = np.dtype(np.float64), np.dtype(np.float32)


def check_tensor(estimator, X, *, reset=None, min_samples=1):
    """Check a tensor of rows as scikit-learn checks an array.

    The rows in float32 or float64, detached, on their own device.

    `reset`: whether to set `n_features_in_` (fit) or to compare with it. None does
      neither.

    Shape: (n_samples, n_features).
    """
    name = type(estimator).__name__
    if X.ndim != 2:
        raise ValueError(
            f"Expected 2D tensor, got {X.ndim}D tensor instead: {name} takes rows, "
            "shape (n_samples, n_features)."
        )
    if X.is_complex():
        raise ValueError(f"Complex data not supported by {name}.")
    if X.is_sparse or X.layout != torch.strided:
        raise TypeError(
            f"Sparse data was passed, but dense data is required by {name}. "
            "Use 'X.to_dense()' to convert it."
        )
    for axis, noun, least in ((0, "sample", min_samples), (1, "feature", 1)):
        if X.shape[axis] < least:
            raise ValueError(
                f"Found array with {X.shape[axis]} {noun}(s) (shape={tuple(X.shape)}) "
                f"while a minimum of {least} is required by {name}."
            )
    rows = X.detach()
    if rows.dtype != torch.float32:
        rows = rows.to(torch.float64)
    if not torch.isfinite(rows).all():
        kind = "NaN" if torch.isnan(rows).any() else "infinity"
        raise ValueError(f"Input X contains {kind}.")
    if reset:
        vars(estimator).pop("feature_names_in_", None)
    if reset is not None:
        check_n_features(estimator, rows, reset=reset)
    return rows


def is_valid_array(estimator, X, min_samples=1):
    """Return whether scikit-learn's check would return X itself, as a quick test.

    True if X is a NumPy array of finite rows in float32 or float64, of the right shape.
    If False, X may still be valid, for example a data frame.

    `estimator`: a fitted estimator, whose `n_features_in_` is compared; if it was
      fitted with feature names, the full check is needed for its warning.
    """
    if type(X) is not np.ndarray or hasattr(estimator, "feature_names_in_"):
        return False
    if X.ndim != 2 or X.dtype not in _DTYPES:
        return False
    if len(X) < min_samples or X.shape[1] != getattr(estimator, "n_features_in_", 0):
        return False
    # The sum of finite numbers may overflow: then the slower check finds that they are.
    with np.errstate(over="ignore", invalid="ignore"):
        return X.size > 0 and bool(np.isfinite(X.sum()))
