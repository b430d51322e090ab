# SPDX-License-Identifier: BSD-3-Clause
"""Fit, compare, save and draw: the package's main job on real data, in a minute.

A grid search over a pipeline finds how many dimensions of the digits a classifier
needs, beside a grid search over the same pipeline with PCA. The table compares the
two maps; the fitted pipeline is saved, loaded again, and predicts the same.
"""

import argparse
import time
from pathlib import Path

import joblib
import matplotlib as mpl
import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sktransform import GaussianWeightedLinearReducer
from sktransform.inspection import EmbeddingDisplay
from sktransform.metrics import stress, trustworthiness

mpl.use("Agg")

DIMENSIONS = [2, 5, 10, 20]


def pipeline(reducer):
    """Return scaling, reduction and a classifier in one estimator."""
    # Digits share a unit: scaling by a constant border pixel would only add noise.
    scaler = StandardScaler(with_std=False)
    steps = [("scale", scaler), ("reduce", reducer), ("classify", classifier())]
    return Pipeline(steps)


def classifier():
    """Return the classifier that scores every map."""
    return KNeighborsClassifier(n_neighbors=10)


def search(reducer, grid, X, y):
    """Return the fitted grid search over a pipeline's reducer, with progress bars."""
    found = GridSearchCV(pipeline(reducer), grid, cv=3)
    if hasattr(found, "set_callbacks"):  # from scikit-learn 1.9 on
        from sklearn.callback import ProgressBar

        found.set_callbacks(ProgressBar(max_propagation_depth=0))
    return found.fit(X, y)


def scores_of(planar, searched, X_train, X_test, y_train, y_test):
    """Return the table's column for one method."""
    best = searched.best_estimator_
    to_plane = planar[:-1]
    Y_train, Y_test = to_plane.transform(X_train), to_plane.transform(X_test)
    back = to_plane.inverse_transform(Y_test)
    many = np.resize(X_test, (10_000, X_test.shape[1]))
    start = time.perf_counter()
    to_plane.transform(many)
    seconds = time.perf_counter() - start
    return {
        "stress of new rows, 2-D": stress(X_test, Y_test),
        "the same after the best scaling": stress(X_test, Y_test, scaled=True),
        "trustworthiness, 2-D": trustworthiness(X_train, Y_train),
        "accuracy on new rows, 2-D": planar.score(X_test, y_test),
        "accuracy on new rows, searched": best.score(X_test, y_test),
        "searched number of dimensions": best.named_steps["reduce"].n_components,
        "reconstruction R2 of new rows, 2-D": r2_score(
            X_test, back, multioutput="variance_weighted"
        ),
        "seconds to map 10,000 rows": seconds,
    }


def show(columns, console):
    """Print the methods' columns side by side."""
    table = Table("digits: 1,347 rows fitted, 450 new", *columns)
    for measure in next(iter(columns.values())):
        values = [column[measure] for column in columns.values()]
        table.add_row(measure, *(f"{value:.3g}" for value in values))
    console.print(table)


def draw(maps, X, y, path):
    """Draw both maps of new rows side by side."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 5.2), layout="constrained")
    for ax, (name, planar) in zip(axes, maps.items(), strict=True):
        EmbeddingDisplay.from_embedding(planar[:-1].transform(X), y, ax=ax)
        ax.set_title(f"{name}: {len(X)} digits that it never saw")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(folder):
    """Run the tour and leave its files in a folder."""
    console = Console()
    X, y = load_digits(return_X_y=True)
    split = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    X_train, X_test, y_train, y_test = split
    reducers = {
        "PCA": PCA(2, random_state=0),
        "sktransform": GaussianWeightedLinearReducer(random_state=0),
    }
    grids = {
        "PCA": {"reduce__n_components": DIMENSIONS},
        "sktransform": {
            "reduce__n_components": DIMENSIONS,
            "reduce__n_gaussians": [20, 50],
        },
    }
    searches, planar, columns = {}, {}, {}
    for name, reducer in reducers.items():
        console.print(f"{name}: searching {', '.join(grids[name])}")
        searches[name] = search(reducer, grids[name], X_train, y_train)
        planar[name] = pipeline(reducer).fit(X_train, y_train)
        columns[name] = scores_of(planar[name], searches[name], *split)
    show(columns, console)

    best = searches["sktransform"].best_estimator_
    saved = folder / "quickstart.joblib"
    joblib.dump(best, saved)
    same = np.array_equal(joblib.load(saved).predict(X_test), best.predict(X_test))
    if not same:
        raise SystemExit("The loaded pipeline predicts otherwise.")
    size = saved.stat().st_size / 2**20
    console.print(f"{saved.name}: {size:.1f} MB; loaded again, it predicts the same")

    picture = folder / "quickstart.png"
    draw(planar, X_test, y_test, picture)
    console.print(f"{picture.name}: both maps of the new rows")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path(), help="where the files go"
    )
    main(parser.parse_args().folder)
