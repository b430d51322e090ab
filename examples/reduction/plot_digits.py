# SPDX-License-Identifier: BSD-3-Clause
"""
Embed digits by distances or neighbourhoods
===========================================

Handwritten digits of 64 pixels are mapped to two dimensions such that nearest
neighbours are preserved. The same function maps new digits, and ``stress_weight`` sets
how much distances are preserved too.
"""

# %%
# Two thirds of the digits are training rows, the others are new rows.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from sktransform.inspection import EmbeddingDisplay
from sktransform.metrics import stress, trustworthiness
from sktransform.reduction import (
    GaussianWeightedLinearReducer,
    GaussianWeightedNeighborReducer,
)

X, X_new, y, y_new = train_test_split(
    *load_digits(return_X_y=True), train_size=1200, random_state=0
)
# So few digits need fewer steps than the default.
settings = {"max_iter": 1000, "random_state": 0}
reducers = {
    "distances": GaussianWeightedLinearReducer(random_state=0),
    "both": GaussianWeightedNeighborReducer(stress_weight=0.6, **settings),
    "neighbourhoods": GaussianWeightedNeighborReducer(**settings),
}
for name, reducer in reducers.items():
    Y = reducer.fit_transform(X)
    print(
        f"{name}: trustworthiness {trustworthiness(X, Y):.3f}, "
        f"stress {stress(X, Y, scaled=True):.3f}"
    )

# %%
# Two dimensions can represent the distances of the digits or their neighbourhoods, but
# hardly both. With ``stress_weight=0.6`` groups are separated, and the stress is close
# to that of the distance embedding.

figure, axes = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
for ax, (name, reducer) in zip(axes, reducers.items(), strict=True):
    EmbeddingDisplay.from_estimator(reducer, X, y, ax=ax)
    ax.set_title(f"1200 digits: {name}")

# %%
# New digits are mapped by the same function. The map is continuous, so a new digit may
# be mapped between two groups. With ``anchored=True`` a new digit gets the position of
# one of its ten nearest training digits instead.

anchored = GaussianWeightedNeighborReducer(anchored=True, **settings).fit(X)
models = {"map": reducers["neighbourhoods"], "anchored": anchored}
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for ax, (name, reducer) in zip(axes, models.items(), strict=True):
    Y, Y_new = reducer.transform(X), reducer.transform(X_new)
    classifier = KNeighborsClassifier(10).fit(Y, y)
    print(f"{name}: 10-NN accuracy of new digits {classifier.score(Y_new, y_new):.3f}")
    EmbeddingDisplay.from_embedding(Y_new, y_new, ax=ax)
    ax.set_title(f"597 new digits, {name}")

# %%
# The decoder maps a point of the embedding to approximately the mean of the images near
# it.

Y = models["map"].embedding_
centers = np.stack([np.median(Y[y == digit], axis=0) for digit in range(10)])
figure, axes = plt.subplots(1, 10, figsize=(12, 1.6), layout="constrained")
for digit, (ax, image) in enumerate(
    zip(axes, models["map"].inverse_transform(centers), strict=True)
):
    ax.imshow(image.reshape(8, 8), cmap="gray_r")
    ax.set_title(digit)
    ax.set_axis_off()

plt.show()
