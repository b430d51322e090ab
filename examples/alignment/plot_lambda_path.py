# SPDX-License-Identifier: BSD-3-Clause
"""
How orthogonal should it be?
============================

A rotation keeps all distances and cannot follow a change of model that stretches; least
squares follows everything, noise included. Between them lies a bound: how far the map
may be from a rotation. Folds of the pairs choose it, and the path shows what it does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sktransform.alignment import OrthogonalAligner
from sktransform.inspection import LambdaPathDisplay, SingularValueDisplay

# %%
# Hidden features of two networks on the digits; the first has seen only half of the
# classes. 150 images are known to both.

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
# The bound rises from 0, a rotation, to that of least squares. The loss of the pairs
# always falls with it; that of rows held out, of new rows and the recall of a search
# need not. The folds see the 150 pairs alone, and choose a bound by them: they compare
# a few bounds, and stop where the held-out loss rises.

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
print(f"chosen by folds: {aligner.lam_:.3f}")

# %%
# The singular values of the chosen map: a rotation has none but 1. Those above stretch
# a direction, those below forget it in part.

SingularValueDisplay.from_estimator(aligner)
plt.show()
