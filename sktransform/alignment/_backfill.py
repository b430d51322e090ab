# SPDX-License-Identifier: BSD-3-Clause
"""In which order to embed a gallery again, and what each step of that brings."""

from numbers import Integral

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.cluster import KMeans
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from sktransform.base import TorchTransformer
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._linalg import unit_rows
from sktransform.runtime._runtime import Runtime
from sktransform.utils._sklearn import Interval, StrOptions, fit_context

# Rows to a cluster, and most clusters, where no classes are given.
_CLUSTER_ROWS = 50
_MOST_CLUSTERS = 100


def _class_means(X, codes, n_classes):
    """Return the mean row of each class.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Rows.

    codes : Tensor of int64, shape (n_rows,)
        Classes from 0 to ``n_classes - 1``, none of them empty.

    n_classes : int
        Number of classes.

    Returns
    -------
    Tensor of shape (n_classes, n_features)
        The means.
    """
    sums = X.new_zeros((n_classes, X.shape[1])).index_add_(0, codes, X)
    return sums / codes.bincount(minlength=n_classes)[:, None]


class BackfillPlanner(ClassNamePrefixFeaturesOutMixin, TorchTransformer):
    """Plan in which order the rows of a gallery are to be embedded again.

    Where a gallery of old vectors cannot be embedded again at once, the rows farthest
    from the mean of their class gain most and come first. `curve` tells how a measure
    of retrieval rises on the way.

    Parameters
    ----------
    metric : {"euclidean", "cosine"}, default="euclidean"
        Distance to the mean; "cosine" takes rows of length 1.

    n_clusters : int or "auto", default="auto"
        Clusters of k-means that stand for classes if `fit` gets no y. "auto" takes one
        for every 50 rows, at most 100.

    random_state : int, RandomState instance or None, default=None
        Seed of the clusters.

    device : str, default="auto"
        Where to compute, see :class:`OrthogonalAligner`.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,)
        Places of the rows of `fit`, the first to be embedded again first; of rows at
        equal distance the earlier comes first.

    distances_ : ndarray of shape (n_samples,)
        Distance of each row of `fit` to the mean of its class.

    classes_ : ndarray of shape (n_classes,)
        Classes, or numbers of clusters.

    means_ : ndarray of shape (n_classes, n_features)
        Mean row of each class.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    BackwardCompatibleAligner : Gives the maps that keep a mixed gallery comparable.

    Notes
    -----
    The means are those of the gallery as it is, and are not computed again on the way.
    There is no inverse.

    References
    ----------
    .. [1] S. Ricci et al., "Lambda-orthogonality regularization for compatible
       representation learning", arXiv:2509.16664, 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import BackfillPlanner
    >>> gallery = np.array([[0.0, 1.0], [0.0, 2.0], [5.0, 1.0], [9.0, 1.0], [4.0, 1.0]])
    >>> BackfillPlanner().fit(gallery, y=[0, 0, 1, 1, 1]).order_
    array([3, 4, 2, 0, 1])
    """

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "metric": [StrOptions({"euclidean", "cosine"})],
        "n_clusters": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "random_state": ["random_state"],
    }

    def __init__(
        self, *, metric="euclidean", n_clusters="auto", random_state=None, device="auto"
    ):
        self.metric = metric
        self.n_clusters = n_clusters
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Order the rows of a gallery.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The gallery, as it is compared with queries until it is embedded again.

        y : array-like of shape (n_samples,), default=None
            Classes. None stands for clusters.

        Returns
        -------
        BackfillPlanner
            The fitted planner.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, or y is not a column of
            classes for its rows.
        """
        X = self._validate_rows(X, reset=True)
        runtime = self._runtime(X)
        with FitProgress(self, max_iter=1) as progress:
            rows = self._rows(runtime.tensor(X))
            self.classes_, codes = self._classes(rows, y)
            codes = runtime.tensor(codes, torch.int64)
            means = _class_means(rows, codes, len(self.classes_))
            distances = (rows - means[codes]).norm(dim=1)
            self.means_, self.distances_ = runtime.arrays(means, distances)
            self.order_ = np.argsort(-self.distances_, kind="stable")
            progress.step()
        return self

    def _rows(self, X):
        """Return rows as distances see them."""
        return unit_rows(X) if self.metric == "cosine" else X

    def _classes(self, rows, y):
        """Return classes and each row's place among them."""
        if y is not None:
            y = column_or_1d(y, warn=True)
            check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(rows, y)
            check_classification_targets(y)
            return np.unique(y, return_inverse=True)
        n_clusters = self.n_clusters
        if n_clusters == "auto":
            n_clusters = min(-(-len(rows) // _CLUSTER_ROWS), _MOST_CLUSTERS)
        host = rows.cpu().numpy()
        clusters = KMeans(
            min(n_clusters, len(np.unique(host, axis=0))),
            random_state=check_random_state(self.random_state),
        ).fit(host)
        return np.unique(clusters.labels_, return_inverse=True)

    def transform(self, X):
        """Return distances of rows to the mean of each class.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the gallery's space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_classes)
            The distances.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        means = runtime.tensor(self.means_, runtime.dtype)

        def distances(rows):
            rows = self._rows(rows)
            return (rows.unsqueeze(1) - means).norm(dim=2)

        return runtime.map(distances, X)

    def curve(self, gallery, replacement, score, *, n_points=11):
        """Return a measure of retrieval as the gallery is embedded again in order.

        Parameters
        ----------
        gallery : array-like or Tensor of shape (n_samples, n_features)
            The gallery before, the rows of `fit` in their order there.

        replacement : array-like or Tensor of shape (n_samples, n_features)
            The same rows embedded again, comparable with queries.

        score : callable
            Takes an array, the gallery with some rows replaced, and returns a number.

        n_points : int, default=11
            Number of steps from none to all rows, at least 2.

        Returns
        -------
        Bunch
            "fractions" of the rows that are replaced and "scores" there, arrays of
            shape (n_points,), and "area" under the curve, the mean score on the way.

        Raises
        ------
        ValueError
            If the tables do not have one shape and the rows of `fit`, or `n_points` is
            less than 2.
        """
        check_is_fitted(self)
        before, after = Runtime.arrays(gallery, replacement)
        mixed, after = np.array(before), np.asarray(after)
        if mixed.shape != after.shape or len(mixed) != len(self.order_):
            raise ValueError(
                f"gallery has shape {mixed.shape} and replacement {after.shape}, but "
                f"both must be the {len(self.order_)} rows of fit in one space."
            )
        if n_points < 2:
            raise ValueError(f"n_points={n_points} is no curve; give 2 or more.")
        fractions = np.linspace(0, 1, n_points)
        scores, done = [], 0
        for count in np.floor(fractions * len(mixed) + 1e-9).astype(int):
            places = self.order_[done:count]
            mixed[places] = after[places]
            scores.append(float(score(mixed.copy())))
            done = count
        area = np.trapezoid(scores, fractions)
        return Bunch(fractions=fractions, scores=np.array(scores), area=float(area))

    @property
    def _n_features_out(self):
        return len(self.means_)
