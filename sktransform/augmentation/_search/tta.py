# SPDX-License-Identifier: BSD-3-Clause
"""Test-time augmentation: predictions averaged over augmented copies of the rows."""

from dataclasses import replace

import numpy as np

from sktransform.augmentation._policy.policy import (
    apply_draw,
    augmented_rows,
    draw_transformations,
    fit_policy,
)
from sktransform.augmentation._random import ACCEPTANCE, TTA
from sktransform.augmentation._tabular.dataset import (
    fit_estimator,
    row_folds,
    seeded_clone,
    weighted_mean,
)

# Copies that "auto" draws; more of them no longer change an average by much.
AUTO_COPIES = 8
# Folds in which "auto" measures, and the least probability in a cross-entropy.
_FOLDS, _MIN_PROBABILITY = 4, 1e-6


def averaging_policy(policy, status):
    """Return the policy for predictions: without labels, of what is shown harmless.

    An inconclusive transformation may harm now and then, which a training averages out
    and a prediction does not.
    """
    shown = np.array([word != "inconclusive" for word in status], dtype=bool)
    ranges = np.where(shown, policy.ranges, 0.0)
    return replace(policy.without_labels(), ranges=ranges)


def averaged(policy, rows, decode, method, n_copies, root):
    """Return a method's results (n, ...), half of the rows and half of their copies.

    All rows share the draws, so that a row's result depends on nothing else.
    `decode(rows, sources)` returns input of the prediction method.
    """
    indices = np.arange(len(rows))
    clean = np.asarray(method(decode(rows, indices)), np.float64)
    if not len(policy.active):
        return clean
    total = np.zeros_like(clean)
    for copy in range(n_copies):
        draw = draw_transformations(policy, np.zeros(len(rows), int), root, TTA, copy)
        changed = apply_draw(policy, rows, draw)
        total += np.asarray(method(decode(changed, indices)), np.float64)
    return 0.5 * clean + 0.5 * total / n_copies


def averaging_helps(estimator, dataset, policy, status, n_copies, root):
    """Tell whether averaging lowers the held-out loss by more than a standard error.

    The loss is cross-entropy, for which a classifier needs probabilities, or squared
    error; the estimator is trained as in the end, with `n_copies` of each row.
    """
    is_classes = dataset.target.is_classes
    folds = row_folds(dataset.codes, is_classes, dataset.groups, _FOLDS, root, TTA)
    gains, weights = [], []
    for number, (train, held_out) in enumerate(folds):
        own, rest = dataset[train], dataset[held_out]
        own_policy = fit_policy(
            own,
            policy.transformations,
            policy.ranges,
            policy.probabilities,
            policy.joining,
        )
        key = root, ACCEPTANCE, TTA, number
        rows, sources = augmented_rows(own, own_policy, n_copies, *key)
        fitted = fit_estimator(seeded_clone(estimator, *key), own, rows, sources)
        method = fitted.predict_proba if is_classes else fitted.predict

        def decode(rows, sources, rest=rest):
            return dataset.decode(rows, rest.indices[sources])

        clean = method(decode(rest.rows, np.arange(len(rest))))
        both = averaged(
            averaging_policy(own_policy, status),
            rest.rows,
            decode,
            method,
            AUTO_COPIES,
            root,
        )
        gains.append(_losses(clean, fitted, rest) - _losses(both, fitted, rest))
        weights.append(rest.target.weights.numpy())
    if not gains:
        return False
    mean, error = weighted_mean(np.concatenate(gains), np.concatenate(weights))
    return bool(mean > error)


def _losses(predictions, fitted, dataset):
    """Return a loss (n,) for probabilities, or predicted numbers, of each row."""
    if not dataset.target.is_classes:
        truth = np.asarray(dataset.y, np.float64).reshape(len(dataset), -1)
        return np.square(predictions.reshape(truth.shape) - truth).mean(1)
    complete = np.zeros((len(dataset), len(dataset.classes)))
    complete[:, np.searchsorted(dataset.classes, fitted.classes_)] = predictions
    own = complete[np.arange(len(dataset)), dataset.codes]
    return -np.log(np.maximum(own, _MIN_PROBABILITY))
