# SPDX-License-Identifier: BSD-3-Clause
"""
Replay and invert recorded copies
=================================

``augment`` can return a record of the copies: which transformation was applied to which
row, with which parameters and seed. With the record, ``apply`` makes the same copies
again, bit for bit, and ``inverse_augment`` returns the original rows if the
transformations have exact inverses.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from sktransform.augmentation import InvarianceAugmenter
from sktransform.augmentation.transforms import ImageNoise, ImageRoll, ImageRotate

X = load_digits().data[:6] / 16

# %%
# Two transformations with exact inverses, without learning: a cyclic shift by whole
# pixels, and noise that is determined by the recorded seed. With ``bounds="none"`` no
# cell is clipped.

augmenter = InvarianceAugmenter(
    [ImageRoll(max_pixels=3), ImageNoise(max_sd=0.5)],
    learn=False,
    shape=(8, 8),
    bounds="none",
    random_state=0,
).fit(X)
copies, params = augmenter.augment(X, random_state=0, return_params=True)
record = pd.DataFrame(params)
print(record[["row", "operation", "p_1", "seed", "exact"]].to_string(index=False))

repeated = augmenter.apply(X, params)
undone = augmenter.inverse_augment(copies, params)
print("the same bits again:", np.array_equal(repeated, copies))
print(f"largest error of the inverse: {np.abs(undone - X).max():.1e}")

figure, axes = plt.subplots(3, 6, figsize=(6.4, 3.4), layout="constrained")
for line, name, images in zip(
    axes, ("original", "copy", "undone"), (X, copies, undone), strict=True
):
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    line[0].set_ylabel(name)

# %%
# A rotation by any angle interpolates between pixels, so its inverse is an
# approximation, which needs ``allow_lossy=True``.

augmenter = InvarianceAugmenter(
    [ImageRotate(max_degrees=30)], learn=False, shape=(8, 8), random_state=0
).fit(X)
copies, params = augmenter.augment(X, random_state=0, return_params=True)
try:
    augmenter.inverse_augment(copies, params)
except ValueError as error:
    print(error)
undone = augmenter.inverse_augment(copies, params, allow_lossy=True)
moved, left = np.square(copies - X).sum(), np.square(undone - X).sum()
print(
    f"squared error left by the approximate inverse: {left / moved:.2f} of the change"
)
plt.show()
