# SPDX-License-Identifier: BSD-3-Clause
"""
Influence of correlated columns
===============================

Ten measurements of 442 diabetes patients. The derivative of the map describes every
direction, also directions in which no patient differs from another. This example
compares the influence of columns with the influence restricted to directions in which
neighbouring patients differ.
"""

# %%
# The columns are age, sex, body mass index, blood pressure and six blood values, among
# them total cholesterol (s1) and low-density lipoproteins (s2).

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from sktransform.inspection import BiplotDisplay, EmbeddingDisplay, InfluenceDisplay
from sktransform.reduction import GaussianWeightedLinearReducer

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X = StandardScaler().set_output(transform="pandas").fit_transform(X)
reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
print(f"stress {reducer.stress_:.3f}")

_, ax = plt.subplots(figsize=(7, 5.5), layout="constrained")
sexes = np.array(["sex 1" if value < 0 else "sex 2" for value in X["sex"]])
EmbeddingDisplay.from_estimator(reducer, X, sexes, n_arrows=5, ax=ax)
ax.set_title("442 patients")

# %%
# Cholesterol and sex have the largest unrestricted influence.

InfluenceDisplay.from_estimator(reducer, X, sexes)

# %%
# But s1 and s2 are strongly correlated, and the nearest neighbours of a patient have
# the same sex. Along the directions in which neighbours differ, the influence of
# cholesterol is average and that of sex is small: sex separates two groups in the
# embedding, and does not distinguish neighbours.

plain = reducer.influence(X).mean(axis=0)
tangent = reducer.influence(X, tangent=True).mean(axis=0)
nearest = NearestNeighbors(n_neighbors=12).fit(X).kneighbors(return_distance=False)
is_same = sexes[nearest] == sexes[:, None]
print(f"correlation of s1 and s2 {X['s1'].corr(X['s2']):.2f}")
print(f"nearest patients of the same sex {is_same.mean():.0%}")
for column, everywhere, along in zip(X.columns, plain, tangent, strict=True):
    print(f"{column:4} {everywhere:.2f}, along the data {along:.2f}")

# %%
# Each chart of the mixture is a linear map and has a biplot. The opacity of a patient
# is the weight of the chart.

BiplotDisplay.from_estimator(reducer, X, sexes)

plt.show()
