# SPDX-License-Identifier: BSD-3-Clause
"""Acceptance test: a policy is used only if it improves the downstream estimator.

Held-out rows are never changed and never seen: the references of a policy, and every
augmented copy, come from the training rows of the fold.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.utils.parallel import Parallel, delayed

from sktransform.augmentation._policy.policy import augmented_rows, fit_policy
from sktransform.augmentation._random import ACCEPTANCE
from sktransform.augmentation._search import constants
from sktransform.augmentation._tabular.dataset import (
    fit_estimator,
    row_folds,
    seeded_clone,
    weighted_mean,
)

NONE, REPEATED = "none", "repeated"
# Key of the second partition: no fold has such a number.
_SECOND = ACCEPTANCE, 2**16


@dataclass(frozen=True)
class AcceptanceResult:
    """The accepted candidate's name, or "none", with its measurements.

    `losses` are mean held-out losses by name; their differences from "none" are those
    of the partitions that measured both. `gain` is that of the candidate that was best
    at first, `error` its standard error, paired row by row.
    """

    chosen: str = NONE
    losses: dict = field(default_factory=dict)
    gain: float = 0.0
    error: float = 0.0


def run_acceptance_test(
    estimator, dataset, transformations, candidates, n_copies, n_jobs, root
):
    """Return which candidate improves the estimator, if any.

    `candidates` maps names to ranges (K,). How rows are shared out among folds changes
    a gain by about one standard error. A gain above 0 that is not clear, and any gain
    of a small table, is therefore the mean of two partitions.
    """
    off = np.zeros(len(transformations))
    tried = {NONE: (off, 0), REPEATED: (off, n_copies)}
    tried |= {name: (ranges, n_copies) for name, ranges in candidates.items()}

    def measured(names, *key):
        policies = {name: tried[name] for name in names}
        return partition_losses(
            estimator, dataset, transformations, policies, n_jobs, root, *key
        )

    found = measured(tried, ACCEPTANCE)
    if found is None:
        return AcceptanceResult()
    losses, valid = found
    means = {name: _mean(dataset, own, valid)[0] for name, own in losses.items()}
    best = min(candidates, key=means.get)
    gain, error = _mean(dataset, losses[NONE] - losses[best], valid)
    is_small = constants.n_folds(dataset, False, True)
    is_clear = gain > constants.CLEAR_GAIN_Z * constants.GAIN_Z * error and not is_small
    if gain > 0 and not is_clear:
        again, also_valid = measured((NONE, best), *_SECOND)
        valid = valid & also_valid
        gains = (losses[NONE] - losses[best] + again[NONE] - again[best]) / 2
        gain, error = _mean(dataset, gains, valid)
        none = _mean(dataset, (losses[NONE] + again[NONE]) / 2, valid)[0]
        means = {name: none + mean - means[NONE] for name, mean in means.items()}
        means[best] = none - gain
    is_shown = gain > max(
        constants.GAIN_Z * error, constants.MIN_RELATIVE_GAIN * means[NONE]
    )
    return AcceptanceResult(best if is_shown else NONE, means, gain, error)


def partition_losses(estimator, dataset, transformations, policies, n_jobs, root, *key):
    """Return name -> held-out losses (n,) in one partition, and which rows have one.

    `policies` maps names to (ranges (K,), number of copies). Folds that leave a single
    class to train on are left out; None if that leaves nothing.
    """
    folds = _acceptance_folds(dataset, root, *key)
    if not folds:
        return None
    jobs = [
        delayed(_held_out)(
            seeded_clone(estimator, root, *key, fold),
            dataset,
            transformations,
            policy,
            folds[fold],
            (root, *key, fold),
        )
        for policy in policies.values()
        for fold in range(len(folds))
    ]
    # Threads: the fits are small, processes would take longer to start than to work.
    found = Parallel(n_jobs=n_jobs, prefer="threads")(jobs)
    held_out = np.concatenate([rows for _, rows in folds])
    losses = {}
    for number, name in enumerate(policies):
        own = found[number * len(folds) : (number + 1) * len(folds)]
        losses[name] = np.zeros(len(dataset))
        losses[name][held_out] = _losses(np.concatenate(own), dataset[held_out])
    return losses, np.isin(np.arange(len(dataset)), held_out)


def _acceptance_folds(dataset, root, *key):
    """Return the folds of one partition that have two classes to train on."""
    wanted = constants.n_folds(
        dataset, constants.ACCEPTANCE_FOLDS, constants.ACCEPTANCE_FOLDS_SMALL
    )
    is_classes, codes = dataset.target.is_classes, dataset.codes
    folds = row_folds(codes, is_classes, dataset.groups, wanted, root, *key)
    if is_classes:
        folds = [fold for fold in folds if len(np.unique(codes[fold[0]])) > 1]
    return folds


def _mean(dataset, losses, valid):
    """Return mean and standard error of losses (n,) over the rows that have one."""
    weights = dataset.target.weights.numpy().astype(np.float64)[valid]
    groups = None if dataset.groups is None else dataset.groups[valid]
    mean, error = weighted_mean(losses[valid], weights, groups)
    return float(mean), float(error)


def _held_out(estimator, dataset, transformations, policy, fold, stream):
    """Return scores of classes, or predictions, of the rows that a fold holds out."""
    train, held_out = fold
    ranges, n_copies = policy
    own = dataset[train]
    fitted_policy = fit_policy(own, transformations, ranges)
    rows, sources = augmented_rows(own, fitted_policy, n_copies, *stream)
    fitted = fit_estimator(estimator, own, rows, sources)
    X = dataset.decode(dataset.rows[held_out], dataset.indices[held_out])
    if dataset.target.is_classes:
        return class_scores(fitted, X, dataset.classes)
    return np.asarray(fitted.predict(X), np.float64).reshape(len(held_out), -1)


def _losses(scores, dataset):
    """Return a calibrated Brier score, or scaled squared error, for each row."""
    if dataset.target.is_classes:
        weights = dataset.target.weights.numpy().astype(np.float64)
        return calibrated_brier(scores, dataset.codes, weights)
    truth = np.asarray(dataset.y, np.float64).reshape(len(dataset), -1)
    spread = truth.var(0)
    spread[spread == 0] = 1.0
    return (np.square(scores - truth) / spread).mean(1)


# Limits of the factor, for scores of standard deviation 1.
_COLDEST, _HOTTEST = np.exp(-7), np.exp(3)


def class_scores(estimator, X, classes):
    """Return scores in logits (n, n_classes) of a fitted classifier.

    They are the decision function, or the logarithm of probabilities not below 0.01,
    or of the predicted class. Classes that it has not seen score below all others.
    """
    known = np.searchsorted(classes, estimator.classes_)
    scores = _decisions(estimator, X)
    if scores is None:
        if hasattr(estimator, "predict_proba"):
            probabilities = np.asarray(estimator.predict_proba(X), np.float64)
        else:
            probabilities = estimator.predict(X)[:, None] == estimator.classes_
        scores = np.log(np.clip(probabilities, 1e-2, 1.0))
    complete = np.full((len(scores), len(classes)), scores.min() - 1.0)
    complete[:, known] = scores
    return complete


def _decisions(estimator, X):
    """Return one column of decisions for each known class, or None."""
    if not hasattr(estimator, "decision_function"):
        return None
    decisions = np.asarray(estimator.decision_function(X), np.float64)
    if decisions.ndim == 1:
        return np.column_stack([np.zeros(len(decisions)), decisions])
    return None if scores_pairs(estimator) else decisions


def scores_pairs(estimator):
    """Tell whether a classifier's decisions are of pairs of classes, not of classes.

    Their number does not tell: three classes make three pairs.
    """
    shapes = [
        value
        for name, value in estimator.get_params().items()
        if name.rpartition("__")[2] == "decision_function_shape"
    ]
    return "ovo" in shapes and len(estimator.classes_) > 2


def calibrated_brier(scores, codes, weights):
    """Return the Brier score (n,) of scores (n, n_classes) after a calibration on them.

    Augmentation changes how confident a model is, which must not decide. The
    calibration multiplies the scores by one factor and adds an offset for each class,
    by least weighted cross-entropy; the factor alone could not express the frequencies
    of the classes when the scores are uninformative. A standard normal prior keeps the
    offsets finite.
    """
    factor, offsets = _calibration(scores, codes, weights)
    probabilities = softmax(factor * scores + offsets, axis=1)
    probabilities[np.arange(len(codes)), codes] -= 1
    return np.square(probabilities).sum(1)


def _calibration(scores, codes, weights):
    """Return the factor and the offsets of least penalised cross-entropy."""
    spread = scores.std() or 1.0
    scaled = (scores - scores.mean()) / spread
    truth = np.zeros_like(scaled)
    truth[np.arange(len(codes)), codes] = 1
    shares = weights / weights.sum()

    def objective(unknowns):
        factor, offsets = unknowns[0], unknowns[1:]
        logits = log_softmax(factor * scaled + offsets, axis=1)
        error = shares[:, None] * (np.exp(logits) - truth)
        loss = -(shares * logits[np.arange(len(codes)), codes]).sum()
        penalty = 0.5 * (offsets @ offsets) / len(codes)
        slope = np.append((error * scaled).sum(), error.sum(0) + offsets / len(codes))
        return loss + penalty, slope

    start = np.zeros(1 + scores.shape[1])
    start[0] = 1.0
    bounds = [(_COLDEST, _HOTTEST), *[(None, None)] * scores.shape[1]]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[0] / spread, found.x[1:]
