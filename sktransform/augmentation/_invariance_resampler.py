# SPDX-License-Identifier: BSD-3-Clause
"""Resampler for imbalanced-learn that adds augmented copies by a learned policy."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_consistent_length

from sktransform.augmentation._base import BaseAugmenter
from sktransform.augmentation._fitting import (
    HeldAugmenterMixin,
    fit_held_augmenter,
    n_training_copies,
)
from sktransform.augmentation._invariance_augmenter import InvarianceAugmenter
from sktransform.augmentation._policy.policy import augmented_rows
from sktransform.augmentation._random import COPIES
from sktransform.augmentation._tabular.containers import labels_taken
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import (
    CallbackSupportMixin,
    Interval,
    StrOptions,
    fit_context,
)
from sktransform.utils._typing import RandomState


@fill_doc
class InvarianceResampler(HeldAugmenterMixin, CallbackSupportMixin, BaseEstimator):
    """Resample training rows by adding augmented copies with the same labels.

    It follows the sampler interface of imbalanced-learn: pipelines call `fit_resample`
    in training and skip the step at prediction. There is no `transform`.

    Parameters
    ----------
    augmenter : InvarianceAugmenter, ConstrainedAugmenter or None, default=None
        Augmenter that learns the policy; it is cloned. None uses an
        :class:`InvarianceAugmenter`.

    n_copies : int or "auto", default="auto"
        Augmented copies of each row. "auto" is ``2400 // n_samples``, clipped to
        [2, 8].

    random_state : int, RandomState instance or None, default=None
        Seed, also of the augmenter if its `random_state` is None.

    Attributes
    ----------
    augmenter_ : InvarianceAugmenter or ConstrainedAugmenter
        The fitted augmenter, which has the policy and its measured losses.

    sample_indices_ : ndarray of shape (n_samples_new,)
        For each returned row, the index of the row of X that it equals or is a copy of.
        Can be used as groups in a cross-validation, which keep all copies of a row in
        one fold.

    seed_ : int
        %(seed)s.

    n_features_in_ : int
        %(n_features_in)s.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        %(feature_names_in)s.

    See Also
    --------
    AugmentedClassifier : Adds the copies inside `fit`, in any pipeline of scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.augmentation import InvarianceAugmenter, InvarianceResampler
    >>> from sktransform.augmentation.transforms import Rotate
    >>> X = np.random.default_rng(0).normal(size=(90, 3))
    >>> y = (X[:, 0] ** 2 + X[:, 1] ** 2 > 1.4).astype(int)
    >>> augmenter = InvarianceAugmenter([Rotate([0, 1])])
    >>> resampler = InvarianceResampler(augmenter, n_copies=3, random_state=0)
    >>> X_new, y_new = resampler.fit_resample(X, y)
    >>> X_new.shape, y_new.shape
    ((360, 3), (360,))
    >>> resampler.sample_indices_[90:93]
    array([0, 1, 2])
    """

    _parameter_constraints: dict = {
        "augmenter": [BaseAugmenter, None],
        "n_copies": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    # What imbalanced-learn asks of a sampler.
    _sampling_type = "over-sampling"

    def __init__(
        self,
        augmenter: Any = None,
        *,
        n_copies: int | str = "auto",
        random_state: RandomState = None,
    ) -> None:
        self.augmenter = augmenter
        self.n_copies = n_copies
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the policy.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or targets of a regression.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        groups : array-like of shape (n_samples,), default=None
            %(groups)s.

        Returns
        -------
        InvarianceResampler
            The fitted resampler.
        """
        self._learn(X, y, sample_weight, groups)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_resample(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        **arrays: ArrayLike,
    ) -> tuple[Any, ...]:
        """Learn the policy, and return the rows followed by augmented copies of them.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or targets of a regression.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s. Rows of weight 0 are left out.

        groups : array-like of shape (n_samples,), default=None
            %(groups)s.

        **arrays : dict of str to array-like
            Further arrays with one entry for each row, which are repeated like y.

        Returns
        -------
        X : ndarray, data frame or Tensor of shape (n_samples_new, n_features)
            The rows, then the first copy of every row, and so on.

        y : ndarray, series or frame of shape (n_samples_new,) or (n_samples_new, \
n_outputs)
            Labels of the returned rows, in the container of y.

        *others : ndarray
            Weights, groups and further arrays of the returned rows, in this order, if
            they were given.

        Raises
        ------
        ValueError
            If X, y and the arrays have different numbers of rows.
        """
        check_consistent_length(X, y, *arrays.values())
        dataset, fitted = self._learn(X, y, sample_weight, groups)
        rows, sources = augmented_rows(
            dataset,
            fitted.policy,
            n_training_copies(self, self.augmenter_),
            self.seed_,
            COPIES,
        )
        self.sample_indices_ = indices = dataset.indices[sources]
        labels = labels_taken(y, dataset.y, sources, indices)
        results = [dataset.decode(rows, indices), labels]
        if sample_weight is not None:
            results.append(dataset.sample_weight[sources])
        if groups is not None:
            results.append(np.asarray(groups)[indices])
        results += [np.asarray(array)[indices] for array in arrays.values()]
        return tuple(results)

    def _learn(self, X, y, sample_weight, groups):
        """Fit the augmenter, and return the labelled rows and the policy."""
        augmenter = self.augmenter
        if augmenter is None:
            augmenter = InvarianceAugmenter()
        self.augmenter_, dataset, fitted, self.seed_ = fit_held_augmenter(
            self, augmenter, X, y, sample_weight, groups
        )
        return dataset, fitted

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags
