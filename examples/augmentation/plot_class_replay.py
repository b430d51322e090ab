# SPDX-License-Identifier: BSD-3-Clause
"""
Learn class after class without storing rows
============================================

Digits arrive class by class, and the rows of earlier classes must not be stored.
:class:`~sktransform.augmentation.ClassReplay` stores a small generator of each class
instead; a classifier of all classes so far is trained on rows sampled from the
generators.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sktransform.augmentation import ClassReplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, stratify=y, random_state=0
)

# %%
# Five tasks of two digits each. The replay is compared with a classifier that is
# trained on the rows of the last task alone, and with one that is trained on all rows.

replay = ClassReplay(random_state=0)
scores = {"all rows kept": [], "replayed rows": [], "last task alone": []}
for last in range(1, 10, 2):
    new, known = np.isin(y_train, (last - 1, last)), y_train <= last
    replay.partial_fit(X_train[new], y_train[new])
    training = {
        "all rows kept": (X_train[known], y_train[known]),
        "replayed rows": replay.sample(150),
        "last task alone": (X_train[new], y_train[new]),
    }
    seen = y_test <= last
    for name, rows in training.items():
        model = LogisticRegression(max_iter=2000).fit(*rows)
        scores[name].append(model.score(X_test[seen], y_test[seen]))

figure, ax = plt.subplots(figsize=(5.8, 3.4), layout="constrained")
styles = (("#0072B2", "o-"), ("#D55E00", "s--"), ("0.5", "^:"))
for (name, values), (color, style) in zip(scores.items(), styles, strict=True):
    ax.plot(range(2, 11, 2), values, style, color=color, label=name)
    print(f"{name:16} {values[-1]:.3f}")
ax.set_xlabel("classes seen so far")
ax.set_ylabel("accuracy on test images of these classes")
ax.set_ylim(0, 1.02)
ax.legend()

# %%
# Digits sampled from the generators.

drawn, labels = replay.sample(8)
figure, axes = plt.subplots(10, 8, figsize=(4.2, 5.2))
for ax, image in zip(axes.flat, drawn, strict=True):
    ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
figure.subplots_adjust(wspace=0.05, hspace=0.05, left=0, right=1, top=1, bottom=0)
plt.show()
