# SPDX-License-Identifier: BSD-3-Clause
"""
Augment labelled time series
============================

Each series has one beat that swings up and then down, or down and then up; this order
is the class. The time and length of the beat and the noise do not affect the class, but
a model cannot learn this from 40 series. The augmenter learns which transformations
keep the class, and that a change of sign does not.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.svm import SVC

from sktransform.augmentation import AugmentedClassifier, InvarianceAugmenter
from sktransform.augmentation.transforms import (
    SeriesJitter,
    SeriesPadShift,
    SignFlip,
    SmoothWarp,
)
from sktransform.inspection import (
    AcceptanceDisplay,
    AugmentedExamplesDisplay,
    ExcessDisplay,
)


def beats(n_series, seed):
    """Return series of 80 numbers with a beat, and their classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n_series)
    t = np.arange(80) - rng.uniform(25, 55, (n_series, 1))
    t /= rng.uniform(3, 6, (n_series, 1))
    beat = np.where(y[:, None] == 0, -1, 1) * t * np.exp(-t * t)
    return 2 * beat + 0.4 * rng.normal(size=beat.shape), y


X, y = beats(40, seed=0)
X_test, y_test = beats(3000, seed=1)

# %%
# The last transformation changes the sign, and so turns one class into the other. The
# augmenter has to learn this from the labels.

transformations = [
    SeriesPadShift(max_samples=10),
    SeriesJitter(),
    SmoothWarp(),
    SignFlip(),
]
augmenter = InvarianceAugmenter(transformations, shape=(80,))
classifier = SVC(C=3)
model = AugmentedClassifier(classifier, augmenter, random_state=0).fit(X, y)
augmenter = model.augmenter_
print(augmenter.report().to_string(index=False, float_format="{:.3f}".format))
ExcessDisplay.from_estimator(augmenter)

# %%
# Two series of each class and augmented copies of them; the original series is grey.

rows = [*np.flatnonzero(y == 0)[:2], *np.flatnonzero(y == 1)[:2]]
AugmentedExamplesDisplay.from_estimator(
    augmenter,
    X[rows],
    n_views=4,
    random_state=0,
    titles=["down, up"] * 2 + ["up, down"] * 2,
)

# %%
# The acceptance test, on held-out training series, and the accuracy on test series.

AcceptanceDisplay.from_estimator(augmenter)
print(f"chosen: {augmenter.chosen_}")
print(f"plain     {classifier.fit(X, y).score(X_test, y_test):.3f}")
print(f"augmented {model.score(X_test, y_test):.3f}")
plt.show()
