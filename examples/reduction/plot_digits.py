# SPDX-License-Identifier: BSD-3-Clause
"""
Neighbourhoods, and where new rows belong
=========================================

Handwritten digits of 64 pixels, mapped to the plane such that each keeps its nearest
neighbours. Digits that the map has not seen are mapped by the same function, and the
strength with which distances are kept as well is a setting.
"""

# %%
# Two thirds of the digits are fitted, the others come afterwards.

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
# Two dimensions have room for the distances of ten digits or for their neighbourhoods,
# hardly for both. With ``stress_weight=0.6`` groups part while their distances stay
# close to the best there are.

figure, axes = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
for ax, (name, reducer) in zip(axes, reducers.items(), strict=True):
    EmbeddingDisplay.from_estimator(reducer, X, y, ax=ax)
    ax.set_title(f"1200 digits, {name} kept")

# %%
# New digits are mapped by the same function. Between two groups the map is continuous,
# and a digit may fall between them. With ``anchored=True`` it takes the position of one
# of its nearest training digits instead, by a vote among ten.

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
# A map has a decoder as well: the mean of the images near a point of the plane.

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
