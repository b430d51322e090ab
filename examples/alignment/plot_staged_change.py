# SPDX-License-Identifier: BSD-3-Clause
"""
Embed a gallery again in stages
===============================

A gallery is too large to be embedded again at once, but queries are already embedded by
the new model. An :class:`~sktransform.alignment.EmbeddingAdapter` maps the whole
gallery into the new space, and queries need no change. The mapped vectors are then
replaced, in stages, by embeddings of the new model.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sktransform.alignment import BackfillPlanner, EmbeddingAdapter

# %%
# The models are two layers with random weights. 300 images are embedded by both for
# fitting, 1200 are the gallery, and the rest are queries.


def encode(images, width, seed):
    """Return the output of a layer with random weights for images."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(images.shape[1], width)) / 4
    return np.maximum((images - images.mean(axis=0)) @ weights, 0)


images = np.random.default_rng(0).permutation(load_digits().data) / 16
old_pairs, old_gallery, _ = np.split(encode(images, 48, seed=1), [300, 1500])
new_pairs, new_gallery, queries = np.split(encode(images, 64, seed=2), [300, 1500])

# %%
# Map the gallery into the new space. Queries are not mapped.

adapter = EmbeddingAdapter().fit(old_pairs, new_pairs)
gallery = adapter.transform(old_gallery)

# %%
# The planner puts rows of dense regions first, because searches return them most often.
# If the new embeddings are known, ``curve`` computes the score of each stage: here the
# share of the new model's 10 nearest images that are found.


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
# Both orders begin and end at the same overlap. In between the planned order has the
# higher overlap.

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
