# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the arrays that the metrics compare."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length


def check_rows(rows, name):
    """Return rows in float64, shape (n_samples, n_columns)."""
    return check_array(
        np.asarray(rows), dtype=np.float64, ensure_min_samples=2, input_name=name
    )


def check_pair(X, Y, metric="euclidean"):
    """Return data and embedding, checked and of one length."""
    X = check_target_distances(X) if metric == "precomputed" else check_rows(X, "X")
    Y = check_rows(Y, "Y")
    check_consistent_length(X, Y)
    return X, Y


def check_target_distances(distances):
    """Return a matrix of target distances in float64, shape (n_samples, n_samples)."""
    values = check_rows(distances, "X")
    if values.shape[0] != values.shape[1]:
        raise ValueError(
            "With metric='precomputed' X must be a square matrix of distances, got "
            f"shape {values.shape}."
        )
    if values.min() < 0:
        raise ValueError(
            "With metric='precomputed' X must hold distances, got negative values."
        )
    # Single precision is welcome: its rounding is what the tolerance allows.
    tolerance = 1e-5 * values.max()
    if np.abs(np.diagonal(values)).max() > tolerance:
        raise ValueError(
            "With metric='precomputed' the diagonal of X must be zero: a row's "
            "distance to itself."
        )
    if not np.allclose(values, values.T, rtol=0, atol=tolerance):
        raise ValueError("With metric='precomputed' X must be a symmetric matrix.")
    return values
