# SPDX-License-Identifier: BSD-3-Clause
"""Reducer that preserves neighbourhoods by a Gaussian-weighted affine mixture."""

from functools import partial
from numbers import Real
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if

from sktransform.reduction._gaussian_weighted.explanation import ExplainedReducer
from sktransform.reduction._gaussian_weighted.problem import Problem, check_problem
from sktransform.reduction._gaussian_weighted.reservoir import extended_reservoir
from sktransform.reduction._gaussian_weighted.solvers.neighbors import (
    SAMPLED_ROWS,
    NeighborSettings,
    fit_by_neighbors,
)
from sktransform.reduction._gaussian_weighted.solvers.warm_start import (
    PresentMap,
    check_continuable,
)
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, fit_context
from sktransform.utils._typing import RandomState, SparseOrDense


def _can_stream(reducer):
    """Return whether the objective of a reducer can be estimated from a sample."""
    return reducer.target_weight == 0


@fill_doc
class GaussianWeightedNeighborReducer(ExplainedReducer):
    """Reduce dimensions by a mixture of affine maps that preserves neighbourhoods.

    The map is ``f(x) = sum_i w_i(x) (b_i + A_i (x - mu_i))``, a mixture of local affine
    maps, the charts. Chart i has a centre ``mu_i``, a width ``s_i`` and the weight
    ``w_i(x) = softmax_i(-||x - mu_i||^2 / s_i)``, which is largest for rows near its
    centre. Since the map is a function, new rows are mapped in milliseconds, with the
    same result alone or in a batch. The exact Jacobian of the map gives the influence
    of each feature on each row, and a decoder approximates the rows.

    The map is trained by stochastic gradient descent on a contrastive loss: pairs of
    neighbours attract each other, and all other pairs of a batch repel each other.
    Centres and widths of the charts are learned too.

    Parameters
    ----------
    n_components : int, default=2
        Number of dimensions of the embedding, at most the number of features.

    stress_weight : float, default=0.2
        Weight of the stress in the loss, from 0 (neighbourhoods only) to 1 (distances
        only).

    anchored : bool, default=False
        Whether to store the training rows and map each new row onto the embedding of
        one of its 10 nearest training rows: the one at which the weighted kernel
        density of the 10 embeddings is largest. To find and weigh these rows, squared
        distances are divided by the distance of the training row to its seventh
        neighbour (local scaling). New rows are then mapped into clusters and not
        between them. Disadvantages: memory for all rows in up to 50 dimensions, and a
        discontinuous `transform` that maps many rows to the same point. `jacobian`,
        `influence` and `expansion` describe the continuous map.

    target_weight : float, default=0.0
        Fraction, from 0 to 1, of the attracting neighbours of a row that are drawn from
        its class in `y`. Rows with label -1 are unlabelled.

    n_neighbors : int or "auto", default="auto"
        Number of neighbours of each row to preserve; "auto" is 15.

    n_gaussians : int or "auto", default="auto"
        Number of charts. "auto" uses one chart for every 12 rows, at least 5 and at
        most 200, or at most 400 with more than 30,000 rows.

    n_landmarks : int or "auto", default="auto"
        Size of the sample that `partial_fit` stores; "auto" is 10,000. `fit` uses all
        rows.

    max_iter : int or "auto", default="auto"
        Number of gradient steps. "auto" is 2500 below 5000 rows, 4000 above 30,000
        rows, and 2000 otherwise.

    store_embedding : bool, default=True
        Whether to store the mapped training rows as `embedding_`. For many rows they
        need more memory than the map itself.

    warm_start : bool, default=False
        Whether `fit` starts at the map of an earlier `fit`, if there is one, instead of
        PCA. The rows may be others with the same features. The charts are kept; if
        `n_gaussians` was increased, the charts with the most rows are split; "auto"
        keeps their number. Fewer charts or another `n_components` raise an error.

    random_state : int, RandomState instance or None, default=None
        Seed of centres and gradient steps.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        Mapped training rows, equal to ``transform(X)``, in the units of X; only with
        ``store_embedding=True``. They are centred and rotated to principal axes, or,
        after a warm start, to the axes nearest to those of the earlier map. With
        ``anchored=True`` and more than 30,000 rows, the stored positions are refined
        without the map, and `transform` may map a training row to the position of a
        neighbour.

    stress_ : float
        ``sqrt(sum (d - d')^2 / sum d^2)`` with distances d of the rows and d' of the
        embedding, over the pairs of at most 1000 rows. The embedding has the scale for
        which this stress is least.

    loss_curve_ : ndarray
        Mean loss over each hundredth of the steps of the last fit.

    n_iter_ : int
        Number of gradient steps.

    map_ : dict of str to ndarray
        Arrays of the map: "mean", "centers" (minus the mean), "widths", "components"
        and "offsets". With more than 50 features also the "projection" onto 50
        principal directions; centers and components are then in the projected space.
        `centers_`, `components_`, `widths_`, `offsets_` and `mean_` give them in the
        original features. If charts were split, also "log_masses", which are added to
        the logarithms of the unnormalised weights.

    decoder_ : dict of str to ndarray
        Arrays of the decoder, with the keys of `map_`.

    anchors_ : dict of str to ndarray or None
        Stored arrays of ``anchored=True``: "inputs", the training rows in the solver's
        units; "embedding"; "scales", the distances to the seventh neighbours; and
        "unit". None with ``anchored=False``.

    continuation_ : dict
        Further state for a warm start: the solver's units, and the fixed scale of the
        distances in the stress.

    feature_scale_ : ndarray of shape (n_features,)
        Standard deviation of each feature, the unit of `influence`.

    reservoir_ : dict
        The stored sample: "rows", "row_weights" and the state of the random draw.
        Exists only after `partial_fit`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    GaussianWeightedLinearReducer : Preserves distances with the same model.
    sklearn.manifold.TSNE : Preserves neighbourhoods without a map for new rows.

    Notes
    -----
    Rows are drawn in proportion to `sample_weight`; rows of weight 0 are left out.

    Sparse tables are never converted to dense as a whole; `fit` projects them to at
    most 50 dimensions. `partial_fit`, `tangent_directions`, `expansion`, `distortion`
    and `null_directions` need dense rows.

    A warm start keeps the mean, unit and projection of the first rows; if the
    distribution of the rows has changed much, fit without a warm start. Splitting a
    chart does not change the map; training then separates the halves. If all earlier
    rows were equal, the fit starts at PCA.

    The loss of a pair is that of [1]_ with the Cauchy kernel of [2]_; the model is that
    of [3]_ with offsets and weights that always sum to 1.

    References
    ----------
    .. [1] A. van den Oord, Y. Li and O. Vinyals, "Representation learning with
       contrastive predictive coding", arXiv:1807.03748, 2018.
    .. [2] L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", Journal of
       Machine Learning Research 9, 2008.
    .. [3] E. Bergh, "Gaussian-weighted linear transformations for interpretable
       dimensionality reduction", arXiv:2504.17601, 2025.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sktransform.metrics import trustworthiness
    >>> from sktransform.reduction import GaussianWeightedNeighborReducer
    >>> X, _ = load_iris(return_X_y=True)
    >>> reducer = GaussianWeightedNeighborReducer(max_iter=300, random_state=0)
    >>> Y = reducer.fit_transform(X)
    >>> bool(trustworthiness(X, Y) > 0.95)
    True
    """

    _parameter_constraints: dict = {
        **ExplainedReducer._parameter_constraints,
        "stress_weight": [Interval(Real, 0, 1, closed="both")],
        "anchored": ["boolean"],
    }

    def __init__(
        self,
        n_components: int = 2,
        *,
        stress_weight: float = 0.2,
        anchored: bool = False,
        target_weight: float = 0.0,
        n_neighbors: int | str = "auto",
        n_gaussians: int | str = "auto",
        n_landmarks: int | str = "auto",
        max_iter: int | str = "auto",
        store_embedding: bool = True,
        warm_start: bool = False,
        random_state: RandomState = None,
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.stress_weight = stress_weight
        self.anchored = anchored
        self.target_weight = target_weight
        self.n_neighbors = n_neighbors
        self.n_gaussians = n_gaussians
        self.n_landmarks = n_landmarks
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
            Weights of the rows, not negative; rows are drawn in proportion to them.
            None weighs every row 1.

        Returns
        -------
        GaussianWeightedNeighborReducer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, if it has fewer features
            than `n_components`, or if `n_gaussians` or `n_components` contradict the
            map of a warm start.
        """
        continued = self._continues()
        X = self._validate_rows(X, reset=not continued, min_samples=2)
        runtime = self._runtime(X)
        problem = self._problem(X, y, sample_weight)
        fitted = self._solve(problem, runtime, continued)
        self._assign(fitted, X, runtime)
        return self

    @available_if(_can_stream)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Update the map with a further block of rows.

        The estimator stores a uniform random sample of all rows seen. The map is
        refitted to the sample after every block while the sample grows, and afterwards
        whenever a tenth of it has been replaced. As long as the sample contains all
        rows, the result is that of `fit` on all rows; afterwards refits start at the
        earlier map if `warm_start` is True. A call after `fit` begins a new sample.

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
        GaussianWeightedNeighborReducer
            The estimator. `reservoir_` has the sample of at most `n_landmarks` rows,
            and `embedding_` the mapped sample if ``store_embedding=True``.
        """
        first = not hasattr(self, "reservoir_")
        X = self._validate_rows(X, reset=first, min_samples=2 if first else 1)
        block = self._problem(X, None, sample_weight)
        (rows,) = self._runtime(X).arrays(X)
        runtime = self._runtime(rows)
        reservoir, refit = extended_reservoir(
            None if first else self.reservoir_,
            rows,
            block.row_weights,
            SAMPLED_ROWS if self.n_landmarks == "auto" else self.n_landmarks,
            self.random_state,
        )
        sample = Problem(reservoir["rows"], reservoir["row_weights"])
        # A short stream is kept as a whole, and fitted as `fit` would.
        outgrown = not first and reservoir["n_seen"] > len(sample.X)
        fitted = None
        if refit:
            fitted = self._solve(sample, runtime, outgrown and self._continues())
        self._assign(fitted, sample.X, runtime, reservoir=reservoir)
        return self

    def _problem(self, X, y, sample_weight):
        """Return the validated problem."""
        return check_problem(
            X,
            y,
            sample_weight,
            n_components=self.n_components,
            target_weight=self.target_weight,
        )

    def _solve(self, problem, runtime, continued):
        """Return the fitted map of a problem, from the present map on or anew."""
        settings = NeighborSettings(
            n_components=self.n_components,
            stress_weight=self.stress_weight,
            anchored=self.anchored,
            target_weight=self.target_weight,
            n_neighbors=self.n_neighbors,
            n_gaussians=self.n_gaussians,
            max_iter=self.max_iter,
        )
        present = None
        if continued:
            check_continuable(self.map_, settings)
            present = PresentMap.from_arrays(self.map_, self.continuation_, runtime)
        return fit_by_neighbors(
            problem,
            settings,
            runtime,
            check_random_state(self.random_state),
            present=present,
            report=partial(FitProgress, self),
        )

    def _assign(self, fitted, X, runtime, *, reservoir=None):
        """Set every fitted attribute, the stored rows of an anchored map included."""
        if fitted is not None:
            self.anchors_ = fitted.anchors and runtime.state(fitted.anchors)
        super()._assign(fitted, X, runtime, reservoir=reservoir)
