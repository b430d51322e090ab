# SPDX-License-Identifier: BSD-3-Clause
"""Maps between a rotation and least squares: our solver, and training instead."""

import time
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from _alignment_data import synthetic_pair
from _gated_training import gated_training, residual
from _report import grouped, table
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA

# The tightness that is asked for, as a share of the residual of least squares.
RELATIVE_LAM, N_PATH = 0.3, 20
GAPS = {"seconds_1_percent": 0.01, "seconds_001_percent": 0.0001}
COLUMNS = {
    "Bounded maps from moments": [
        ("rows", "n_rows", "d"),
        ("moments s", "moments_s", ".2f"),
        ("one lambda s", "solve_s", ".2f"),
        (f"{N_PATH} lambdas s", "path_s", ".2f"),
        ("r", "residual", ".3f"),
        ("loss", "loss", ".4f"),
    ],
    "The published loss, trained": [
        ("asked r", "asked", ".3f"),
        ("r", "residual", ".3f"),
        ("loss", "loss", ".4f"),
        ("best gap", "best_gap", ".3%"),
        ("seconds", "seconds", ".1f"),
        ("to 1 %", "seconds_1_percent", ".1f"),
        ("to 0.01 %", "seconds_001_percent", ".1f"),
        ("ours s", "ours_s", ".2f"),
        ("Adam / ours to 1 %", "times_1_percent", ".1f"),
        ("Adam / ours to 0.01 %", "times_001_percent", ".1f"),
    ],
    "A rotation from 64 to 40 dimensions": [("loss", "loss", ".4f")],
}
TABLES = dict(zip(("moments", "training", "narrow"), COLUMNS.items(), strict=True))


@contextmanager
def cpu_seconds(record, name):
    start = time.process_time()
    yield
    record[name] = time.process_time() - start


@dataclass(frozen=True)
class Sizes:
    """What a run can afford."""

    width: int = 256
    n_rows: int = 100_000
    wide: int = 768
    n_rows_wide: int = 20_000
    n_epochs: int = 24
    # Of rates that decay to 0: how soon a gap is reached depends on it.
    n_epochs_decay: tuple = (8, 16, 40)


QUICK = Sizes(
    width=64,
    n_rows=10_000,
    wide=128,
    n_rows_wide=5_000,
    n_epochs=80,
    n_epochs_decay=(40, 80),
)


def standardized(X, Y):
    """Return centred views of total variance 1, so that a loss is a share of it."""
    return tuple(
        (view - view.mean(axis=0)) / view.dtype.type(np.sqrt(view.var(axis=0).sum()))
        for view in (X, Y)
    )


def _problem(moments):
    from sktransform.alignment._orthogonal.problem import (
        AlignmentProblem,
        AlignmentSettings,
    )

    return AlignmentProblem(moments, AlignmentSettings())


def _loss(moments, matrix):
    """Return the share of the target's variance that a map leaves, at best."""
    intercept = moments.mean_y - moments.mean_x @ matrix
    return moments.mean_squared_error(matrix, intercept).item()


def _solve(moments, with_path):
    """Return a record and the problem: one lambda, and then a whole path anew."""
    record = {"errors": {}}
    with cpu_seconds(record, "solve_s"):
        problem = _problem(moments)
        found = problem.bounded(RELATIVE_LAM * problem.largest_residual)
    if with_path:
        with cpu_seconds(record, "path_s"):
            again = _problem(moments)
            lams = np.linspace(0.95, 0.01, N_PATH) * again.largest_residual
            for _ in again.path(lams):
                pass
    loss = _loss(moments, found.matrix)
    return record | {"residual": found.residual, "loss": loss}, problem


def _moments(X, Y, record):
    from sktransform.runtime._moments import PairMoments

    views = [torch.from_numpy(np.ascontiguousarray(view)) for view in (X, Y)]
    with cpu_seconds(record, "moments_s"):
        return PairMoments.of(*views)


def _on_moments(n_rows, width, with_path=True):
    """Return the views, their moments, our record and our problem."""
    X, Y = standardized(*synthetic_pair(n_rows, width, width))
    record = {"kind": "moments", "method": f"ours, {width} dimensions"}
    record["n_rows"] = n_rows
    moments = _moments(X, Y, record)
    solved, problem = _solve(moments, with_path)
    return (X, Y), moments, record | solved, problem


