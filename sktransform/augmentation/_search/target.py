# SPDX-License-Identifier: BSD-3-Clause
"""The target as the probe sees it: codes of classes, or standardised numbers."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)

from sktransform.augmentation._random import FOLDS, stream_seed


@dataclass(frozen=True)
class Target:
    """What a row's label is, and what it costs to predict another.

    Parameters
    ----------
    values : Tensor of shape (n,) or (n, n_outputs)
        Codes of classes in int64, or columns of mean 0 and variance 1 in float32.

    n_outputs : int
        Number of classes, or of columns.

    is_classes : bool
        Whether the values are codes of classes.

    weights : Tensor of shape (n,)
        Weights of the rows in float32, of mean 1.
    """

    values: torch.Tensor
    n_outputs: int
    is_classes: bool
    weights: torch.Tensor

    @classmethod
    def of(cls, y, is_classes, sample_weight=None):
        """Return the target of labels; `y` holds codes of classes, or numbers."""
        y = np.asarray(y)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        weights = torch.tensor(weights / np.mean(weights), dtype=torch.float32)
        if is_classes:
            values = torch.tensor(y, dtype=torch.int64)
            return cls(values, int(y.max()) + 1, True, weights)
        columns = torch.tensor(y.reshape(len(y), -1), dtype=torch.float64)
        spread = columns.std(0, correction=0)
        spread[spread <= 1e-12 * columns.abs().amax(0)] = 1.0
        spread[spread == 0] = 1.0
        values = ((columns - columns.mean(0)) / spread).float()
        return cls(values, values.shape[1], False, weights)

    @property
    def labels(self):
        """Codes of classes for transformations that need them, or None."""
        return self.values if self.is_classes else None

    @property
    def is_constant(self):
        """Whether there is nothing to predict."""
        return bool((self.values == self.values[0]).all())

    def training_loss(self, outputs, values):
        """Return the loss that trains, one for each row.

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs)
            What a probe says: logits, or numbers.

        values : Tensor of shape (...) or (..., n_outputs)
            What is true.

        Returns
        -------
        Tensor of shape (...)
            Cross-entropy in nats, or the mean squared error over the columns.
        """
        if not self.is_classes:
            return (outputs - values).square().mean(-1)
        chosen = outputs.gather(-1, values.unsqueeze(-1)).squeeze(-1)
        return outputs.logsumexp(-1) - chosen

    def training_slope(self, outputs, values):
        """Return the derivative of `training_loss` by the outputs.

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs)
            What a probe says: logits, or numbers.

        values : Tensor of shape (...) or (..., n_outputs)
            What is true.

        Returns
        -------
        Tensor of shape (..., n_outputs)
            The derivative of each row's loss.
        """
        if not self.is_classes:
            return (outputs - values).mul_(2 / self.n_outputs)
        slope = outputs.softmax(-1)
        return slope.scatter_add_(
            -1, values.unsqueeze(-1), slope.new_full((*values.shape, 1), -1.0)
        )

    def measured_loss(self, outputs, values):
        """Return the loss that judges, bounded for classes: the Brier score.

        Parameters
        ----------
        outputs : Tensor of shape (..., n_outputs)
            What a probe says: logits, or numbers.

        values : Tensor of shape (...) or (..., n_outputs)
            What is true.

        Returns
        -------
        Tensor of shape (...)
            Squared distance of the probabilities from the truth, from 0 to 2, or the
            mean squared error over the columns in units of their variance.
        """
        if not self.is_classes:
            return self.training_loss(outputs, values)
        probabilities = outputs.softmax(-1)
        chosen = probabilities.gather(-1, values.unsqueeze(-1)).squeeze(-1)
        return probabilities.square().sum(-1) - 2 * chosen + 1


def row_folds(y, is_classes, groups, n_folds, root, *key):
    """Return folds of the rows as (rows to train on, rows held out).

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, n_outputs)
        Codes of classes, which the folds share out evenly, or numbers.

    is_classes : bool
        Whether y holds codes of classes.

    groups : ndarray of shape (n,) or None
        Rows of one group stay together.

    n_folds : int
        The number of folds, fewer if there are not that many rows or groups.

    root : int
        Root seed.

    *key : int
        Further parts of the stream's key.

    Returns
    -------
    list of (ndarray, ndarray)
        Row numbers; empty if there are fewer than two rows or groups.
    """
    n_units = len(y) if groups is None else len(np.unique(groups))
    n_folds = min(n_folds, n_units)
    if n_folds < 2:
        return []
    settings = {
        "n_splits": n_folds,
        "shuffle": True,
        "random_state": stream_seed(root, FOLDS, *key),
    }
    if is_classes and np.bincount(y).max() >= n_folds:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    else:
        kind = KFold if groups is None else GroupKFold
    with warnings.catch_warnings():
        # A class with fewer rows than folds misses some of them, which is fine here.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = list(kind(**settings).split(np.empty((len(y), 1)), y, groups))
    return [fold for fold in folds if len(fold[0]) and len(fold[1])]


def weighted_mean(values, weights, groups=None):
    """Return mean and standard error over the last axis.

    Parameters
    ----------
    values : ndarray of shape (..., n)
        Numbers.

    weights : ndarray of shape (n,)
        Their weights.

    groups : ndarray of shape (n,) or None, default=None
        Numbers of one group are not independent of each other.

    Returns
    -------
    mean : ndarray of shape (...)
        The weighted mean.

    error : ndarray of shape (...)
        Its standard error, robust to dependence within groups. For equal weights and
        no groups: the sample's standard deviation over the root of n.
    """
    shares = weights / weights.sum()
    mean = (values * shares).sum(-1)
    parts = shares * (values - mean[..., None])
    if groups is not None:
        names, places = np.unique(groups, return_inverse=True)
        parts = parts @ (places[:, None] == np.arange(len(names)))
    n_units = parts.shape[-1]
    error = np.sqrt(np.square(parts).sum(-1) * n_units / max(n_units - 1, 1))
    return mean, error
