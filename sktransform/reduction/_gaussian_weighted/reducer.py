# SPDX-License-Identifier: BSD-3-Clause
"""Dimensionality reduction by a Gaussian-weighted mixture of linear maps."""

from numbers import Integral, Real

from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from sktransform.base import TorchTransformer
from sktransform.reduction._gaussian_weighted.base import (
    LinearMixtureInverseMixin,
    LinearMixtureScoreMixin,
)
from sktransform.reduction._gaussian_weighted.explanation import (
    LinearMixtureExplanationMixin,
)
from sktransform.reduction._gaussian_weighted.fitting import LinearMixtureFittingMixin
from sktransform.reduction._gaussian_weighted.reservoir import LinearMixtureStreamMixin
from sktransform.utils._sklearn import (
    Interval,
    StrOptions,
    fit_context,
)


class GaussianWeightedLinearReducer(
    LinearMixtureStreamMixin,
    LinearMixtureFittingMixin,
    LinearMixtureInverseMixin,
    LinearMixtureScoreMixin,
    LinearMixtureExplanationMixin,
    ClassNamePrefixFeaturesOutMixin,
    TorchTransformer,
):
    """Reduce dimensions by a mixture of linear maps that explains itself.

    The map is ``f(x) = sum_i w_i(x) (b_i + A_i (x - mu_i))``: charts with centres
    ``mu_i`` hold an affine map each, and a row follows the charts near it, with weights
    ``w(x) = softmax_i(-||x - mu_i||^2 / s_i)``. It keeps distances or neighbourhoods.
    Whatever it keeps, it is a function: new rows are mapped in milliseconds, each the
    same alone or in a batch, its exact Jacobian tells which features moved a row, and a
    decoder leads back.

    Distances are kept by majorisation of the stress, from PCA on: no learning rate, and
    the objective never rises. Neighbourhoods, and distances in streams on request, are
    kept by stochastic gradients.

    Parameters
    ----------
    n_components : int, default=2
        Number of dimensions of the embedding, at most the number of features.

    objective : {"distance", "neighbors"}, default="distance"
        What the map keeps: all distances, or each row's nearest neighbours.

    stress_weight : float, default=0.2
        Dial of the neighbour objective towards distances, from 0 (neighbours alone) to
        1 (distances alone).

    metric : {"euclidean", "geodesic", "precomputed"}, default="euclidean"
        Which distances are kept: straight ones; lengths of shortest paths over the
        graph of nearest neighbours, which unroll a sheet; or those given to `fit`.

    target_weight : float, default=0.0
        How strongly rows of one class in `y` are pulled together, from 0 (not at all)
        to 1: the share by which their distances are shortened, or the share of
        attracting neighbours that are of the row's class. Rows with label -1 have no
        class.

    n_neighbors : int or "auto", default="auto"
        Neighbours in the graph of geodesic distances (10), or those that are kept (15).
        A sheet that stays folded wants fewer.

    n_gaussians : int or "auto", default="auto"
        Number of charts. "auto" takes one for every ``5 * n_components`` distinct
        rows that the solver sees, at least 5 and at most 50 (100 for distances that
        are not straight); one for every 12 rows, at most 200 (400 above 30,000 rows),
        to keep neighbours.

    centers : {"kmeans", "random", "farthest"} or array-like of shape \
            (n_gaussians, n_features), default="kmeans"
        Where the charts lie, at first: means of clusters, rows drawn at random, rows
        each farthest from those before it, or the given points. The neighbour
        objective moves them.

    width : float or "auto", default="auto"
        Width of the charts, as a factor on the mean squared distance from a centre to
        its three nearest other centres. Narrower charts follow the data more closely
        and give less to new rows. "auto" takes 1 for straight distances, 0.5 for
        others, and starts with 0.1 to keep neighbours.

    ridge : float or "auto", default="auto"
        Weight of the squared difference of the affine maps from where the majorisation
        starts, in units where the features have mean variance 1. "auto" takes 1e-4 for
        up to three features and 3e-3 for more. Large values return PCA.

    n_landmarks : int or "auto", default="auto"
        Most rows that the majorisation sees, drawn at random; its time and memory grow
        with their square and hardly with the number of rows. "auto" takes all rows up
        to 3000, and 2000 of them above. Of a stream, most rows that are kept: 2000, or
        10,000 to keep neighbours.

    solver : {"majorize", "minibatch", "published"}, default="majorize"
        "minibatch" keeps straight distances by gradient steps that see every row, a
        batch at a time, and goes on with every block of a stream; `n_landmarks` rows
        give the units, the charts and the decoder. "published" fits as the method's
        author did, to compare with: full batches of Adam from a random start, without
        offsets and without a decoder.

    max_iter : int or "auto", default="auto"
        Most iterations: 60 of the majorisation, 2000 gradient steps to keep neighbours
        (2500 below 5000 rows, 4000 above 30,000), 2000 epochs of the published solver,
        600 minibatches or one pass over the rows if that is more.

    tol : float, default=1e-5
        Stop the majorisation when the objective falls by less than this fraction.

    batch_size : int or "auto", default="auto"
        Pairs of neighbours in a gradient step: 256, or 512 from 5000 rows on. Rows of
        a minibatch, all pairs of which are compared: 256.

    anchored : bool, default=False
        With the neighbour objective: keep the training rows, and map new rows onto the
        position of one of their 10 nearest, by a vote among them; squared distances
        are divided by the training row's own to its seventh neighbour. New rows then
        fall onto the islands of a map and not between them. The price: memory for all
        rows in up to 50 dimensions, a transform that is not continuous and that gives
        many rows one position; `jacobian` and what builds on it describe the map
        without the vote.

    store_embedding : bool, default=True
        Whether to keep the mapped training rows as `embedding_`. For many rows they
        take more memory, and space in a saved model, than the map itself.

    warm_start : bool, default=False
        Start `fit` at the present map, if there is one, instead of PCA: with the same
        rows or others of the same features. It keeps its charts and gets new ones if
        `n_gaussians` has become a larger number; "auto" means as many as there are.
        `centers` is not read again, `width` for new charts only. Fewer charts, another
        `objective` or other `n_components` are refused.

    random_state : int, RandomState instance or None, default=None
        Seed of landmarks, centres and gradient steps.

    device : str, default="auto"
        Where to compute: "cpu", "cuda", "cuda:1", ... "auto" takes a tensor's own
        device, else CUDA if there is one, else the CPU. It may change after `fit`.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        With `store_embedding`: the mapped training rows, equal to `transform` of them:
        centred, on principal axes or as close to those of the map that was continued
        as a rotation takes them, in the units of the rows. Above 30,000 rows an
        anchored fit moves its stored positions once more, without the map, and a
        training row may then be sent to a neighbour's.

    stress_ : float
        ``sqrt(sum (d - d')^2 / sum d^2)`` over pairs of the rows that the solver saw,
        of 1000 of them to keep neighbours, or of 2000 of its sample after minibatches,
        with target distances d and embedded distances d'. This is normalised by the
        targets; Kruskal's stress-1 divides by the embedding's distances.

    loss_curve_ : ndarray
        The objective at the start and after each iteration of the last fit: squared
        stress plus penalty; of minibatches, on a fixed sample of pairs after each
        hundredth of the steps. For the neighbour objective, its mean over them.

    n_iter_ : int
        Iterations or gradient steps done.

    map_ : dict of str to ndarray
        State of the map, which `centers_`, `widths_`, `components_`, `offsets_` and
        `mean_` tell in the features: "mean", "centers" (less the mean), "widths",
        "components", "offsets" and, for many features, the "projection" onto 50
        principal directions in which the other entries live. Charts that were split
        have "log_masses", which are added to the logarithms of their weights.

    decoder_ : dict of str to ndarray or None
        State of the map back, of the same form.

    anchors_ : dict of str to ndarray or None
        What the anchored transform keeps: "inputs", "embedding", "scales" and "unit".

    continuation_ : dict or None
        What else a warm start needs: the "objective", the solver's units, the scale
        that the dial has frozen, and the state of a "stream" of gradient steps.

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
    distances, the published solver, streams, and what compares rows with reference
    rows (tangent directions, `distortion`, `null_directions`) need dense ones.

    A warm start keeps the first rows' mean, unit and projection: what has moved far
    away is better fitted anew. For distances new charts lie where errors are largest,
    and the objective falls from that of the present map, or from so much more as the
    nearest map of all charts misses. For neighbours charts are split into halves, and
    the map is the same until training parts them. Rows that are all equal start anew.

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

    _inverse_contract = "least_squares"
    _accepts_sparse = True

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "objective": [StrOptions({"distance", "neighbors"})],
        "stress_weight": [Interval(Real, 0, 1, closed="both")],
        "n_neighbors": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "n_gaussians": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "centers": [StrOptions({"kmeans", "random", "farthest"}), "array-like"],
        "width": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "ridge": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "n_landmarks": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "tol": [Interval(Real, 0, None, closed="left")],
        "anchored": ["boolean"],
        "metric": [StrOptions({"euclidean", "geodesic", "precomputed"})],
        "solver": [StrOptions({"majorize", "minibatch", "published"})],
        "target_weight": [Interval(Real, 0, 1, closed="both")],
        "store_embedding": ["boolean"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        objective="distance",
        stress_weight=0.2,
        metric="euclidean",
        target_weight=0.0,
        n_neighbors="auto",
        n_gaussians="auto",
        centers="kmeans",
        width="auto",
        ridge="auto",
        n_landmarks="auto",
        solver="majorize",
        max_iter="auto",
        tol=1e-5,
        batch_size="auto",
        anchored=False,
        store_embedding=True,
        warm_start=False,
        random_state=None,
        device="auto",
    ):
        self.n_components = n_components
        self.objective = objective
        self.stress_weight = stress_weight
        self.metric = metric
        self.target_weight = target_weight
        self.n_neighbors = n_neighbors
        self.n_gaussians = n_gaussians
        self.centers = centers
        self.width = width
        self.ridge = ridge
        self.n_landmarks = n_landmarks
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.anchored = anchored
        self.store_embedding = store_embedding
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, distances=None):
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
            their weights; with ``objective="neighbors"`` a row is drawn as often as it
            weighs. None weighs every row 1.

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
        problem = self._problem(X, y, sample_weight, distances)
        problem, reservoir = self._sampled(problem)
        self._fit(X, problem, continued)
        vars(self).pop("reservoir_", None)
        if reservoir is not None:
            self.reservoir_ = reservoir
        return self

    def transform(self, X):
        """Map rows into the embedding.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_components)
            The embedded rows, in the precision of X. A row has the same bits
            whatever rows come with it.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        return self._mapped(X, runtime)

    @property
    def _n_features_out(self):
        return self.map_["components"].shape[1]
