# SPDX-License-Identifier: BSD-3-Clause
"""
Digits with 100 labels
======================

A hundred labelled images are few. Surely a digit that is moved by a pixel is the same
digit; whether it may be turned by 90 degrees, or seen in a mirror, is less sure. Here
nobody has to know: the transformations are tried on held-out images, and the classifier
itself says whether it gains.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from sktransform.augmentation import AugmentedClassifier, InvarianceAugmenter
from sktransform.augmentation.transforms import (
    ImageFlip,
    ImageNoise,
    ImageRotate,
    ImageShear,
    ImageTranslate,
    ImageZoom,
)
from sktransform.inspection import (
    AcceptanceDisplay,
    AugmentedExamplesDisplay,
    ExcessDisplay,
)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=100, stratify=y, random_state=0
)

# %%
# Some of these transformations are harmless and some go much too far. To say how far
# one may go at most is enough; the `shape` tells that rows are images.

transformations = [
    ImageTranslate(axis="x", max_pixels=1),
    ImageTranslate(axis="y", max_pixels=3),
    ImageRotate(max_degrees=90),
    ImageZoom(max_log=0.2),
    ImageShear(max_slope=1.5),
    ImageFlip(axis="x"),
    ImageFlip(axis="y"),
    ImageNoise(max_sd=0.3),
]
augmenter = InvarianceAugmenter(transformations, shape=(8, 8))
forest = RandomForestClassifier(60, random_state=0)
model = AugmentedClassifier(forest, augmenter, random_state=0)
model.fit(X_train, y_train)
augmenter = model.augmenter_
print(augmenter.report().to_string(index=False, float_format="{:.3f}".format))

# %%
# The excess loss on held-out images, the farther each transformation goes. Where the
# curve leaves 0, the digit is no longer the same. The dashed line is the learned range.

ExcessDisplay.from_estimator(augmenter)

# %%
# The acceptance test: whether the classifier improves on held-out images of which no
# copy was made. Images that are merely repeated are the control: what they gain is not
# due to augmentation. The candidate that was best at first is measured a second time,
# on other folds, unless its gain is clear: the interval is that of its gain in both.

AcceptanceDisplay.from_estimator(augmenter)
print(f"chosen: {augmenter.chosen_}")

# %%
# Augmented copies of four images by the learned policy.

rows = [np.flatnonzero(y_train == digit)[0] for digit in (1, 2, 6, 9)]
AugmentedExamplesDisplay.from_estimator(
    augmenter, X_train[rows], random_state=0, titles=y_train[rows]
)

# %%
# And 1697 images that nothing has seen. With few rows the answer depends on the
# classifier and on the draw, and "none" is a normal one.

plain = clone(forest).fit(X_train, y_train)
repeated = clone(forest).fit(np.tile(X_train, (9, 1)), np.tile(y_train, 9))
for name, fitted in (("plain", plain), ("repeated", repeated), ("augmented", model)):
    print(f"{name:10} accuracy {fitted.score(X_test, y_test):.3f}")
plt.show()
