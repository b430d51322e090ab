# SPDX-License-Identifier: BSD-3-Clause
"""
Change the embedding model without re-embedding
===============================================

A search index holds vectors of an old model, the gallery, while queries are embedded by
a new model. Embedding the gallery again is expensive;
:class:`~sktransform.alignment.EmbeddingAdapter` maps the queries into the old space
instead. It learns the map from a few rows that both models have embedded, here 300.

The models are hidden layers of networks that were trained on digits. The old model has
64 units. One new model, with 128 units for the same images, is an easy change. The
other, a network for images of only 4 x 4 pixels, is a hard change.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.neural_network import MLPClassifier

from sktransform.alignment import EmbeddingAdapter, OrthogonalAligner
from sktransform.inspection import CovarianceMatchDisplay, ResidualMapDisplay
from sktransform.metrics import hubness, neighbor_overlap, recall_at_k


def embed(images, n_units, seed):
    """Return the hidden layer of a network that was trained to name the digits."""
    network = MLPClassifier(
        n_units, learning_rate_init=0.003, tol=1e-2, max_iter=100, random_state=seed
    ).fit(images, digits)
    return np.maximum(images @ network.coefs_[0] + network.intercepts_[0], 0)


images, digits = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(images))
images, digits = images[order] / 16, digits[order]
coarse = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)

old = embed(images, n_units=64, seed=0)
changes = {
    "wider network": embed(images, n_units=128, seed=1),
    "4 x 4 pixels": embed(coarse, n_units=128, seed=2),
}

# %%
# The first 300 images are the pairs, the other 1497 are the gallery and the queries. A
# query should find its own image first. A rotation preserves all distances; least
# squares overfits the 300 pairs; ridge regression shrinks directions that it cannot
# predict well, so that the nearest neighbours of the queries are mostly a few rows of
# the gallery, the hubs. The adapter starts from ridge regression and gives the queries
# the covariance of the gallery; if the relation of the models is not linear, it adds
# kernel features.

N_PAIRS = 300
gallery = old[N_PAIRS:]
methods = {
    "Procrustes": OrthogonalAligner(lam=0),
    "least squares": LinearRegression(),
    "ridge": RidgeCV(np.logspace(-4, 2, 25)),
    "EmbeddingAdapter": EmbeddingAdapter(),
}
recall = {}
for change, new in changes.items():
    print(f"{change}: {N_PAIRS} pairs, gallery of {len(gallery)}")
    for name, method in methods.items():
        method.fit(new[:N_PAIRS], old[:N_PAIRS])
        mapper = getattr(method, "transform", None) or method.predict
        queries = mapper(new[N_PAIRS:])
        recall[change, name] = recall_at_k(queries, gallery)
        print(
            f"  {name:17} recall@1 {recall[change, name]:.3f}  "
            f"overlap@10 {neighbor_overlap(queries, gallery):.3f}  "
            f"hubness {hubness(queries, gallery):.1f}"
        )

# %%
# For the easy change all maps have nearly perfect recall. For the hard change the
# adapter has the highest recall.

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
colors = ("#999999", "#E69F00", "#56B4E9", "#0072B2")
for number, (name, color) in enumerate(zip(methods, colors, strict=True)):
    heights = [recall[change, name] for change in changes]
    bars = axes.bar(
        np.arange(len(changes)) + 0.2 * (number - 1.5), heights, 0.18, color=color
    )
    axes.bar_label(bars, fmt="%.2f", padding=2)
    bars.set_label(name)
axes.set_xticks(range(len(changes)), changes)
axes.set(ylabel="queries that find their image first", ylim=(0, 1.15))
axes.set_title("Old gallery, new queries, 300 pairs to learn from")
axes.legend(ncols=4, loc="upper center", fontsize="small")

# %%
# The regression has less variance than the gallery along the gallery's principal axes,
# above all along axes of small variance. The calibration restores most of it. To draw
# the regression before the calibration, fit the adapter with ``store_moments=True``.

new = changes["4 x 4 pixels"]
adapter = EmbeddingAdapter(store_moments=True, features="linear")
adapter.fit(new[:N_PAIRS], old[:N_PAIRS])
CovarianceMatchDisplay.from_estimator(adapter, new[N_PAIRS:], gallery)

# %%
# The mapped queries and their targets, coloured by the distance between the two.

ResidualMapDisplay.from_estimator(adapter, new[N_PAIRS:], gallery)
print(adapter.report())
plt.show()
