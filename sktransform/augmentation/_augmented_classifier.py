# SPDX-License-Identifier: BSD-3-Clause
"""Classifier that trains on rows and, if it helps, on augmented copies of them."""

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
    """Train a classifier on rows and, if it helps, on augmented copies of them.

    The copies are made inside `fit`, after a cross-validation or a pipeline has held
    out its own rows: what is held out is neither seen nor changed.

    Parameters
    ----------
    estimator : estimator
        The classifier; it is cloned.

    augmenter : InvarianceAugmenter, ConstrainedAugmenter or None, default=None
        Learns the policy; it is cloned. None takes an :class:`InvarianceAugmenter`.
        Unless that has an estimator of its own, its policy is accepted only if it
        improves this classifier.

    n_copies : int or "auto", default="auto"
        Augmented copies of each row. "auto" is ``2400 // n_samples``, clipped to
        [2, 8].

    tta : int or "auto", default=0
        Test-time augmentation: number of augmented copies of each row to predict over
        which scores are averaged, the row itself having half of the weight. "auto"
        averages over 8 if that lowers the held-out cross-entropy by more than its
        standard error. 0 predicts rows alone. Transformations of status "inconclusive"
        take no part.

    random_state : int, RandomState instance or None, default=None
        Seed, also of the augmenter and of parts of the classifier without one.

    Attributes
    ----------
    estimator_ : estimator
        The trained classifier.

    augmenter_ : InvarianceAugmenter or ConstrainedAugmenter
        The fitted augmenter. Its `chosen_` says whether there are copies at all.

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
    AugmentedRegressor : The same for numbers.
    InvarianceAugmenter : The policy, its settings, and the evidence for it.

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
            If rows and labels do not fit each other, or the classifier takes no
            weights.
        """
        return self._fit_augmented(X, y, sample_weight, groups, "classification")

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the class of each row.

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
        """Return the classifier's scores.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores, as the classifier gives them.
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
