# SPDX-License-Identifier: BSD-3-Clause
"""Reducer that keeps distances by a Gaussian-weighted mixture of affine maps."""

import dataclasses
from functools import partial
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sktransform.reduction._gaussian_weighted.base import scored_rows
from sktransform.reduction._gaussian_weighted.explanation import ExplainedReducer
from sktransform.reduction._gaussian_weighted.problem import (
    DistanceSettings,
    Problem,
    check_geodesic_rows,
    check_problem,
    distinct_rows,
    graph_neighbors,
    host_rows,
)
from sktransform.reduction._gaussian_weighted.reservoir import extended_reservoir
from sktransform.reduction._gaussian_weighted.rows import AUTO_LANDMARKS
from sktransform.reduction._gaussian_weighted.solvers.majorize import (
    fit_by_majorization,
)
from sktransform.reduction._gaussian_weighted.solvers.minibatch import (
    continue_by_minibatches,
    fit_by_minibatches,
)
from sktransform.reduction._gaussian_weighted.solvers.warm_start import (
    PresentMap,
    check_continuable,
)
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import SparseRows
from sktransform.utils._docs import fill_doc
from sktransform.utils._graphs import geodesic_distances
from sktransform.utils._sklearn import Interval, StrOptions, fit_context
from sktransform.utils._typing import RandomState, SparseOrDense
from sktransform.utils._validation import check_distances


def _can_stream(reducer):
    """Return whether the objective of a reducer can be estimated from a sample."""
    return reducer.metric == "euclidean" and reducer.target_weight == 0


