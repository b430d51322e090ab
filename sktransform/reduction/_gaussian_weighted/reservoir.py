# SPDX-License-Identifier: BSD-3-Clause
"""A uniform sample of all rows that ever came, for fitting block by block."""

import dataclasses

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from sktransform.reduction._gaussian_weighted.problem import Problem
from sktransform.reduction._gaussian_weighted.rows import AUTO_LANDMARKS
from sktransform.reduction._gaussian_weighted.solvers.neighbors import SAMPLED_ROWS
from sktransform.runtime._runtime import SparseRows
from sktransform.utils._sklearn import fit_context
from sktransform.utils._validation import or_auto


def empty_reservoir(rows, seed):
    """Return a reservoir of no rows.

    Parameters
    ----------
    rows : ndarray of shape (0, n_features)
        No rows, of the stream's width and precision.

    seed : int
        Seed of the draw.

    Returns
    -------
    dict
        "rows", "row_weights" and "keys" of the kept rows, "n_seen", "n_changed" since
        the count was last set to 0, and "seed".
    """
    return {
        "rows": rows,
        "row_weights": np.empty(0),
        "keys": np.empty(0),
        "n_seen": 0,
        "n_changed": 0,
        "seed": seed,
    }


def add_to_reservoir(reservoir, rows, row_weights, limit):
    """Return the reservoir after a block of rows.

    Every row gets a random key, and the rows of the smallest keys are kept: a uniform
    sample without replacement, whatever the blocks.

    Parameters
    ----------
    reservoir : dict
        The reservoir; it is not changed.

    rows : ndarray of shape (n_rows, n_features)
        The block.

    row_weights : ndarray of shape (n_rows,)
        Weights; rows of weight 0 are passed over.

    limit : int
        Most rows to keep.

    Returns
    -------
    dict
        The new reservoir.
    """
    places = np.flatnonzero(row_weights)
    # The keys depend on a row's place in the whole stream alone.
    generator = np.random.Generator(np.random.PCG64(reservoir["seed"]))
    generator.bit_generator.advance(reservoir["n_seen"])
    keys = np.concatenate([reservoir["keys"], generator.random(len(places))])
    kept = np.sort(np.argsort(keys, kind="stable")[:limit])
    n_before = len(reservoir["keys"])
    old, new = kept[kept < n_before], places[kept[kept >= n_before] - n_before]
    # Of a block that is mapped from a file, no more is read than is kept.
    return {
        "rows": np.concatenate([reservoir["rows"][old], rows[new]]),
        "row_weights": np.concatenate(
            [reservoir["row_weights"][old], row_weights[new]]
        ),
        "keys": keys[kept],
        "n_seen": reservoir["n_seen"] + len(places),
        "n_changed": reservoir["n_changed"] + len(new),
        "seed": reservoir["seed"],
    }


# Share of a sample of a stream that must have changed before the map is fitted anew.
_REFIT_SHARE = 0.1


def _can_stream(reducer):
    """Tell whether a reducer keeps something that a sample of the rows stands for."""
    streams = reducer.metric == "euclidean" and reducer.target_weight == 0
    return streams and reducer.solver in ("majorize", "minibatch")


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

        With ``solver="minibatch"`` the map is fitted anew only as long as the sample
        holds all rows, or for a first block that does not fit into it. From then on
        charts stay where they are, and gradient steps see each row of a block, among
        rows of the sample. A stream goes on from `fit`.

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
        block = dataclasses.replace(problem, X=rows)
        reservoir, refit = self._extended_reservoir(block)
        sample = Problem(reservoir["rows"], reservoir["row_weights"])
        # What is kept of a short stream is all of it, and fitted as `fit` would.
        outgrown = not first and reservoir["n_seen"] > len(reservoir["rows"])
        if self.solver != "minibatch":
            if refit:
                self._fit(sample.X, sample, outgrown and self._continues())
        elif outgrown and np.any(self.feature_scale_):
            self._learn_block(block, sample, reservoir)
        else:
            seen = block if first else sample
            self._fit(sample.X, dataclasses.replace(seen, sample=sample), False)
        self.reservoir_ = reservoir
        return self

    def _learn_block(self, block, sample, reservoir):
        """Go on from the present map by steps over the rows of a block."""
        runtime = self._runtime(block.X)
        # Other draws for every block, the same for the same stream.
        seed = [reservoir["seed"], reservoir["n_seen"] % 2**32]
        fitted = self._fit_block(block, sample, seed, runtime)
        self._keep(fitted, sample.X, sample.row_weights, runtime)

    def _sampled(self, problem):
        """Return a problem with the sample that the minibatch solver needs.

        The sample is that of a stream of one block, which is returned as well; there is
        none of a sparse table, of which nothing dense is kept.
        """
        if self.solver != "minibatch":
            return problem, None
        sparse = isinstance(problem.X, SparseRows)
        if sparse:
            # Their places are drawn as the rows themselves would be.
            rows = np.arange(len(problem.X))
        else:
            (rows,) = self._runtime(problem.X).arrays(problem.X)
        block = dataclasses.replace(problem, X=rows)
        reservoir, _ = self._extended_reservoir(block, anew=True)
        kept = problem.X[reservoir["rows"]] if sparse else reservoir["rows"]
        sample = Problem(kept, reservoir["row_weights"])
        sampled = dataclasses.replace(problem, sample=sample)
        return sampled, None if sparse else reservoir

    def _extended_reservoir(self, block, anew=False):
        """Return the sample after a block, and whether to fit to it anew."""
        rows = block.X
        reservoir = None if anew else getattr(self, "reservoir_", None)
        if reservoir is None:
            seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
            reservoir = empty_reservoir(rows[:0], int(seed))
        automatic = SAMPLED_ROWS if self.objective == "neighbors" else AUTO_LANDMARKS
        limit = or_auto(self.n_landmarks, automatic)
        reservoir = add_to_reservoir(reservoir, rows, block.row_weights, limit)
        least = 1 if reservoir["n_seen"] <= limit else _REFIT_SHARE * limit
        refit = reservoir["n_changed"] >= least
        return {**reservoir, **({"n_changed": 0} if refit else {})}, refit
