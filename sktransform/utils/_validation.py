# SPDX-License-Identifier: BSD-3-Clause
"""Checks of arrays that several subpackages use."""

import numpy as np
from sklearn.utils import check_array


def check_distances(distances, name, *, subject=None, n_rows=None):
    """Return a matrix of distances between rows, checked.

    Distances in float64, exactly symmetric and with a zero diagonal.

    `subject`: first words of the message. None takes the name.
    `n_rows`: number of rows of X, if the distances are those between them.

    Shapes: distances (n_rows, n_rows) -> (n_rows, n_rows).
    """
    subject = subject or name
    values = check_array(
        np.asarray(distances),
        dtype=np.float64,
        ensure_min_samples=2,
        input_name=name,
    )
    if values.shape[0] != values.shape[1]:
        raise ValueError(
            f"{subject} must be a square matrix of distances, got shape {values.shape}."
        )
    if n_rows is not None and len(values) != n_rows:
        raise ValueError(
            f"{subject} must be the distances between the {n_rows} rows of X, got "
            f"shape {values.shape}."
        )
    if values.min() < 0:
        raise ValueError(
            f"{subject} must hold distances of at least 0, got {values.min():g}."
        )
    # Single precision is welcome: its rounding is what the tolerance allows.
    tolerance = 1e-5 * values.max()
    if np.diagonal(values).max() > tolerance:
        raise ValueError(
            f"{subject} must have a zero diagonal, got entries up "
            f"to {np.diagonal(values).max():g}."
        )
    if not np.allclose(values, values.T, rtol=0, atol=tolerance):
        asymmetry = np.abs(values - values.T).max()
        raise ValueError(
            f"{subject} must be a symmetric matrix, but entries and their transposes "
            f"differ by up to {asymmetry:g}."
        )
    values = (values + values.T) / 2
    np.fill_diagonal(values, 0)
    return values