def _trained(views, moments, problem, n_epochs, learning_rate, cosine):
    """Return the record of one training, each check beside the best map of its r."""
    asked = RELATIVE_LAM * problem.largest_residual
    views = [torch.from_numpy(view) for view in views]
    checks = []
    for seconds, matrix, _ in gated_training(
        *views, asked, n_epochs=n_epochs, learning_rate=learning_rate, cosine=cosine
    ):
        r, loss = residual(matrix).item(), _loss(moments, matrix)
        best = _loss(moments, problem.bounded(r).matrix)
        checks.append({"seconds": seconds, "r": r, "loss": loss, "best": best})
    gaps = [check["loss"] / check["best"] - 1 for check in checks]
    record = {
        "asked": asked,
        "residual": checks[-1]["r"],
        "loss": checks[-1]["loss"],
        "seconds": checks[-1]["seconds"],
        "best_gap": min(gaps),
        "checks": checks,
    }
    for name, wanted in GAPS.items():
        reached = (
            check["seconds"]
            for check, gap in zip(checks, gaps, strict=True)
            if gap <= wanted
        )
        record[name] = next(reached, None)
    return record


def _narrow_maps(X, Y):
    """Return name -> map with orthonormal columns, or as good as, from 64 to 40."""
    from sktransform.alignment import OrthogonalAligner

    n_inputs, n_outputs = X.shape[1], Y.shape[1]
    padded = np.pad(Y, ((0, 0), (0, n_inputs - n_outputs)))
    first = np.eye(n_inputs)[:, :n_outputs]
    main = PCA(n_outputs).fit(X).components_.T
    return {
        "first coordinates": first @ orthogonal_procrustes(X @ first, Y)[0],
        "principal components": main @ orthogonal_procrustes(X @ main, Y)[0],
        "zero padding": orthogonal_procrustes(X, padded)[0][:, :n_outputs],
        "ours, orthogonal": OrthogonalAligner(lam=0).fit(X, Y).coef_.T,
        "numpy lstsq": np.linalg.lstsq(X, Y)[0],
    }


def _narrow():
    """Yield the records of maps onto fewer dimensions."""
    X, Y = standardized(*(v.astype(float) for v in synthetic_pair(20_000, 64, 40)))
    for name, matrix in _narrow_maps(X, Y).items():
        loss = float(((X @ matrix - Y) ** 2).sum(axis=1).mean())
        yield {"kind": "narrow", "method": name, "loss": loss, "errors": {}}


def records(arguments, left_out):
    """Yield the records of the solver, of training, and of narrower targets."""
    from sktransform import alignment

    if not hasattr(alignment, "OrthogonalAligner"):
        left_out.append("bound: OrthogonalAligner is not available")
        return
    sizes = QUICK if arguments.quick else Sizes()
    _on_moments(1000, 16)  # what is prepared once is not timed
    yield _on_moments(sizes.n_rows_wide, sizes.wide, with_path=False)[2]
    views, moments, ours, problem = _on_moments(sizes.n_rows, sizes.width)
    yield ours
    decays = [(n_epochs, 3e-3, True) for n_epochs in sizes.n_epochs_decay]
    for settings in [(sizes.n_epochs, 1e-3, False), *decays]:
        n_epochs, learning_rate, cosine = settings
        found = _trained(views, moments, problem, *settings)
        kind = "cosine decay" if cosine else "constant"
        title = f"Adam {learning_rate:g} {kind}, {n_epochs} epochs"
        found["ours_s"] = ours["moments_s"] + ours["solve_s"]
        for name in GAPS:
            if found[name]:
                times = name.replace("seconds", "times")
                found[times] = found[name] / found["ours_s"]
        yield {"kind": "training", "method": title, "errors": {}, **found}
    yield from _narrow()


def describe(record):
    """Return a record in a line."""
    return "{kind}, {method}: loss {loss:.4f}".format(**record)


def tables(found):
    """Return title -> table."""
    made = {}
    for kind, (title, columns) in TABLES.items():
        groups = grouped(
            [record for record in found if record["kind"] == kind], ("method",)
        )
        if groups:
            made[title] = table(groups, ("method",), columns)
    return made
