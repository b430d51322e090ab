# SPDX-License-Identifier: BSD-3-Clause
"""Embedding adapter: calibrated ridge regression of old vectors on new ones."""

from dataclasses import replace
from numbers import Integral, Real
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sktransform.alignment._base import (
    MomentAligner,
    affine_module,
    check_has_map,
    module_on_cpu,
)
from sktransform.alignment._degenerate import constant_views, warn_of_constant_views
from sktransform.alignment._embedding_adapter.gallery_recall import expected_recall
from sktransform.alignment._embedding_adapter.model import adapter_model, linear_model
from sktransform.alignment._embedding_adapter.report import adapter_report, report_text
from sktransform.alignment._moments.folds import N_FOLDS, checked_groups
from sktransform.alignment._moments.pairs import PairRows, moments_in_units
from sktransform.base import TorchTransformer
from sktransform.nn._nystroem import GaussianKernelMap
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._kept import built_once
from sktransform.runtime._runtime import QUERY_ROWS, Runtime
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, StrOptions, fit_context
from sktransform.utils._typing import Output

# Entries from here on have squares whose sums may be beyond float64.
_LARGEST_ENTRY = 1e140


def checked_moments(rows):
    """Return the moments of `PairRows`, whose squares must be numbers of float64."""
    largest = max(part.abs().max().item() for part in (rows.X, rows.Y))
    if largest > _LARGEST_ENTRY:
        raise ValueError(
            f"X or y has an entry of size {largest:g}, but moments can be stored only "
            f"for entries up to {_LARGEST_ENTRY:g}; scale both views, or use fit with "
            "store_moments=False."
        )
    return rows.moments()


def _require_moments(adapter, method):
    """Raise an error if a fitted adapter did not keep the moments a method needs."""
    if hasattr(adapter, "coef_") and not hasattr(adapter, "moments_"):
        raise ValueError(
            f"{method} needs the moments of the rows, which this adapter has not "
            "stored; fit it with store_moments=True."
        )


def _can_continue(adapter):
    """Return True if a stream may begin or go on, else raise an error."""
    _require_moments(adapter, "partial_fit")
    return True


