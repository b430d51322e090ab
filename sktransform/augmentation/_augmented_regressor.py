# SPDX-License-Identifier: BSD-3-Clause
"""Regressor that trains on augmented copies if these improve it."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin

from sktransform.augmentation._augmented import AugmentedEstimator
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import fit_context


@fill_doc
class AugmentedRegressor(AugmentedEstimator, RegressorMixin, BaseEstimator):
    """Train a regressor on augmented copies of its rows if these improve it.

    A policy of transformations is learned inside `fit`, and the regressor is trained on
    the rows and augmented copies of them, or on the rows alone if no policy improves
    it. Rows that a cross-validation holds out are neither used nor changed.

    Parameters
    ----------
    estimator : estimator
        The regressor; it is cloned.

    augmenter : InvarianceAugmenter, ConstrainedAugmenter or None, default=None
        Augmenter that learns the policy; it is cloned. None uses an
        :class:`InvarianceAugmenter`. The acceptance test of an `InvarianceAugmenter`
        uses its own `estimator` or, if that is None, this regressor.

    n_copies : int or "auto", default="auto"
        Augmented copies of each row. "auto" is ``2400 // n_samples``, clipped to
        [2, 8].

    tta : int or "auto", default=0
        Test-time augmentation: number of augmented copies of each predicted row over
        which predictions are averaged; the unchanged row has half of the weight. "auto"
        uses 8 copies if they lower the held-out squared error by more than one standard
        error, and otherwise 0. With 0 there is no averaging. Transformations with
        status "inconclusive" are not used.

    random_state : int, RandomState instance or None, default=None
        Seed, also of the augmenter and of parts of the regressor whose `random_state`
        is None.

    Attributes
    ----------
    estimator_ : estimator
        The trained regressor.

    augmenter_ : InvarianceAugmenter or ConstrainedAugmenter
        The fitted augmenter. If its `chosen_` is "none", no copies were used.

    tta_ : int
        Number of augmented copies over which predictions are averaged.

    seed_ : int
        %(seed)s.

    n_features_in_ : int
        %(n_features_in)s.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        %(feature_names_in)s.

    See Also
    --------
    AugmentedClassifier : Trains a classifier on augmented copies.
    InvarianceAugmenter : Learns the policy.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.svm import SVR
    >>> from sktransform.augmentation import AugmentedRegressor, InvarianceAugmenter
    >>> from sktransform.augmentation.transforms import Rotate
    >>> X = np.random.default_rng(0).normal(size=(490, 3))
    >>> y = np.hypot(X[:, 0], X[:, 1])
    >>> augmenter = InvarianceAugmenter([Rotate([0, 1]), Rotate([1, 2])])
    >>> regressor = AugmentedRegressor(SVR(), augmenter, random_state=0)
    >>> regressor = regressor.fit(X[:90], y[:90])
    >>> alone = SVR().fit(X[:90], y[:90])
    >>> bool(regressor.score(X[90:], y[90:]) > alone.score(X[90:], y[90:]))
    True
    """

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the policy, and train on the rows and augmented copies of them.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s. A copy has the weight of its row.

        groups : array-like of shape (n_samples,), default=None
            %(groups)s.

        Returns
        -------
        AugmentedRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            If X and y are inconsistent, or if weights are given and the regressor does
            not support them.
        """
        return self._fit_augmented(X, y, sample_weight, groups, "regression")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the target of each row.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.
        """
        return self._averaged("predict", X)
