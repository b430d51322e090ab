# SPDX-License-Identifier: BSD-3-Clause
"""Invariance of a model to transformations, and of a task."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import jensenshannon
from sklearn.base import is_regressor
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_consistent_length

from sktransform.metrics._row_changes import (
    Views,
    held_out_rows,
    predictions,
    row_loss,
)
from sktransform.utils._sklearn import (
    Interval,
    StrOptions,
    safe_indexing,
    validate_params,
)
from sktransform.utils._typing import RandomState

_SHARED = {
    "n_draws": [Interval(Integral, 1, None, closed="left")],
    "magnitudes": ["array-like", None],
    "random_state": ["random_state"],
}
_CHANGES = {
    "tv": lambda p, q: np.abs(p - q).sum(axis=1) / 2,
    # Rounding may leave a root a hair from a real number.
    "js": lambda p, q: np.nan_to_num(jensenshannon(p, q, base=2, axis=1)) ** 2,
    "agreement": lambda p, q: (p != q).astype(np.float64),
    "squared": lambda p, q: np.square(p - q, dtype=np.float64),
}


@validate_params(
    {**_SHARED, "labels": ["array-like", None], "metric": [StrOptions(set(_CHANGES))]},
    prefer_skip_nested_validation=True,
)
def invariance_score(
    estimator: Any,
    X: ArrayLike,
    transform: Any,
    *,
    n_draws: int = 8,
    metric: str = "tv",
    magnitudes: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    random_state: RandomState = None,
) -> float | np.ndarray:
    r"""Measure how little a model's predictions change when rows are transformed.

    The score is 1 minus the mean change of the prediction over rows and random draws of
    the transformation. It is a property of the model and needs no labels. A model with
    constant predictions has the score 1, so the score does not measure how good a model
    is; see :func:`label_invariance_excess` for the invariance of the task.

    Parameters
    ----------
    estimator : estimator instance
        A fitted classifier, or for ``metric="squared"`` a fitted regressor.

    X : array-like or data frame of shape (n_samples, n_features)
        The rows, which are passed to `transform` and to the estimator without
        conversion.

    transform : callable or augmenter
        A function ``transform(X, magnitude, random_state)``, called with a magnitude
        from 0 to 1 and a NumPy Generator, that returns as many transformed rows.
        :func:`~sktransform.augmentation.transforms.view_function` makes such a function
        from a transformation. Or a fitted augmenter with a method ``augment(X,
        random_state=...)``, which draws from its own ranges.

    n_draws : int, default=8
        Number of random draws of the transformation, which are averaged.

    metric : {"tv", "js", "agreement", "squared"}, default="tv"
        Measure of the change of a prediction. "tv" is the total variation distance
        ``sum |p - q| / 2`` between class probabilities, "js" the Jensen-Shannon
        divergence in bits. With "agreement" the change is 1 if the predicted class
        changes and 0 otherwise, so that the score is the share of unchanged classes.
        "squared", for regressors, is the squared change divided by twice the variance
        of the predictions, which is 1 on average if predictions are permuted among
        rows.

    magnitudes : array-like of shape (n_magnitudes,), default=None
        Magnitudes, from 0 to 1, for which a score is returned; the random draws are the
        same for each. None uses 1.

    labels : array-like of shape (n_samples,), default=None
        Classes, or other groups of rows, for which scores are returned separately.

    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    float or ndarray
        The score, 1 if no prediction changes. With `magnitudes`, `labels` or both it is
        an array of shape (n_magnitudes,), (n_labels,) or (n_magnitudes, n_labels), with
        the labels in sorted order.

    Raises
    ------
    ValueError
        If the estimator does not have the predictions that `metric` compares, or if the
        transformation changes the number of rows.

    See Also
    --------
    label_invariance_excess : Measures the rise of the loss, from labels.
    sktransform.inspection.ExcessDisplay : Draws curves over magnitudes.

    Notes
    -----
    With "tv" and "js" the change is at most 1, and the score is 0 only if all
    probability moves to other classes. With "squared" the score may be below 0.

    Examples
    --------
    A 9 that is turned upside down is a 6 to a model of digits; a 0 stays what it was:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransform.metrics import invariance_score
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=5000).fit(X[:1000] / 16, y[:1000])
    >>> def half_turn(X, magnitude, random_state):
    ...     return X[:, ::-1]  # the pixels of an image in reverse order
    >>> by_class = invariance_score(
    ...     model, X[1000:] / 16, half_turn, labels=y[1000:], metric="agreement"
    ... )
    >>> print(f"0: {by_class[0]:.1f}, 9: {by_class[9]:.1f}")
    0: 1.0, 9: 0.0
    """
    change = _CHANGES[metric]
    before = predictions(estimator, X, metric)
    scale = 2 * before.var() if metric == "squared" else 1.0
    views = Views(transform, X, n_draws, magnitudes, random_state)
    changes = np.stack(
        [
            np.mean(
                [change(before, predictions(estimator, V, metric)) for V in draws],
                axis=0,
            )
            for draws in views
        ]
    )
    # A constant prediction does not change, whatever its spread.
    kept = 1 - changes / (scale or 1.0)
    return _shaped(_by_label(kept, labels)[0], magnitudes, labels)


@validate_params(
    {**_SHARED, "per_class": ["boolean"], "cv": ["cv_object", None]},
    prefer_skip_nested_validation=True,
)
def label_invariance_excess(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike,
    transform: Any,
    *,
    n_draws: int = 4,
    magnitudes: ArrayLike | None = None,
    per_class: bool = False,
    cv: Any = None,
    groups: ArrayLike | None = None,
    random_state: RandomState = None,
) -> tuple[float | np.ndarray, float | np.ndarray]:
    r"""Measure how much a transformation raises the loss on held-out rows.

    The excess is the mean, over rows, of the loss of augmented copies minus the loss of
    the unchanged row, under a model that was not trained on the row. The differences
    are paired, so that most of the noise cancels. An excess near 0 with a small
    standard error is evidence that the transformation keeps the label. A large excess
    means that the transformation changes labels, or that the model has not learned the
    invariance.

    Parameters
    ----------
    estimator : estimator instance
        A classifier or regressor. Without `cv` it must be fitted to other rows; with
        `cv` it is cloned and fitted.

    X : array-like or data frame of shape (n_samples, n_features)
        The rows. Without `cv`, `estimator` must not have been trained on them.

    y : array-like of shape (n_samples,)
        Class labels, or targets of a regression.

    transform : callable or augmenter
        See :func:`invariance_score`.

    n_draws : int, default=4
        Number of augmented copies of each row, which are averaged.

    magnitudes : array-like of shape (n_magnitudes,), default=None
        Magnitudes, from 0 to 1, for which an excess is returned; the random draws are
        the same for each. None uses 1.

    per_class : bool, default=False
        Whether to return the excess for each class of y separately; only for
        classifiers.

    cv : int, cross-validation generator or iterable, default=None
        Cross-validation splitter: a clone of the estimator is fitted to the training
        rows of each split, and the excess is measured on the test rows. None uses the
        fitted estimator.

    groups : array-like of shape (n_samples,), default=None
        Groups of rows, passed to the splitter.

    random_state : int, RandomState instance or None, default=None
        Seed of the draws.

    Returns
    -------
    excess : float or ndarray
        Mean difference of the losses. An array if `magnitudes` or `per_class` is given,
        of the shape described in :func:`invariance_score`.

    standard_error : float or ndarray
        Standard error of the excess: the standard deviation of the differences over
        rows, divided by the square root of the number of rows. NaN for a single row.

    Raises
    ------
    ValueError
        If the estimator is neither a classifier nor a regressor, or if the
        transformation changes the number of rows.

    See Also
    --------
    invariance_score : Measures the change of predictions, without labels.
    sktransform.inspection.ExcessDisplay : Draws the excess over magnitudes.

    Notes
    -----
    The loss of a classifier is the Brier score ``sum_c (p_c - [y = c])^2``, from 0 to
    2; for a classifier without ``predict_proba`` the probability of the predicted class
    is 1. The loss of a regressor is the squared error divided by the variance of y.

    Examples
    --------
    The sign of the first column is the label; the second column has no say:

    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransform.metrics import label_invariance_excess
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> y = X[:, 0] > 0
    >>> for column in (0, 1):
    ...     def flip(X, magnitude, random_state):
    ...         X = X.copy()
    ...         X[:, column] *= -1
    ...         return X
    ...     excess, error = label_invariance_excess(
    ...         LogisticRegression(), X, y, flip, cv=3
    ...     )
    ...     print(f"column {column}: {excess:.2f} +- {error:.2f}")
    column 0: 1.62 +- 0.03
    column 1: -0.00 +- 0.00
    """
    y = column_or_1d(y)
    check_consistent_length(X, y)
    loss = row_loss(estimator, y)
    if per_class and is_regressor(estimator):
        raise ValueError(
            "per_class=True needs a classifier, but the estimator is a regressor; use "
            "per_class=False."
        )
    rng = check_random_state(random_state)
    n_magnitudes = 1 if magnitudes is None else len(magnitudes)
    excess = np.empty((n_magnitudes, len(y)))
    for fitted, rows in held_out_rows(estimator, X, y, cv, groups):
        held_out = X if rows is None else safe_indexing(X, rows)
        indices = slice(None) if rows is None else rows
        before = loss(fitted, held_out, y[indices])
        views = Views(transform, held_out, n_draws, magnitudes, rng)
        for values, draws in zip(excess, views, strict=True):
            losses = [loss(fitted, view, y[indices]) for view in draws]
            values[indices] = np.mean(losses, axis=0) - before
    labels = y if per_class else None
    means, errors = _by_label(excess, labels)
    return _shaped(means, magnitudes, labels), _shaped(errors, magnitudes, labels)


def _by_label(values, labels):
    """Return means and standard errors over rows.

    `labels`: groups of rows, or None for one of all.
    `means`: means over the rows of each label, in sorted order.
    `errors`: their standard errors, NaN for a single row.

    Shapes: values (n_magnitudes, n_samples), labels (n_samples,) -> means
    (n_magnitudes, n_labels), errors (n_magnitudes, n_labels).
    """
    if labels is None:
        parts = [values]
    else:
        labels = column_or_1d(labels)
        check_consistent_length(values.T, labels)
        parts = [values[:, labels == label] for label in np.unique(labels)]
    means = np.stack([part.mean(axis=1) for part in parts], axis=1)
    errors = np.stack([_standard_error(part) for part in parts], axis=1)
    return means, errors


def _standard_error(values):
    """Return the standard error of the means along the last axis."""
    n_rows = values.shape[1]
    if n_rows < 2:
        return np.full(len(values), np.nan)
    return values.std(axis=1, ddof=1) / np.sqrt(n_rows)


def _shaped(table, magnitudes, labels):
    """Return a table of magnitudes and labels without the axes not asked for."""
    if labels is None:
        table = table[:, 0]
    if magnitudes is None:
        table = table[0]
    return float(table) if np.ndim(table) == 0 else table
