# SPDX-License-Identifier: BSD-3-Clause
"""How exactly recorded augmentation is undone, transformation by transformation."""

import numpy as np
from _report import grouped, table
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import StandardScaler

from sktransform.augmentation import InvarianceAugmenter
from sktransform.augmentation import transforms as T

NOTE = (
    "Undone: 300 digits of 8 x 8 pixels from 0 to 1, the standardised rows of wine, "
    "and rows of digits as series of 64 values, without bounds. `change` is the "
    "root mean square of what a transformation did, `largest error` the largest "
    "difference between the rows and the undone copies over all cells and seeds, and "
    "`left` the square of what is not undone as a share of that of the change. "
    "Replay is the share of copies that the record gives back to the last bit."
)
N_SEEDS = 3
IMAGE, SERIES = (8, 8), (64,)
# Transformation, and the shape that its rows have; None is a table.
TRANSFORMATIONS = [
    (T.Shift(), None),
    (T.Scale(), None),
    (T.Rotate([0, 1]), None),
    (T.SignFlip(), None),
    (T.Permute([0, 1]), None),
    (T.GaussianNoise(), None),
    (T.QuantileJitter(), None),
    (T.ImageBrightness(), IMAGE),
    (T.ImageContrast(), IMAGE),
    (T.ImageNoise(), IMAGE),
    (T.ImageFlip(), IMAGE),
    (T.ImageQuarterTurn(), IMAGE),
    (T.ImageRoll(), IMAGE),
    (T.ImageTranslate(), IMAGE),
    (T.ImageRotate(), IMAGE),
    (T.ImageZoom(), IMAGE),
    (T.ImageShear(), IMAGE),
    (T.RandomField(kind="warp"), IMAGE),
    (T.RandomField(kind="gain"), IMAGE),
    (T.RandomField(kind="offset"), IMAGE),
    (T.SeriesRoll(), SERIES),
    (T.SeriesPadShift(), SERIES),
    (T.SeriesCrop(), SERIES),
    (T.SeriesJitter(), SERIES),
    (T.SmoothWarp(kind="time"), SERIES),
    (T.SmoothWarp(kind="magnitude"), SERIES),
]
_CONTRACTS = {"exact": "exact", "seeded": "exact given the seed", "lossy": "lossy"}


def _rows(shape):
    if shape is None:
        return StandardScaler().fit_transform(load_wine().data)
    return load_digits().data[:300] / 16


def _name(transformation):
    kind = getattr(transformation, "kind", None)
    name = type(transformation).__name__
    return f"{name}, {kind}" if kind else name


def records(seed):
    """Yield a record for each transformation and precision."""
    for transformation, shape in TRANSFORMATIONS:
        for dtype in (np.float64, np.float32):
            X = _rows(shape).astype(dtype)
            augmenter = InvarianceAugmenter(
                [transformation],
                learn=False,
                shape=shape,
                bounds="none",
                random_state=seed,
            ).fit(X)
            copies, params = augmenter.augment(X, random_state=seed, return_params=True)
            undone = augmenter.inverse_augment(copies, params, allow_lossy=True)
            change, left = np.square(copies - X), np.square(undone - X)
            repeated = augmenter.apply(X, params)
            yield {
                "transformation": _name(transformation),
                "inverse": _CONTRACTS[transformation.inverse_contract],
                "dtype": np.dtype(dtype).name,
                "seed": seed,
                "change": float(np.sqrt(change.mean())),
                "largest": float(np.sqrt(left.max())),
                "left": float(left.sum() / change.sum()),
                "replayed": float((repeated == copies).all(axis=1).mean()),
            }


def tables(found):
    """Return the table of errors."""
    columns = [
        ("change", "change", ".2f"),
        ("largest error, float64", "largest float64", ".0e"),
        ("largest error, float32", "largest float32", ".0e"),
        ("left", "left", ".1%"),
        ("replay", "replayed", ".0%"),
    ]
    keys = ("inverse", "transformation", "dtype")
    largest, means = grouped(found, keys, max), grouped(found, keys, np.mean)
    groups = {}
    for (inverse, name, dtype), record in sorted(means.items(), key=lambda p: p[0][0]):
        row = groups.setdefault((inverse, name), dict(record))
        row[f"largest {dtype}"] = largest[inverse, name, dtype]["largest"]
        row["replayed"] = min(row["replayed"], record["replayed"])
    return {"Recorded augmentation undone": table(groups, keys[:2], columns)}
