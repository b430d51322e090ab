# SPDX-License-Identifier: BSD-3-Clause
"""A gallery that is embedded again in stages: by which map, and in which order."""

import statistics

import numpy as np
from _alignment_data import view
from _report import grouped, table

N_PAIRS, N_GALLERY, N_QUERIES = 300, 3000, 1000
N_CLUSTERS, N_NEIGHBORS, N_POINTS = 60, 10, 5

# The old space, and the new one.
GIVEN_CHANGES = ["layer3->minilm", "lsa->minilm", "old->new"]
MADE_CHANGES = ["net_64->net_96", "net_96->net_64"]

RECIPE = "ours, gallery by EmbeddingAdapter"
PADDED = "ours, BackwardCompatibleAligner.pad"
PLAN = "BackfillPlanner"
SHARES = [f"{100 * step // (N_POINTS - 1)} %" for step in range(N_POINTS)]
COLUMNS = [
    *((share, f"score_{place}", ".3f") for place, share in enumerate(SHARES)),
    ("area", "area", ".3f"),
    ("over chance", "gain", "+.3f"),
]


def _unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


def _top(queries, gallery):
    """Return the rows of largest cosine for each query."""
    nearness = _unit(queries) @ _unit(gallery).T
    return np.argpartition(-nearness, N_NEIGHBORS, axis=1)[:, :N_NEIGHBORS]


def _overlap(found, wanted):
    """Return the mean share of wanted rows that are found."""
    return (found[:, :, None] == wanted[:, None]).any(axis=2).mean()


def _recipe(old, new):
    """Return the gallery brought forward, its replacement, and the queries: raw."""
    from sktransform.alignment import EmbeddingAdapter

    adapter = EmbeddingAdapter().fit(old["pairs"], new["pairs"])
    return adapter.transform(old["gallery"]), new["gallery"], new["queries"]


def _padded(old, new):
    """Return the gallery as it is, and new vectors that are mapped to it."""
    from sktransform.alignment import BackwardCompatibleAligner

    aligner = BackwardCompatibleAligner().fit(new["pairs"], old["pairs"])
    replacement, queries = map(aligner.transform, (new["gallery"], new["queries"]))
    return aligner.pad(old["gallery"]), replacement, queries


MAPS = {RECIPE: _recipe, PADDED: _padded}


def orders(gallery, seed):
    """Return name -> order in which the rows of a gallery are replaced."""
    from sklearn.cluster import KMeans

    from sktransform.alignment import BackfillPlanner

    clusters = KMeans(N_CLUSTERS, random_state=seed).fit(gallery)
    centers = clusters.cluster_centers_[clusters.labels_]
    to_mean = np.linalg.norm(gallery - centers, axis=1)
    neighbors = _top(gallery, gallery)
    n_found = np.bincount(neighbors.ravel(), minlength=len(gallery))
    return {
        "chance": np.random.default_rng(seed).permutation(len(gallery)),
        PLAN: BackfillPlanner().fit(gallery).order_,
        "most often found first": np.argsort(-n_found, kind="stable"),
        "near the cluster mean first": np.argsort(to_mean, kind="stable"),
        "far from the cluster mean first": np.argsort(-to_mean, kind="stable"),
        "cluster by cluster": np.argsort(clusters.labels_, kind="stable"),
    }


def _split(name, folder, seed):
    """Return pairs, gallery and queries of a space; rows depend on the seed alone."""
    rows = view(name, folder)
    n_queries = min(N_QUERIES, len(rows) // 4)
    places = np.random.default_rng(2000 + seed).permutation(len(rows))
    places = places[: N_PAIRS + N_GALLERY + n_queries]
    return {
        "pairs": rows[places[:N_PAIRS]],
        "gallery": rows[places[N_PAIRS:-n_queries]],
        "queries": rows[places[-n_queries:]],
    }


def _curves(change, arguments, seed):
    """Yield map, order and curve of one change of the embedding."""
    from sktransform.alignment import BackfillPlanner

    old, new = (_split(name, arguments.data, seed) for name in change.split("->"))
    wanted = _top(new["queries"], new["gallery"])
    for title, mapped in MAPS.items():
        if title == PADDED and old["pairs"].shape[1] < new["pairs"].shape[1]:
            continue  # a rotation onto fewer dimensions has no closed form
        gallery, replacement, queries = mapped(old, new)

        def score(mixed, queries=queries):
            return _overlap(_top(queries, mixed), wanted)

        planner = BackfillPlanner().fit(gallery)
        for order, planner.order_ in orders(gallery, seed).items():
            yield (
                title,
                order,
                planner.curve(gallery, replacement, score, n_points=N_POINTS),
            )


def records(arguments, left_out):
    """Yield a record for each change, seed, map and order."""
    changes = GIVEN_CHANGES if arguments.data else MADE_CHANGES
    for change in changes[:1] if arguments.quick else changes:
        for seed in arguments.seeds:
            for title, order, curve in _curves(change, arguments, seed):
                if order == "chance":
                    chance = curve.area
                scores = {f"score_{i}": score for i, score in enumerate(curve.scores)}
                yield {
                    "data": change,
                    "seed": seed,
                    "method": title,
                    "order": order,
                    **scores,
                    "area": curve.area,
                    "gain": curve.area - chance,
                    "errors": {},
                }


def describe(record):
    """Return a record in a line."""
    return "{data}, seed {seed}, {method}, {order}: area {area:.3f}".format(**record)


def tables(found):
    """Return title -> table: means over seeds."""
    keys = ("data", "method", "order")
    cells = grouped(found, keys, statistics.fmean)
    title = "A gallery embedded again in stages: overlap@10 at shares of new rows"
    return {title: table(cells, keys, COLUMNS)}
