# SPDX-License-Identifier: BSD-3-Clause
"""The gate: a law is accepted only if the user's own estimator gains by it.

Held-out rows are never changed and never seen: what a law knows of the data, and every
copy, comes from the rows that train the fold.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from sktransform.augmentation._calibration import calibrated_brier, class_scores
from sktransform.augmentation._filter import weighted_mean
from sktransform.augmentation._grown import (
    fit_grown,
    grown_rows,
    seeded_clone,
)
from sktransform.augmentation._streams import GATE
from sktransform.augmentation._target import row_folds

NONE, REPEATED = "none", "repeated"
# Share of the loss below which a gain is none: of scores that say nothing, hardly any
# is left by the calibration, but with an error that is smaller still.
_LEAST_GAIN = 1e-3


@dataclass(frozen=True)
class GateSettings:
    """What the gate is told.

    Parameters
    ----------
    n_folds : int
        Number of folds.

    z : float
        Standard errors by which a law must gain.

    n_copies : int
        Copies of each row.

    n_jobs : int or None
        Fits at a time.
    """

    n_folds: int = 4
    z: float = 1.0
    n_copies: int = 8
    n_jobs: int | None = None


@dataclass(frozen=True)
class GateResult:
    """What the gate found.

    Parameters
    ----------
    chosen : str
        Name of the accepted candidate, or ``"none"``.

    losses : dict of str to float
        Mean held-out loss of each candidate, of no augmentation, and of repeated rows.

    gain : float
        By how much the best candidate's loss is below that of no augmentation.

    error : float
        Standard error of the gain, paired row by row.
    """

    chosen: str
    losses: dict
    gain: float
    error: float


def run_gate(estimator, data, transformations, candidates, settings, root):
    """Return which candidate law the estimator gains by, if any.

    Parameters
    ----------
    estimator : estimator instance
        The classifier or regressor that is to be trained.

    data : LabelledRows
        The training rows.

    transformations : tuple of Transformation
        What the candidates are made of.

    candidates : dict of str to ndarray of shape (K,)
        Ranges of each candidate law.

    settings : GateSettings
        What the gate is told.

    root : int
        Root seed.

    Returns
    -------
    GateResult
        The choice and its reasons.
    """
    is_classes, groups = data.target.is_classes, data.groups
    labels = data.codes
    folds = row_folds(labels, is_classes, groups, settings.n_folds, root, GATE)
    if is_classes:
        folds = [fold for fold in folds if len(np.unique(labels[fold[0]])) > 1]
    off = np.zeros(len(transformations))
    laws = {NONE: (off, 0), REPEATED: (off, settings.n_copies)}
    laws |= {name: (ranges, settings.n_copies) for name, ranges in candidates.items()}
    if not folds:
        return GateResult(NONE, {}, 0.0, 0.0)
    jobs = [
        delayed(_held_out)(
            seeded_clone(estimator, root, GATE, fold),
            data,
            transformations,
            laws[name],
            folds[fold],
            (root, GATE, fold),
        )
        for name in laws
        for fold in range(len(folds))
    ]
    # Small fits: processes would take longer to start than to work.
    found = Parallel(n_jobs=settings.n_jobs, prefer="threads")(jobs)
    held_out = np.concatenate([rows for _, rows in folds])
    losses = {}
    for number, name in enumerate(laws):
        own = found[number * len(folds) : (number + 1) * len(folds)]
        losses[name] = _losses(np.concatenate(own), data[held_out])
    weights = data.target.weights.numpy().astype(np.float64)[held_out]
    return _verdict(losses, list(candidates), weights, settings.z)


def _verdict(losses, candidates, weights, z):
    """Accept the best candidate if it is better than nothing by z standard errors."""
    means = {
        name: float(weighted_mean(own, weights)[0]) for name, own in losses.items()
    }
    best = min(candidates, key=means.get)
    gain, error = weighted_mean(losses[NONE] - losses[best], weights)
    is_shown = gain > z * error and gain > _LEAST_GAIN * means[NONE]
    chosen = best if is_shown else NONE
    return GateResult(chosen, means, float(gain), float(error))


def _held_out(estimator, data, transformations, law, fold, stream):
    """Return scores of classes, or predictions, of the rows that a fold holds out."""
    train, held_out = fold
    ranges, n_copies = law
    own = data[train]
    root, *key = stream
    rows, sources = grown_rows(
        own, own.law(transformations, ranges), n_copies, root, *key
    )
    fitted = fit_grown(estimator, own, rows, sources)
    X = data.decode(data.rows[held_out], data.numbers[held_out])
    if data.target.is_classes:
        return class_scores(fitted, X, data.classes)
    return np.asarray(fitted.predict(X), np.float64).reshape(len(held_out), -1)


def _losses(scores, data):
    """Return a loss for each held-out row."""
    if data.target.is_classes:
        weights = data.target.weights.numpy().astype(np.float64)
        return calibrated_brier(scores, data.codes, weights)
    truth = np.asarray(data.y, np.float64).reshape(len(data), -1)
    spread = truth.var(0)
    spread[spread == 0] = 1.0
    return (np.square(scores - truth) / spread).mean(1)
