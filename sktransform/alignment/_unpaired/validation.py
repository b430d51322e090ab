# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the other space's rows and of known pairs, for unpaired alignment."""

import numpy as np
import torch
from sklearn.utils.validation import check_array

from sktransform.runtime._validation import check_tensor


def known_rows(estimator, y, n_rows):
    """Return the indices of the known rows of y, and these rows.

    `y`: the rows in the other space, NaN where unknown.
    `indices`: indices of the known rows.
    `rows`: the known rows of y; None if none is known.

    Returned: indices (n_known,), rows (n_known, n_outputs).
    """
    if y is None:
        return np.arange(0), None
    if not isinstance(y, torch.Tensor):
        y = check_array(
            y,
            dtype=[np.float64, np.float32],
            ensure_2d=False,
            ensure_all_finite="allow-nan",
            input_name="y",
            estimator=estimator,
        )
    y = y[:, None] if y.ndim == 1 else y
    if len(y) != n_rows:
        raise ValueError(
            f"X has {n_rows} rows and y has {len(y)} rows, inconsistent numbers of "
            "samples; y must have one row for each row of X; give other rows as "
            "reference."
        )
    missing = np.isnan(y) if isinstance(y, np.ndarray) else y.isnan()
    unknown = missing.all(1)
    if (missing.any(1) != unknown).any():
        raise ValueError(
            "Input y contains NaN in some but not all columns of a row; give all "
            "columns of a known row, and NaN in all columns of an unknown row."
        )
    known = ~unknown
    if not known.any():
        return np.arange(0), None
    if isinstance(y, torch.Tensor):
        return known.cpu().numpy().nonzero()[0], check_tensor(estimator, y[known])
    return known.nonzero()[0], y[known]


def reference_tables(estimator, reference, Y_known):
    """Return the tables of the other space.

    The tables of the reference, and then the known rows, which may be none.

    Shapes: Y_known (n_known, n_outputs).
    """
    if reference is None and Y_known is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None or has no known row, and reference is None; give rows of the other "
            "space as reference, or known rows as y."
        )
    if reference is None:
        return [Y_known[:0], Y_known]
    is_list = isinstance(reference, (list, tuple)) and len(reference) > 0
    blocks = reference if is_list and np.ndim(reference[0]) == 2 else [reference]
    tables = [_table(estimator, block) for block in blocks]
    tables.append(tables[0][:0] if Y_known is None else Y_known)
    if len({table.shape[1] for table in tables}) > 1:
        widths = ", ".join(str(table.shape[1]) for table in tables)
        raise ValueError(
            f"The tables of reference and the known rows of y have {widths} columns, "
            "but they must have the same number of columns."
        )
    return tables


def _table(estimator, block):
    """Return a table of the other space as float32 or float64, or the tensor."""
    if isinstance(block, torch.Tensor):
        return check_tensor(estimator, block[:, None] if block.ndim == 1 else block)
    return check_array(
        block,
        dtype=[np.float64, np.float32],
        input_name="reference",
        estimator=estimator,
    )


def pair_indices(pairs, n_rows, n_reference):
    """Return indices of known pairs, checked.

    Shapes: pairs (n_pairs, 2) -> (n_pairs, 2).
    """
    if pairs is None:
        return np.empty((0, 2), dtype=np.int64)
    if isinstance(pairs, torch.Tensor):
        pairs = pairs.cpu().numpy()
    indices = np.asarray(pairs)
    if indices.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if indices.ndim != 2 or indices.shape[1] != 2 or indices.dtype.kind not in "iu":
        raise ValueError(
            f"pairs must be integers of shape (n_pairs, 2), got {indices.dtype} of "
            f"shape {indices.shape}; give the index of a row of X and of its row of "
            "reference."
        )
    limits = np.array([n_rows, n_reference])
    if (indices < 0).any() or (indices >= limits).any():
        raise ValueError(
            f"pairs must hold indices, from 0, of the {n_rows} rows of X and the "
            f"{n_reference} rows of reference, got indices from {indices.min(0)} to "
            f"{indices.max(0)}; in cross-validation give known pairs as y."
        )
    return indices.astype(np.int64)
