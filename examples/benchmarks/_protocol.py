# SPDX-License-Identifier: BSD-3-Clause
"""The data of the comparison of reducers, and what is measured of one of them.

Heavy imports stay inside functions: a process that measures one method must not carry
the packages of another, in time or in memory.
"""

import pickle
import resource
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Largest number of rows that are fitted twice, and judged by their neighbours.
MAX_ROWS_WARM, MAX_ROWS_JUDGED = 2000, 5000
N_NEIGHBORS, N_NEIGHBORS_CLASSIFIER = 15, 10


@dataclass(frozen=True)
class Rows:
    """Rows to fit and rows that fit never sees, with classes or true coordinates."""

    X: np.ndarray
    X_new: np.ndarray | None = None
    y: np.ndarray | None = None
    y_new: np.ndarray | None = None
    sheet: np.ndarray | None = None

    def first(self, n_rows):
        """Return the first rows of each kind, to try things out."""
        return Rows(
            *(None if part is None else part[:n_rows] for part in vars(self).values())
        )


def _digits(seed, mnist):
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return Rows(X, y=y)


def _digits_split(seed, mnist):
    from sklearn.model_selection import train_test_split

    rows = _digits(seed, mnist)
    X, X_new, y, y_new = train_test_split(
        rows.X, rows.y, train_size=1300, stratify=rows.y, random_state=seed
    )
    return Rows(X, X_new, y, y_new)


def _sheet(maker):
    def load(seed, mnist):
        from sktransform import datasets

        X, sheet = getattr(datasets, maker)(2000, random_state=seed)
        return Rows(X[:1000], X[1000:], sheet=sheet[:1000])

    return load


def _mnist(n_fitted, n_all):
    def load(seed, mnist):
        with np.load(mnist) as file:
            images, y = file["X"][:n_all], file["y"][:n_all]
        X = images.reshape(n_all, -1).astype(np.float32) / 255
        return Rows(X[:n_fitted], X[n_fitted:], y[:n_fitted], y[n_fitted:])

    return load


# Name -> number of rows to fit, and loader. The seed draws made data and splits; MNIST
# takes the path of its file.
DATA = {
    "digits": (1797, _digits),
    "digits-split": (1300, _digits_split),
    "swiss-roll": (1000, _sheet("make_swiss_roll")),
    "s-curve": (1000, _sheet("make_s_curve")),
    "mnist-10k": (10_000, _mnist(10_000, 20_000)),
    "mnist-60k": (60_000, _mnist(60_000, 63_000)),
}


@dataclass(frozen=True)
class Method:
    """One row of the table: how to build a reducer, and what it asks for."""

    build: Callable  # (X, seed) -> unfitted estimator; imports its package
    package: str = "scikit-learn"  # the name it is installed by
    embed: Callable = lambda model, X: model.fit_transform(X)
    max_rows: int = 60_000  # more take too long, or too much memory, unless asked for
    rows_argument: str | None = None  # transform wants the training rows, so called
    max_rows_inverse: int | None = None


@contextmanager
def _cpu_seconds(record, name):
    start = time.process_time()
    yield
    record[name] = time.process_time() - start


def _memory(field):
    """Return a memory figure of this process in MB, or None."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = [line.split()[1] for line in status.splitlines() if line.startswith(field)]
    return int(found[0]) / 1024 if found else None


def _forget_peak():
    """Let the peak start anew, where the system can; return the memory in use."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory("VmRSS")


