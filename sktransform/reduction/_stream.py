# SPDX-License-Identifier: BSD-3-Clause
"""Fitting block by block, to a uniform sample of all rows so far."""

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from sktransform.reduction._distance_problem import Problem
from sktransform.reduction._internal_rows import AUTO_LANDMARKS
from sktransform.reduction._neighbor_map import SAMPLED_ROWS
from sktransform.reduction._reservoir import add_to_reservoir, empty_reservoir
from sktransform.utils._sklearn import fit_context
from sktransform.utils._validation import or_auto

# Share of a sample of a stream that must have changed before the map is fitted anew.
_REFIT_SHARE = 0.1


def _can_stream(reducer):
    """Tell whether a reducer keeps something that a sample of the rows stands for."""
    asked = reducer.metric, reducer.solver, reducer.target_weight
    return asked == ("euclidean", "majorize", 0)


class LinearMixtureStreamMixin:
    """The streaming fit of an estimator with a :class:`LinearMixtureFittingMixin`."""

    @available_if(_can_stream)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, sample_weight=None):
        """Learn from one more block of rows; for straight distances and neighbours.

        A uniform sample of all rows so far is kept, and the map fitted to it anew
        whenever enough of it has changed: with every block while it grows, and then
        for each tenth of it. As long as the sample holds all rows, the result is that
        of `fit` on all of them; once it does not, a fit with `warm_start` goes on from
        the map before. After `fit`, a new stream begins.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The block; the first needs two rows.

        y : None
            Ignored; here for pipelines.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None weighs every row 1.

        Returns
        -------
        GaussianWeightedLinearReducer
            The estimator. `reservoir_` holds the sample, at most `n_landmarks` rows,
            and `embedding_`, if it is kept, their images.
        """
        first = not hasattr(self, "reservoir_")
        X = self._validate_rows(X, reset=first, min_samples=2 if first else 1)
        problem = self._problem(X, None, sample_weight, None)
        (rows,) = self._runtime(X).arrays(X)
        reservoir, refit = self._extended_reservoir(rows, problem.row_weights)
        if refit:
            sample = Problem(reservoir["rows"], reservoir["row_weights"])
            # What is kept of a short stream is all of it, and fitted as `fit` would.
            outgrown = reservoir["n_seen"] > len(reservoir["rows"])
            continued = not first and outgrown and self._continues()
            self._fit(sample.X, sample, continued)
        self.reservoir_ = reservoir
        return self

    def _extended_reservoir(self, rows, row_weights):
        """Return the sample after a block, and whether to fit to it anew."""
        reservoir = getattr(self, "reservoir_", None)
        if reservoir is None:
            seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
            reservoir = empty_reservoir(rows[:0], int(seed))
        automatic = SAMPLED_ROWS if self.objective == "neighbors" else AUTO_LANDMARKS
        limit = or_auto(self.n_landmarks, automatic)
        reservoir = add_to_reservoir(reservoir, rows, row_weights, limit)
        least = 1 if reservoir["n_seen"] <= limit else _REFIT_SHARE * limit
        refit = reservoir["n_changed"] >= least
        return {**reservoir, **({"n_changed": 0} if refit else {})}, refit
