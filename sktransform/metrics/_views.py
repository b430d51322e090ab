# SPDX-License-Identifier: BSD-3-Clause
"""Checks of two embeddings, as arrays or tensors, that are compared on one device."""

import numpy as np
import torch
from sklearn.utils import check_array

from sktransform.runtime._runtime import Runtime
from sktransform.utils._sklearn import check_sample_weight


def on_host(values):
    """Return a tensor as an array, and anything else as it is."""
    if not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    # NumPy does not know this precision.
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def check_view(rows, name, *, min_samples=1):
    """Return rows as an array in float32 or float64, shape (n_rows, n_columns)."""
    return check_array(
        on_host(rows),
        dtype=[np.float64, np.float32],
        ensure_min_samples=min_samples,
        input_name=name,
    )


def view_runtime(given, view):
    """Return the runtime of a view: a tensor's own device, else the best there is."""
    return Runtime.from_rows(given if isinstance(given, torch.Tensor) else view)


def check_same_rows(X, Y, names):
    """Refuse views of different length, shape (n_rows, n_columns) each."""
    if len(X) != len(Y):
        raise ValueError(
            f"{names[0]} has {len(X)} rows and {names[1]} has {len(Y)} rows; give both "
            "the same rows in the same order."
        )


def check_same_width(X, Y, names):
    """Refuse views that do not lie in one space."""
    if X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"{names[0]} has {X.shape[1]} columns and {names[1]} has {Y.shape[1]} "
            "columns, but both must have the same number; map one into the space of "
            "the other first."
        )


def check_n_nearest(k, gallery, name):
    """Refuse to look for more rows than there are."""
    if k > len(gallery):
        raise ValueError(
            f"k must be at most {len(gallery)}, the number of rows of {name}, got {k}."
        )


def check_targets(targets, queries, gallery):
    """Return the index of each query's partner in the gallery, shape (n_queries,)."""
    if targets is None:
        if len(queries) != len(gallery):
            raise ValueError(
                f"queries has {len(queries)} rows and gallery has {len(gallery)} rows; "
                "give the index of each query's partner in the gallery as targets."
            )
        return np.arange(len(queries))
    indices = np.asarray(on_host(targets))
    if indices.shape != (len(queries),) or indices.dtype.kind not in "iu":
        raise ValueError(
            f"targets must be {len(queries)} integers, one for each query, got "
            f"an array of shape {indices.shape} and dtype {indices.dtype}."
        )
    if indices.min() < 0 or indices.max() >= len(gallery):
        raise ValueError(
            "targets must be indices of rows of the gallery, from 0 to "
            f"{len(gallery) - 1}, got {indices.min()} to {indices.max()}."
        )
    return indices.astype(np.int64)


def check_weights(sample_weight, queries):
    """Return weights of the queries in float64, shape (n_queries,)."""
    return check_sample_weight(
        on_host(sample_weight), queries, dtype=np.float64, ensure_non_negative=True
    )


def check_search(queries, gallery):
    """Return queries and gallery, checked, and the runtime."""
    views = check_view(queries, "queries"), check_view(gallery, "gallery")
    check_same_width(*views, names=("queries", "gallery"))
    return *views, view_runtime(queries, views[0])


def check_pair(mapped, reference, min_samples=1):
    """Return two views of the same rows in one space, checked, and the runtime."""
    names = "mapped", "reference"
    views = [
        check_view(rows, name, min_samples=min_samples)
        for rows, name in zip((mapped, reference), names, strict=True)
    ]
    check_same_rows(*views, names=names)
    check_same_width(*views, names=names)
    return *views, view_runtime(mapped, views[0])
