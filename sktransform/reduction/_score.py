# SPDX-License-Identifier: BSD-3-Clause
"""How well rows fit a mixture of linear maps that keeps distances."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sktransform.metrics import stress
from sktransform.reduction._internal_rows import sparse_distances
from sktransform.runtime._runtime import SparseRows

# Rows of a sparse table that are scored: all distances between them are held.
_SCORED_ROWS = 2000


class LinearMixtureScoreMixin:
    """The score of an estimator whose `map_` is a mixture of linear maps."""

    def score(self, X, y=None):
        """Return minus the stress of rows, new ones as a rule.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            At least two distinct rows.

        y : None
            Ignored; here for grid searches.

        Returns
        -------
        float
            Minus the stress as in `stress_`; over a fixed sample of pairs if there are
            more than half a million. Of a sparse table at most 2000 rows are scored.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        if isinstance(X, SparseRows):
            return self._sparse_score(X, runtime)
        Y = runtime.map(self._mapping(runtime), X)
        return -stress(*runtime.arrays(X, Y))

    def _sparse_score(self, X, runtime):
        """Return minus the stress of sparse rows, from distances between some."""
        if len(X) > _SCORED_ROWS:
            drawn = np.random.RandomState(0).permutation(len(X))[:_SCORED_ROWS]
            X = X[np.sort(drawn)]
        Y = runtime.map(self._mapping(runtime), X)
        distances = sparse_distances(X.table.astype(np.float64))
        return -stress(distances, Y, metric="precomputed")
