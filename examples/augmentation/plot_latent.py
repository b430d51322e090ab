# SPDX-License-Identifier: BSD-3-Clause
"""
Augmentation of embeddings
==========================

Often only the embeddings of images are stored.
:class:`~sktransform.augmentation.LatentAugmenter` learns from available images how a
transformation of an image changes its embedding. Afterwards it augments embeddings
without images and without the encoder. Embeddings of copies and originals are similar
anyway, so the learned map is compared with the identity.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier

from sktransform.augmentation import LatentAugmenter
from sktransform.augmentation.transforms import (
    ColumnTable,
    ImageRotate,
    ImageTranslate,
    TrainingRows,
)

X, y = load_digits(return_X_y=True)
X = X / 16

# %%
# The encoder: the hidden layer of a small network that was trained on other digits.

network = MLPClassifier((32,), max_iter=200, random_state=0).fit(X[1200:], y[1200:])


def encode(images):
    """Return the 32 hidden units of the network."""
    return np.maximum(images @ network.coefs_[0] + network.intercepts_[0], 0)


transformations = [ImageRotate(max_degrees=40), ImageTranslate(max_pixels=1)]
augmenter = LatentAugmenter(
    transformations, encoder=encode, shape=(8, 8), random_state=0
)
augmenter.fit(X[:600])

# %%
# On held-out images: the cosine between predicted and true embeddings of transformed
# images, the cosine of the unchanged embeddings, and the gain.

print(augmenter.report().round(3))
print(f"R2 of the change of the embedding: {augmenter.fidelity_['explained']:.2f}")

# %%
# New images rotated by -40 to 40 degrees: the true and the predicted embeddings, in the
# two leading principal components.

angles = np.linspace(-1, 1, 9)
rows = torch.from_numpy(X)
columns = ColumnTable.from_arrays(X, shape=(8, 8))
turn = ImageRotate(max_degrees=40).bind(columns)
reference = turn.fit(TrainingRows(rows, columns))

plane = PCA(2).fit(encode(X))
figure, ax = plt.subplots(figsize=(6.2, 4.6), layout="constrained")
ax.scatter(*plane.transform(encode(X)).T, s=3, color="0.85")
for number, color in zip(
    (602, 613, 626), ("#0072B2", "#D55E00", "#009E73"), strict=True
):
    image = rows[[number] * len(angles)]
    turned = turn.forward(image, torch.from_numpy(angles)[:, None], reference)
    true = plane.transform(encode(turned.numpy()))
    parameters = np.column_stack([angles, np.zeros_like(angles)])
    imitated = plane.transform(augmenter.apply(encode(image.numpy()), parameters))
    ax.plot(*true.T, color=color, label=f"a {y[number]}, true")
    ax.plot(*imitated.T, "--", color=color, label="predicted")
    ax.plot(*true[4], "o", color=color)
ax.set_xlabel("first principal component")
ax.set_ylabel("second principal component")
ax.legend(fontsize="small", ncols=3)
plt.show()
