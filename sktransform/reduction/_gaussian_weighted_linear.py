# SPDX-License-Identifier: BSD-3-Clause
"""Dimensionality reduction by a Gaussian-weighted mixture of linear maps."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sktransform.base import TorchTransformer
from sktransform.metrics import stress
from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._products import row_stable_product
from sktransform.reduction._anchors import AnchoredMap
from sktransform.reduction._decoder import refine
from sktransform.reduction._explanation import LinearMixtureExplanationMixin
from sktransform.reduction._fitting import LinearMixtureFittingMixin
from sktransform.utils._sklearn import (
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
)


class GaussianWeightedLinearReducer(
    LinearMixtureFittingMixin,
    LinearMixtureExplanationMixin,
    ClassNamePrefixFeaturesOutMixin,
    TorchTransformer,
):
    """Reduce dimensions by a mixture of linear maps that keeps distances.

    The map is ``f(x) = sum_i w_i(x) (b_i + A_i (x - mu_i))``: charts with centres
    ``mu_i`` hold an affine map each, and a row follows the charts near it, with weights
    ``w(x) = softmax_i(-||x - mu_i||^2 / s_i)``. Distances between embedded rows imitate
    those between the rows. The result is a function: new rows are mapped in
    milliseconds, each the same alone or in a batch, its exact Jacobian tells which
    features moved a row, and a decoder leads back.

    The charts are placed first; the affine maps then minimise the stress, from PCA
    on, by majorisation: no learning rate, and the objective never rises.

    Parameters
    ----------
    n_components : int, default=2
        Number of dimensions of the embedding, at most the number of features.

    n_gaussians : int or "auto", default="auto"
        Number of charts. "auto" takes one for every ``5 * n_components`` distinct
        rows that the solver sees, at least 5 and at most 50.

    centers : {"kmeans", "random", "farthest"} or array-like of shape \
            (n_gaussians, n_features), default="kmeans"
        Where the charts lie: means of clusters, rows drawn at random, rows each
        farthest from those before it, or the given points.

    width : float, default=1.0
        Width of the charts, as a factor on the mean squared distance from a centre to
        its three nearest other centres. Narrower charts follow the data more closely
        and give less to new rows.

    ridge : float or "auto", default="auto"
        Weight of the squared difference of the affine maps from PCA, in units where
        the features have mean variance 1. "auto" takes 1e-4 for up to three features
        and 3e-3 for more. Large values return PCA.

    n_landmarks : int or "auto", default="auto"
        Most rows that the solver sees, drawn at random; time and memory grow with
        their square and hardly with the number of rows. "auto" takes all rows up to
        3000, and 2000 of them above.

    max_iter : int, default=60
        Most iterations of the majorisation.

    tol : float, default=1e-5
        Stop when the objective falls by less than this fraction of itself.

    random_state : int, RandomState instance or None, default=None
        Seed of the landmarks and of "kmeans" and "random" centres.

    device : str, default="auto"
        Where to compute: "cpu", "cuda", "cuda:1", ... "auto" takes a tensor's own
        device, else CUDA if there is one, else the CPU. It may change after `fit`.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        The mapped training rows, equal to `transform` of them: centred, on principal
        axes, in the units of the rows.

    stress_ : float
        ``sqrt(sum (d - d')^2 / sum d^2)`` over pairs of the rows that the solver saw,
        with distances d between rows and d' between embedded rows. This is normalised
        by the rows' distances; Kruskal's stress-1 divides by the embedding's.

    loss_curve_ : ndarray of shape (`n_iter_` + 1,)
        The objective at PCA and after each iteration: squared stress plus penalty.

    n_iter_ : int
        Iterations done.

    map_ : dict of str to ndarray
        State of the map: "mean", "centers" (less the mean), "widths", "components",
        "offsets" and, for more than 100 features, the "projection" onto 50 principal
        directions in which the other entries live.

    decoder_ : dict of str to ndarray
        State of the map back, of the same form.

    feature_scale_ : ndarray of shape (n_features,)
        Standard deviation of each feature, the unit of `influence`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    sklearn.decomposition.PCA : The linear map that this one starts from.
    sklearn.manifold.MDS : Minimises the same stress without a map for new rows.

    Notes
    -----
    Equal rows are merged, their weights added; a `sample_weight` of 2 means the
    same as a repeated row, and 0 the same as its absence (up to the draw of landmarks).

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
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        objective="distance",
        stress_weight=0.2,
        n_neighbors="auto",
        n_gaussians="auto",
        centers="kmeans",
        width="auto",
        ridge="auto",
        n_landmarks="auto",
        max_iter="auto",
        tol=1e-5,
        batch_size="auto",
        anchored=False,
        random_state=None,
        device="auto",
    ):
        self.n_components = n_components
        self.objective = objective
        self.stress_weight = stress_weight
        self.n_neighbors = n_neighbors
        self.n_gaussians = n_gaussians
        self.centers = centers
        self.width = width
        self.ridge = ridge
        self.n_landmarks = n_landmarks
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.anchored = anchored
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn the map and the decoder.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows; at least two.

        y : None
            Ignored; here for pipelines.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. A pair of rows weighs the product of
            their weights. None weighs every row 1.

        Returns
        -------
        GaussianWeightedLinearReducer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, or has fewer features
            than `n_components`.
        """
        X = self._validate_rows(X, reset=True, min_samples=2)
        if self.n_components > X.shape[1]:
            raise ValueError(
                f"n_components={self.n_components} is larger than "
                f"n_features={X.shape[1]}; use n_components={X.shape[1]} or less."
            )
        sample_weight = check_sample_weight(
            sample_weight,
            np.empty(len(X)),
            dtype=np.float64,
            ensure_non_negative=True,
        )
        random_state = check_random_state(self.random_state)
        runtime = self._runtime(X)
        if self.anchored and self.objective != "neighbors":
            raise ValueError(
                "anchored=True stores the positions of a map that keeps neighbours; "
                "use objective='neighbors' with it."
            )
        solver = {"distance": self._fit_distances, "neighbors": self._fit_neighbors}
        fitted = solver[self.objective](X, sample_weight, runtime, random_state)
        self.map_ = runtime.state(fitted.map)
        self.decoder_ = runtime.state(fitted.decoder)
        self.loss_curve_ = np.array(fitted.loss_curve)
        self.stress_ = fitted.stress
        self.n_iter_ = fitted.n_iter
        (self.feature_scale_,) = runtime.arrays(fitted.feature_scale)
        self.anchors_ = fitted.anchors and runtime.state(fitted.anchors)
        (self.embedding_,) = runtime.arrays(runtime.map(self._mapping(runtime), X))
        return self

    def transform(self, X):
        """Map rows into the embedding.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
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
        return runtime.map(self._mapping(runtime), X)

    def _mapping(self, runtime):
        """Return the function of rows that `transform` applies."""
        module = runtime.module(GaussianWeightedMap, self.map_)
        if not self.anchored:
            return module
        anchors = {
            k: runtime.tensor(v, runtime.dtype) for k, v in self.anchors_.items()
        }
        return AnchoredMap(module, **anchors)

    def inverse_transform(self, X, *, n_refinements=0):
        """Map points of the embedding back to rows.

        The inverse is one of least squares, not exact: a mixture of affine maps that
        was fitted to give the training rows back. It gives the mean of the rows that
        lie near a point; what differs between rows with one embedding is lost.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_components)
            Points of the embedding.

        n_refinements : int, default=0
            Gauss-Newton steps after which the map of the rows is closer to the points:
            two to five make ``transform(inverse_transform(X))`` equal X wherever the
            map covers its neighbourhood. The rows stay those of least change, not the
            training rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            Rows, in the precision and units of the training rows.
        """
        check_is_fitted(self)
        points = self._validate_outputs(X)
        runtime = self._runtime(points)
        decoder = runtime.module(GaussianWeightedMap, self.decoder_)
        inputs = {k: v for k, v in self.map_.items() if k != "projection"}
        inputs["mean"] = np.zeros_like(self.map_["centers"][0])
        inner_map = runtime.module(GaussianWeightedMap, inputs)
        mean = runtime.tensor(self.map_["mean"], runtime.dtype)
        back = None
        if "projection" in self.map_:
            back = runtime.tensor(self.map_["projection"].T, runtime.dtype)

        def rows_of(block):
            Z = refine(decoder(block), block, inner_map, n_refinements)
            return mean + (Z if back is None else row_stable_product(Z, back))

        return runtime.map(rows_of, points)

    def reconstruction_error(self, X):
        """Return how far rows are from their reconstruction.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples,)
            Euclidean distance between each row and ``inverse_transform(transform(X))``,
            in the units of X.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        embedding = runtime.map(self._mapping(runtime), X)
        difference = X - self.inverse_transform(embedding)
        return (difference * difference).sum(1) ** 0.5

    def score(self, X, y=None):
        """Return minus the stress of rows, new ones as a rule.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            At least two distinct rows.

        y : None
            Ignored; here for grid searches.

        Returns
        -------
        float
            Minus the stress as in `stress_`; over a fixed sample of pairs if there are
            more than half a million.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        Y = runtime.map(self._mapping(runtime), X)
        return -stress(*runtime.arrays(X, Y))

    @property
    def _n_features_out(self):
        return self.map_["offsets"].shape[1]
