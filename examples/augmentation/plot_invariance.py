# SPDX-License-Identifier: BSD-3-Clause
"""
Measure the invariance of a model and of a task
===============================================

Two properties are easily confused. :func:`~sktransform.metrics.invariance_score`
measures which transformations do not change the *model's* predictions, and needs no
labels. :func:`~sktransform.metrics.label_invariance_excess` measures which
transformations keep the *label*. A model with constant predictions is perfectly
invariant and useless.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from sktransform.augmentation.transforms import (
    ImageRotate,
    ImageTranslate,
    view_function,
)
from sktransform.inspection import ExcessDisplay
from sktransform.metrics import invariance_score, label_invariance_excess

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=900, stratify=y, random_state=0
)
models = {
    "constant": DummyClassifier(),
    "network": MLPClassifier((64,), max_iter=120, early_stopping=True, random_state=0),
}
for model in models.values():
    model.fit(X_train, y_train)

# %%
# ``view_function`` turns a transformation into a function of rows and a magnitude,
# which both scores take. An invariance score of 1 means that predictions do not change
# at all.

turn = view_function(ImageRotate(max_degrees=180), X_train, shape=(8, 8))
move = view_function(ImageTranslate(axis="x", max_pixels=3), X_train, shape=(8, 8))
magnitudes = np.linspace(0, 1, 7)
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True, layout="constrained")
for ax, transform, unit, end in (
    (axes[0], turn, "degrees", 180),
    (axes[1], move, "pixels", 3),
):
    for (name, model), style in zip(models.items(), ("s--", "o-"), strict=True):
        scores = invariance_score(
            model, X_test, transform, n_draws=2, magnitudes=magnitudes, random_state=0
        )
        accuracy = model.score(X_test, y_test)
        label = f"{name}, accuracy {accuracy:.2f}"
        ax.plot(end * magnitudes, scores, style, label=label)
    ax.set_xlabel(unit)
axes[0].set_ylabel("invariance score")
axes[0].legend(fontsize="small")

# %%
# The invariance of the task: the rise of the loss on held-out images, for each class. A
# rotation by 180 degrees keeps a 0 a 0, and makes a 6 a 9.

excess, error = label_invariance_excess(
    models["network"],
    X_test,
    y_test,
    turn,
    n_draws=2,
    magnitudes=magnitudes,
    per_class=True,
    random_state=0,
)
ExcessDisplay.from_curves(
    magnitudes, excess.T, error.T, names=[f"digit {d}" for d in range(10)], n_columns=5
)
half_turn = dict(enumerate(excess[-1].round(2).tolist()))
print("excess after a half turn:", half_turn)
plt.show()
