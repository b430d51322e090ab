# SPDX-License-Identifier: BSD-3-Clause
"""New rows below given ones, in the caller's kind of container."""

import narwhals.stable.v2 as nw
import numpy as np
import torch


def rows_below(X, rows, made):
    """Return rows with new ones below, in the container that X is."""
    if isinstance(X, torch.Tensor):
        return torch.cat([rows, torch.from_numpy(made).to(rows)])
    stacked = np.concatenate([rows, made.astype(rows.dtype)])
    frame = nw.from_native(X, pass_through=True, eager_only=True)
    if not isinstance(frame, nw.DataFrame):
        return stacked
    return nw.from_numpy(
        stacked, list(frame.columns), backend=frame.implementation
    ).to_native()


def labels_taken(y, labels, sources, indices):
    """Return labels of sources, or of their indices in y if it is of a data frame."""
    known = nw.from_native(y, pass_through=True, eager_only=True, allow_series=True)
    if not isinstance(known, (nw.Series, nw.DataFrame)):
        return labels[sources]
    return known[indices.tolist()].to_native()


def check_same_kind(labels, classes):
    """Raise ValueError unless labels are numbers, strings, ... as the known ones are.

    Beside strings a 1 would become a "1", and beside fractions a 1.0: another class.
    """
    kind, known = (
        {"u": "i", "O": "U"}.get(array.dtype.kind, array.dtype.kind)
        for array in (labels, classes)
    )
    if kind != known:
        raise ValueError(
            f"y holds classes of type {labels.dtype}, but the classes learned before "
            f"are of type {classes.dtype}; give all classes in one type."
        )


def labels_below(y, labels, made):
    """Return labels with new ones below, as a series if y is one."""
    stacked = np.concatenate([labels, made])
    series = nw.from_native(y, pass_through=True, series_only=True)
    if not isinstance(series, nw.Series):
        return stacked
    return nw.new_series(
        series.name, stacked.tolist(), series.dtype, backend=series.implementation
    ).to_native()
