# SPDX-License-Identifier: BSD-3-Clause
"""
Train a model that is robust to tilted images
=============================================

Sometimes invariance is a requirement: it is known that the camera *will* be tilted.
:class:`~sktransform.augmentation.ConstrainedAugmenter` requires invariance to all given
transformations and draws each in proportion to its Lagrange multiplier, instead of
dropping transformations with a large loss.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import rotate, shift
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sktransform.augmentation import (
    AugmentedClassifier,
    ConstrainedAugmenter,
    InvarianceAugmenter,
)
from sktransform.augmentation.transforms import ImageRotate, ImageTranslate, ImageZoom
from sktransform.inspection import DualPathDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=100, stratify=y, random_state=0
)


def tilted(X, seed=0):
    """Return images rotated by up to 25 degrees and shifted by up to one pixel."""
    rng = np.random.default_rng(seed)
    images = X.reshape(-1, 8, 8)
    angles, moves = rng.uniform(-25, 25, len(X)), rng.uniform(-1, 1, (len(X), 2))
    turned = [
        shift(rotate(image, angle, reshape=False, order=1), move, order=1)
        for image, angle, move in zip(images, angles, moves, strict=True)
    ]
    return np.reshape(turned, X.shape)


# %%
# The required transformations. Each is drawn in proportion to the Lagrange multiplier
# of its constraint.

transformations = [
    ImageRotate(max_degrees=30),
    ImageTranslate(axis="x", max_pixels=1),
    ImageTranslate(axis="y", max_pixels=1),
    ImageZoom(max_log=0.1),
]


def augmented(kind, **settings):
    """Return a classifier trained on augmented copies of the images too."""
    augmenter = kind(transformations, shape=(8, 8), **settings)
    model = AugmentedClassifier(SVC(C=3), augmenter, random_state=0)
    return model.fit(X_train, y_train)


models = {
    "plain": SVC(C=3).fit(X_train, y_train),
    "all, evenly": augmented(InvarianceAugmenter, learn=False),
    "constrained": augmented(ConstrainedAugmenter),
}
for name, model in models.items():
    upright, turned = model.score(X_test, y_test), model.score(tilted(X_test), y_test)
    print(f"{name:12} upright {upright:.3f}   tilted {turned:.3f}")

# %%
# The Lagrange multiplier of a constraint is the rate at which the loss on unchanged
# images would fall if the constraint were relaxed. Multipliers rise while their
# constraint is violated; the multiplier of a constraint that is easily met is 0.

augmenter = models["constrained"].augmenter_
DualPathDisplay.from_estimator(augmenter)
plt.show()
