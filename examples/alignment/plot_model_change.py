# SPDX-License-Identifier: BSD-3-Clause
"""
Change the embedding model without re-embedding
===============================================

A search holds the vectors of an old model, and queries shall come from a better one.
News texts as three models see them: ``minilm``, a sentence encoder, whose vectors are
in the index; ``layer3``, its third layer, an easy change; and ``lsa``, word counts, a
hard one. 300 texts that were embedded by both models are all that is learned from.

The file is not part of scikit-learn. Set the environment variable
``SKTRANSFORM_NEWS`` to the path of an ``npz`` with the arrays ``minilm``, ``layer3``
and ``lsa``, a row for each text, to run the example; otherwise it says so. The index
is one of faiss: ``pip install 'sktransform[index]'``.
"""

import os
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression, RidgeCV

from sktransform.alignment import EmbeddingAdapter, OrthogonalAligner
from sktransform.inspection import CovarianceMatchDisplay, ResidualMapDisplay
from sktransform.metrics import hubness, neighbor_overlap, recall_at_k

N_PAIRS, N_GALLERY = 300, 2000


def split(spaces, new):
    """Return pairs to learn from, and queries with the gallery of their partners."""
    rows = np.random.default_rng(3).permutation(len(spaces["minilm"]))
    known, searched = rows[:N_PAIRS], rows[-N_GALLERY:]
    X, Y = spaces[new].astype(float), spaces["minilm"].astype(float)
    return X[known], Y[known], X[searched], Y[searched]


# %%
# A rotation is safe and stiff, least squares bends to 300 rows, ridge shrinks what it
# is unsure of, and shrunk queries are pulled to a few hubs of the gallery. The adapter
# starts from ridge and gives queries the covariance of the gallery.

METHODS = {
    "Procrustes": OrthogonalAligner(lam=0),
    "least squares": LinearRegression(),
    "ridge": RidgeCV(np.logspace(-4, 2, 25)),
    "EmbeddingAdapter": EmbeddingAdapter(),
}


def mapped_queries(method, X, Y, queries):
    """Return queries under a map learned from pairs."""
    fitted = method.fit(X, Y)
    return (fitted.transform if hasattr(fitted, "transform") else fitted.predict)(
        queries
    )


def compare(spaces, new):
    """Print what each map finds."""
    X, Y, queries, gallery = split(spaces, new)
    print(f"{new} -> minilm, {N_PAIRS} pairs, gallery of {len(gallery)}")
    for name, method in METHODS.items():
        mapped = mapped_queries(method, X, Y, queries)
        found = [recall_at_k(mapped, gallery, k=k) for k in (1, 10)]
        overlap = neighbor_overlap(mapped, gallery)
        print(
            f"  {name:17} recall@1 {found[0]:.3f}  recall@10 {found[1]:.3f}  "
            f"overlap@10 {overlap:.3f}  hubness {hubness(mapped, gallery):.1f}"
        )


# %%
# The index stays as it is. A query goes through the adapter and then to the index: a
# tenth of a millisecond on one thread, checks included, whatever the size of the index.
# A server that checks its queries itself takes `torch_module` or, as here, the bare
# matrix.


def search_an_index(spaces):
    """Search a vector index of old vectors by adapted queries, one by one."""
    try:
        import faiss
    except ImportError:
        print("The index is left out: faiss is not installed.")
        return
    X, Y, queries, gallery = split(spaces, "layer3")
    adapter = EmbeddingAdapter().fit(X, Y)
    index = faiss.IndexHNSWFlat(gallery.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.add(unit_rows(gallery))
    queries = queries.astype(np.float32)
    matrix = np.ascontiguousarray(adapter.coef_.T, dtype=np.float32)
    intercept = adapter.intercept_.astype(np.float32)
    seconds, hits = [], 0
    for place, query in enumerate(queries):
        times = [time.perf_counter()]
        adapted = adapter.transform(query[None])
        times.append(time.perf_counter())
        found = index.search(unit_rows(adapted), 1)[1]
        times.append(time.perf_counter())
        query @ matrix + intercept
        times.append(time.perf_counter())
        seconds.append(np.diff(times))
        hits += found[0, 0] == place
    adding, searching, bare = 1e6 * np.median(seconds, axis=0)
    print(
        f"index of old vectors: recall@1 {hits / len(queries):.3f}; a search takes "
        f"{searching:.0f} us, the adapter adds {adding:.0f}, its bare matrix {bare:.0f}"
    )


def unit_rows(X):
    """Return rows of length 1 in single precision, as faiss wants them."""
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)


# %%
# Along the gallery's principal axes ridge has lost variance, most where it was small to
# begin with. After matching it is back. The regression from before the calibration is
# kept with the moments of the rows, on request.


def show(spaces):
    """Draw covariances before and after matching, and where queries miss."""
    X, Y, queries, gallery = split(spaces, "layer3")
    adapter = EmbeddingAdapter(store_moments=True).fit(X, Y)
    CovarianceMatchDisplay.from_estimator(adapter, queries, gallery, n_axes=150)
    ResidualMapDisplay.from_estimator(adapter, queries, gallery)
    print(adapter.report())


path = os.environ.get("SKTRANSFORM_NEWS")
if path:
    with np.load(path) as file:
        spaces = {name: file[name] for name in ("minilm", "layer3", "lsa")}
    compare(spaces, "layer3")
    compare(spaces, "lsa")
    search_an_index(spaces)
    show(spaces)
    plt.show()
else:
    print("Skipped: SKTRANSFORM_NEWS does not name the file.")
