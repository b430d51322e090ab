# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the arrays that the metrics compare."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from sktransform.utils._validation import check_distances


def check_rows(rows, name):
    """Return rows in float64, shape (n_samples, n_columns)."""
    return check_array(
        np.asarray(rows), dtype=np.float64, ensure_min_samples=2, input_name=name
    )


def check_pair(X, Y, metric="euclidean"):
    """Return data and embedding, checked and of one length."""
    if metric == "precomputed":
        X = check_distances(X, "X", subject="With metric='precomputed' X")
    else:
        X = check_rows(X, "X")
    Y = check_rows(Y, "Y")
    check_consistent_length(X, Y)
    return X, Y
