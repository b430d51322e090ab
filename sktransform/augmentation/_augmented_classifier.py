# SPDX-License-Identifier: BSD-3-Clause
"""Classifier that trains on augmented copies if these improve it."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from sktransform.augmentation._augmented import AugmentedEstimator
from sktransform.augmentation._fitting import held_attribute
from sktransform.augmentation._search.acceptance import scores_pairs
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import fit_context


def _estimator_has(name):
    """Return a check that the estimator has a method, for `available_if`."""

    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


@fill_doc
class AugmentedClassifier(AugmentedEstimator, ClassifierMixin, BaseEstimator):
    """Train a classifier on augmented copies of its rows if these improve it.

    A policy of transformations is learned inside `fit`, and the classifier is trained
    on the rows and augmented copies of them, or on the rows alone if no policy improves
    it. Rows that a cross-validation holds out are neither used nor changed.

    Parameters
    ----------
    estimator : estimator
        The classifier; it is cloned.

    augmenter : InvarianceAugmenter, ConstrainedAugmenter or None, default=None
        Augmenter that learns the policy; it is cloned. None uses an
        :class:`InvarianceAugmenter`. The acceptance test of an `InvarianceAugmenter`
        uses its own `estimator` or, if that is None, this classifier.

    n_copies : int or "auto", default="auto"
        Augmented copies of each row. "auto" is ``2400 // n_samples``, clipped to
        [2, 8].

    tta : int or "auto", default=0
        Test-time augmentation: number of augmented copies of each predicted row over
        which scores are averaged; the unchanged row has half of the weight. "auto" uses
        8 copies if they lower the held-out cross-entropy by more than one standard
        error, and otherwise 0. With 0 there is no averaging. Transformations with
        status "inconclusive" are not used.

    random_state : int, RandomState instance or None, default=None
        Seed, also of the augmenter and of parts of the classifier whose `random_state`
        is None.

    Attributes
    ----------
    estimator_ : estimator
        The trained classifier.

    augmenter_ : InvarianceAugmenter or ConstrainedAugmenter
        The fitted augmenter. If its `chosen_` is "none", no copies were used.

    classes_ : ndarray of shape (n_classes,)
        The classes.

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
    AugmentedRegressor : Trains a regressor on augmented copies.
    InvarianceAugmenter : Learns the policy.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.svm import SVC
    >>> from sktransform.augmentation import AugmentedClassifier, InvarianceAugmenter
    >>> from sktransform.augmentation.transforms import Rotate, Shift
    >>> X = np.random.default_rng(0).normal(size=(490, 3))
    >>> y = (X[:, 0] ** 2 + X[:, 1] ** 2 > 1.4).astype(int)
    >>> augmenter = InvarianceAugmenter([Rotate([0, 1]), Shift([0])])
    >>> classifier = AugmentedClassifier(SVC(), augmenter, random_state=0)
    >>> classifier = classifier.fit(X[:90], y[:90])
    >>> classifier.augmenter_.chosen_
    'policy'
    >>> alone = SVC().fit(X[:90], y[:90])
    >>> bool(classifier.score(X[90:], y[90:]) > alone.score(X[90:], y[90:]))
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

        y : array-like of shape (n_samples,)
            Classes.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s. A copy has the weight of its row.

        groups : array-like of shape (n_samples,), default=None
            %(groups)s.

        Returns
        -------
        AugmentedClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If X and y are inconsistent, or if weights are given and the classifier does
            not support them.
        """
        return self._fit_augmented(X, y, sample_weight, groups, "classification")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict the class of each row.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        Returns
        -------
        ndarray of shape (n_samples,)
            Classes.
        """
        if getattr(self, "tta_", 0) == 0:
            return self._averaged("predict", X)
        scores = np.asarray(self._averaged(self._scores, X))
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(int)]
        return self.classes_[scores.argmax(1)]

    def _scores(self, X):
        """Return scores (n,) or (n, n_classes) that can be averaged over copies."""
        if hasattr(self.estimator_, "predict_proba"):
            return self.estimator_.predict_proba(X)
        decides = hasattr(self.estimator_, "decision_function")
        if decides and not scores_pairs(self.estimator_):
            return self.estimator_.decision_function(X)
        predicted = np.asarray(self.estimator_.predict(X))[:, None]
        return (predicted == self.classes_).astype(np.float64)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        return self._averaged("predict_proba", X)

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithms, in the order of `classes_`.
        """
        if getattr(self, "tta_", 0) == 0:
            return self._averaged("predict_log_proba", X)
        with np.errstate(divide="ignore"):  # the logarithm of 0 is -inf, as it should
            return np.log(self._averaged("predict_proba", X))

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Return the decision function of the classifier.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision function of the classifier.
        """
        return self._averaged("decision_function", X)

    @property
    def classes_(self) -> np.ndarray:
        """The classes."""
        return held_attribute(self, "classes_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator).classifier_tags
        if own is not None:
            tags.classifier_tags.multi_class = own.multi_class
        tags.classifier_tags.multi_label = False
        tags.target_tags.multi_output = False
        return tags
