# SPDX-License-Identifier: BSD-3-Clause
"""
How orthogonal should it be?
============================

A rotation keeps all distances and cannot follow a change of model that stretches; least
squares follows everything, noise included. Between them lies a dial: how far the map
may be from a rotation. Folds of the pairs set it, and the path shows what it does.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from sktransform.alignment import OrthogonalAligner
from sktransform.inspection import LambdaPathDisplay, SingularValueDisplay
from sktransform.metrics import recall_at_k

# %%
# Hidden features of two networks on the digits; the first has seen only half of the
# classes. 150 images are known to both.

X, y = load_digits(return_X_y=True)
X = X / 16


def hidden_features(seed, known):
    """Return features of all digits, of a network trained on some of them."""
    network = MLPClassifier((48,), max_iter=200, random_state=seed)
    network.fit(X[known], y[known])
    return np.maximum(X @ network.coefs_[0] + network.intercepts_[0], 0)


old = hidden_features(0, y < 5)
new = hidden_features(1, y >= 0)
rows = np.random.default_rng(0).permutation(len(X))
pairs, others = rows[:150], rows[150:1150]

# %%
# From 0, the rotation, almost to least squares, which with units that hardly ever wake
# lies a thousand times farther out. More freedom always fits the pairs better; new rows
# and search have an opinion of their own.

aligner = OrthogonalAligner().fit(old[pairs], new[pairs])
variance = new[others].var(axis=0).sum()
lams, training, held_out, recalls = [], [], [], []
for lam in aligner.lam_path_[:-1]:
    fitted = OrthogonalAligner(lam=lam).fit(old[pairs], new[pairs])
    mapped = fitted.transform(old[others])
    lams.append(lam)
    training.append(1 - fitted.score(old[pairs], new[pairs]))
    held_out.append(1 - fitted.score(old[others], new[others]))
    recalls.append(recall_at_k(mapped, new[others]))
    print(
        f"lambda {lam:7.3f}: pairs {training[-1]:.3f}, new rows {held_out[-1]:.3f}, "
        f"recall@1 {recalls[-1]:.2f}"
    )
print(f"chosen by folds: {aligner.lam_:.3f}")
LambdaPathDisplay.from_path(
    lams,
    {"pairs": training, "new rows": held_out},
    retrieval=recalls,
    chosen=aligner.lam_,
)

# %%
# The singular values of the chosen map: 1 would be a rotation.

SingularValueDisplay.from_estimator(aligner)
plt.show()