def _peak():
    """Return the largest resident memory, since the last reset if there was one."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return _memory("VmHWM") or usage


def measure(method, rows, seed, judged=True, again=True):
    """Return what one fresh process finds out about a method.

    Seconds are CPU seconds. What a method cannot do is left out, and what it could not
    do here stands under "errors". A second fit, if there is one `again`, is for small
    data alone.
    """
    record = {"n_rows": len(rows.X), "errors": {}}
    model = method.build(rows.X, seed)
    before = _forget_peak()
    with _cpu_seconds(record, "fit_s"):
        Y = method.embed(model, rows.X)
    record["peak_mb"] = _peak()
    record["rise_mb"] = None if before is None else record["peak_mb"] - before
    Y = np.asarray(Y, dtype=np.float64)
    with _noting(record, "model"):
        record["model_mb"] = len(pickle.dumps(model)) / 1e6
    if rows.X_new is not None and hasattr(model, "transform"):
        with _noting(record, "transform"):
            _measure_new_rows(record, method, model, rows, Y, judged)
    if again and len(rows.X) <= MAX_ROWS_WARM:
        second = method.build(rows.X, seed)
        with _cpu_seconds(record, "fit_warm_s"):
            method.embed(second, rows.X)
    if judged:
        with _noting(record, "metrics"):
            record |= _judge(rows, Y)
    return record


@contextmanager
def _noting(record, task):
    """Write down that a task failed, and go on with the next."""
    try:
        yield
    except Exception as error:
        record["errors"][task] = f"{type(error).__name__}: {error}"[:200]


def _measure_new_rows(record, method, model, rows, Y, judged):
    """Add what becomes of rows that fit never saw."""
    arguments = {method.rows_argument: rows.X} if method.rows_argument else {}

    def transform(X):
        return np.asarray(model.transform(X, **arguments), dtype=np.float64)

    record["n_new"] = len(rows.X_new)
    with _cpu_seconds(record, "transform_s"):
        Y_new = transform(rows.X_new)
    if judged:
        with _noting(record, "metrics of new rows"):
            record |= _judge_new_rows(rows, Y, Y_new)
    if hasattr(model, "inverse_transform"):
        with _noting(record, "inverse"):
            _measure_inverse(record, method, model, rows.X_new, Y_new)
    with _noting(record, "one row"):
        _measure_one_row(record, transform, rows.X_new, Y_new)


def _measure_one_row(record, transform, X_new, Y_new):
    """Add how long a row takes alone, and how far that moves it, in cloud radii."""
    taken = []
    while not taken or (len(taken) < 5 and taken[0] < 1):
        start = time.process_time()
        alone = transform(X_new[:1])
        taken.append(time.process_time() - start)
    record["one_row_ms"] = 1000 * float(np.median(taken))
    radius = np.sqrt(((Y_new - Y_new.mean(axis=0)) ** 2).sum(axis=1).mean())
    record["one_row_shift"] = float(np.linalg.norm(alone[0] - Y_new[0]) / radius)


def _measure_inverse(record, method, model, X_new, Y_new):
    """Add how well new rows come back from the plane, and how long it takes."""
    from sklearn.metrics import r2_score

    n = method.max_rows_inverse or len(X_new)
    record["n_inverse"] = min(n, len(X_new))
    with _cpu_seconds(record, "inverse_s"):
        back = np.asarray(model.inverse_transform(Y_new[:n]))
    record["inverse_r2"] = r2_score(X_new[:n], back, multioutput="variance_weighted")


def _classifier():
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=N_NEIGHBORS_CLASSIFIER)


def _judge(rows, Y):
    """Return how well the map of the fitted rows keeps what is there."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    from sktransform import metrics

    generator = np.random.default_rng(0)
    some = generator.permutation(len(Y))[:MAX_ROWS_JUDGED]
    X_some, Y_some = rows.X[some], Y[some]
    found = {
        "trustworthiness": metrics.trustworthiness(
            X_some, Y_some, n_neighbors=N_NEIGHBORS
        ),
        "continuity": metrics.continuity(X_some, Y_some, n_neighbors=N_NEIGHBORS),
        "stress": metrics.stress(rows.X, Y, scaled=True),
        "spearman": metrics.spearman_distance_correlation(rows.X, Y),
    }
    if rows.sheet is not None:
        found["sheet_stress"] = metrics.stress(rows.sheet, Y, scaled=True)
    if rows.y is not None:
        folds = StratifiedKFold(5, shuffle=True, random_state=0)
        scores = cross_val_score(_classifier(), Y, rows.y, cv=folds)
        found["knn"] = float(scores.mean())
    return found


def _judge_new_rows(rows, Y, Y_new):
    """Return how well the map of new rows keeps what is there."""
    from sktransform import metrics

    found = {"new_stress": metrics.stress(rows.X_new, Y_new, scaled=True)}
    if rows.y is not None:
        found["new_knn"] = _classifier().fit(Y, rows.y).score(Y_new, rows.y_new)
    return found


def load_and_measure(method, data, seed, mnist, judged, n_rows=None, again=True):
    """Return the record of one method on one of the data sets, or its first rows.

    Imports are timed first, before the data can bring in a part of them.
    """
    record = {}
    with _cpu_seconds(record, "import_s"):
        method.build(np.eye(2), seed)
    _, load = DATA[data]
    rows = load(seed, mnist)
    rows = rows if n_rows is None else rows.first(n_rows)
    return record | measure(method, rows, seed, judged, again)
