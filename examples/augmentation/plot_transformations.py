# SPDX-License-Identifier: BSD-3-Clause
"""
Transformations of images, series and tables
============================================

A transformation is declared by its columns and its largest magnitude. Its parameter
ranges from -1 to 1, and 0 is exactly the identity. This example draws transformations
of an image and of a series for several parameters, and rows of a table before and
after.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits, load_wine

from sktransform.augmentation.transforms import (
    ClassMixup,
    ColumnTable,
    GaussianNoise,
    ImageFlip,
    ImageNoise,
    ImageRotate,
    ImageShear,
    ImageTranslate,
    ImageZoom,
    MarginalSwap,
    QuantileJitter,
    RandomField,
    SeriesCrop,
    SeriesPadShift,
    SmoothWarp,
    TrainingRows,
)


def copies(transformation, training, row, parameters):
    """Return augmented copies of one training row, one for each parameter."""
    transformation = transformation.bind(training.columns)
    reference = transformation.fit(training)
    rows = training.rows[[row] * len(parameters)]
    P = torch.as_tensor(parameters, dtype=torch.float64).reshape(len(rows), -1)
    seeds = torch.zeros(len(rows), dtype=torch.int64)  # the same draw in each copy
    labels = None if training.labels is None else training.labels[[row] * len(rows)]
    return transformation.forward(rows, P, reference, seeds, labels).numpy()


# %%
# Images. ``shape`` declares that rows are flattened images. Noise and the smooth random
# field are determined by a seed; the parameter only scales them. A copy can therefore
# be made again from the parameter and the seed.

X, y = load_digits(return_X_y=True)
pixels = torch.from_numpy(X)
training = TrainingRows(pixels, ColumnTable.from_arrays(X, shape=(8, 8)))
rows_of_pictures = {
    "ImageTranslate": ImageTranslate(max_pixels=2),
    "ImageRotate": ImageRotate(max_degrees=60),
    "ImageZoom": ImageZoom(max_log=0.4),
    "ImageShear": ImageShear(max_slope=0.6),
    "ImageNoise": ImageNoise(max_sd=0.5),
    "RandomField, warp": RandomField(max_strength=1.0, length_scale=2.0),
    "RandomField, gain": RandomField(kind="gain", max_strength=0.8, length_scale=2.0),
    "ImageFlip": ImageFlip(),
}
parameters = np.linspace(-1, 1, 7)

figure, axes = plt.subplots(len(rows_of_pictures), 7, figsize=(6.4, 7.4))
for line, (name, transformation) in zip(axes, rows_of_pictures.items(), strict=True):
    steps = [0, 0, 0, 0, 1, 1, 1] if transformation.discrete else parameters
    pictures = copies(transformation, training, 5, steps).reshape(-1, 8, 8)
    described = transformation.describe(torch.as_tensor(steps).reshape(-1, 1).double())
    ((unit, values),) = described.items()
    for axis, picture, value in zip(line, pictures, values, strict=True):
        axis.imshow(picture, cmap="gray_r", vmin=0, vmax=16)
        axis.set(xticks=[], yticks=[])
        axis.set_xlabel(f"{float(value):.2g}", fontsize=7, labelpad=1)
    label = f"{name}\n{unit.replace('_', ' ')}"
    line[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
figure.subplots_adjust(left=0.22, right=0.99, top=0.99, bottom=0.03, hspace=0.35)

# %%
# Series. A time warp keeps the order of the samples; a crop is a window stretched to
# the full length, and its second parameter is the window's position.

time = np.linspace(0, 1, 120)
series = np.stack([np.exp(-(((time - s) / 0.07) ** 2)) for s in (0.3, 0.5, 0.4)])
series = torch.from_numpy(series + 0.5 * np.exp(-(((time - 0.75) / 0.04) ** 2)))
training = TrainingRows(series, ColumnTable.from_arrays(series, shape=120))
declared = {
    "SeriesPadShift": (SeriesPadShift(max_samples=15), [-1, 1]),
    "SeriesCrop": (SeriesCrop(max_share=0.4), [(1, -1), (1, 1)]),
    "SmoothWarp, time": (SmoothWarp(max_strength=8, length_scale=15), [0.5, 1]),
    "SmoothWarp, magnitude": (
        SmoothWarp(kind="magnitude", max_strength=0.5, length_scale=15),
        [0.5, 1],
    ),
}

figure, axes = plt.subplots(
    2, 2, figsize=(6.4, 4), sharex=True, sharey=True, layout="constrained"
)
for axis, (name, (transformation, steps)) in zip(
    axes.flat, declared.items(), strict=True
):
    changed = copies(transformation, training, 2, steps)
    axis.plot(series[2], color="0.7", linewidth=3, label="original")
    styles = (("#0072B2", "-"), ("#D55E00", "--"))
    for values, step, (color, line) in zip(changed, steps, styles, strict=True):
        axis.plot(values, line, color=color, linewidth=1.3, label=f"p = {step}")
    axis.set_title(name, fontsize=9)
    axis.set_ylim(-0.1, 1.5)
    axis.legend(fontsize=7, frameon=False, loc="upper center", ncols=3)
for axis in axes[1]:
    axis.set_xlabel("sample")

# %%
# Tables. Two columns of the wine data, with arrows from rows to their copies: Gaussian
# noise is independent of the data, quantile jitter shifts the ranks within each column,
# mixup averages with a row of the same class, and a swap takes values of other rows.

X, y = load_wine(return_X_y=True)
X = X[:, [9, 12]]  # colour intensity and proline
training = TrainingRows(
    torch.from_numpy(X), ColumnTable.from_arrays(X), labels=torch.from_numpy(y)
)
shown = np.arange(0, len(X), 6)
figure, axes = plt.subplots(
    2, 2, figsize=(6.4, 5.4), sharex=True, sharey=True, layout="constrained"
)
for axis, transformation in zip(
    axes.flat,
    (
        GaussianNoise(max_sd=0.3),
        QuantileJitter(max_shift=0.15),
        ClassMixup(max_weight=0.5),
        MarginalSwap([1]),
    ),
    strict=True,
):
    bound = transformation.bind(training.columns)
    rows, labels = training.rows[shown], training.labels[shown]
    P = bound.sample(len(shown), 1.0, torch.Generator().manual_seed(0))
    seeds = torch.arange(len(shown))
    changed = bound.forward(rows, P, bound.fit(training), seeds, labels).numpy()
    for label, (color, marker) in enumerate(
        (("#0072B2", "o"), ("#E69F00", "^"), ("#009E73", "s"))
    ):
        axis.scatter(*X[y == label].T, s=8, color=color, marker=marker, alpha=0.35)
    axis.quiver(
        *X[shown].T,
        *(changed - X[shown]).T,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.004,
        color="0.15",
    )
    axis.set_title(type(transformation).__name__, fontsize=9)
for axis in axes[1]:
    axis.set_xlabel("colour intensity")
for axis in axes[:, 0]:
    axis.set_ylabel("proline")
