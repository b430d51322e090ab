# SPDX-License-Identifier: BSD-3-Clause
"""Classes that come one after the other, when rows of earlier ones may not be kept."""

import time

import numpy as np
from _report import grouped, table
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sktransform.augmentation import ClassReplay

NOTE = (
    "Classes in turn: digits in five tasks of two classes; accuracy on all ten after "
    "the last task, means over the seeds. `numbers` are those kept of a class. "
    "`rows kept` is a random choice of each class, `repeated` to as many as the "
    "replay draws. A class has about 130 rows, too few for an autoencoder by default."
)
N_SEEDS, N_DRAWN = 5, 150


def _replayed(X, y, seed, **settings):
    """Return rows drawn after the last task, and the numbers kept for a class."""
    replay = ClassReplay(random_state=seed, **settings)
    for last in range(1, 10, 2):
        new = np.isin(y, (last - 1, last))
        replay.partial_fit(X[new], y[new])
    return *replay.sample(N_DRAWN), _size(replay.generators_) / len(replay.classes_)


def _size(kept):
    """Return the count of the numbers in nested lists and dicts of arrays."""
    if isinstance(kept, dict):
        return sum(_size(part) for part in kept.values())
    if isinstance(kept, (list, tuple)):
        return sum(_size(part) for part in kept)
    return np.size(kept)


def _kept(n_rows):
    def keep(X, y, seed):
        generator = np.random.default_rng(seed)
        rows = np.concatenate(
            [
                np.resize(
                    generator.permutation(np.flatnonzero(y == label))[:n_rows], N_DRAWN
                )
                for label in np.unique(y)
            ]
        )
        return X[rows], y[rows], n_rows * X.shape[1]

    return keep


def _last_task(X, y, seed):
    last = y >= 8
    return X[last], y[last], 0


METHODS = {
    "all rows": lambda X, y, seed: (X, y, len(X) * X.shape[1] / 10),
    "last task alone": _last_task,
    "10 rows kept, repeated": _kept(10),
    "44 rows kept, repeated": _kept(44),
    "ours, ClassReplay": _replayed,
    "ours, ClassReplay(min_rows=50)": lambda X, y, seed: _replayed(
        X, y, seed, min_rows=50
    ),
}


def records(seed):
    """Yield a record for each method."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, stratify=y, random_state=seed)
    for method, make in METHODS.items():
        start = time.process_time()
        rows, labels, n_numbers = make(X, y, seed)
        seconds = time.process_time() - start
        record = {"method": method, "seed": seed, "numbers": n_numbers}
        for short, model in (
            ("LR", LogisticRegression(max_iter=2000)),
            ("RF", RandomForestClassifier(100, random_state=seed)),
        ):
            record[short] = 100 * model.fit(rows, labels).score(X_test, y_test)
        yield record | {"make_s": seconds}


def tables(found):
    """Return the table of accuracies."""
    columns = [
        ("numbers", "numbers", "d"),
        ("logistic regression", "LR", ".1f"),
        ("forest", "RF", ".1f"),
        ("CPU s", "make_s", ".2f"),
    ]
    means = grouped(found, ("method",), np.mean)
    return {"Classes in turn": table(means, ("method",), columns)}
