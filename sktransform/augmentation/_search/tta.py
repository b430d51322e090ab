# SPDX-License-Identifier: BSD-3-Clause
"""Predictions averaged over versions of the rows to predict."""

from dataclasses import replace

import numpy as np

from sktransform.augmentation._policy.policy import apply_draw, draw_versions
from sktransform.augmentation._random import GATE, TTA
from sktransform.augmentation._search.grown import fit_grown, grown_rows, seeded_clone
from sktransform.augmentation._search.target import row_folds, weighted_mean

# Versions that "auto" draws, folds in which it looks, and the least probability.
AUTO_VERSIONS = 8
_FOLDS, _LEAST = 4, 1e-6


def averaging_law(law, status):
    """Return the law for predictions: without labels, of what is known to be harmless.

    Versions to train on may err now and then; a prediction may not.
    """
    shown = np.array([word != "inconclusive" for word in status], dtype=bool)
    return replace(law.without_labels(), ranges=np.where(shown, law.ranges, 0.0))


def averaged(law, rows, decode, method, n_versions, root):
    """Return a method's results, half of the rows and half of versions of them.

    All rows share what is drawn, so that a row's result depends on nothing else.

    Parameters
    ----------
    law : Law
        The law, see `averaging_law`.

    rows : Tensor of shape (n, d)
        The rows.

    decode : callable
        Takes rows and the numbers of their sources, returns what the method takes.

    method : callable
        Returns numbers for each row, such as probabilities.

    n_versions : int
        Number of versions.

    root : int
        Root seed.

    Returns
    -------
    ndarray of shape (n, ...)
        The averages.
    """
    numbers = np.arange(len(rows))
    clean = np.asarray(method(decode(rows, numbers)), np.float64)
    if not len(law.active):
        return clean
    total = np.zeros_like(clean)
    for version in range(n_versions):
        draw = draw_versions(law, np.zeros(len(rows), int), root, TTA, version)
        changed = apply_draw(law, rows, draw)
        total += np.asarray(method(decode(changed, numbers)), np.float64)
    return 0.5 * clean + 0.5 * total / n_versions


def averaging_helps(estimator, data, transformations, augmenter, root):
    """Tell whether averaging lowers the held-out loss by more than a standard error.

    Parameters
    ----------
    estimator : estimator instance
        The classifier, with probabilities, or regressor.

    data : LabelledRows
        The training rows.

    transformations : tuple of Transformation
        The law's transformations.

    augmenter : InvarianceAugmenter
        The fitted augmenter.

    root : int
        Root seed.

    Returns
    -------
    bool
        Whether it does, in cross-entropy or squared error.
    """
    is_classes = data.target.is_classes
    folds = row_folds(data.codes, is_classes, data.groups, _FOLDS, root, TTA)
    gains, weights = [], []
    for number, (train, held_out) in enumerate(folds):
        own, rest = data[train], data[held_out]
        law = own.law(
            transformations,
            augmenter.law_["ranges"],
            augmenter.law_["probabilities"],
            augmenter.law_["joining"],
        )
        key = root, GATE, TTA, number
        rows, sources = grown_rows(own, law, augmenter.n_copies_, *key)
        fitted = fit_grown(seeded_clone(estimator, *key), own, rows, sources)
        losses = _losses_of(fitted, rest, data.classes)
        method = fitted.predict_proba if is_classes else fitted.predict

        def decode(rows, numbers, rest=rest):
            return data.decode(rows, rest.numbers[numbers])

        clean = method(decode(rest.rows, np.arange(len(rest))))
        both = averaged(
            averaging_law(law, augmenter.status_),
            rest.rows,
            decode,
            method,
            AUTO_VERSIONS,
            root,
        )
        gains.append(losses(clean) - losses(both))
        weights.append(rest.target.weights.numpy())
    if not gains:
        return False
    mean, error = weighted_mean(np.concatenate(gains), np.concatenate(weights))
    return bool(mean > error)


def _losses_of(fitted, data, classes):
    """Return a function of predictions that returns a loss for each row."""
    if not data.target.is_classes:
        truth = np.asarray(data.y, np.float64).reshape(len(data), -1)

        def losses(predictions):
            return np.square(predictions.reshape(truth.shape) - truth).mean(1)

        return losses
    known = np.searchsorted(classes, fitted.classes_)

    def losses(probabilities):
        complete = np.zeros((len(data), len(classes)))
        complete[:, known] = probabilities
        own = complete[np.arange(len(data)), data.codes]
        return -np.log(np.maximum(own, _LEAST))

    return losses
