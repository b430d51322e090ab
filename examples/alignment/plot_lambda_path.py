# SPDX-License-Identifier: BSD-3-Clause
"""
Choose the bound of an OrthogonalAligner
========================================

A rotation preserves all distances, but cannot represent a model change that stretches
directions. Least squares has no such restriction and also fits noise.
:class:`~sktransform.alignment.OrthogonalAligner` bounds the distance of the map from a
rotation. This example chooses the bound by cross-validation and draws the losses for
all bounds.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sktransform.alignment import OrthogonalAligner
from sktransform.inspection import LambdaPathDisplay, SingularValueDisplay

# %%
# The two views are hidden features of two networks; the first network was trained on
# half of the classes only. 150 images have been embedded by both networks.

X, y = load_digits(return_X_y=True)
X = X / 16


def hidden_features(seed, known):
    """Return features of all digits, of a network trained on some of them."""
    network = MLPClassifier((48,), max_iter=300, tol=1e-3, random_state=seed)
    network.fit(X[known], y[known])
    return np.maximum(X @ network.coefs_[0] + network.intercepts_[0], 0)


old = hidden_features(0, y < 5)
new = hidden_features(1, y >= 0)
rows = np.random.default_rng(0).permutation(len(X))
pairs, others = rows[:150], rows[150:1150]

# %%
# The bounds range from 0, a rotation, to the bound at which the solution is least
# squares. With a larger bound the training loss always falls; the cross-validated loss
# and the loss and recall of new rows may rise or fall. The bound is chosen by
# cross-validation on the 150 pairs, which compares a few bounds only.

aligner = OrthogonalAligner().fit(old[pairs], new[pairs])
display = LambdaPathDisplay.from_estimator(aligner, old[others], new[others])
for index, lam in enumerate(display.lams):
    losses = (
        f"{name} {values[index]:.3f}"
        for name, values in display.losses.items()
        if np.isfinite(values[index])
    )
    print(
        f"lambda {lam:8.3f}: {', '.join(losses)}, recall@1 "
        f"{display.retrieval[index]:.2f}"
    )
print(f"chosen by cross-validation: {aligner.lam_:.3f}")

# %%
# The singular values of the chosen map. All singular values of a rotation are 1; values
# above 1 stretch a direction, values below 1 shrink it.

SingularValueDisplay.from_estimator(aligner)
plt.show()
