# SPDX-License-Identifier: BSD-3-Clause
"""
Embed a gallery again in stages
===============================

A gallery of old vectors cannot be embedded again in one night, and queries already
come from the new model. An :class:`~sktransform.alignment.EmbeddingAdapter` brings the
whole gallery into the new space, queries are used as they are, and row by row the
estimate is replaced by the true new vector. With the last row the gallery is that of
the new model alone.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sktransform.alignment import BackfillPlanner, EmbeddingAdapter

# %%
# Two encoders of the digits, layers of random weights, stand for the models. 300 images
# are embedded by both, 1200 are the gallery, and the rest are queries.


def encode(images, width, seed):
    """Return what a layer of random weights makes of images."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(images.shape[1], width)) / 4
    return np.maximum((images - images.mean(axis=0)) @ weights, 0)


images = np.random.default_rng(0).permutation(load_digits().data) / 16
old_pairs, old_gallery, _ = np.split(encode(images, 48, seed=1), [300, 1500])
new_pairs, new_gallery, queries = np.split(encode(images, 64, seed=2), [300, 1500])

# %%
# The recipe: the gallery moves, the queries do not.

adapter = EmbeddingAdapter().fit(old_pairs, new_pairs)
gallery = adapter.transform(old_gallery)

# %%
# The planner puts rows of dense regions first, which searches return most often. Where
# new vectors of some rows are known, its curve measures what each stage brings: here
# the share of the 10 images that the new model alone would find.


def nearest(vectors):
    """Return the 10 rows of largest cosine for each query."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.argsort(-queries @ unit.T, axis=1)[:, :10]


def overlap(mixed):
    """Return the share of the new model's results that a mixed gallery gives."""
    return (nearest(mixed)[:, :, None] == wanted[:, None]).any(axis=2).mean()


wanted = nearest(new_gallery)
planner = BackfillPlanner().fit(gallery)
planned = planner.curve(gallery, new_gallery, overlap)
planner.order_ = np.random.default_rng(0).permutation(len(gallery))
by_chance = planner.curve(gallery, new_gallery, overlap)
print(
    f"mean overlap during the change: planned {planned.area:.3f}, "
    f"at random {by_chance.area:.3f}"
)

# %%
# Both orders begin and end at the same overlap. In between the plan is ahead.

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
for curve, label, style, color in (
    (planned, "dense regions first (BackfillPlanner)", "o-", "#0072B2"),
    (by_chance, "random order", "s--", "#D55E00"),
):
    axes.plot(100 * curve.fractions, curve.scores, style, color=color, label=label)
axes.set(xlabel="rows embedded again, %", ylabel="overlap@10 with the new model")
axes.set_title("A gallery of 1200 digits embedded again in stages")
axes.legend()
plt.show()
