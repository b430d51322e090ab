# SPDX-License-Identifier: BSD-3-Clause
"""The adapter against the simple maps, on every direction between two spaces."""

import statistics
from itertools import permutations

import numpy as np
from _alignment_data import Split, spaces_of, split
from _alignment_methods import METHODS, Method
from _alignment_retrieval import measure
from _report import figure, grouped

ADAPTER = "ours, adapter"
N_PAIRS = [50, 100, 300, 1000, 3000]
N_PAIRS_QUICK = [50, 300]
SCORES = ("recall_1", "overlap_10")
ALLOWED = 0.01


def unscaled_procrustes(X, Y, seed=0):
    """Return the best rotation, as it is; zeros widen the narrower view."""
    from scipy.linalg import orthogonal_procrustes

    means = X.mean(axis=0), Y.mean(axis=0)
    width = max(X.shape[1], Y.shape[1])
    A, B = (
        np.pad(view - mean, ((0, 0), (0, width - view.shape[1])))
        for view, mean in zip((X, Y), means, strict=True)
    )
    rotation = orthogonal_procrustes(A, B)[0][: X.shape[1], : Y.shape[1]]
    return lambda rows: (rows - means[0]) @ rotation + means[1]


SIMPLE = {
    "Procrustes": Method(unscaled_procrustes, "scipy"),
    **{name: METHODS[name] for name in ("scipy Procrustes", "RidgeCV", "numpy lstsq")},
}


def unit_rows(X):
    """Return rows of length 1; rows of zeros stay."""
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(lengths > 0, lengths, 1)


def records(arguments, left_out):
    """Yield a record for each direction, kind of rows, number of pairs and seed."""
    numbers = N_PAIRS_QUICK if arguments.quick else N_PAIRS
    methods = {ADAPTER: METHODS[ADAPTER], **SIMPLE}
    for spaces in spaces_of(arguments.data):
        directions = [*permutations(spaces, 2)]
        for source, target in directions[: 2 if arguments.quick else None]:
            for n_pairs in numbers:
                for seed in arguments.seeds:
                    rows = split(f"{source}->{target}", arguments.data, n_pairs, seed)
                    if rows is None:
                        continue
                    yield from _cell(rows, methods, f"{source}->{target}", seed)


def _cell(rows, methods, direction, seed):
    """Yield the records of one split, of rows as they are and of unit length."""
    views = rows.X, rows.Y, rows.X_new, rows.Y_new
    for kind, own in {
        "raw": views,
        "unit": [unit_rows(view) for view in views],
    }.items():
        for name, method in methods.items():
            yield {
                "data": direction,
                "rows": kind,
                "n_pairs": len(rows.X),
                "seed": seed,
                "method": name,
                **measure(method, Split(*own), seed),
            }


def describe(record):
    """Return a record in a line."""
    return (
        "{data}, {rows} rows, {n_pairs} pairs, seed {seed}, {method}: recall@1 {found}"
    ).format(**record, found=figure(record.get("recall_1"), ".3f"))


def tables(found):
    """Return title -> table: how far below the best simple map, by number of pairs."""
    keys = ("data", "rows", "n_pairs", "method")
    cells = grouped(found, keys, statistics.fmean)
    rows = []
    for n_pairs in sorted({record["n_pairs"] for record in found}):
        for score in SCORES:
            ours, best = _compared(cells, n_pairs, score)
            gaps = {key: value - best[key] for key, value in ours.items()}
            if not gaps:
                continue
            worst = min(gaps, key=gaps.get)
            rows.append(
                [
                    str(n_pairs),
                    score.replace("_", "@"),
                    figure(gaps[worst], "+.3f"),
                    ", ".join(worst),
                    str(sum(gap < -ALLOWED for gap in gaps.values())),
                    str(len(gaps)),
                    figure(1 - statistics.fmean(best.values()), ".3f"),
                    figure(1 - statistics.fmean(ours.values()), ".3f"),
                ]
            )
    columns = ["pairs", "score", "worst gap", "there", f"below by {ALLOWED:g}", "cells"]
    columns += ["missing, best simple map", "missing, adapter"]
    return {"The adapter against the best of the simple maps": (columns, rows)}


def _compared(cells, n_pairs, score):
    """Return our score and the best simple one for each (direction, kind of rows)."""
    ours, best = {}, {}
    for (data, kind, n, method), cell in cells.items():
        if n != n_pairs or cell.get(score) is None:
            continue
        if method == ADAPTER:
            ours[data, kind] = cell[score]
        else:
            best[data, kind] = max(best.get((data, kind), 0), cell[score])
    shared = ours.keys() & best.keys()
    return {key: ours[key] for key in shared}, {key: best[key] for key in shared}
