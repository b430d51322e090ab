# SPDX-License-Identifier: BSD-3-Clause
"""A classifier that trains on rows and, if that helps, on versions of them."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from sktransform.augmentation._augmented import (
    AugmentedEstimator,
    estimator_has,
    shares,
    votes,
)
from sktransform.augmentation._search.calibration import scores_pairs
from sktransform.utils._sklearn import fit_context


class AugmentedClassifier(AugmentedEstimator, ClassifierMixin, BaseEstimator):
    """Train a classifier on rows and on versions of them, if that helps.

    The rows grow inside `fit`, after a cross-validation or a pipeline has held out
    its own: what is held out is neither seen nor changed.

    Parameters
    ----------
    estimator : estimator
        The classifier; it is cloned.

    augmenter : InvarianceAugmenter, default=None
        How the law is learned; it is cloned. None takes the default one. Unless it has
        an estimator of its own, this one is asked whether a law helps.

    n_copies : int or "auto", default="auto"
        Versions of each row. "auto" is 2400 through the number of rows, from 2 to 8.

    tta : int or "auto", default=0
        Number of versions of each row to predict over which scores are averaged, the
        row itself having half of the weight. "auto" averages over 8 if that lowers the
        held-out cross-entropy by more than its standard error. 0 predicts rows alone.
        Transformations of status "inconclusive" make no versions to predict.

    random_state : int, RandomState instance or None, default=None
        Seed, also of the augmenter and of parts of the classifier without one.

    Attributes
    ----------
    estimator_ : estimator
        The trained classifier.

    augmenter_ : InvarianceAugmenter
        The fitted augmenter. Its `chosen_` says whether there are versions at all.

    classes_ : ndarray of shape (n_classes,)
        The classes.

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
    AugmentedRegressor : The same for numbers.
    InvarianceAugmenter : The law, its settings, and what speaks for it.

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
    'law'
    >>> alone = SVC().fit(X[:90], y[:90])
    >>> bool(classifier.score(X[90:], y[90:]) > alone.score(X[90:], y[90:]))
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

        y : array-like of shape (n_samples,)
            Classes.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative; a version has its row's.

        groups : array-like of shape (n_samples,), default=None
            Rows of one group are never split between training and held-out rows.

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
        return self._fit_grown(X, y, sample_weight, groups)

    def _task_setting(self):
        return {"task": "classification"}

    def predict(self, X):
        """Return the class of each row.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Classes.
        """
        if getattr(self, "tta_", 0) == 0:
            return self._averaged("predict", X)
        return votes(self._averaged(self._scores, X), self.classes_)

    def _scores(self, X):
        """Return what predictions of versions are averaged by."""
        if hasattr(self.estimator_, "predict_proba"):
            return self.estimator_.predict_proba(X)
        decides = hasattr(self.estimator_, "decision_function")
        if decides and not scores_pairs(self.estimator_):
            return self.estimator_.decision_function(X)
        return shares(self.estimator_.predict(X), self.classes_)

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        return self._averaged("predict_proba", X)

    @available_if(estimator_has("predict_log_proba"))
    def predict_log_proba(self, X):
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Logarithms, in the order of `classes_`.
        """
        if getattr(self, "tta_", 0) == 0:
            return self._averaged("predict_log_proba", X)
        with np.errstate(divide="ignore"):  # a probability of 0 is one
            return np.log(self._averaged("predict_proba", X))

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X):
        """Return the classifier's scores.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores, as the classifier gives them.
        """
        return self._averaged("decision_function", X)

    @property
    def classes_(self):
        """The classes."""
        return self._of_augmenter("classes_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator).classifier_tags
        if own is not None:
            tags.classifier_tags.multi_class = own.multi_class
        tags.classifier_tags.multi_label = False
        tags.target_tags.multi_output = False
        return tags
