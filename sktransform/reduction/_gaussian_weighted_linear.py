# SPDX-License-Identifier: BSD-3-Clause
"""Dimensionality reduction by a Gaussian-weighted mixture of linear maps."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from sktransform.base import TorchTransformer
from sktransform.metrics import stress
from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._products import row_stable_product
from sktransform.reduction._distance_fit import fit_distances
from sktransform.reduction._internal_rows import InternalRows, distinct_rows
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._charts import chart_widths, place_centers
from sktransform.utils._sklearn import (
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
)


class GaussianWeightedLinearReducer(ClassNamePrefixFeaturesOutMixin, TorchTransformer):
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
        "n_gaussians": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "centers": [StrOptions({"kmeans", "random", "farthest"}), "array-like"],
        "width": [Interval(Real, 0, None, closed="neither")],
        "ridge": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "n_landmarks": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_gaussians="auto",
        centers="kmeans",
        width=1.0,
        ridge="auto",
        n_landmarks="auto",
        max_iter=60,
        tol=1e-5,
        random_state=None,
        device="auto",
    ):
        self.n_components = n_components
        self.n_gaussians = n_gaussians
        self.centers = centers
        self.width = width
        self.ridge = ridge
        self.n_landmarks = n_landmarks
        self.max_iter = max_iter
        self.tol = tol
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
        rows, row_weights = distinct_rows(
            X, sample_weight, self.n_landmarks, random_state
        )
        runtime = self._runtime(X)
        rows = InternalRows.of(*runtime.tensors(rows, row_weights), self.n_components)
        centers = self._centers(rows, random_state)
        centers, widths = runtime.tensors(centers, chart_widths(centers, self.width))
        with FitProgress(self, max_iter=self.max_iter) as progress:
            fitted = fit_distances(
                rows,
                centers,
                widths,
                self.n_components,
                ridge=self._ridge(),
                max_iter=self.max_iter,
                tol=self.tol,
                stop_requested=progress.step,
            )
        self.map_ = runtime.state(fitted.map)
        self.decoder_ = runtime.state(fitted.decoder)
        self.loss_curve_ = np.array(fitted.loss_curve)
        self.stress_ = fitted.stress
        self.n_iter_ = len(fitted.loss_curve) - 1
        shares = rows.row_weights / rows.row_weights.sum()
        deviations = (shares @ rows.scaled.square()).sqrt() * rows.unit
        (self.feature_scale_,) = runtime.arrays(deviations)
        module = runtime.module(GaussianWeightedMap, self.map_)
        (self.embedding_,) = runtime.arrays(runtime.map(module, X))
        return self

    def _centers(self, rows, random_state):
        """Return the charts' centres in internal units."""
        if not isinstance(self.centers, str):
            centers = check_array(self.centers, dtype=np.float64, input_name="centers")
            if centers.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"centers has {centers.shape[1]} features, but X has "
                    f"{self.n_features_in_}; give centers in the columns of X."
                )
            inputs = rows.inputs(torch.from_numpy(centers).to(rows.mean))
            return np.unique(inputs.cpu().numpy(), axis=0)
        n_rows, n_gaussians = len(rows.Z), self.n_gaussians
        if n_gaussians == "auto":
            n_gaussians = int(np.clip(n_rows // (5 * self.n_components), 5, 50))
            n_gaussians = min(n_gaussians, n_rows)
        return place_centers(
            rows.Z.cpu().numpy(),
            n_gaussians,
            self.centers,
            rows.row_weights.cpu().numpy(),
            random_state,
        )

    def _ridge(self):
        """Return the ridge, which "auto" chooses by the number of features."""
        if self.ridge != "auto":
            return self.ridge
        return 1e-4 if self.n_features_in_ <= 3 else 3e-3

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
        return runtime.map(runtime.module(GaussianWeightedMap, self.map_), X)

    def inverse_transform(self, X):
        """Map points of the embedding back to rows.

        The inverse is one of least squares, not exact: a mixture of affine maps that
        was fitted to give the training rows back. It gives the mean of the rows that
        lie near a point; what differs between rows with one embedding is lost.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_components)
            Points of the embedding.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            Rows, in the precision and units of the training rows.
        """
        check_is_fitted(self)
        points = self._validate_outputs(X)
        runtime = self._runtime(points)
        decoder = runtime.module(GaussianWeightedMap, self.decoder_)
        mean = runtime.tensor(self.map_["mean"], runtime.dtype)
        if "projection" not in self.map_:
            return runtime.map(lambda block: decoder(block) + mean, points)
        back = runtime.tensor(self.map_["projection"].T, runtime.dtype)
        return runtime.map(
            lambda block: row_stable_product(decoder(block), back) + mean, points
        )

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
        Y = runtime.map(runtime.module(GaussianWeightedMap, self.map_), X)
        return -stress(*runtime.arrays(X, Y))

    def jacobian(self, X):
        """Return the exact derivative of the map at rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_components, n_features)
            How each coordinate of the embedding changes with each feature.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        return runtime.map(runtime.module(GaussianWeightedMap, self.map_).jacobian, X)

    def influence(self, X, *, scaled=True):
        """Return how strongly each feature moves each row in the embedding.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        scaled : bool, default=True
            Whether a feature moves by its standard deviation; by 1 otherwise.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            Sum over the embedding's coordinates of the Jacobian's magnitudes, in units
            of the embedding. Its mean over rows is the global influence.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        module = runtime.module(GaussianWeightedMap, self.map_)
        step = self.feature_scale_ if scaled else np.ones(self.n_features_in_)
        step = runtime.tensor(step, runtime.dtype)
        return runtime.map(lambda block: module.jacobian(block).abs().sum(1) * step, X)

    @property
    def centers_(self):
        """Centres of the charts, shape (n_charts, n_features)."""
        return self.map_["mean"] + self._in_features(self.map_["centers"])

    @property
    def embedded_centers_(self):
        """Images of the charts' centres, shape (n_charts, n_components)."""
        centers = self.centers_
        runtime = self._runtime(centers)
        return runtime.map(runtime.module(GaussianWeightedMap, self.map_), centers)

    @property
    def widths_(self):
        """Widths of the charts in squared units of X, shape (n_charts,)."""
        return self.map_["widths"]

    @property
    def components_(self):
        """Linear maps of the charts, shape (n_charts, n_components, n_features)."""
        return self._in_features(self.map_["components"])

    @property
    def offsets_(self):
        """Values of the charts at their centres, shape (n_charts, n_components)."""
        return self.map_["offsets"]

    @property
    def mean_(self):
        """Mean of the rows that the solver saw, shape (n_features,)."""
        return self.map_["mean"]

    def _in_features(self, directions):
        """Return directions of the projected space in the features' space."""
        if "projection" not in self.map_:
            return directions
        return directions @ self.map_["projection"].T

    @property
    def _n_features_out(self):
        return self.map_["offsets"].shape[1]
