# SPDX-License-Identifier: BSD-3-Clause
"""Reducer that preserves distances by a Gaussian-weighted mixture of affine maps."""

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
    """Reduce dimensions by a mixture of affine maps that preserves distances.

    The map is ``f(x) = sum_i w_i(x) (b_i + A_i (x - mu_i))``, a mixture of local affine
    maps, the charts. Chart i has a centre ``mu_i``, a width ``s_i`` and the weight
    ``w_i(x) = softmax_i(-||x - mu_i||^2 / s_i)``, which is largest for rows near its
    centre. Since the map is a function, new rows are mapped in milliseconds, with the
    same result alone or in a batch. The exact Jacobian of the map gives the influence
    of each feature on each row, and a decoder approximates the rows.

    The stress is minimised by majorisation (SMACOF) from PCA on, without a learning
    rate and with an objective that never rises, or by stochastic gradient descent
    (`solver`).

    Parameters
    ----------
    n_components : int, default=2
        Number of dimensions of the embedding, at most the number of features.

    metric : {"euclidean", "geodesic", "precomputed"}, default="euclidean"
        Target distances. "geodesic" uses the lengths of shortest paths in the graph of
        nearest neighbours, as Isomap does, so that a rolled sheet is unrolled;
        "precomputed" uses the `distances` given to `fit`.

    target_weight : float, default=0.0
        Fraction, from 0 to 1, by which target distances between rows of one class in
        `y` are shortened. Rows with label -1 are unlabelled. Only for
        ``solver="majorize"``.

    n_neighbors : int or "auto", default="auto"
        Number of neighbours in the graph of geodesic distances; "auto" is 10. If a
        rolled sheet is not unrolled completely, use fewer.

    n_gaussians : int or "auto", default="auto"
        Number of charts. "auto" uses one chart for every ``5 * n_components`` distinct
        rows (landmarks, if there are any), at least 5 and at most 50, or at most 100 if
        `metric` is not "euclidean".

    ridge : float or "auto", default="auto"
        Weight, at least 0, of the squared difference between the affine maps and the
        initial map (PCA, or classical MDS for other metrics), for features scaled to a
        mean variance of 1. "auto" is 1e-4 for up to three features and 3e-3 for more.
        For large values the result is the initial map.

    n_landmarks : int or "auto", default="auto"
        Largest number of random rows on which the majorisation computes the stress; its
        time and memory grow with the square of this number. "auto" uses all rows up to
        3000, and 2000 landmarks for more rows. For `partial_fit` it is the size of the
        stored sample; "auto" is 2000.

    solver : {"majorize", "minibatch"}, default="majorize"
        "majorize" minimises the stress of the landmarks by majorisation. "minibatch"
        minimises the stress of Euclidean distances by stochastic gradient descent over
        all rows, in batches of 256 rows, and `partial_fit` continues the descent; a
        sample of `n_landmarks` rows then determines the units, the charts and the
        decoder.

    max_iter : int or "auto", default="auto"
        Largest number of iterations. "auto" is 60 for the majorisation, which stops
        earlier if the objective falls by less than a fraction of 1e-5, and 600
        minibatches, or one pass over the rows if that is more.

    store_embedding : bool, default=True
        Whether to store the mapped training rows as `embedding_`. For many rows they
        need more memory than the map itself.

    warm_start : bool, default=False
        Whether `fit` starts at the map of an earlier `fit`, if there is one, instead of
        PCA. The rows may be others with the same features. The charts are kept; if
        `n_gaussians` was increased, charts are added; "auto" keeps their number. Fewer
        charts or another `n_components` raise an error.

    random_state : int, RandomState instance or None, default=None
        Seed of landmarks, centres and gradient steps.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        Mapped training rows, equal to ``transform(X)``, in the units of X; only with
        ``store_embedding=True``. They are centred and rotated to principal axes, or,
        after a warm start, to the axes nearest to those of the earlier map.

    stress_ : float
        ``sqrt(sum (d - d')^2 / sum d^2)`` with target distances d and embedding
        distances d', over the pairs of landmarks, or of 2000 rows of the sample with
        ``solver="minibatch"``. Kruskal's stress-1 divides by ``sum d'^2`` instead.

    loss_curve_ : ndarray
        Objective of the last fit, squared stress plus penalty, at the start and after
        each iteration. With ``solver="minibatch"`` it is computed on a fixed sample of
        pairs, 100 times during the training.

    n_iter_ : int
        Number of iterations or gradient steps.

    map_ : dict of str to ndarray
        Arrays of the map: "mean", "centers" (minus the mean), "widths", "components"
        and "offsets". With more than 100 features also the "projection" onto 50
        principal directions; centers and components are then in the projected space.
        `centers_`, `components_`, `widths_`, `offsets_` and `mean_` give them in the
        original features.

    decoder_ : dict of str to ndarray
        Arrays of the decoder, with the keys of `map_`.

    continuation_ : dict
        Further state for a warm start: the solver's units, and the state of the
        gradient descent ("stream").

    feature_scale_ : ndarray of shape (n_features,)
        Standard deviation of each feature, the unit of `influence`.

    reservoir_ : dict
        The stored sample: "rows", "row_weights" and the state of the random draw.
        Exists after `partial_fit`, and after `fit` with ``solver="minibatch"`` and
        dense rows.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    GaussianWeightedNeighborReducer : Preserves neighbourhoods with the same model.
    sklearn.decomposition.PCA : The linear map at which the fit starts.
    sklearn.manifold.MDS : Minimises the same stress without a map for new rows.
    sklearn.manifold.Isomap : The start of the fit for geodesic distances.

    Notes
    -----
    Equal rows are merged and their weights added. A `sample_weight` of 2 is equivalent
    to repeating a row, and 0 to leaving it out (up to the random draw of landmarks).

    Sparse tables are never converted to dense as a whole. Distances and principal
    directions are computed from sparse products on the CPU, and rows are mapped in
    blocks. The results of `inverse_transform`, `influence` and `jacobian` are dense and
    may need much memory. Geodesic distances, `partial_fit`, `tangent_directions`,
    `expansion`, `distortion` and `null_directions` need dense rows.

    A warm start keeps the mean, unit and projection of the first rows; if the
    distribution of the rows has changed much, fit without a warm start. Added charts
    are centred where the errors of the earlier map are largest, and the solver starts
    at the map of all charts that is nearest to the earlier map. If all earlier rows
    were equal, the fit starts at PCA.

    Far from all centres the map is affine; if the widths differ, the widest chart has
    all the weight there.

    The objective is the stress of a restricted configuration [2]_, [3]_ plus a penalty
    on the difference to PCA. The least-squares problem of each majorisation step [2]_
    is solved in its primal form or, with fewer rows than parameters, in its dual form.
    The model is that of [1]_ with two changes: offsets, and weights that sum to 1
    everywhere, so that PCA is a special case.

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
        """Learn the map and the decoder.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            The rows; at least two.

        y : array-like of shape (n_samples,), default=None
            Class labels, -1 where unknown. Used only if `target_weight` is above 0.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. A pair of rows weighs the product of
            their weights. None weighs every row 1.

        distances : array-like of shape (n_samples, n_samples), default=None
            Target distances for ``metric="precomputed"``: a symmetric, finite and
            nonnegative matrix with a zero diagonal.

        Returns
        -------
        GaussianWeightedLinearReducer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, if it has fewer features
            than `n_components`, if parameters contradict each other, or if
            `n_gaussians` or `n_components` contradict the map of a warm start.
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
        """Update the map with a further block of rows; only for Euclidean distances.

        The estimator stores a uniform random sample of all rows seen. The map is
        refitted to the sample after every block while the sample grows, and afterwards
        whenever a tenth of it has been replaced. As long as the sample contains all
        rows, the result is that of `fit` on all rows; afterwards refits start at the
        earlier map if `warm_start` is True. A call after `fit` begins a new sample.

        With ``solver="minibatch"`` the map is refitted only as long as the sample
        contains all rows, or if the first block is larger than the sample. Afterwards
        the centres of the charts are fixed, and gradient steps use all rows of a block
        together with rows of the sample. A call after `fit` continues its training.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The block of rows; the first block needs at least two rows.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        Returns
        -------
        GaussianWeightedLinearReducer
            The estimator. `reservoir_` has the sample of at most `n_landmarks` rows,
            and `embedding_` the mapped sample if ``store_embedding=True``.
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
        """Return the negative stress of rows.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            At least two distinct rows.

        y : None
            Ignored.

        distances : array-like of shape (n_samples, n_samples), default=None
            Target distances between the rows of X for ``metric="precomputed"``.

        Returns
        -------
        float
            Negative stress for the distances of `metric`, normalised as `stress_`,
            without `target_weight`. With more than half a million pairs, Euclidean and
            precomputed distances are compared on a fixed random sample of pairs.
            Geodesic distances are computed in the graph of the rows of X, not of the
            training rows. For geodesic distances and sparse X at most 2000 rows are
            compared.

        Raises
        ------
        ValueError
            If `metric` is "precomputed" and `distances` is None, or if `distances` are
            given for another metric.
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
                f"{'are' if distances is not None else 'are not'} given; call "
                f"{method}(X, distances=D) with metric='precomputed', and {method}(X) "
                "with any other metric."
            )

    def _problem(self, X, y, sample_weight, distances):
        """Return the validated problem of Euclidean or other distances."""
        if self.solver == "minibatch" and self.metric != "euclidean":
            raise ValueError(
                f"solver='minibatch' supports Euclidean distances only, but metric is "
                f"{self.metric!r}; use solver='majorize', or metric='euclidean'."
            )
        if self.solver == "minibatch" and self.target_weight > 0:
            raise ValueError(
                f"solver='minibatch' does not support class labels, but target_weight "
                f"is {self.target_weight}; use solver='majorize', or target_weight=0."
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
