# SPDX-License-Identifier: BSD-3-Clause
"""
Stitch two networks
===================

Two networks with different seeds and widths are trained on the same digits. Their
hidden features carry similar information in different coordinates, so a classifier
trained on the features of one network fails on the features of the other. With a map
learned from 100 images the classifier can be applied to both.

The last section maps from a network that was trained on some of the digits only.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sktransform.alignment import (
    EmbeddingAdapter,
    OrthogonalAligner,
    PermutationAligner,
    RelativeEncoder,
)
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
# The classifier is trained on features of the second network. It is applied to mapped
# features of the first network; the maps are fitted to 100 images without labels.

classifier = LogisticRegression(max_iter=2000).fit(second, y_fit)
print(f"own features          {classifier.score(second_new, y_new):.3f}")
padded = np.pad(first_new, ((0, 0), (0, 16)))
print(f"the other's, padded   {classifier.score(padded, y_new):.3f}")
pairs = slice(None, 100)
for name, aligner in {
    "matched units": PermutationAligner(),
    "rotation": OrthogonalAligner(lam=0),
    "bound chosen by CV": OrthogonalAligner(),
}.items():
    aligner.fit(first[pairs], second[pairs])
    stitched = classifier.score(aligner.transform(first_new), y_new)
    print(f"{name:21} {stitched:.3f}  R2 {aligner.score(first_new, second_new):.2f}")

# %%
# An alternative without a map: similarities to the same 100 images are comparable
# between both networks, so that a classifier of these similarities can be applied to
# both. Several similarities may be concatenated, or averaged with attention weights.

SIMILARITIES = {
    "cosine": {"similarities": "cosine"},
    "shortest paths": {"similarities": "geodesic"},
    "three": {"similarities": ["cosine", "euclidean", "l1"]},
    "three, attention": {
        "similarities": ["cosine", "euclidean", "l1"],
        "combination": "attention",
    },
}
for name, settings in SIMILARITIES.items():
    codes, codes_new = [], []
    for features, features_new in ((first, first_new), (second, second_new)):
        encoder = RelativeEncoder(anchors=np.arange(100), **settings).fit(features)
        codes.append(encoder.transform(features))
        codes_new.append(encoder.transform(features_new))
    relative = LogisticRegression(max_iter=2000).fit(codes[1], y_fit)
    scores = [relative.score(code, y_new) for code in codes_new]
    print(f"{name:16} the other's {scores[0]:.3f}, own {scores[1]:.3f}")

# %%
# The singular values of the map with the chosen bound, and its errors among the
# features of the second network.

SingularValueDisplay.from_estimator(aligner)
ResidualMapDisplay.from_estimator(aligner, first_new, second_new)

# %%
# A third network was trained on the digits below 5 alone. Its features contain less
# information about the other digits, which no map can recover. Kernel features recover
# more of the digits than a linear map does.

is_low = y_fit < 5
partial = MLPClassifier((48,), max_iter=300, tol=1e-3, random_state=2)
partial.fit(X_fit[is_low], y_fit[is_low])
known, known_new = (hidden_features(partial, images) for images in (X_fit, X_new))
for name, aligner in {
    "rotation": OrthogonalAligner(lam=0),
    "least squares": OrthogonalAligner(lam=np.inf),
    "with kernels": EmbeddingAdapter(calibrate=None, features="nystroem"),
}.items():
    aligner.fit(known[:500], second[:500])
    mapped = aligner.transform(known_new)
    print(
        f"{name:14} digits below 5 "
        f"{classifier.score(mapped[y_new < 5], y_new[y_new < 5]):.3f}, others "
        f"{classifier.score(mapped[y_new >= 5], y_new[y_new >= 5]):.3f}"
    )
plt.show()
