# SPDX-License-Identifier: BSD-3-Clause
"""
What a map does not show
========================

Thirty measurements of cell nuclei from 569 breast tumours. Two dimensions show their
size and the roughness of their outline. The map itself can tell what is missing.
"""

# %%
# Benign and malignant tumours lie apart, mostly by size.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from sktransform.inspection import EmbeddingDisplay, InfluenceDisplay
from sktransform.reduction import GaussianWeightedLinearReducer

data = load_breast_cancer(as_frame=True)
X = StandardScaler().set_output(transform="pandas").fit_transform(data.data)
diagnosis = data.target_names[data.target]
reducer = GaussianWeightedLinearReducer(n_gaussians=10, random_state=0).fit(X)
print(f"stress {reducer.stress_:.3f}")

_, ax = plt.subplots(figsize=(8, 5.5), layout="constrained")
EmbeddingDisplay.from_estimator(reducer, X, diagnosis, n_ellipses=14, ax=ax)
ax.set_title("569 tumours, and where the map stretches")

# %%
# An ellipse is the image of a small ball of tumours, all enlarged alike. Where the map
# keeps distances it is a circle of expansion 1. Here most are smaller: neighbours in
# thirty dimensions come closer together in two, to make room for the large distances.

local = reducer.expansion(X)
print(f"median expansion {np.median(local.expansion):.2f}")
print(f"median anisotropy {np.median(local.anisotropy):.1f}")
published = reducer.published_quantities(X).frobenius_norm
print(f"median norm of the blended matrix {np.median(published):.2f}")

# %%
# The last number is what the published method reads as expansion when it is above 1.
# It says the opposite, because it looks at directions in which no tumours lie.
#
# A map onto two components loses two of the four leading directions of the data. Both
# are led by the texture of the nuclei, the first by its mean and its worst value, the
# second by its standard error. The tumours spread along them, and the map hardly moves.

hidden = reducer.null_directions(X, 2)
for direction, magnitude in zip(hidden.directions, hidden.magnitudes, strict=True):
    leading = np.argsort(-np.abs(direction))[:3]
    print(", ".join(f"{X.columns[i]} {direction[i]:.2f}" for i in leading))
    spread = (X.to_numpy() @ direction).std()
    print(f"  spread of the tumours {spread:.2f}, of the map for 1 {magnitude:.2f}")

# %%
# The first is a loss: texture alone tells malignant tumours from benign ones in about
# three of four pairs. Who decides by the picture alone does without it.

is_malignant = diagnosis == "malignant"
for column in ("mean texture", "mean radius"):
    auc = roc_auc_score(is_malignant, X[column])
    print(f"area under the ROC curve by {column} alone {auc:.2f}")

# %%
# What the map does show is not the same everywhere.

InfluenceDisplay.from_estimator(reducer, X, kind="map", n_features=6)

plt.show()
