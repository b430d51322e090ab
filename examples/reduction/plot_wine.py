# SPDX-License-Identifier: BSD-3-Clause
"""
Influence of columns on an embedding
====================================

Thirteen chemical measurements of 178 Italian wines are mapped to two dimensions such
that distances are preserved. The exact Jacobian of the map gives the influence of each
column on the position of each wine.
"""

# %%
# The fit starts at PCA and lowers the stress. PCA shortens most distances; the mixture
# of affine maps does not.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from sktransform.inspection import EmbeddingDisplay, InfluenceDisplay, ShepardDisplay
from sktransform.metrics import stress
from sktransform.reduction import GaussianWeightedLinearReducer

X, y = load_wine(return_X_y=True, as_frame=True)
X = StandardScaler().set_output(transform="pandas").fit_transform(X)
reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
print(f"stress of PCA {stress(X, PCA(2).fit_transform(X)):.3f}")
print(f"stress of the mixture {reducer.stress_:.3f}")

# %%
# Each arrow is the mean change of a wine's position if one column grows by one standard
# deviation. Circles are the centres of the charts.

_, ax = plt.subplots(figsize=(7, 6), layout="constrained")
EmbeddingDisplay.from_estimator(reducer, X, y, n_arrows=6, ax=ax)
ax.set_title("178 wines of three cultivars")

# %%
# The influence for each cultivar: the columns with the largest mean influence differ
# between cultivars, which is impossible for a linear map. Bars are means over all
# wines, markers are means over one cultivar; the heat map shows every wine.

InfluenceDisplay.from_estimator(reducer, X, y)
influence = reducer.influence(X)
for cultivar in np.unique(y):
    mean = influence[(y == cultivar).to_numpy()].mean(axis=0)
    leading = np.argsort(-mean)[:3]
    listed = ", ".join(f"{X.columns[i]} {mean[i]:.2f}" for i in leading)
    print(f"cultivar {cultivar}: {listed}")

# %%
# The errors of the embedding: thirteen columns cannot be represented exactly in two
# dimensions. Small distances become too small and large ones too large. Cultivar 1,
# which has the largest variance in the table, has the largest distortion.

display = ShepardDisplay.from_estimator(reducer, X)
small = display.distances < np.quantile(display.distances, 0.1)
large = display.distances > np.quantile(display.distances, 0.9)
ratio = display.embedded_distances / display.distances
print(f"median ratio of the smallest tenth {np.median(ratio[small]):.2f}")
print(f"median ratio of the largest tenth {np.median(ratio[large]):.2f}")
distortion = reducer.distortion(X)
for cultivar in np.unique(y):
    rows = (y == cultivar).to_numpy()
    spread = np.sqrt(X[rows].var().sum())
    print(
        f"cultivar {cultivar}: spread {spread:.2f}, "
        f"median distortion {np.median(distortion[rows]):.2f}"
    )

plt.show()
