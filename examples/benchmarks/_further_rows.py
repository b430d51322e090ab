# SPDX-License-Identifier: BSD-3-Clause
"""New rows beside few labelled ones, by what they bring to two classifiers."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _report import grouped, table
from imblearn.over_sampling import SMOTE
from scipy.stats import t
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from sktransform.augmentation import ClassReplay, InvarianceAugmenter, LatentAugmenter
from sktransform.augmentation.transforms import ImageRotate, ImageTranslate

NOTE = (
    "New rows: balanced accuracy in points, and gains over the labelled rows alone "
    "with 95 % intervals over the seeds, for a logistic regression and a forest of "
    "100 trees. Every method makes four new rows of each row, or fills up the rare "
    "class where the data say `1 : 8`. Digits are 32 hidden units of a network "
    "trained on other digits; `turned` are the same with test images turned by up "
    "to 40 degrees. `LatentAugmenter` learned on 500 further images without labels, "
    "and `true copies` turns and shifts the images themselves, which it does "
    "without. Seconds are CPU seconds of making rows, for LatentAugmenter with its "
    "training."
)
N_SEEDS, N_COPIES, NOISE = 10, 4, 0.3
IMAGES = [ImageRotate(max_degrees=40), ImageTranslate(max_pixels=1)]


@dataclass(frozen=True)
class Problem:
    """Labelled rows and rows to test on; of embeddings also what they were made of."""

    X: np.ndarray
    y: np.ndarray
    tests: dict  # name -> rows to test on and their classes
    wanted: dict  # class -> rows with the new ones
    images: np.ndarray | None = None
    unlabelled: np.ndarray | None = None
    encode: Callable | None = None


def _few(y, n_of_class, generator):
    """Return indices of so many rows of each class, and those of all others."""
    taken = np.concatenate(
        [
            generator.permutation(np.flatnonzero(y == label))[:n_rows]
            for label, n_rows in n_of_class.items()
        ]
    )
    return taken, np.setdiff1d(np.arange(len(y)), taken)


def _table(name, loader, n_of_class, *, balance=False):
    def load(seed):
        X, y = loader(return_X_y=True)
        taken, rest = _few(y, n_of_class, np.random.default_rng(seed))
        scaler = StandardScaler().fit(X[taken])
        most = max(n_of_class.values())
        wanted = {
            label: most if balance else (1 + N_COPIES) * n_rows
            for label, n_rows in n_of_class.items()
        }
        X = scaler.transform(X)
        return Problem(X[taken], y[taken], {name: (X[rest], y[rest])}, wanted)

    return load


def _copies_of_images(images, transformations, n_copies, seed):
    augmenter = InvarianceAugmenter(
        transformations, learn=False, shape=(8, 8), random_state=seed
    )
    return augmenter.fit(images).augment(images, n_copies, random_state=seed)


def _digits(seed):
    images, y = load_digits(return_X_y=True)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(images))
    images, y = images[order] / 16, y[order]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPClassifier((32,), max_iter=100, random_state=seed)
        network.fit(images[:500], y[:500])

    def encode(images):
        return np.maximum(images @ network.coefs_[0] + network.intercepts_[0], 0)

    unlabelled, images, y = images[500:1000], images[1000:], y[1000:]
    taken, rest = _few(y, dict.fromkeys(range(10), 5), generator)
    turned = _copies_of_images(images[rest], [ImageRotate(max_degrees=40)], 1, seed)
    return Problem(
        encode(images[taken]),
        y[taken],
        {
            "digits, 5 a class": (encode(images[rest]), y[rest]),
            "digits turned, 5 a class": (encode(turned), y[rest]),
        },
        dict.fromkeys(range(10), 5 * (1 + N_COPIES)),
        images[taken],
        unlabelled,
        encode,
    )


_WINE, _CANCER = load_wine, load_breast_cancer
PROBLEMS = [
    _digits,
    _table("wine, 5 a class", _WINE, dict.fromkeys(range(3), 5)),
    _table("breast cancer, 10 a class", _CANCER, dict.fromkeys(range(2), 10)),
    _table("breast cancer, 1 : 8", _CANCER, {0: 8, 1: 64}, balance=True),
]


def _noise(problem, seed):
    """Return rows and noisy copies of rows of each class drawn at random."""
    generator = np.random.default_rng(seed)
    chosen = []
    for label, wanted in problem.wanted.items():
        own = np.flatnonzero(problem.y == label)
        chosen.append(generator.choice(own, wanted - len(own)))
    chosen = np.concatenate(chosen)
    scale = NOISE * problem.X.std(axis=0)
    made = problem.X[chosen] + scale * generator.normal(size=problem.X[chosen].shape)
    return np.vstack([problem.X, made]), np.append(problem.y, problem.y[chosen])


def _smote(problem, seed):
    n_neighbors = min(5, np.bincount(problem.y).min() - 1)
    sampler = SMOTE(
        sampling_strategy=problem.wanted, k_neighbors=n_neighbors, random_state=seed
    )
    return sampler.fit_resample(problem.X, problem.y)


def _replay(problem, seed):
    replay = ClassReplay(random_state=seed).fit(problem.X, problem.y)
    counts = np.bincount(problem.y)
    missing = {label: n - int(counts[label]) for label, n in problem.wanted.items()}
    made, labels = replay.sample(missing)
    return np.vstack([problem.X, made]), np.append(problem.y, labels)


def _latent(problem, seed):
    augmenter = LatentAugmenter(
        IMAGES,
        encoder=problem.encode,
        shape=(8, 8),
        random_state=seed,
    ).fit(problem.unlabelled)
    made = augmenter.augment(problem.X, N_COPIES, random_state=seed)
    return np.vstack([problem.X, made]), np.tile(problem.y, 1 + N_COPIES)


def _true_copies(problem, seed):
    made = _copies_of_images(problem.images, IMAGES, N_COPIES, seed)
    made = problem.encode(made)
    return np.vstack([problem.X, made]), np.tile(problem.y, 1 + N_COPIES)


METHODS = {
    "none": lambda problem, seed: (problem.X, problem.y),
    "Gaussian noise": _noise,
    "SMOTE": _smote,
    "ours, ClassReplay": _replay,
    "ours, LatentAugmenter": _latent,
    "true copies": _true_copies,
}
NEEDS_IMAGES = {"ours, LatentAugmenter", "true copies"}


def records(seed):
    """Yield a record for each problem, method and rows to test on."""
    for load in PROBLEMS:
        problem, alone = load(seed), {}
        for method, make in METHODS.items():
            if method in NEEDS_IMAGES and problem.images is None:
                continue
            start = time.process_time()
            X, y = make(problem, seed)
            seconds = time.process_time() - start
            models = {
                "LR": LogisticRegression(max_iter=2000).fit(X, y),
                "RF": RandomForestClassifier(100, random_state=seed).fit(X, y),
            }
            for name, (X_test, y_test) in problem.tests.items():
                record = {"data": name, "method": method, "seed": seed}
                record["make_s"] = seconds
                for short, model in models.items():
                    score = balanced_accuracy_score(y_test, model.predict(X_test))
                    record[short] = 100 * score
                first = alone.setdefault(name, record)
                for short in models:
                    record[f"gain {short}"] = record[short] - first[short]
                yield record


def _gain(values):
    """Return the mean of gains as text, with a 95 % interval if there are several."""
    if len(values) < 2:
        return f"{values[0]:+.1f}"
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):+.1f} ± {half:.1f}"


def tables(found):
    """Return the table of gains."""
    groups = {}
    data_order = [*dict.fromkeys(record["data"] for record in found)]
    for (data, method), mean in grouped(found, ("data", "method"), np.mean).items():
        own = [r for r in found if r["data"] == data and r["method"] == method]
        row = groups[data, method] = {"make_s": mean["make_s"]}
        for short in ("LR", "RF"):
            row[short] = _gain([record[f"gain {short}"] for record in own])
            if method == "none":
                row[short] = f"{mean[short]:.1f}"
    # A method is measured on all tests of a problem before the next one is.
    groups = dict(sorted(groups.items(), key=lambda own: data_order.index(own[0][0])))
    columns = [
        ("logistic regression", "LR", ""),
        ("forest", "RF", ""),
        ("CPU s", "make_s", ".2f"),
    ]
    return {"New rows": table(groups, ("data", "method"), columns)}
