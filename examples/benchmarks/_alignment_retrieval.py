# SPDX-License-Identifier: BSD-3-Clause
"""Search with mapped rows: what each map finds, and what it costs to learn."""

import statistics
import time
import warnings

import numpy as np
from _alignment_data import Split, split
from _alignment_methods import METHODS, OURS
from _report import figure, grouped, table

SCORES = ("recall_1", "recall_10", "overlap_10", "error")
RATIOS = [
    ("fit s", "fit_s", ".2f"),
    ("recall@1", "recall_1", ".3f"),
    ("recall@10", "recall_10", ".3f"),
    ("overlap@10", "overlap_10", ".3f"),
    ("error", "error", ".3f"),
]


def judge(mapped, rows):
    """Return how well a search with mapped rows goes, by cosine.

    The error is the mean squared one as a share of the variance of the targets.
    """
    from sktransform import metrics

    mapped, Y = np.asarray(mapped, dtype=np.float64), rows.Y_new
    error = ((mapped - Y) ** 2).sum(axis=1).mean() / Y.var(axis=0).sum()
    return {
        "recall_1": metrics.recall_at_k(mapped, Y, k=1),
        "recall_10": metrics.recall_at_k(mapped, Y, k=10),
        "overlap_10": metrics.neighbor_overlap(mapped, Y, k=10),
        "error": float(error),
    }


def measure(method, rows, seed):
    """Return CPU seconds of the fit and of mapping the test rows, and the scores."""
    record = {"errors": {}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.process_time()
            transform = method.fit(rows.X, rows.Y, seed)
            record["fit_s"] = time.process_time() - start
            start = time.process_time()
            mapped = transform(rows.X_new)
            record["transform_s"] = time.process_time() - start
        record |= judge(mapped, rows)
    except Exception as error:
        record["errors"]["fit"] = f"{type(error).__name__}: {error}"[:200]
    return record


def warm_up(method):
    """Fit a few rows, so that what is imported and prepared once is not timed."""
    X = np.random.default_rng(0).normal(size=(60, 8))
    measure(method, Split(X, X[:, ::-1] ** 2, X, X[:, ::-1] ** 2), seed=0)


def records(arguments, left_out):
    """Yield a record for each pair of views, number of pairs, seed and method."""
    chosen = {}
    for name in arguments.methods:
        reason = METHODS[name].reason_absent
        if reason:
            left_out.append(f"{name}: {reason}")
        else:
            chosen[name] = METHODS[name]
            warm_up(METHODS[name])
    for pair in arguments.pairs:
        for n_pairs in arguments.n_pairs:
            for seed in arguments.seeds:
                rows = split(pair, arguments.data, n_pairs, seed)
                if rows is None:
                    left_out.append(f"{pair}: fewer than {n_pairs} pairs to learn from")
                    break
                for name, method in chosen.items():
                    if method.equal_widths and rows.X.shape[1] != rows.Y.shape[1]:
                        continue
                    yield {
                        "data": pair,
                        "n_pairs": n_pairs,
                        "seed": seed,
                        "method": name,
                        **dict.fromkeys(SCORES),
                        **measure(method, rows, seed),
                    }


def describe(record):
    """Return a record in a line."""
    return "{data}, {n_pairs} pairs, seed {seed}, {method}: recall@1 {found}".format(
        **record, found=figure(record["recall_1"], ".3f")
    )


def _pivot(cells, n_pairs, names, form):
    """Return a table with a row for each method and a column for each pair of views."""
    data = [*dict.fromkeys(pair for pair, n, _ in cells if n == n_pairs)]
    methods = dict.fromkeys(method for _, n, method in cells if n == n_pairs)
    rows = []
    for method in methods:
        found = (cells.get((pair, n_pairs, method), {}) for pair in data)
        texts = (
            " ".join(figure(cell.get(name), form) for name in names) for cell in found
        )
        rows.append([method, *texts])
    return ["method", *data], rows


def _seconds(cells):
    """Return a table of the median fit over the pairs of views, by number of pairs."""
    sizes = sorted({n_pairs for _, n_pairs, _ in cells})
    rows = []
    for method in dict.fromkeys(method for _, _, method in cells):
        row = [method]
        for size in sizes:
            taken = [
                cell["fit_s"]
                for (_, n_pairs, name), cell in cells.items()
                if n_pairs == size and name == method and "fit_s" in cell
            ]
            row.append(figure(statistics.median(taken) if taken else None, ".3f"))
        rows.append(row)
    return ["method", *(f"{size} pairs" for size in sizes)], rows


def _gaps(cells):
    """Return how far each method is from the best one, at worst and on average."""
    best = {}
    for (pair, n_pairs, _), cell in cells.items():
        for name in ("recall_1", "overlap_10"):
            key = pair, n_pairs, name
            best[key] = max(best.get(key, 0), cell.get(name, 0))
    lost = []
    for (pair, n_pairs, method), cell in cells.items():
        for name in ("recall_1", "overlap_10"):
            if name in cell:
                gap = best[pair, n_pairs, name] - cell[name]
                lost.append({"method": method, name: gap})
    worst = grouped(lost, ("method",), max)
    mean = grouped(lost, ("method",), statistics.fmean)
    columns = [
        (f"{title} {kind}", f"{kind}_{name}", ".3f")
        for name, title in (("recall_1", "recall@1"), ("overlap_10", "overlap@10"))
        for kind in ("worst", "mean")
    ]
    both = {
        method: {f"worst_{name}": value for name, value in worst[method].items()}
        | {f"mean_{name}": value for name, value in mean[method].items()}
        for method in worst
    }
    return table(both, ("method",), columns)


def ratios(cells):
    """Return our averages over seeds divided by the peers', cell by cell."""
    found = []
    for (pair, n_pairs, mine), ours in cells.items():
        for peer in METHODS:
            theirs = cells.get((pair, n_pairs, peer))
            if mine not in OURS or peer in OURS or theirs is None:
                continue
            row = {"data": pair, "n_pairs": n_pairs, "ours": mine, "peer": peer}
            for _, name, _ in RATIOS:
                if ours.get(name) is not None and theirs.get(name):
                    row[name] = ours[name] / theirs[name]
            found.append(row)
    return found


def averages(found):
    """Return the cells: scores are means over seeds, seconds medians."""
    keys = ("data", "n_pairs", "method")
    means = grouped(found, keys, statistics.fmean)
    medians = grouped(found, keys)
    return {
        key: {**mean, "fit_s": medians[key].get("fit_s")} if "fit_s" in mean else mean
        for key, mean in means.items()
    }


def tables(found):
    """Return title -> table."""
    cells = averages(found)
    made = {}
    for names, title in (
        (("recall_1", "overlap_10"), "recall@1 and overlap@10"),
        (("recall_10", "error"), "recall@10 and error"),
    ):
        for n_pairs in sorted({n_pairs for _, n_pairs, _ in cells}):
            made[f"{title}, {n_pairs} pairs"] = _pivot(cells, n_pairs, names, ".3f")
    made["CPU seconds of a fit, median over the views"] = _seconds(cells)
    made["Distance to the best method, over all cells"] = _gaps(cells)
    closed = {
        key: cell for key, cell in cells.items() if not METHODS[key[2]].is_trained
    }
    made["Distance to the best closed form, over all cells"] = _gaps(closed)
    quotients = grouped(ratios(cells), ("ours", "peer"))
    made["Ours divided by the peer's, median over all cells"] = table(
        quotients, ("ours", "peer"), RATIOS
    )
    return made
