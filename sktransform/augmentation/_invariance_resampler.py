# SPDX-License-Identifier: BSD-3-Clause
"""More training rows by a learned law, for pipelines that may grow."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_consistent_length

from sktransform.augmentation._composed import GrowingMixin, unique_sources
from sktransform.augmentation._invariance_augmenter import InvarianceAugmenter
from sktransform.augmentation._tabular.containers import labels_taken
from sktransform.utils._sklearn import Interval, StrOptions, fit_context


class InvarianceResampler(GrowingMixin, CallbackSupportMixin, BaseEstimator):
    """Return training rows followed by versions of them that keep their labels.

    A sampler in the sense of imbalanced-learn: its pipelines call `fit_resample` when
    they are fitted, and pass it by at prediction. There is no `transform`.

    Parameters
    ----------
    augmenter : InvarianceAugmenter, default=None
        How the law is learned; it is cloned. None takes the default one.

    n_copies : int or "auto", default="auto"
        Versions of each row. "auto" is 2400 through the number of rows, from 2 to 8.

    preserve_total_weight : bool, default=False
        Whether weights given to `fit_resample` are divided among a row and its
        versions, so that their sum stays.

    random_state : int, RandomState instance or None, default=None
        Seed, also of an augmenter without one.

    Attributes
    ----------
    augmenter_ : InvarianceAugmenter
        The fitted augmenter, with the law and what speaks for it.

    sample_indices_ : ndarray of shape (n_samples_new,)
        The row of X that each new row is, or is a version of: for example to keep
        versions of one row in one fold.

    seed_ : int
        Seed that `random_state` gave to the fit.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    AugmentedClassifier : Grows rows inside `fit`, in any pipeline of scikit-learn.

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
        "augmenter": [InvarianceAugmenter, None],
        "n_copies": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "preserve_total_weight": ["boolean"],
        "random_state": ["random_state"],
    }

    # What imbalanced-learn asks of a sampler.
    _sampling_type = "over-sampling"

    def __init__(
        self,
        augmenter=None,
        *,
        n_copies="auto",
        preserve_total_weight=False,
        random_state=None,
    ):
        self.augmenter = augmenter
        self.n_copies = n_copies
        self.preserve_total_weight = preserve_total_weight
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Learn the law.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Training rows.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes, or numbers.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.

        groups : array-like of shape (n_samples,), default=None
            Rows of one group are never split between training and held-out rows.

        Returns
        -------
        InvarianceResampler
            The fitted resampler.
        """
        self._grow(X, y, sample_weight, groups)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X, y, sample_weight=None, groups=None, **arrays):
        """Learn the law, and return the rows followed by versions of them.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Training rows.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes, or numbers.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. Rows of weight 0 are left out.

        groups : array-like of shape (n_samples,), default=None
            Rows of one group are never split between training and held-out rows.

        **arrays : dict of str to array-like
            Further arrays with an entry for each row.

        Returns
        -------
        X : ndarray, data frame or Tensor of shape (n_samples_new, n_features)
            The rows, then the first version of each, and so on.

        y : ndarray, series or frame of shape (n_samples_new,) or (n_samples_new, \
n_outputs)
            Their labels, in the container of y.

        *others : ndarray
            Weights, groups and further arrays of the new rows, in this order, of
            those that were given.

        Raises
        ------
        ValueError
            If rows, labels and arrays differ in length.
        """
        check_consistent_length(X, y, *arrays.values())
        data, rows, sources = self._grow(X, y, sample_weight, groups)
        self.sample_indices_ = places = unique_sources(data, sources)
        labels = labels_taken(y, data.y, sources, places)
        results = [data.decode(rows, places), labels]
        if sample_weight is not None:
            weights = data.sample_weight[sources]
            if self.preserve_total_weight:
                weights = weights * len(data) / len(places)
            results.append(weights)
        if groups is not None:
            results.append(np.asarray(groups)[places])
        results += [np.asarray(array)[places] for array in arrays.values()]
        return tuple(results)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags
