# SPDX-License-Identifier: BSD-3-Clause
"""Labelled rows: an encoded table with target, weights, groups, folds and losses."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn import get_config
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
    has_fit_parameter,
    validate_data,
)

from sktransform.augmentation._random import ESTIMATOR, FOLDS, stream_seed
from sktransform.augmentation._tabular.columns import ColumnTable
from sktransform.augmentation._tabular.encoder import is_frame
from sktransform.runtime._validation import check_tensor
from sktransform.utils._sklearn import check_sample_weight


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Training rows from which a transformation computes its statistics.

    Parameters
    ----------
    rows : Tensor of shape (n_samples, n_features)
        Training rows in the units of the table, NaN for missing cells.

    columns : ColumnTable
        Kinds, allowed values and statistics of the columns.

    labels : Tensor of int64, shape (n_samples,), default=None
        Codes of the classes, from 0. None if there are no classes.

    See Also
    --------
    ColumnTable : Kinds, allowed values and statistics of columns.

    Examples
    --------
    >>> import torch
    >>> from sktransform.augmentation.transforms import ColumnTable, TrainingRows
    >>> rows = torch.tensor([[0.5, 2.5], [1.5, 0.25], [0.25, 1.5]])
    >>> training = TrainingRows(rows, ColumnTable.from_arrays(rows))
    >>> training.columns.n_features
    2
    """

    rows: torch.Tensor
    columns: ColumnTable
    labels: torch.Tensor | None = None


@dataclass(frozen=True)
class Target:
    """Labels as a proxy network takes them, and the losses of predicting them.

    `values` are int64 codes of classes (n,), or float32 columns (n, n_outputs) of mean
    0 and variance 1; `weights` are float32 of mean 1, shape (n,).
    """

    values: torch.Tensor
    n_outputs: int
    is_classes: bool
    weights: torch.Tensor

    @classmethod
    def from_labels(cls, y, is_classes, sample_weight=None):
        """Return the target of codes of classes (n,), or numbers (n,) or (n, q)."""
        y = np.asarray(y)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        weights = torch.tensor(weights / np.mean(weights), dtype=torch.float32)
        if is_classes:
            values = torch.tensor(y, dtype=torch.int64)
            return cls(values, int(y.max()) + 1, True, weights)
        columns = torch.tensor(y.reshape(len(y), -1), dtype=torch.float64)
        spread = columns.std(0, correction=0)
        # Rounding alone gives a constant column a spread of about 1e-16 of its size.
        spread[spread <= 1e-12 * columns.abs().amax(0)] = 1.0
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
        """Return cross-entropy in nats, or mean squared error, of each row.

        Outputs are logits or numbers (..., q), values (...) or (..., q).
        """
        if not self.is_classes:
            return (outputs - values).square().mean(-1)
        chosen = outputs.gather(-1, values.unsqueeze(-1)).squeeze(-1)
        return outputs.logsumexp(-1) - chosen

    def training_gradient(self, outputs, values):
        """Return the derivative of `training_loss` by the outputs (..., n_outputs)."""
        if not self.is_classes:
            return (outputs - values).mul_(2 / self.n_outputs)
        gradient = outputs.softmax(-1)
        return gradient.scatter_add_(
            -1, values.unsqueeze(-1), gradient.new_full((*values.shape, 1), -1.0)
        )

    def validation_loss(self, outputs, values):
        """Return the Brier score, from 0 to 2, or the mean squared error of each row.

        The Brier score is bounded: single rows do not decide, as with cross-entropy.
        """
        if not self.is_classes:
            return self.training_loss(outputs, values)
        probabilities = outputs.softmax(-1)
        chosen = probabilities.gather(-1, values.unsqueeze(-1)).squeeze(-1)
        return probabilities.square().sum(-1) - 2 * chosen + 1


@dataclass(frozen=True)
class LabelledRows:
    """Encoded rows with labels, and the decoder into the caller's container.

    `decode` takes rows and the indices of their sources in the caller's table;
    `indices` (n,) are those of these rows there. `y` are labels as an estimator takes
    them, `target` as a proxy network does; `classes` are None for numbers.
    `passes_weights` says whether an estimator's `fit` is given the weights.
    """

    rows: torch.Tensor
    columns: ColumnTable
    decode: object
    indices: np.ndarray
    y: np.ndarray | None = None
    target: Target | None = None
    classes: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    passes_weights: bool = True

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, chosen):
        """Return some of the rows, with the same columns and statistics."""
        target = self.target
        if target is not None:
            target = replace(
                target, values=target.values[chosen], weights=target.weights[chosen]
            )
        taken = {
            name: None if getattr(self, name) is None else getattr(self, name)[chosen]
            for name in ("y", "sample_weight", "groups")
        }
        rows, indices = self.rows[chosen], self.indices[chosen]
        return replace(self, rows=rows, indices=indices, target=target, **taken)

    @property
    def labels(self):
        """Codes of classes for transformations that need them, or None."""
        return None if self.target is None else self.target.labels

    @property
    def codes(self):
        """Codes of classes, or standardised numbers, as an array."""
        return self.target.values.numpy()


def check_names(estimator, X, *, reset):
    """Set or compare the number and the names of the columns that an estimator saw."""
    if isinstance(X, torch.Tensor):
        check_tensor(estimator, X, reset=reset)
        return
    if not is_frame(X):
        check_array(X, dtype=None, ensure_all_finite="allow-nan", estimator=estimator)
    validate_data(estimator, X, skip_check_array=True, reset=reset)