@fill_doc
class EmbeddingAdapter(MomentAligner):
    """Make query vectors of a new embedding model usable against an old gallery.

    After a change of the embedding model, the stored vectors (the gallery) are still
    those of the old model, and embedding all items again is expensive. From a few
    hundred rows that both models have embedded, the adapter learns a map of new query
    vectors into the old space, in which they search the unchanged gallery.

    The map is a ridge regression with cross-validated penalty, followed by a
    calibration for retrieval (`calibrate`): a linear map gives the predictions the
    covariance of the gallery, which the penalty had shrunk, and the mean of the
    predictions is multiplied by a hub constant, so that queries do not retrieve mainly
    rows near the gallery's mean (hubs). If they clearly reduce the held-out error,
    Nystroem features of a Gaussian kernel are added to the columns of X. Everything is
    computed in closed form.

    Parameters
    ----------
    metric : {"cosine", "euclidean"}, default="cosine"
        Similarity by which the gallery is searched.

    calibrate : {"covariance"} or None, default="covariance"
        "covariance" calibrates the predictions for retrieval, see Notes. None returns
        the predictions of the regression, which have the least squared error.

    features : {"auto", "linear", "nystroem"}, default="auto"
        Features of the regression: "linear" uses the columns of X alone, "nystroem"
        adds Gaussian kernels at landmarks. "auto" adds the kernels if there are at
        least 200 distinct rows and the kernels reduce the held-out squared error by
        more than 2 %. `partial_fit` always uses linear features.

    ridge : float or "auto", default="auto"
        Penalty of the regression, above 0, in units of the mean variance of the columns
        of X. "auto" chooses a value from 1e-6 to 10 by cross-validation, or 3e-3 if
        there are too few rows for two folds.

    shrinkage : float, default=0.5
        Shrinkage intensity, from 0 to 1, with which the estimated covariance of the
        predictions is shrunk towards a multiple of the gallery's covariance before the
        two are matched. It is increased automatically if there are few rows for many
        columns. Smaller values tend to give higher recall@1, larger values a higher
        overlap of the 10 nearest neighbours; at 1 the predictions are only multiplied
        by a factor.

    n_landmarks : int, default=400
        Largest number of landmarks of the kernels. The rows with the smallest hash
        values are used, a pseudo-random choice that does not depend on the order of the
        rows.

    store_moments : bool, default=False
        Whether `fit` stores the moments of the rows, which `partial_fit`, `merge` and
        `swapped` need, and the regression before the calibration, which `regress`
        needs. Both take about 16 times the memory of the map. `partial_fit` always
        stores them.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_outputs, n_features)
        Linear part of the map.

    intercept_ : ndarray of shape (n_outputs,)
        Constant part of the map.

    landmarks_ : ndarray of shape (n_landmarks, n_features) or None
        Rows at which the kernels are centred; None without kernels.

    kernel_coef_ : ndarray of shape (n_outputs, n_landmarks) or None
        Coefficients of the kernels; None without kernels.

    kernel_width_ : float or None
        Width of the kernel ``exp(-squared distance / width)``; None without kernels.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    report_ : dict of str to float, int, str, bool or None
        Chosen settings and held-out scores; a value that was not computed is None.
        "features": "linear" or "nystroem". "bandwidth" and "kernel_weight": the
        settings of the kernels. "kernel_gain": relative reduction of the held-out
        squared error by the kernels, also if they are not used. "ridge": the penalty.
        "r2" and "r2_calibrated": held-out R2 before the calibration and of the output
        of `transform`. "evidence": z-score of the agreement of held-out predictions
        with their own targets, compared with permuted targets; below 3, `fit` warns
        that X and y are unrelated. "hub_constant": factor of the mean, from 0.1 to 1.
        "recall_at_1" and "overlap_at_10": held-out retrieval scores in a gallery of
        "gallery" rows. "recall_at_1_ridge": the recall before the calibration.
        "weight": sum of the rows' weights. "n_folds": number of non-empty folds.

    held_out_ranks_ : ndarray of int, shape (n_queries, 2) or None
        For each held-out query, the rank of its own target, from 1, and the number of
        rows of the gallery. None after `partial_fit`, with fewer than two folds, or if
        y is constant.

    moments_ : dict of str to ndarray
        Moments of the rows; the first axis of each array is the fold. Exists only if
        the moments are stored, see `store_moments`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    OrthogonalAligner : Preserves distances, up to a bound.
    BackwardCompatibleAligner : Keeps the old vectors of a gallery unchanged.

    Notes
    -----
    Let W be the ridge regression, S the covariance of the gallery and P the covariance
    of held-out predictions. The map is ``h m_y + (x - m_x) W T``, where h is the hub
    constant and ``T = S^1/2 (S^1/2 P S^1/2)^-1/2 S^1/2`` is the optimal transport map
    from a normal distribution with covariance P to one with covariance S [1]_. With
    ``metric="euclidean"`` the mean is not changed and the deviation is divided by h.
    Let u be the share of the target's variance that is not explained on held-out rows.
    T is followed by a multiple of ``S^-b`` with ``b = min(u / 3, 1 / 4)``, which gives
    directions of small variance more weight, since near rows differ in these
    directions. The hub constant is ``h = 1 - min(2 u, 1) (1 - c)``, where c, from 0.1
    to 1, is the regression coefficient of the targets on the matched predictions. The
    queries of a ridge regression without calibration retrieve mainly hubs of the
    gallery [2]_. The kernel features are those of [3]_.

    Either scale the rows of both views to length 1, or of neither. The calibration
    improves retrieval and raises the squared error. It also stretches directions of the
    gallery that X cannot predict: if "recall_at_1" is below "recall_at_1_ridge", set
    ``calibrate=None``.

    The recall in the report is measured by cross-validation: map and calibration are
    fitted without the fold of the queries, and the gallery consists of the targets of
    that fold. Only the first folds that together have 500 rows serve as validation
    folds, and at most 1000 of their rows are used. In a larger gallery the recall is
    lower, see `expected_recall`.

    `inverse_transform` is a least-squares inverse: the pseudo-inverse of a linear map,
    or, with kernels, a ridge regression of X on y. For retrieval in the opposite
    direction use :meth:`swapped`, whose map is calibrated.

    References
    ----------
    .. [1] M. Knott and C. S. Smith, "On the optimal mapping of distributions", Journal
       of Optimization Theory and Applications 43, 1984.
    .. [2] Y. Shigeto et al., "Ridge regression, hubness, and zero-shot learning",
       ECML PKDD 2015, arXiv:1507.00825.
    .. [3] C. K. I. Williams and M. Seeger, "Using the Nyström method to speed up kernel
       machines", NIPS 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import EmbeddingAdapter
    >>> from sktransform.metrics import recall_at_k
    >>> rng = np.random.default_rng(0)
    >>> texts = rng.normal(size=(700, 8))
    >>> old = texts @ rng.normal(size=(8, 16)) + 0.3 * rng.normal(size=(700, 16))
    >>> new = texts @ rng.normal(size=(8, 12)) + 0.3 * rng.normal(size=(700, 12))
    >>> adapter = EmbeddingAdapter().fit(new[:200], old[:200])
    >>> queries, gallery = adapter.transform(new[200:]), old[200:]
    >>> recall_at_k(queries, gallery) > 0.8
    True
    """

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "metric": [StrOptions({"cosine", "euclidean"})],
        "calibrate": [StrOptions({"covariance"}), None],
        "features": [StrOptions({"auto", "linear", "nystroem"})],
        "ridge": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "shrinkage": [Interval(Real, 0, 1, closed="both")],
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "store_moments": ["boolean"],
    }

    def __init__(
        self,
        *,
        metric: str = "cosine",
        calibrate: str | None = "covariance",
        features: str = "auto",
        ridge: float | str = "auto",
        shrinkage: float = 0.5,
        n_landmarks: int = 400,
        store_moments: bool = False,
        device: str = "auto",
    ) -> None:
        self.metric = metric
        self.calibrate = calibrate
        self.features = features
        self.ridge = ridge
        self.shrinkage = shrinkage
        self.n_landmarks = n_landmarks
        self.store_moments = store_moments
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the map from rows that both models have embedded.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Vectors of the new model, which embeds the queries.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Vectors of the same rows by the old model, which embedded the gallery.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative: 2 means the same as a repeated row. None
            weighs every row 1.

        groups : array-like of shape (n_samples,), default=None
            Groups of rows, for example near copies; rows of one group are put into the
            same fold.

        Returns
        -------
        EmbeddingAdapter
            The fitted adapter.

        Raises
        ------
        ValueError
            If X or y is not numeric, finite and two-dimensional, if their rows differ
            in number, or if no row has a positive weight.
        """
        rows = self._pair_rows(X, y, sample_weight, groups, reset=True)
        units = rows.units()
        scaled = rows.in_units(units)
        with FitProgress(self, max_iter=1) as progress:
            model, seen = adapter_model(scaled, self.get_params(deep=False), units)
            report, ranks = adapter_report(model, seen, rows)
            moments = checked_moments(rows) if self.store_moments else None
            mean = scaled.mean_x() * units.x
            self._assign(model, mean, (report, ranks), moments, units)
            progress.step()
        return self

    @available_if(_can_continue)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        solve: bool = True,
    ) -> Self:
        """Update the linear map with further rows.

        Up to rounding the map is that of `fit` with ``features="linear"`` on all rows
        seen; the report has no retrieval scores. Kernels cannot be updated: after a
        `fit` with kernels, the map becomes the linear map of all rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Vectors of the new model.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Vectors of the same rows by the old model.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        groups : array-like of shape (n_samples,), default=None
            Groups of rows; rows of one group are put into the same fold.

        solve : bool, default=True
            Whether to compute the map now. With many small blocks it is faster to pass
            True with the last block only.

        Returns
        -------
        EmbeddingAdapter
            The adapter; its map is as before if `solve` is False.

        Raises
        ------
        ValueError
            As for `fit`, or if ``features="nystroem"``.

        AttributeError
            If the adapter was fitted by `fit` with ``store_moments=False``.
        """
        self._refuse_what_needs_rows()
        reset = not hasattr(self, "moments_")
        rows = self._pair_rows(X, y, sample_weight, groups, reset=reset)
        moments = checked_moments(rows)
        if not reset:
            kept = self._kept_moments(device=rows.X.device)
            moments = kept.merge(moments)
        with FitProgress(self, max_iter=1) as progress:
            if solve:
                self._solve(moments)
            else:
                self.moments_ = Runtime.state(moments.tensors())
            progress.step()
        return self

    def merge(self, other: Self) -> Self:
        """Return the linear adapter of the rows of two adapters.

        Parameters
        ----------
        other : EmbeddingAdapter
            An adapter with the same parameters, fitted to other rows of the same
            spaces.

        Returns
        -------
        EmbeddingAdapter
            A new adapter, equal up to rounding to one that was fitted to all rows by
            `partial_fit`. The two adapters are not changed.

        Raises
        ------
        ValueError
            If parameters, numbers of features or outputs, or names of features differ,
            if ``features="nystroem"``, or if one adapter has not stored its moments.
        """
        self._refuse_what_needs_rows()
        for adapter in (self, other):
            if isinstance(adapter, EmbeddingAdapter):
                _require_moments(adapter, "merge")
        merged, moments = self._merged_with(other)
        merged._solve(moments)
        return merged

    def swapped(self) -> Self:
        """Return the linear adapter of the opposite direction, from the stored moments.

        The returned adapter maps vectors of the old model, such as the gallery, into
        the space of the new model, where unchanged new queries can search them.

        Returns
        -------
        EmbeddingAdapter
            A new fitted adapter with the same parameters, except ``features="linear"``.
            Its folds are those of this adapter.

        Raises
        ------
        ValueError
            If the adapter was fitted without ``store_moments=True``.
        """
        check_is_fitted(self)
        _require_moments(self, "swapped")
        swapped = clone(self).set_params(features="linear")
        moments = self._kept_moments().swapped()
        swapped.n_features_in_ = len(moments.folds[0].mean_x)
        swapped._solve(moments)
        return swapped

    def _refuse_what_needs_rows(self):
        """Raise an error if the parameters need all rows at once."""
        if self.features == "nystroem":
            raise ValueError(
                "features='nystroem' needs all rows in one call of fit and supports "
                "neither partial_fit nor merge; use fit, or set features='linear'."
            )

    def _pair_rows(self, X, y, sample_weight, groups, *, reset):
        """Return validated rows of positive weight, with their folds."""
        X, Y, weights = self._validate_pairs(X, y, sample_weight, reset=reset)
        groups = checked_groups(X, groups)
        tensors = self._runtime(X).tensors(X, Y, weights)
        return PairRows.from_rows(*tensors, N_FOLDS, groups)

    def _solve(self, moments):
        """Set the fitted attributes to the linear map of moments."""
        scaled, units = moments_in_units(moments)
        warn_of_constant_views(constant_views(scaled.total()))
        model = linear_model(scaled, self.get_params(deep=False))
        report = adapter_report(model)
        self._assign(model, moments.mean_x(), report, moments, units)

    def _assign(self, model, mean, report, moments, units):
        """Set the fitted attributes; moments of None are not kept."""
        tensors = model.in_units_of_rows(*model.affine(), units)
        state = {
            "coef_": tensors["matrix"].T,
            "intercept_": tensors["intercept"],
            "mean_": mean,
            "landmarks_": None,
            "kernel_coef_": None,
            "kernel_width_": None,
            "_regression": None,
            "_inverse": None,
        }
        if model.features is not None:
            state["landmarks_"] = tensors["landmarks"]
            state["kernel_coef_"] = tensors["kernel_matrix"].T
            state["kernel_width_"] = model.features.width * units.x**2
            matrix, intercept = model.inverse
            state["_inverse"] = _arrays(
                {
                    "coef": matrix.T * (units.x / units.y),
                    "intercept": intercept * units.x,
                }
            )
        if moments is not None:
            regression = model.in_units_of_rows(*model.regression(), units)
            state["_regression"] = _regression_arrays(regression)
        arrays = _arrays(state)
        if not all(np.isfinite(arrays[name]).all() for name in ("coef_", "intercept_")):
            raise ValueError(
                "The map from X to y has coefficients beyond the range of float64: "
                f"entries of X reach {units.x:g} and entries of y {units.y:g}; bring "
                "both views to a similar scale."
            )
        vars(self).update(arrays)
        vars(self).pop("moments_", None)
        if moments is not None:
            self.moments_ = Runtime.state(moments.tensors())
        self.report_, self.held_out_ranks_ = report

    def transform(self, X: ArrayLike) -> Output:
        """Map query vectors of the new model into the space of the old one.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Vectors of the new model.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs)
            Queries for the gallery, in the precision of X. The result of a row does not
            depend on the other rows of X.
        """
        check_has_map(self)
        return self._map_rows(X, "map", _map_module, self._map_state())

    def torch_module(self, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
        """Return the map as a torch module, for serving or export.

        The module maps a tensor of shape (n_samples, n_features) to one of shape
        (n_samples, n_outputs), without validation. For single rows it is several times
        faster than `transform`, with the same result up to rounding. Without kernels,
        ``row @ coef_.T + intercept_`` is the same map in NumPy.

        Parameters
        ----------
        dtype : torch.dtype, default=torch.float32
            Precision of the parameters and of the input tensors.

        Returns
        -------
        torch.nn.Module
            A module on the CPU in evaluation mode, which shares no memory with the
            estimator. With kernels it computes in double precision.
        """
        check_is_fitted(self)
        return module_on_cpu(_map_module, self._map_state(), dtype)

    def regress(self, X: ArrayLike) -> Output:
        """Predict by the regression, without the calibration.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Vectors of the new model.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs)
            The predictions, in the precision of X: the same as `transform` of an
            adapter with ``calibrate=None``.

        Raises
        ------
        ValueError
            If the adapter was fitted without ``store_moments=True``.
        """
        check_is_fitted(self, "coef_")
        if self._regression is None:
            _require_moments(self, "regress")
        state = {**self._map_state(), **self._regression}
        return self._map_rows(X, "regression", _map_module, state)

    def _map_state(self):
        """Return the fitted arrays of the map, by the names of its module."""
        state = {"coef": self.coef_, "intercept": self.intercept_}
        if self.landmarks_ is None:
            return state
        return {
            **state,
            "landmarks": self.landmarks_,
            "kernel_coef": self.kernel_coef_,
            "width": self.kernel_width_,
        }

    def inverse_transform(self, X: ArrayLike) -> Output:
        """Map rows of the old model's space into the space of the new model.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Rows of the old model's space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            The least-squares inverse. Without kernels it is the pseudo-inverse: of all
            rows whose image is nearest to the given row, the row nearest to `mean_`.
            With kernels it is the prediction of a ridge regression of X on y.
        """
        check_is_fitted(self, "coef_")
        if self.landmarks_ is None:
            return self._map_back(X, np.linalg.pinv)
        X = self._validate_outputs(X)
        runtime = self._runtime(X)

        def build():
            return affine_module(runtime, self._inverse)

        inverse = built_once(self, "inverse", runtime, self._inverse, build)
        return runtime.map(inverse, X, QUERY_ROWS)

    def expected_recall(
        self, gallery_size: int, k: int = 1
    ) -> tuple[float, float, float]:
        """Estimate recall@k in a gallery of a given size.

        Parameters
        ----------
        gallery_size : int
            Number of rows of the gallery, including each query's own row.

        k : int, default=1
            How many rows a search returns.

        Returns
        -------
        recall : float
            Expected share of queries whose own row is among the `k` nearest, from 0 to
            1.

        low, high : float
            Ends of the 95 % credible interval of the recall.

        Raises
        ------
        ValueError
            If `gallery_size` or `k` is not a positive integer, or if there are no
            held-out ranks: after `partial_fit`, or with very few rows.

        Notes
        -----
        The estimate extrapolates `held_out_ranks_`: a beta-binomial distribution of the
        number of rows that are nearer to a query than its own row is fitted to the
        smallest ranks. The interval accounts for the uncertainty of both parameters,
        and is widened with the logarithm of the ratio of the gallery sizes. The
        held-out ranks come from maps that were fitted without one fold, so with few
        pairs the actual recall is higher than the estimate.
        """
        check_is_fitted(self, "report_")
        for name, value in {"gallery_size": gallery_size, "k": k}.items():
            is_integer = isinstance(value, Integral) and not isinstance(value, bool)
            if not is_integer or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}.")
        if self.held_out_ranks_ is None:
            raise ValueError(
                "expected_recall needs held-out ranks, but held_out_ranks_ is None; "
                "call fit, not partial_fit, with more rows and a y that varies."
            )
        ranks, sizes = self.held_out_ranks_.T
        return expected_recall(ranks, sizes, int(gallery_size), int(k))

    def report(self, gallery_size: int | None = None, k: int = 1) -> str:
        """Return a text with the chosen settings and the held-out scores.

        Parameters
        ----------
        gallery_size : int, default=None
            Number of rows of a gallery for which recall is estimated, see
            :meth:`expected_recall`. None reports only the recall in the small galleries
            of held-out rows.

        k : int, default=1
            Number of rows that a search in that gallery returns.

        Returns
        -------
        str
            The report, one line per item; its numbers are those of `report_`.
        """
        check_is_fitted(self, "report_")
        if gallery_size is None:
            return report_text(self.report_)
        expected = self.expected_recall(gallery_size, k)
        return report_text(self.report_, (gallery_size, k, *expected))

    @property
    def _n_targets(self):
        if hasattr(self, "moments_"):
            return self.moments_["mean_y"].shape[1]
        return len(self.coef_)


def _map_module(runtime, state):
    """Return the module of a map's fitted arrays, with kernels or without."""
    if "landmarks" not in state:
        return affine_module(runtime, state)
    # Kernels of neighbouring landmarks cancel, which takes double precision.
    return replace(runtime, dtype=torch.float64).module(GaussianKernelMap, state)


def _regression_arrays(tensors):
    """Return the arrays of a map that differ from those of another calibration."""
    state = {"coef": tensors["matrix"].T, "intercept": tensors["intercept"]}
    if "kernel_matrix" in tensors:
        state["kernel_coef"] = tensors["kernel_matrix"].T
    return _arrays(state)


def _arrays(state):
    """Return values whose tensors have become contiguous arrays."""
    return {
        name: np.ascontiguousarray(value.cpu().numpy())
        if isinstance(value, torch.Tensor)
        else value
        for name, value in state.items()
    }
