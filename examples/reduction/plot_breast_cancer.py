# SPDX-License-Identifier: BSD-3-Clause
"""
Directions that an embedding does not show
==========================================

Thirty measurements of cell nuclei from 569 breast tumours are mapped to two dimensions,
which mainly show the size of the nuclei and the roughness of their outline. The reducer
also returns the directions that the embedding does not show.
"""

# %%
# Benign and malignant tumours are separated, mostly by size.

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
ax.set_title("569 tumours, with ellipses of local expansion")

# %%
# Each ellipse is the image of a small ball around a tumour; all ellipses are enlarged
# by the same factor. Where the map preserves distances, the ellipse is a circle of
# expansion 1. Here most are smaller: small distances are shortened so that large
# distances can be preserved.

local = reducer.expansion(X)
print(f"median expansion {np.median(local.expansion):.2f}")
print(f"median anisotropy {np.median(local.anisotropy):.1f}")
published = reducer.published_quantities(X).frobenius_norm
print(f"median norm of the weighted mean matrix {np.median(published):.2f}")

# %%
# The published method interprets the last number as an expansion if it is above 1. This
# contradicts the median expansion, because the norm includes directions in which the
# data do not vary.
#
# A map onto two components cannot show all of the four leading principal directions.
# ``null_directions`` returns the two combinations of these along which the embedding
# changes least. Both mainly contain the texture of the nuclei: the first its mean and
# worst value, the second its standard error. The tumours vary along both directions,
# and the embedding hardly changes.

hidden = reducer.null_directions(X, 2)
for direction, magnitude in zip(hidden.directions, hidden.magnitudes, strict=True):
    leading = np.argsort(-np.abs(direction))[:3]
    print(", ".join(f"{X.columns[i]} {direction[i]:.2f}" for i in leading))
    spread = (X.to_numpy() @ direction).std()
    print(f"  standard deviation {spread:.2f}, embedding {magnitude:.2f} per unit")

# %%
# The first direction is relevant: in about three of four pairs of a malignant and a
# benign tumour, the malignant one has the higher texture value. The embedding does not
# show this.

is_malignant = diagnosis == "malignant"
for column in ("mean texture", "mean radius"):
    auc = roc_auc_score(is_malignant, X[column])
    print(f"area under the ROC curve by {column} alone {auc:.2f}")

# %%
# The influence of the features differs between regions of the embedding.

InfluenceDisplay.from_estimator(reducer, X, kind="map", n_features=6)

plt.show()
