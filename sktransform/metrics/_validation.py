# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the arrays that the metrics compare."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from sktransform.utils._validation import check_distances


def check_rows(rows, name, *, widen=True):
    """Return rows, shape (n_samples, n_columns).

    They come in float64; if they are not to be widened, real numbers of other types
    that it holds stay as they are, without a copy.
    """
    rows = np.asarray(rows)
    stays = not widen and rows.dtype.kind in "biuf" and rows.dtype.itemsize <= 8
    dtype = None if stays else np.float64
    return check_array(rows, dtype=dtype, ensure_min_samples=2, input_name=name)


def check_pair(X, Y, metric="euclidean", *, widen=True):
    """Return data and embedding, checked and of one length; see `check_rows`."""
    if metric == "precomputed":
        X = check_distances(X, "X", subject="With metric='precomputed' X")
    else:
        X = check_rows(X, "X", widen=widen)
    Y = check_rows(Y, "Y", widen=widen)
    check_consistent_length(X, Y)
    return X, Y
