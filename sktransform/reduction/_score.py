# SPDX-License-Identifier: BSD-3-Clause
"""How well rows fit a mixture of linear maps that keeps distances."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sktransform.metrics import stress
from sktransform.reduction._distance_problem import (
    check_geodesic_rows,
    distinct_rows,
    host_rows,
)
from sktransform.reduction._internal_rows import sparse_distances
from sktransform.runtime._runtime import SparseRows
from sktransform.utils._graphs import geodesic_distances
from sktransform.utils._validation import check_distances, or_auto

# Rows that are scored where all distances between them are held.
_SCORED_ROWS = 2000


class LinearMixtureScoreMixin:
    """The score of an estimator whose `map_` is a mixture of linear maps."""

    def score(self, X, y=None, distances=None):
        """Return minus the stress of rows, new ones as a rule.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            At least two distinct rows.

        y : None
            Ignored; here for grid searches.

        distances : array-like of shape (n_samples, n_samples), default=None
            Target distances between these rows, for ``metric="precomputed"``.

        Returns
        -------
        float
            Minus the stress of the distances that `metric` names, as in `stress_`
            without a `target_weight`. Straight ones are scored over a fixed sample of
            pairs if there are more than half a million. Geodesic ones lead over the
            rows that are scored, and not over the training rows; of these, as of a
            sparse table, at most 2000 are compared.

        Raises
        ------
        ValueError
            If distances are given without ``metric="precomputed"``, or not with it.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        if (self.metric == "precomputed") != (distances is not None):
            raise ValueError(
                "A map of given distances is scored as score(X, distances=D) with "
                f"those between the rows of X; metric is {self.metric!r} and distances "
                f"{'are' if distances is not None else 'are not'} given."
            )
        if distances is not None:
            distances = check_distances(distances, "distances", n_rows=len(X))
        elif self.metric == "geodesic":
            check_geodesic_rows(X)
            distinct, places = distinct_rows(host_rows(X, np.arange(len(X))))
            some = _scored(len(X))
            n_neighbors = or_auto(self.n_neighbors, 10)
            distances = geodesic_distances(distinct, n_neighbors, places[some])
            X = X[some]
        elif isinstance(X, SparseRows):
            X = X[_scored(len(X))]
            distances = sparse_distances(X.table.astype(np.float64))
        Y = runtime.map(self._mapping(runtime), X)
        if distances is None:
            return -stress(*runtime.arrays(X, Y))
        return -stress(distances, *runtime.arrays(Y), metric="precomputed")


def _scored(n_rows):
    """Return the places of the rows that are compared, always the same ones."""
    if n_rows <= _SCORED_ROWS:
        return np.arange(n_rows)
    return np.sort(np.random.RandomState(0).permutation(n_rows)[:_SCORED_ROWS])
