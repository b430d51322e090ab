# SPDX-License-Identifier: BSD-3-Clause
"""
A model that must survive tilted images
=======================================

Sometimes invariance is not a guess to be tested but a requirement: the camera *will* be
tilted. The strategy "constrain" takes all transformations as required and weighs each
by what it costs to meet it, instead of dropping those that are hard.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import rotate, shift
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sktransform.augmentation import AugmentedClassifier, InvarianceAugmenter
from sktransform.augmentation.transforms import ImageRotate, ImageTranslate, ImageZoom
from sktransform.inspection import DualPathDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=100, stratify=y, random_state=0
)


def tilted(X, seed=0):
    """Return images turned by up to 25 degrees and moved by up to a pixel."""
    rng = np.random.default_rng(seed)
    images = X.reshape(-1, 8, 8)
    angles, moves = rng.uniform(-25, 25, len(X)), rng.uniform(-1, 1, (len(X), 2))
    turned = [
        shift(rotate(image, angle, reshape=False, order=1), move, order=1)
        for image, angle, move in zip(images, angles, moves, strict=True)
    ]
    return np.reshape(turned, X.shape)


# %%
# What will happen to the camera, as transformations. Versions are drawn by the price of
# each requirement; with ``law="mh"`` also by chains that prefer those which the trained
# network finds hard.

transformations = [
    ImageRotate(max_degrees=30),
    ImageTranslate(axis="x", max_pixels=1),
    ImageTranslate(axis="y", max_pixels=1),
    ImageZoom(max_log=0.1),
]


def augmented(**settings):
    """Return a classifier trained on versions of the images too."""
    augmenter = InvarianceAugmenter(transformations, shape=(8, 8), **settings)
    model = AugmentedClassifier(SVC(C=3), augmenter, random_state=0)
    return model.fit(X_train, y_train)


models = {
    "plain": SVC(C=3).fit(X_train, y_train),
    "all, evenly": augmented(learn=False),
    "constrain": augmented(strategy="constrain"),
    "and chains": augmented(strategy="constrain", law="mh"),
}
for name, model in models.items():
    upright, turned = model.score(X_test, y_test), model.score(tilted(X_test), y_test)
    print(f"{name:12} upright {upright:.3f}   tilted {turned:.3f}")

# %%
# The dual variables are the prices of the requirements: by how much the loss on images
# as they are would fall if one of them were eased. They rise while a requirement is
# violated, and a requirement that is easily met costs nothing.

augmenter = models["constrain"].augmenter_
DualPathDisplay.from_estimator(augmenter)

# %%
# The constraint also says which magnitudes are the hard ones: chains of draws accept
# hard versions more often. Even draws would lie on the line.

figure, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
places = (np.arange(16) + 0.5) / 16
for name, style, frequencies in zip(
    augmenter.names_,
    ("-", "--", "-.", ":"),
    augmenter.parameter_histogram_,
    strict=True,
):
    ax.plot(places, 16 * frequencies / frequencies.sum(), style, label=name)
ax.axhline(1, color="0.5", lw=0.8)
ax.set_xlabel("magnitude")
ax.set_ylabel("accepted, relative to even draws")
ax.legend(fontsize="small")
plt.show()