@fill_doc
class GaussianWeightedLinearReducer(ExplainedReducer):
    """Reduce dimensions by a mixture of affine maps that keeps distances.

    The map is ``f(x) = sum_i w_i(x) (b_i + A_i (x - mu_i))``: charts with centres
    ``mu_i`` hold an affine map each, and a row follows the charts near it, with weights
    ``w(x) = softmax_i(-||x - mu_i||^2 / s_i)``. It is a function: new rows are mapped
    in milliseconds, each the same alone or in a batch, its exact Jacobian tells which
    features moved a row, and a decoder approximates the rows.

    Distances are kept by majorisation of the stress, from PCA on: no learning rate, and
    the objective never rises. In streams they may be kept by stochastic gradients.

    Parameters
    ----------
    n_components : int, default=2
        Number of dimensions of the embedding, at most the number of features.

    metric : {"euclidean", "geodesic", "precomputed"}, default="euclidean"
        Which distances are kept: Euclidean ones; lengths of shortest paths over the
        graph of nearest neighbours, which unroll a sheet; or those given to `fit`.

    target_weight : float, default=0.0
        Share, from 0 to 1, by which distances between rows of one class in `y` are
        shortened. Rows with label -1 have no class. It needs ``solver="majorize"``.

    n_neighbors : int or "auto", default="auto"
        Neighbours in the graph of geodesic distances; "auto" takes 10. A sheet that
        stays folded needs fewer.

    n_gaussians : int or "auto", default="auto"
        Number of charts. "auto" takes one for every ``5 * n_components`` distinct
        rows that the solver sees, at least 5 and at most 50 (100 for distances that
        are not Euclidean).

    ridge : float or "auto", default="auto"
        Weight of the squared difference of the affine maps from where the solver
        starts, in units where the features have mean variance 1. "auto" takes 1e-4 for
        up to three features and 3e-3 for more. Large values return PCA.

    n_landmarks : int or "auto", default="auto"
        Most rows that the majorisation sees, drawn at random; its time and memory grow
        with their square and hardly with the number of rows. "auto" takes all rows up
        to 3000, and 2000 of them above. Of a stream, most rows that are kept: 2000.

    solver : {"majorize", "minibatch"}, default="majorize"
        "minibatch" keeps Euclidean distances by gradient steps that see every row, 256
        at a time, and goes on with every block of a stream; `n_landmarks` rows give the
        units, the charts and the decoder.

    max_iter : int or "auto", default="auto"
        Most iterations: 60 of the majorisation, which ends sooner when the objective
        falls by less than a fraction of 1e-5; 600 minibatches, or one pass over the
        rows if that is more.

    store_embedding : bool, default=True
        Whether to keep the mapped training rows as `embedding_`. For many rows they
        take more memory, and space in a saved model, than the map itself.

    warm_start : bool, default=False
        Start `fit` at the present map, if there is one, instead of PCA: with the same
        rows or others of the same features. It keeps its charts and gets new ones if
        `n_gaussians` has become a larger number; "auto" means as many as there are.
        Fewer charts or other `n_components` are refused.

    random_state : int, RandomState instance or None, default=None
        Seed of landmarks, centres and gradient steps.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        With `store_embedding`: the mapped training rows, equal to `transform` of them:
        centred, on principal axes or as close to those of the map that was continued
        as a rotation takes them, in the units of the rows.

    stress_ : float
        ``sqrt(sum (d - d')^2 / sum d^2)`` over pairs of the rows that the solver saw,
        or of 2000 of its sample after minibatches, with target distances d and embedded
        distances d'. This is normalised by the targets; Kruskal's stress-1 divides by
        the embedding's distances.

    loss_curve_ : ndarray
        The objective at the start and after each iteration of the last fit: squared
        stress plus penalty; of minibatches, on a fixed sample of pairs after each
        hundredth of the steps.

    n_iter_ : int
        Iterations or gradient steps done.

    map_ : dict of str to ndarray
        State of the map, which `centers_`, `widths_`, `components_`, `offsets_` and
        `mean_` tell in the features: "mean", "centers" (less the mean), "widths",
        "components", "offsets" and, for many features, the "projection" onto 50
        principal directions in which the other entries are given.

    decoder_ : dict of str to ndarray
        State of the map back, of the same form.

    continuation_ : dict
        What else a warm start needs: the solver's units, and the state of a "stream" of
        gradient steps.

    feature_scale_ : ndarray of shape (n_features,)
        Standard deviation of each feature, the unit of `influence`.

    reservoir_ : dict
        After `partial_fit`, and `fit` to dense minibatches: "rows" and "row_weights"
        of the sample, and what its draw needs.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    GaussianWeightedNeighborReducer : Keeps neighbourhoods by the same model.
    sklearn.decomposition.PCA : The linear map that this one starts from.
    sklearn.manifold.MDS : Minimises the same stress without a map for new rows.
    sklearn.manifold.Isomap : Scales geodesic distances, from which they start here.

    Notes
    -----
    Equal rows are merged, their weights added; a `sample_weight` of 2 means the
    same as a repeated row, and 0 the same as its absence (up to the draw of landmarks).

    Sparse tables are never made dense as a whole. Their rows' distances and principal
    directions come from sparse products on the CPU, and a block of rows at a time is
    mapped. What has a number for each row and feature is dense: `inverse_transform`,
    `influence` and `jacobian` of many rows with many features take memory. Geodesic
    distances, streams, and what compares rows with reference rows (tangent directions,
    `distortion`, `null_directions`) need dense ones.

    A warm start keeps the first rows' mean, unit and projection: what has moved far
    away is better fitted anew. New charts lie where errors are largest, and the
    objective falls from that of the present map, or from so much more as the nearest
    map of all charts misses. Rows that are all equal start anew.

    Far from all centres the map is affine; with unequal widths the widest chart wins.

    The objective adds to the stress of a restricted configuration [2]_, [3]_ a penalty
    towards PCA; its majorisation [2]_ is solved in the parameters or, if there are
    fewer rows, in the rows. The model is that of [1]_ with offsets, weights that always
    sum to 1, and a start that is PCA.

    References
    ----------
    .. [1] E. Bergh, "Gaussian-weighted linear transformations for interpretable
       dimensionality reduction", arXiv:2504.17601, 2025.
    .. [2] J. de Leeuw and W. Heiser, "Multidimensional scaling with restrictions on
       the configuration", Multivariate Analysis V, 1980.
    .. [3] A. R. Webb, "Multidimensional scaling by iterative majorization using
       radial basis functions", Pattern Recognition 28(5), 1995.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sktransform.reduction import GaussianWeightedLinearReducer
    >>> X, _ = load_digits(return_X_y=True)
    >>> reducer = GaussianWeightedLinearReducer(random_state=0).fit(X[:1000])
    >>> reducer.transform(X[1000:]).shape
    (797, 2)
    >>> print(f"{reducer.stress_:.2f}, new rows {-reducer.score(X[1000:]):.2f}")
    0.33, new rows 0.35
    """

    _parameter_constraints: dict = {
        **ExplainedReducer._parameter_constraints,
        "metric": [StrOptions({"euclidean", "geodesic", "precomputed"})],
        "ridge": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "solver": [StrOptions({"majorize", "minibatch"})],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        metric: str = "euclidean",
        target_weight: float = 0.0,
        n_neighbors: int | str = "auto",
        n_gaussians: int | str = "auto",
        ridge: float | str = "auto",
        n_landmarks: int | str = "auto",
        solver: str = "majorize",
        max_iter: int | str = "auto",
        store_embedding: bool = True,
        warm_start: bool = False,
        random_state: RandomState = None,
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.metric = metric
        self.target_weight = target_weight
        self.n_neighbors = n_neighbors
        self.n_gaussians = n_gaussians
        self.ridge = ridge
        self.n_landmarks = n_landmarks
        self.solver = solver
        self.max_iter = max_iter
        self.store_embedding = store_embedding
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: SparseOrDense,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        distances: ArrayLike | None = None,
    ) -> Self:
        """Learn the map and the decoder, anew unless `warm_start` is set.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            The rows; at least two.

        y : array-like of shape (n_samples,), default=None
            Classes, -1 where unknown. Read only if `target_weight` is above 0.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. A pair of rows weighs the product of
            their weights. None weighs every row 1.

        distances : array-like of shape (n_samples, n_samples), default=None
            Target distances, for ``metric="precomputed"``: symmetric, finite, not
            negative, 0 on the diagonal.

        Returns
        -------
        GaussianWeightedLinearReducer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, has fewer features than
            `n_components`, or if parameters contradict each other or the map that
            `warm_start` continues.
        """
        continued = self._continues()
        X = self._validate_rows(X, reset=not continued, min_samples=2)
        runtime = self._runtime(X)
        self._check_metric(distances, "fit")
        problem = self._problem(X, y, sample_weight, distances)
        reservoir = None
        if self.solver == "minibatch":
            problem, reservoir = self._with_sample(problem, runtime)
        present = self._present_map(runtime, "warm_start=True") if continued else None
        solve = {"majorize": fit_by_majorization, "minibatch": fit_by_minibatches}
        fitted = solve[self.solver](
            problem,
            self._settings(),
            runtime,
            check_random_state(self.random_state),
            present=present,
            report=partial(FitProgress, self),
        )
        self._assign(fitted, X, runtime, reservoir=reservoir)
        return self

    @available_if(_can_stream)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn from one more block of rows; for Euclidean distances.

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
            %(sample_weight)s.

        Returns
        -------
        GaussianWeightedLinearReducer
            The estimator. `reservoir_` holds the sample, at most `n_landmarks` rows,
            and `embedding_`, if it is kept, their images.
        """
        first = not hasattr(self, "reservoir_")
        X = self._validate_rows(X, reset=first, min_samples=2 if first else 1)
        block = self._problem(X, None, sample_weight, None)
        (rows,) = self._runtime(X).arrays(X)
        block, runtime = dataclasses.replace(block, X=rows), self._runtime(rows)
        reservoir, refit = extended_reservoir(
            None if first else self.reservoir_,
            rows,
            block.row_weights,
            self._sample_size(),
            self.random_state,
        )
        sample = Problem(reservoir["rows"], reservoir["row_weights"])
        # A short stream is kept as a whole, and fitted as `fit` would.
        outgrown = not first and reservoir["n_seen"] > len(sample.X)
        settings, report = self._settings(), partial(FitProgress, self)
        generator = check_random_state(self.random_state)
        fitted = None
        if self.solver == "majorize" and refit:
            present = None
            if outgrown and self._continues():
                present = self._present_map(runtime, "warm_start=True")
            fitted = fit_by_majorization(
                sample, settings, runtime, generator, present=present, report=report
            )
        elif self.solver == "minibatch" and outgrown and np.any(self.feature_scale_):
            # Other draws for every block, the same for the same stream.
            seed = [reservoir["seed"], reservoir["n_seen"] % 2**32]
            fitted = continue_by_minibatches(
                block,
                sample,
                settings,
                runtime,
                np.random.RandomState(seed),
                present=self._present_map(runtime, "partial_fit"),
                report=report,
            )
        elif self.solver == "minibatch":
            seen = dataclasses.replace(block if first else sample, sample=sample)
            fitted = fit_by_minibatches(
                seen, settings, runtime, generator, report=report
            )
        self._assign(fitted, sample.X, runtime, reservoir=reservoir)
        return self

    def score(
        self, X: SparseOrDense, y: Any = None, distances: ArrayLike | None = None
    ) -> float:
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
        self._check_metric(distances, "score")
        if self.metric == "euclidean":
            return super().score(X)
        X, runtime = self._checked(X)
        if distances is not None:
            distances = check_distances(distances, "distances", n_rows=len(X))
        else:
            check_geodesic_rows(X)
            distinct, members = distinct_rows(host_rows(X, np.arange(len(X))))
            some = scored_rows(len(X))
            n_neighbors = graph_neighbors(self.n_neighbors)
            distances = geodesic_distances(distinct, n_neighbors, members[some])
            X = X[some]
        return -self._stress(X, runtime, distances)

    def _check_metric(self, distances, method):
        """Raise an error if distances are given without their metric or missing."""
        if (self.metric == "precomputed") != (distances is not None):
            raise ValueError(
                f"metric={self.metric!r}, but distances "
                f"{'are' if distances is not None else 'are not'} given; target "
                f"distances come as {method}(X, distances=D) together with "
                "metric='precomputed'."
            )

    def _problem(self, X, y, sample_weight, distances):
        """Return the validated problem of Euclidean or other distances."""
        if self.solver == "minibatch" and self.metric != "euclidean":
            raise ValueError(
                f"solver='minibatch' keeps Euclidean distances, but metric is "
                f"{self.metric!r}; use solver='majorize', or metric='euclidean'."
            )
        if self.solver == "minibatch" and self.target_weight > 0:
            raise ValueError(
                f"solver='minibatch' does not shorten distances, but target_weight is "
                f"{self.target_weight}; use solver='majorize', or target_weight=0."
            )
        return check_problem(
            X,
            y,
            sample_weight,
            distances,
            n_components=self.n_components,
            target_weight=self.target_weight,
        )

    def _settings(self):
        """Return the parameters that solvers read."""
        return DistanceSettings(
            n_components=self.n_components,
            metric=self.metric,
            target_weight=self.target_weight,
            n_neighbors=self.n_neighbors,
            n_gaussians=self.n_gaussians,
            ridge=self.ridge,
            n_landmarks=self.n_landmarks,
            max_iter=self.max_iter,
        )

    def _sample_size(self):
        """Return the most rows of a stream, or for minibatches, that are kept."""
        return AUTO_LANDMARKS if self.n_landmarks == "auto" else self.n_landmarks

    def _present_map(self, runtime, continues):
        """Return the map to continue, or raise an error that says what contradicts."""
        check_continuable(self.map_, self._settings(), continues=continues)
        return PresentMap.from_arrays(self.map_, self.continuation_, runtime)

    def _with_sample(self, problem, runtime):
        """Return a problem with the sample that minibatches need, and its reservoir.

        The sample is that of a stream of one block. There is no reservoir of a sparse
        table, of which nothing dense is kept.
        """
        X = problem.X
        is_sparse = isinstance(X, SparseRows)
        # Indices are drawn as the rows themselves would be.
        rows = np.arange(len(X)) if is_sparse else runtime.arrays(X)[0]
        reservoir, _ = extended_reservoir(
            None, rows, problem.row_weights, self._sample_size(), self.random_state
        )
        kept = X[reservoir["rows"]] if is_sparse else reservoir["rows"]
        sample = Problem(kept, reservoir["row_weights"])
        problem = dataclasses.replace(problem, sample=sample)
        return problem, None if is_sparse else reservoir