def is_classification(y, task, estimator):
    """Tell whether y holds classes: by the task, else by the estimator, else by y."""
    if task != "auto":
        return task == "classification"
    if estimator is not None and is_classifier(estimator):
        return True
    if estimator is not None and is_regressor(estimator):
        return False
    kind = type_of_target(y, input_name="y")
    if kind.startswith("continuous"):
        return False
    if kind in ("binary", "multiclass"):
        return True
    raise ValueError(
        f"Unknown label type: y is of type {kind}; give classes in one column, or "
        "numbers with task='regression'."
    )


def check_task(estimator, is_classes):
    """Raise ValueError for a regressor of classes, or a classifier of numbers."""
    if (is_regressor if is_classes else is_classifier)(estimator):
        given, wanted = ("regressor", "classifier")[:: 1 if is_classes else -1]
        raise ValueError(
            f"{type(estimator).__name__} is a {given}, but the task is "
            f"{'classification' if is_classes else 'regression'}; give a {wanted}, or "
            "set the parameter task."
        )


def with_labels(dataset, y, is_classes, sample_weight, groups, estimator):
    """Return the rows with validated labels, weights and groups.

    Rows of weight 0 are dropped: their cells must not be mixed into other rows, and
    their classes are none that an estimator learns.
    """
    multi_output = True
    if estimator is not None:
        check_task(estimator, is_classes)
        multi_output = get_tags(estimator).target_tags.multi_output
    y, values, classes = _validated_labels(y, is_classes, multi_output)
    check_consistent_length(dataset.rows, y, groups)
    if groups is not None:
        groups = np.unique(groups, return_inverse=True)[1]
    if sample_weight is not None and not sample_weight.all():
        kept = np.flatnonzero(sample_weight)
        dataset, sample_weight = dataset[kept], sample_weight[kept]
        groups = None if groups is None else groups[kept]
        y, values, classes = _validated_labels(y[kept], is_classes, multi_output)
    return replace(
        dataset,
        y=y,
        target=Target.from_labels(values, is_classes, sample_weight),
        classes=classes,
        sample_weight=sample_weight,
        groups=groups,
    )


def _validated_labels(y, is_classes, multi_output):
    """Return labels as an estimator takes them, codes or numbers, and the classes."""
    if np.asarray(y).dtype.kind == "f":
        y = check_array(y, ensure_2d=False, input_name="y")
    if is_classes:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        return y, codes, classes
    y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    if not multi_output:
        y = column_or_1d(y, warn=True)
    return y, y, None


def checked_weights(sample_weight, n_rows):
    """Return weights as float64 (n_rows,), not negative; None stays None."""
    if sample_weight is None:
        return None
    return check_sample_weight(
        sample_weight, np.empty(n_rows), dtype=np.float64, ensure_non_negative=True
    )


def takes_weights(estimator):
    """Tell whether an estimator's `fit` takes weights, itself or by routing."""
    if has_fit_parameter(estimator, "sample_weight"):
        return True
    if not get_config()["enable_metadata_routing"]:
        return False
    routing = get_routing_for_object(estimator)
    return "sample_weight" in routing.consumes("fit", ["sample_weight"])


def seeded_clone(estimator, root, *key):
    """Return a clone in which every `random_state` of None is set by root and key."""
    estimator = clone(estimator)
    parameters = estimator.get_params(deep=True)
    seeds = {
        name: stream_seed(root, ESTIMATOR, *key, number)
        for number, name in enumerate(sorted(parameters))
        if name.rpartition("__")[2] == "random_state" and parameters[name] is None
    }
    return estimator.set_params(**seeds)


def fit_estimator(estimator, dataset, rows, sources):
    """Fit an estimator to rows, with the labels and weights of their sources (m,)."""
    params = {}
    if dataset.sample_weight is not None and dataset.passes_weights:
        params["sample_weight"] = dataset.sample_weight[sources]
    X = dataset.decode(rows, dataset.indices[sources])
    return estimator.fit(X, dataset.y[sources], **params)


def row_folds(y, is_classes, groups, n_folds, root, *key):
    """Return folds as (indices to train on, held-out indices).

    Folds are stratified by codes of classes, and keep groups (n,) together. There are
    fewer of them where there are not so many rows or groups, and none for fewer than 2.
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
        # A class with fewer rows than folds is absent from some of them, as intended.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        folds = list(kind(**settings).split(np.empty((len(y), 1)), y, groups))
    return [fold for fold in folds if len(fold[0]) and len(fold[1])]


def weighted_mean(values, weights, groups=None):
    """Return mean and standard error (...) of values (..., n) over the last axis.

    The error is robust to dependence within groups (n,). For equal weights and no
    groups it is the sample's standard deviation divided by the root of n.
    """
    shares = weights / weights.sum()
    mean = (values * shares).sum(-1)
    parts = shares * (values - mean[..., None])
    if groups is not None:
        names, indices = np.unique(groups, return_inverse=True)
        parts = parts @ (indices[:, None] == np.arange(len(names)))
    n_units = parts.shape[-1]
    error = np.sqrt(np.square(parts).sum(-1) * n_units / max(n_units - 1, 1))
    return mean, error
