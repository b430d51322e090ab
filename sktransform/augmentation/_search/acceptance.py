# SPDX-License-Identifier: BSD-3-Clause
"""The gate: a law is accepted only if the user's own estimator gains by it.

Held-out rows are never changed and never seen: what a law knows of the data, and every
copy, comes from the rows that train the fold.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from sktransform.augmentation._random import GATE
from sktransform.augmentation._search.calibration import calibrated_brier, class_scores
from sktransform.augmentation._search.grown import (
    fit_grown,
    grown_rows,
    seeded_clone,
)
from sktransform.augmentation._search.target import row_folds, weighted_mean

NONE, REPEATED = "none", "repeated"
# Tables with fewer rows have more folds: models are cheap there, and a quarter of the
# rows is missed. Copies make up for rows that are left out, so that a gain measured
# on three quarters of them would be more than is gained on all.
_FEW = 200
_FOLDS, _FOLDS_OF_FEW = 4, 8
# A gain of so many times the standard errors that are asked is clear. Of less, and of
# few rows, where the folds happen to lie may have made it: others are asked as well.
_CLEAR = 2.0
# Key of the other partition: no fold has such a number.
_AGAIN = GATE, 2**16
# Share of the loss below which a gain is none: of scores that say nothing, hardly any
# is left by the calibration, but with an error that is smaller still.
_LEAST_GAIN = 1e-3


@dataclass(frozen=True)
class GateSettings:
    """What the gate is told.

    Parameters
    ----------
    z : float
        Standard errors by which a law must gain.

    n_copies : int
        Copies of each row.

    n_jobs : int or None
        Fits at a time.
    """

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
        Differences from no augmentation are those of the partitions that measured both.

    gain : float
        By how much the best candidate's loss is below that of no augmentation.

    error : float
        Standard error of the gain, paired row by row.
    """

    chosen: str
    losses: dict
    gain: float
    error: float


def is_small_table(data):
    """Tell whether rows are few enough for more folds than otherwise."""
    return data.columns.shape is None and len(data) < _FEW


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

    Notes
    -----
    How the rows are shared out among the folds changes a gain by about as much as its
    standard error says. A gain above 0 that is not clear, and any of a small table, is
    therefore the mean of two partitions.
    """
    off = np.zeros(len(transformations))
    laws = {NONE: (off, 0), REPEATED: (off, settings.n_copies)}
    laws |= {name: (ranges, settings.n_copies) for name, ranges in candidates.items()}
    partition = _Partitions(estimator, data, transformations, settings, root)
    losses = partition.losses(laws, GATE)
    if losses is None:
        return GateResult(NONE, {}, 0.0, 0.0)
    means = {name: partition.mean(own)[0] for name, own in losses.items()}
    best = min(candidates, key=means.get)
    gains = losses[NONE] - losses[best]
    gain, error = partition.mean(gains)
    is_clear = gain > _CLEAR * settings.z * error and not is_small_table(data)
    if gain > 0 and not is_clear:
        again = partition.losses({name: laws[name] for name in (NONE, best)}, *_AGAIN)
        gain, error = partition.mean((gains + again[NONE] - again[best]) / 2)
        none = partition.mean((losses[NONE] + again[NONE]) / 2)[0]
        means = {name: none + mean - means[NONE] for name, mean in means.items()}
        means[best] = none - gain
    is_shown = gain > settings.z * error and gain > _LEAST_GAIN * means[NONE]
    chosen = best if is_shown else NONE
    return GateResult(chosen, means, gain, error)


class _Partitions:
    """Rows that are partitioned into folds, and what is judged on them.

    Parameters
    ----------
    estimator, data, transformations, settings, root
        As for `run_gate`.
    """

    def __init__(self, estimator, data, transformations, settings, root):
        self.estimator, self.data = estimator, data
        self.transformations = transformations
        self.settings, self.root = settings, root
        # Rows that every partition so far has held out.
        self._judged = np.ones(len(data), dtype=bool)

    def losses(self, laws, *key):
        """Return name -> held-out losses of the rows in one partition, or None.

        Parameters
        ----------
        laws : dict of str to (ndarray of shape (K,), int)
            Ranges, and number of copies.

        *key : int
            Key of the partition.

        Returns
        -------
        dict of str to ndarray of shape (n,), or None
            The losses, 0 for rows of a fold without which one class is left: means
            leave those out. None if that leaves nothing.
        """
        folds = self._folds(*key)
        if not folds:
            return None
        jobs = [
            delayed(_held_out)(
                seeded_clone(self.estimator, self.root, *key, fold),
                self.data,
                self.transformations,
                law,
                folds[fold],
                (self.root, *key, fold),
            )
            for law in laws.values()
            for fold in range(len(folds))
        ]
        # Small fits: processes would take longer to start than to work.
        found = Parallel(n_jobs=self.settings.n_jobs, prefer="threads")(jobs)
        held_out = np.concatenate([rows for _, rows in folds])
        self._judged &= np.isin(np.arange(len(self.data)), held_out)
        losses = {}
        for number, name in enumerate(laws):
            own = found[number * len(folds) : (number + 1) * len(folds)]
            losses[name] = np.zeros(len(self.data))
            losses[name][held_out] = _losses(np.concatenate(own), self.data[held_out])
        return losses

    def _folds(self, *key):
        data = self.data
        n_folds = _FOLDS_OF_FEW if is_small_table(data) else _FOLDS
        is_classes = data.target.is_classes
        folds = row_folds(data.codes, is_classes, data.groups, n_folds, self.root, *key)
        if is_classes:
            folds = [fold for fold in folds if len(np.unique(data.codes[fold[0]])) > 1]
        return folds

    def mean(self, losses):
        """Return mean and standard error of losses, of the rows that have one."""
        data, judged = self.data, self._judged
        weights = data.target.weights.numpy().astype(np.float64)[judged]
        groups = None if data.groups is None else data.groups[judged]
        mean, error = weighted_mean(losses[judged], weights, groups)
        return float(mean), float(error)


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
