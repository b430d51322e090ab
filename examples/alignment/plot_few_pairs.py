# SPDX-License-Identifier: BSD-3-Clause
"""
Few pairs and many unpaired rows
================================

Two encoders have embedded different images, and only a few images are known to be
embedded by both. A map that is learned from these pairs alone finds few of the true
partners; :class:`~sktransform.alignment.UnpairedAligner` also learns from the many
unpaired vectors.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sktransform.alignment import EmbeddingAdapter, UnpairedAligner
from sktransform.exceptions import UnreliableAlignmentWarning
from sktransform.metrics import recall_at_k


def encode(images, width, seed):
    """Return the output of a layer with random weights for images."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(images.shape[1], width)) / 8
    return np.tanh((images - images.mean(axis=0)) @ weights)


images = np.random.default_rng(0).permutation(load_digits().data) / 8
first, second = encode(images, 80, seed=1), encode(images, 96, seed=2)
X, reference = first[:800], second[800:1600]  # no image in common
queries, gallery = first[80:800], second[80:800]  # never among the known pairs


def recall(aligner):
    """Return the recall@1 of queries in the gallery, both centred at the same mean."""
    mean = reference.mean(axis=0)
    return recall_at_k(aligner.transform(queries) - mean, gallery - mean, k=1)


# %%
# Known pairs are given as ``y``: it has one row for each row of X, with NaN where the
# partner is unknown. The estimator warns if the map may be unreliable.

numbers = [0, 5, 10, 20, 40, 80]
with_unpaired, from_pairs = [], []
for n_pairs in numbers:
    known = np.full_like(second[:800], np.nan)
    known[:n_pairs] = second[:n_pairs]
    aligner = UnpairedAligner(n_candidates=4, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnreliableAlignmentWarning)
        aligner.fit(X, known, reference=reference)
    with_unpaired.append(recall(aligner))
    adapter = EmbeddingAdapter()
    alone = recall(adapter.fit(X[:n_pairs], second[:n_pairs])) if n_pairs else 0.0
    from_pairs.append(alone)
    verdict = "unreliable" if caught else "no warning"
    print(
        f"{n_pairs:3} pairs: recall {with_unpaired[-1]:.2f}, from the pairs alone "
        f"{alone:.2f}; agreement {aligner.agreement_:.2f}, {verdict}"
    )

# %%
# The gain over the pairs alone is greatest if pairs are few.

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.plot(numbers, with_unpaired, "o-", color="#0072B2", label="UnpairedAligner")
axes.plot(numbers, from_pairs, "s--", color="#D55E00", label="pairs alone")
axes.set(xlabel="known pairs", ylabel="recall@1", ylim=(0, 1.02))
axes.set_title("Two encoders of digits, 800 images each")
axes.legend()
plt.show()
