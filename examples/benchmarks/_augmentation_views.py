# SPDX-License-Identifier: BSD-3-Clause
"""Time that augmented copies of many rows take."""

import time

import numpy as np
from _report import figure

N_ROWS, SHAPE, N_REPEATS = 10_000, (28, 28), 3


def measure():
    """Return CPU seconds of a copy of each row, for images and for plain columns."""
    from sktransform.augmentation import InvarianceAugmenter

    rows = np.random.default_rng(0).random((N_ROWS, SHAPE[0] * SHAPE[1]))
    y = np.arange(N_ROWS) % 10
    found = []
    for data, shape in {"images": SHAPE, "columns": None}.items():
        for dtype in (np.float32, np.float64):
            X = rows.astype(dtype)
            augmenter = InvarianceAugmenter(shape=shape, learn=False, random_state=0)
            augmenter.fit(X[:500], y[:500]).augment(X[:500])
            record = {"data": data, "dtype": np.dtype(dtype).name}
            record["seconds"] = [_seconds(augmenter, X) for _ in range(N_REPEATS)]
            found.append(record)
    return found


def _seconds(augmenter, X):
    start = time.process_time()
    augmenter.augment(X, random_state=0)
    return time.process_time() - start


def views_table(found):
    """Return the table of medians."""
    rows = [
        [r["data"], r["dtype"], figure(float(np.median(r["seconds"])), ".2f")]
        for r in found
    ]
    return ["10,000 rows x 784", "dtype", "CPU s"], rows
