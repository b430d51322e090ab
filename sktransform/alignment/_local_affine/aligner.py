# SPDX-License-Identifier: BSD-3-Clause
"""Ridge regression with Gaussian-weighted local affine corrections."""

from numbers import Integral, Real
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from sktransform.alignment._degenerate import constant_views, warn_of_constant_views
from sktransform.alignment._local_affine.charts import (
    ChartedRows,
    chart_centers,
    chart_inputs,
)
from sktransform.alignment._local_affine.local_ridge import (
    ChartPaths,
    change_summary,
    held_out_rows,
    path_errors,
    residuals_of,
)
from sktransform.alignment._moments.folds import N_FOLDS, FoldMoments, row_folds
from sktransform.alignment._moments.ridge import (
    RidgeFolds,
    mean_variance,
)
from sktransform.base import AlignerMixin, MixtureTransformer
from sktransform.nn._gaussian_weighted import gaussian_weights
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import QUERY_ROWS
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, StrOptions, fit_context
from sktransform.utils._typing import Output, RandomState

# Penalties of the charts that "auto" tries, the global map first.
_CHART_RIDGES = [np.inf, *(10.0 ** (power / 2) for power in range(4, -11, -1))]


@fill_doc
class GaussianWeightedAligner(
    AlignerMixin, ClassNamePrefixFeaturesOutMixin, MixtureTransformer
):
    """Map one view into another by a smooth mixture of local affine maps.

    The map is ``f(x) = g(x) + sum_i w_i(x) (b_i + A_i (x - mu_i))``: a global ridge
    regression ``g(x)`` plus a mixture of local affine changes, the charts. Chart i has
    a centre ``mu_i``, a width ``s_i`` and the weight ``w_i(x) = softmax_i(-||x -
    mu_i||^2 / s_i)``, which is largest for rows near its centre. Each chart is a ridge
    regression, weighted by ``w_i``, of the residuals of the global map. Both penalties
    are chosen by cross-validation. An infinite penalty of the charts, which gives the
    global map alone, is among the candidates, so the cross-validated error is never
    above that of the global map. Everything is computed in closed form;
    `chart_summary_` describes the change in the region of each chart.

    Parameters
    ----------
    n_gaussians : int or "auto", default="auto"
        Number of charts. "auto" uses one chart for every 10 distinct rows, from 1 to
        32. With many pairs, and spaces that are not linearly related, more charts may
        be better.

    width : float, default=0.5
        Factor of the charts' widths: the width ``s_i`` is `width` times the mean
        squared distance from the centre to its three nearest other centres.

    ridge : float or "auto", default="auto"
        Penalty of the global map, above 0, in units of the features' mean variance.
        "auto" chooses a value from 1e-6 to 10 by cross-validation.

    chart_ridge : float or "auto", default="auto"
        Penalty of the charts, above 0, in units of the features' mean variance. It
        shrinks the charts' linear parts like a ridge penalty, and divides the mean
        change of each chart by ``1 + chart_ridge``. Infinity gives the global map
        alone. "auto" chooses among infinity and powers of ``sqrt(10)``, from 100 down
        to 1e-5, by cross-validation, and stops early if the error rises.

    random_state : int, RandomState instance or None, default=None
        Seed of the centres.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    global_coef_ : ndarray of shape (n_outputs, n_features)
        Linear part of the global map.

    global_intercept_ : ndarray of shape (n_outputs,)
        Constant part of the global map.

    map_ : dict of str to ndarray
        Arrays of the map: "coef" and "intercept" of the global map, and "mean",
        "centers" (minus the mean), "widths", "components" and "offsets" of the charts.
        With more than 128 features also the "projection" onto 128 principal directions;
        centres and components are then in the projected space.

    ridge_ : float
        Penalty of the global map.

    chart_ridge_ : float
        Penalty of the charts; infinity if the charts do not reduce the cross-validated
        error.

    cv_results_ : dict of str to ndarray
        "chart_ridge", the candidate penalties, infinity first, and "error", the mean
        squared length of the error on held-out pairs. If all rows fall into one fold,
        the errors are training errors, and "auto" chooses infinity.

    chart_summary_ : dict of str to ndarray
        Arrays with one entry for each chart; means are over the training pairs,
        weighted by the chart's weight. "weight_share", of shape (n_charts,): the
        chart's share of the total weight. "center", (n_charts, n_features): its centre.
        "mean_change", (n_charts, n_outputs): the mean of ``f(x) - g(x)``.
        "change_length", (n_charts,): the root mean square of the length of ``f(x) -
        g(x)``. "error_before" and "error_after", (n_charts,): the root mean squared
        length of the held-out errors of g and of f.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    sktransform.reduction.GaussianWeightedLinearReducer : The same model, fitted to
        preserve distances.
    sklearn.linear_model.Ridge : The global map.

    Notes
    -----
    There is no inverse, since the map need not be one-to-one.

    The time of `fit` is proportional to the numbers of pairs, charts and outputs, and
    grows with the square of the number of features, up to 128 features.

    Far from all centres the map is affine; if the widths differ, the widest chart has
    all the weight there.

    The mixture model is that of [1]_. The charts are fitted separately, as in locally
    weighted regression [2]_, so that the map of a chart describes its own region.

    References
    ----------
    .. [1] E. Bergh, "Gaussian-weighted linear transformations for interpretable
       dimensionality reduction", arXiv:2504.17601, 2025.
    .. [2] W. S. Cleveland and S. J. Devlin, "Locally weighted regression: an approach
       to regression analysis by local fitting", Journal of the American Statistical
       Association 83(403), 1988.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import GaussianWeightedAligner
    >>> X = np.random.default_rng(0).normal(size=(600, 3))
    >>> y = np.column_stack([X[:, 0], np.abs(X[:, 1])])
    >>> plain = GaussianWeightedAligner(chart_ridge=np.inf).fit(X[:400], y[:400])
    >>> aligner = GaussianWeightedAligner(random_state=0).fit(X[:400], y[:400])
    >>> print(f"{plain.score(X[400:], y[400:]):.2f}")
    0.76
    >>> print(f"{aligner.score(X[400:], y[400:]):.2f}")
    0.99
    """

    _parameter_constraints: dict = {
        **MixtureTransformer._parameter_constraints,
        "n_gaussians": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "width": [Interval(Real, 0, None, closed="neither")],
        "ridge": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "chart_ridge": [
            Interval(Real, 0, None, closed="right"),
            StrOptions({"auto"}),
        ],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_gaussians: int | str = "auto",
        *,
        width: float = 0.5,
        ridge: float | str = "auto",
        chart_ridge: float | str = "auto",
        random_state: RandomState = None,
        device: str = "auto",
    ) -> None:
        self.n_gaussians = n_gaussians
        self.width = width
        self.ridge = ridge
        self.chart_ridge = chart_ridge
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn the global map and the local changes.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            The same rows in the other view.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        Returns
        -------
        GaussianWeightedAligner
            The fitted aligner.

        Raises
        ------
        ValueError
            If X or y is not numeric, finite and two-dimensional, their rows differ in
            number, or no row has weight.
        """
        X, Y, weights = self._validate_pairs(X, y, sample_weight, reset=True)
        runtime = self._runtime(X)
        kept = np.flatnonzero(weights)
        X, Y, weights = runtime.tensors(X[kept], Y[kept], weights[kept])
        folds = row_folds(X, N_FOLDS)
        moments = FoldMoments.from_folds(X, Y, weights, folds, N_FOLDS)
        ridge = RidgeFolds.from_folds(moments, self.ridge)
        warn_of_constant_views(constant_views(ridge.total))
        grid = self._grid(ridge)
        with FitProgress(self, max_iter=len(grid) + 1) as progress:
            charted, frame = self._charted(runtime, X, weights, ridge.total)
            held_out = held_out_rows(charted, (X, Y), folds, ridge)
            errors = []
            for of_penalty in path_errors(held_out, grid):
                errors.append(of_penalty)
                progress.step()
            errors = torch.stack(errors)
            chosen = int(errors.sum(1).argmin()) if self.chart_ridge == "auto" else -1
            residuals = residuals_of((X, Y), ridge.total, ridge.matrix)
            changes = ChartPaths.from_rows(charted, residuals).changes(
                charted, grid[chosen]
            )
            self._keep(runtime, ridge, frame, changes)
            self._report(runtime, charted, changes, errors[0], errors[chosen])
            self.chart_ridge_ = float(grid[chosen])
            self.cv_results_ = {
                "chart_ridge": np.array(grid[: len(errors)]),
                "error": runtime.arrays(errors.sum(1) / weights.sum())[0],
            }
            progress.step()
        return self

    def _grid(self, ridge):
        """Return penalties of the charts to choose from, the global map first."""
        if self.chart_ridge != "auto":
            return [np.inf, self.chart_ridge]
        # Nothing tells how the charts do on pairs that they have not seen.
        return _CHART_RIDGES if ridge.fold_maps else [np.inf]

    def _charted(self, runtime, X, row_weights, moments):
        """Return rows with their charts' weights, and the state that gives these."""
        Z, unit, projection = chart_inputs(X, moments)
        found = chart_centers(
            *runtime.arrays(Z, row_weights),
            self.n_gaussians,
            self.width,
            self.random_state,
        )
        centers, widths = runtime.tensors(*found)
        weights = gaussian_weights(Z, centers, widths) * row_weights[:, None]
        frame = {"mean": moments.mean_x, "centers": centers, "widths": widths}
        if projection is not None:
            frame["projection"] = projection
        return ChartedRows(Z, weights, centers, unit), frame

    def _keep(self, runtime, ridge, frame, changes):
        """Keep the global map and the charts."""
        unit = mean_variance(ridge.total).item()
        self.ridge_ = ridge.penalty / unit if unit > 0 else 0.0
        offsets, components = changes
        self.map_ = runtime.state(
            {
                **frame,
                "components": components,
                "offsets": offsets,
                "coef": ridge.matrix.T,
                "intercept": ridge.total.mean_y - ridge.total.mean_x @ ridge.matrix,
            }
        )

    def _report(self, runtime, charted, changes, before, after):
        """Keep what each chart does, and its squared errors' roots."""
        summary = change_summary(charted, *changes)
        for name, errors in (("error_before", before), ("error_after", after)):
            summary[name] = (errors / charted.mass()).sqrt()
        self.chart_summary_ = {"center": self.centers_, **runtime.state(summary)}

    def transform(self, X: ArrayLike) -> Output:
        """Map rows into the space of the target.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs)
            The mapped rows, in the precision of X. The result of a row does not depend
            on the other rows of X.
        """
        X, runtime = self._checked(X)
        return runtime.map(self._mapping(runtime), X, QUERY_ROWS)

    @property
    def global_coef_(self) -> np.ndarray:
        """Linear part of the global map, shape (n_outputs, n_features)."""
        return self.map_["coef"]

    @property
    def global_intercept_(self) -> np.ndarray:
        """Constant part of the global map, shape (n_outputs,)."""
        return self.map_["intercept"]
