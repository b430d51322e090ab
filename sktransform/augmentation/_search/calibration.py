# SPDX-License-Identifier: BSD-3-Clause
"""Losses of an estimator's held-out scores, once its confidence is put right.

Augmentation changes how confident a model is. A gate that read its probabilities as
they come would accept or refuse a law for that alone.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

# Limits of the factor, for scores of standard deviation 1.
_COLDEST, _HOTTEST = np.exp(-7), np.exp(3)


def class_scores(estimator, X, classes):
    """Return scores in logits, shape (n, n_classes), of a fitted classifier.

    Parameters
    ----------
    estimator : estimator instance
        A fitted classifier.

    X : array-like of shape (n, n_features)
        Rows.

    classes : ndarray of shape (n_classes,)
        All classes, sorted. Those that the estimator has not seen score below any
        that it has.

    Returns
    -------
    ndarray of shape (n, n_classes)
        The decision function, or the logarithm of probabilities not below 0.01, or
        of the predicted class where there is nothing better.
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
    """Return the Brier score of each row after a calibration on all of them.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        Held-out scores in logits.

    codes : ndarray of int of shape (n,)
        The true classes.

    weights : ndarray of shape (n,)
        Weights of the rows in the calibration.

    Returns
    -------
    ndarray of shape (n,)
        Squared distances of the calibrated probabilities from the truth.

    Notes
    -----
    The calibration multiplies the scores by one factor and adds one number for each
    class, which are those of least cross-entropy. The factor alone could not express
    how frequent the classes are when the scores say nothing. The numbers have a
    standard normal prior, which keeps them finite.
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
