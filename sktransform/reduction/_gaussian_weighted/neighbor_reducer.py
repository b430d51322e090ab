# SPDX-License-Identifier: BSD-3-Clause
"""Reducer that keeps neighbourhoods by a Gaussian-weighted mixture of affine maps."""

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
    """Reduce dimensions by a mixture of affine maps that keeps neighbourhoods.

    The map is ``f(x) = sum_i w_i(x) (b_i + A_i (x - mu_i))``: charts with centres
    ``mu_i`` hold an affine map each, and a row follows the charts near it, with weights
    ``w(x) = softmax_i(-||x - mu_i||^2 / s_i)``. It is a function: new rows are mapped
    in milliseconds, each the same alone or in a batch, its exact Jacobian tells which
    features moved a row, and a decoder approximates the rows.

    Neighbourhoods are kept by stochastic gradients: pairs of neighbours attract each
    other, the other rows of a batch repel them. Centres and widths are learned too.

    Parameters
    ----------
    n_components : int, default=2
        Number of dimensions of the embedding, at most the number of features.

    stress_weight : float, default=0.2
        Strength with which distances are kept as well, from 0 (neighbours alone) to 1
        (distances alone).

    anchored : bool, default=False
        Keep the training rows, and map new rows onto the position of one of their 10
        nearest, by a vote among them; squared distances are divided by the training
        row's own to its seventh neighbour. New rows are then mapped into the
        clusters of a map and not between them. The price: memory for all rows in up to
        50 dimensions, a transform that is not continuous and that gives many rows one
        position; `jacobian` and what builds on it describe the map without the vote.

    target_weight : float, default=0.0
        Share, from 0 to 1, of the attracting neighbours of a row that are taken from
        its class in `y`. Rows with label -1 have no class.

    n_neighbors : int or "auto", default="auto"
        Neighbours that are kept; "auto" takes 15.

    n_gaussians : int or "auto", default="auto"
        Number of charts. "auto" takes one for every 12 rows, at least 5 and at most 200
        (400 above 30,000 rows).

    n_landmarks : int or "auto", default="auto"
        Of a stream, most rows that are kept; "auto" takes 10,000. `fit` sees all rows.

    max_iter : int or "auto", default="auto"
        Gradient steps: 2000, or 2500 below 5000 rows, or 4000 above 30,000.

    store_embedding : bool, default=True
        Whether to keep the mapped training rows as `embedding_`. For many rows they
        take more memory, and space in a saved model, than the map itself.

    warm_start : bool, default=False
        Start `fit` at the present map, if there is one, instead of PCA: with the same
        rows or others of the same features. It keeps its charts, and those of most
        rows are split if `n_gaussians` has become a larger number; "auto" means as many
        as there are. Fewer charts or other `n_components` are refused.

    random_state : int, RandomState instance or None, default=None
        Seed of centres and gradient steps.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        With `store_embedding`: the mapped training rows, equal to `transform` of them:
        centred, on principal axes or as close to those of the map that was continued
        as a rotation takes them, in the units of the rows. Above 30,000 rows an
        anchored fit moves its stored positions once more, without the map, and a
        training row may then be sent to a neighbour's.

    stress_ : float
        ``sqrt(sum (d - d')^2 / sum d^2)`` over pairs of 1000 rows, with distances d of
        the rows and d' of the embedding, after the best scaling.

    loss_curve_ : ndarray
        Mean of the objective over each hundredth of the steps of the last fit.

    n_iter_ : int
        Gradient steps done.

    map_ : dict of str to ndarray
        State of the map, which `centers_`, `widths_`, `components_`, `offsets_` and
        `mean_` tell in the features: "mean", "centers" (less the mean), "widths",
        "components", "offsets" and, for many features, the "projection" onto 50
        principal directions in which the other entries are given. Charts that were
        split have "log_masses", which are added to the logarithms of their weights.

    decoder_ : dict of str to ndarray
        State of the map back, of the same form.

    anchors_ : dict of str to ndarray or None
        What the anchored transform keeps: "inputs", "embedding", "scales" and "unit".

    continuation_ : dict
        What else a warm start needs: the solver's units, and the scale of distances
        that `stress_weight` has frozen.

    feature_scale_ : ndarray of shape (n_features,)
        Standard deviation of each feature, the unit of `influence`.

    reservoir_ : dict
        After `partial_fit`: "rows" and "row_weights" of the sample, and what its draw
        needs.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    GaussianWeightedLinearReducer : Keeps distances by the same model.
    sklearn.manifold.TSNE : Keeps neighbourhoods without a map for new rows.

    Notes
    -----
    A `sample_weight` says how often a row is drawn; rows of weight 0 are left out.

    Sparse tables are never made dense as a whole, but all rows are held in up to 50
    dimensions during `fit`. Streams, and what compares rows with reference rows
    (tangent directions, `distortion`, `null_directions`) need dense ones.

    A warm start keeps the first rows' mean, unit and projection: what has moved far
    away is better fitted anew. The halves of a split chart make the same map until
    training parts them. Rows that are all equal start anew.

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
        """Learn the map and the decoder, anew unless `warm_start` is set.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            The rows; at least two.

        y : array-like of shape (n_samples,), default=None
            Classes, -1 where unknown. Read only if `target_weight` is above 0.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative; a row is drawn as often as it weighs.
            None weighs every row 1.

        Returns
        -------
        GaussianWeightedNeighborReducer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, has fewer features than
            `n_components`, or if parameters contradict the map that `warm_start`
            continues.
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
        """Learn from one more block of rows.

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
            %(sample_weight)s.

        Returns
        -------
        GaussianWeightedNeighborReducer
            The estimator. `reservoir_` holds the sample, at most `n_landmarks` rows,
            and `embedding_`, if it is kept, their images.
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
