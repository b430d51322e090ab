# SPDX-License-Identifier: BSD-3-Clause
"""Two sides with no row in common, but for a few known pairs."""

import time
import warnings

import numpy as np
from _alignment_data import two_sides, unpaired_data
from _alignment_methods import estimator, scipy_procrustes
from _alignment_retrieval import averages
from _report import figure, table
from sklearn.preprocessing import normalize

N_KNOWN, N_KNOWN_QUICK = [0, 20, 100], [0, 100]
OURS, VEC2VEC, PROCRUSTES = "ours, unpaired", "mini-vec2vec", "Procrustes on the pairs"
COLUMNS = [
    ("recall@1", "recall_1", ".3f"),
    ("agreement", "agreement", ".2f"),
    ("held-out pairs", "pair_recall", ".2f"),
    ("fit s", "fit_s", ".2f"),
]


def _ours(rows, seed):
    model = estimator("UnpairedAligner", seed)
    pairs = np.stack([rows.known, rows.partners[rows.known]], axis=1)
    model.fit(rows.X, reference=rows.Y, pairs=pairs)
    found = {"agreement": model.agreement_, "pair_recall": model.pair_recall_}
    return model.transform, found


def _mini_vec2vec(rows, seed):
    from _mini_vec2vec import mini_vec2vec

    return mini_vec2vec(rows.X, rows.Y, seed), {}


def _procrustes(rows, seed):
    """Return the rotation of the known pairs, prepared by the means of all rows."""
    mean_x, mean_y = rows.X.mean(axis=0), rows.Y.mean(axis=0)
    known = normalize(rows.X[rows.known] - mean_x)
    targets = normalize(rows.Y[rows.partners[rows.known]] - mean_y)
    turn = scipy_procrustes(
        np.vstack([known, -known]), np.vstack([targets, -targets])
    )  # mirrored rows have mean 0
    return lambda X: turn(normalize(X - mean_x)) + mean_y, {}


# Each takes (rows, seed), and returns a map and what else is to be reported.
METHODS = {OURS: _ours, VEC2VEC: _mini_vec2vec, PROCRUSTES: _procrustes}


def recall(mapped, rows):
    """Return the share of queries whose partner is nearest around the targets' mean."""
    from sktransform import metrics

    mean = rows.Y.mean(axis=0)
    return metrics.recall_at_k(np.asarray(mapped) - mean, rows.Y_new - mean, k=1)


def measure(method, rows, seed):
    """Return recall, agreement and CPU seconds of one method."""
    record = {"errors": {}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.process_time()
            transform, found = method(rows, seed)
            record["fit_s"] = time.process_time() - start
            record |= {**found, "recall_1": recall(transform(rows.X_new), rows)}
    except Exception as error:
        record["errors"]["fit"] = f"{type(error).__name__}: {error}"[:200]
    return record


def records(arguments, left_out):
    """Yield a record for each data, number of known pairs, seed and method."""
    from sktransform import alignment

    chosen = dict(METHODS)
    if not hasattr(alignment, "UnpairedAligner"):
        del chosen[OURS]
        left_out.append(f"{OURS}: UnpairedAligner is not available")
    data = unpaired_data(arguments.data)
    if arguments.quick:
        data = [data[0], data[-1]]
    for name in data:
        for n_known in N_KNOWN_QUICK if arguments.quick else N_KNOWN:
            for seed in arguments.seeds:
                rows = two_sides(name, arguments.data, n_known, seed)
                for title, method in chosen.items():
                    if title == PROCRUSTES and n_known == 0:
                        continue
                    if title == VEC2VEC and n_known:  # it makes no use of them
                        continue
                    yield {
                        "data": name,
                        "n_pairs": n_known,
                        "seed": seed,
                        "method": title,
                        **measure(method, rows, seed),
                    }


def describe(record):
    """Return a record in a line."""
    return "{data}, {n_pairs} known, seed {seed}, {method}: recall@1 {found}".format(
        **record, found=figure(record.get("recall_1"), ".3f")
    )


def tables(found):
    """Return title -> table."""
    of_one_side = {
        key: cell for key, cell in averages(found).items() if "fit_s" in cell
    }
    names = ("data", "known pairs", "method")
    return {"Two sides with few pairs, or none": table(of_one_side, names, COLUMNS)}
