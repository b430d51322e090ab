# SPDX-License-Identifier: BSD-3-Clause
"""
Stitch two networks
===================

Two networks learn the digits from different seeds and widths. What they know is the
same, the axes of their hidden layers are not: a classifier on the features of one makes
nothing of those of the other. A map learned from 100 images lets it read them.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sktransform.alignment import OrthogonalAligner, PermutationAligner, RelativeEncoder
from sktransform.inspection import ResidualMapDisplay, SingularValueDisplay
from sktransform.metrics import linear_cka


def hidden_features(network, X):
    """Return the values of the units of a network's hidden layer."""
    return np.maximum(X @ network.coefs_[0] + network.intercepts_[0], 0)


X, y = load_digits(return_X_y=True)
X_fit, X_new, y_fit, y_new = train_test_split(
    X / 16, y, train_size=1000, stratify=y, random_state=0
)
networks = [
    MLPClassifier((width,), max_iter=300, tol=1e-3, random_state=seed).fit(X_fit, y_fit)
    for seed, width in enumerate((48, 64))
]
first, second = (hidden_features(network, X_fit) for network in networks)
first_new, second_new = (hidden_features(network, X_new) for network in networks)
print(f"similarity of the features (linear CKA) {linear_cka(first, second):.2f}")

# %%
# The classifier was trained on the second network's features. It is fed the first's
# through maps that saw 100 images, and no label.

classifier = LogisticRegression(max_iter=2000).fit(second, y_fit)
print(f"own features          {classifier.score(second_new, y_new):.3f}")
padded = np.pad(first_new, ((0, 0), (0, 16)))
print(f"the other's, padded   {classifier.score(padded, y_new):.3f}")
pairs = slice(None, 100)
for name, aligner in {
    "matched units": PermutationAligner(),
    "rotation": OrthogonalAligner(lam=0),
    "dial set by folds": OrthogonalAligner(),
}.items():
    aligner.fit(first[pairs], second[pairs])
    stitched = classifier.score(aligner.transform(first_new), y_new)
    print(f"{name:21} {stitched:.3f}  R2 {aligner.score(first_new, second_new):.2f}")

# %%
# Without a map: distances to the same 100 images mean the same in both networks, so a
# classifier of such coordinates reads both.

encoders = [
    RelativeEncoder(anchors=np.arange(100)).fit(features)
    for features in (first, second)
]
relative = LogisticRegression(max_iter=2000).fit(encoders[1].transform(second), y_fit)
for name, encoder, features in zip(
    ("the other's", "own"), encoders, (first_new, second_new), strict=True
):
    accuracy = relative.score(encoder.transform(features), y_new)
    print(f"relative, {name:11} {accuracy:.3f}")

# %%
# How far the chosen map is from a rotation, and where in the second network's features
# it misses.

SingularValueDisplay.from_estimator(aligner)
ResidualMapDisplay.from_estimator(aligner, first_new, second_new)
plt.show()
