# SPDX-License-Identifier: BSD-3-Clause
"""A regressor that trains on rows and, if that helps, on versions of them."""

from sklearn.base import BaseEstimator, RegressorMixin

from sktransform.augmentation._augmented import AugmentedEstimator
from sktransform.utils._sklearn import fit_context


class AugmentedRegressor(AugmentedEstimator, RegressorMixin, BaseEstimator):
    """Train a regressor on rows and on versions of them, if that helps.

    The rows grow inside `fit`, after a cross-validation or a pipeline has held out
    its own: what is held out is neither seen nor changed.

    Parameters
    ----------
    estimator : estimator
        The regressor; it is cloned.

    augmenter : InvarianceAugmenter, default=None
        How the law is learned; it is cloned. None takes the default one. Unless it has
        an estimator of its own, this one is asked whether a law helps.

    n_copies : int or "auto", default="auto"
        Versions of each row. "auto" is 2400 through the number of rows, from 2 to 8.

    tta : int or "auto", default=0
        Number of versions of each row to predict over which predictions are averaged,
        the row itself having half of the weight. "auto" averages over 8 if that lowers
        the held-out squared error by more than its standard error. 0 predicts rows
        alone. Transformations of status "inconclusive" make no versions to predict.

    random_state : int, RandomState instance or None, default=None
        Seed, also of the augmenter and of parts of the regressor without one.

    Attributes
    ----------
    estimator_ : estimator
        The trained regressor.

    augmenter_ : InvarianceAugmenter
        The fitted augmenter. Its `chosen_` says whether there are versions at all.

    tta_ : int
        Number of versions over which predictions are averaged.

    seed_ : int
        Seed that `random_state` gave to the fit.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    AugmentedClassifier : The same for classes.
    InvarianceAugmenter : The law, its settings, and what speaks for it.

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

    def __init__(
        self, estimator, augmenter=None, *, n_copies="auto", tta=0, random_state=None
    ):
        self.estimator = estimator
        self.augmenter = augmenter
        self.n_copies = n_copies
        self.tta = tta
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Learn the law, and train on the rows and their versions.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Training rows.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Numbers.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative; a version has its row's.

        groups : array-like of shape (n_samples,), default=None
            Rows of one group are never split between training and held-out rows.

        Returns
        -------
        AugmentedRegressor
            The fitted regressor.

        Raises
        ------
        ValueError
            If rows and targets do not fit each other, or the regressor takes no
            weights.
        """
        return self._fit_grown(X, y, sample_weight, groups)

    def _task_setting(self):
        return {"task": "regression"}

    def predict(self, X):
        """Return the number, or numbers, of each row.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.
        """
        return self._averaged("predict", X)
