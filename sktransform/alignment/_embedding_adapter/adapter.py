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
            f"Entries reach {largest:g}, but moments can be kept of entries up to "
            f"{_LARGEST_ENTRY:g}; scale both views, or use fit with "
            "store_moments=False."
        )
    return rows.moments()


def _require_moments(adapter, method):
    """Raise an error if a fitted adapter did not keep the moments a method needs."""
    if hasattr(adapter, "coef_") and not hasattr(adapter, "moments_"):
        raise ValueError(
            f"{method} needs the moments of the rows, which this adapter did not "
            "keep; fit it with store_moments=True."
        )


def _can_continue(adapter):
    """Return True if a stream may begin or go on, else raise an error."""
    _require_moments(adapter, "partial_fit")
    return True


@fill_doc
class EmbeddingAdapter(MomentAligner):
    """Make query vectors of a new embedding model usable against an old gallery.

    After a change of model the vectors of a gallery are of the old one, and embedding
    all of them again is expensive. A few hundred rows that both models have embedded
    are enough to learn a map by which new query vectors search the old gallery as it
    is.

    It is a ridge regression whose penalty is chosen on folds, followed by what a
    regression for searches needs: the predictions get back the covariance of the
    gallery, which shrinking took from them (`calibrate`), and the share of the mean in
    a query is set such that queries do not flock to the rows near the mean. Where they
    clearly help, Gaussian kernels at landmarks are added to the features. All of it is
    in closed form.

    Parameters
    ----------
    metric : {"cosine", "euclidean"}, default="cosine"
        How the gallery is searched.

    calibrate : {"covariance"} or None, default="covariance"
        None leaves the regression as it is: the least squared error, for other uses
        than searches.

    features : {"auto", "linear", "nystroem"}, default="auto"
        Whether Gaussian kernels at landmarks stand beside the columns of X. "auto"
        takes them from 200 different rows on, if they save more than 2 % of the squared
        error of rows held out. A stream (`partial_fit`) is always linear.

    ridge : float or "auto", default="auto"
        The penalty, above 0, in units of the mean variance of a column of X. "auto"
        takes that of least held-out error, from 1e-6 to 10; 3e-3 if there are too
        few rows to hold some out.

    shrinkage : float, default=0.5
        How far the estimated covariance of predictions is drawn to the shape of the
        gallery's before they are matched, from 0 to 1. Where few rows say little of
        many columns more is taken. Less favours the first neighbour, more the list of
        neighbours; at 1 only the length of the predictions changes.

    n_landmarks : int, default=400
        Most rows to be landmarks. Those with the smallest hashes are taken: as good as
        drawn at random, but the same for any order of the rows.

    store_moments : bool, default=False
        Whether `fit` keeps the moments of the rows, from which `partial_fit` and
        `merge` go on, and the regression before the calibration, for `regress` and
        `swapped`. They take about 16 times the memory of the map. An adapter that was
        begun by `partial_fit` keeps them always.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_outputs, n_features)
        Linear part of the map.

    intercept_ : ndarray of shape (n_outputs,)
        Constant part of the map.

    landmarks_ : ndarray of shape (n_landmarks, n_features) or None
        Rows at which kernels stand, if there are any.

    kernel_coef_ : ndarray of shape (n_outputs, n_landmarks) or None
        Coefficients of the kernels.

    kernel_width_ : float or None
        The kernel of a row and a landmark is ``exp(-squared distance / width)``.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    report_ : dict of str to float, int, str, bool or None
        Choices and held-out scores; None where there are none. "features" and
        "bandwidth" and "kernel_weight" of kernels, "kernel_gain", the share of the
        held-out error that they save or would save; "ridge", the penalty; "r2" and
        "r2_calibrated", the share of the target's variance that is explained for rows
        held out, before the calibration and by what `transform` returns;
        "evidence", by how many standard errors predictions for rows held out agree with
        their own targets more than with others: below 3 no relation is found;
        "hub_constant", the share of the mean; "recall_at_1" and "overlap_at_10" of
        rows held out that search in a gallery of "gallery" rows, and
        "recall_at_1_ridge", the recall before the calibration; "weight", the sum of the
        rows' weights, and "n_folds", the folds they fill.

    held_out_ranks_ : ndarray of int, shape (n_queries, 2) or None
        For each row held out that searched, the rank of its target and the rows of the
        gallery. None if no rows were kept, or they are uninformative.

    moments_ : dict of str to ndarray
        Moments of the rows, fold by fold: matrices of the size of both views. There
        only if they are kept, see `store_moments`.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    OrthogonalAligner : Keeps distances, as far as is asked.
    BackwardCompatibleAligner : For a gallery that is embedded again bit by bit.

    Notes
    -----
    With W the ridge regression, S the covariance of the gallery and P that of
    predictions for rows held out, the map is ``h m_y + (x - m_x) W T``, where ``T =
    S^1/2 (S^1/2 P S^1/2)^-1/2 S^1/2`` takes a normal distribution with covariance P to
    one with S at the least cost [1]_ and h is the hub constant. For Euclidean searches
    the mean is kept and the deviation divided by h. Queries are also flattened: where a
    share u of the variance is not explained in rows held out, T is followed by a
    multiple of ``S^-b`` with b = min(u / 3, 1 / 4), since rows that are near each other
    differ in directions of small variance; and of the step from 1 to h the share 2 u is
    taken, all of it from u = 1 / 2 on. Ridge regression alone makes
    queries that gather around hubs of the gallery [2]_. Kernels at landmarks are those
    of [3]_.

    Normalise both views or neither. The calibration costs squared error for the sake of
    searches. It stretches all directions of the gallery alike, those that X says
    nothing of included: if the report's recall falls by it, set ``calibrate=None``.

    A report's recall is that of maps learnt without the rows that search, calibration
    included, in a gallery of one fold, of 1000 rows at most. In a larger gallery it is
    lower, see `expected_recall`. So many folds search as have 500 rows together.

    `inverse_transform` is least squares: by the pseudo-inverse of a linear map, and by
    the ridge regression of X on y if there are kernels. :meth:`swapped` gives a
    calibrated map in that direction.

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
            Vectors of the new model, whose queries shall be mapped.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Vectors of the same rows by the old model, the gallery's.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative: 2 means the same as a repeated row. None
            weighs every row 1.

        groups : array-like of shape (n_samples,), default=None
            Groups whose rows share a fold, near copies of each other for example.

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
        """Add rows to those seen, and learn the linear map of all.

        The result is that of `fit` with ``features="linear"`` on all rows at once, to
        rounding, but for the report, which knows nothing of searches. Kernels need the
        rows: after a `fit` that took some, this leaves the linear map of all rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Vectors of the new model.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Vectors of the same rows by the old model.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        groups : array-like of shape (n_samples,), default=None
            Groups whose rows share a fold.

        solve : bool, default=True
            Whether to solve for the map now. In a stream of small blocks it is quicker
            to solve with the last one.

        Returns
        -------
        EmbeddingAdapter
            The adapter; its map is as before if `solve` is False.

        Raises
        ------
        ValueError
            As for `fit`, or if kernels are asked for.

        AttributeError
            If a `fit` before did not keep the moments, see `store_moments`.
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
        """Return a linear adapter of the rows that two adapters have seen.

        Parameters
        ----------
        other : EmbeddingAdapter
            A fitted adapter with the same parameters, of the same spaces.

        Returns
        -------
        EmbeddingAdapter
            A new adapter, the same to rounding as one to which all rows were given by
            `partial_fit`. Neither of the two is changed.

        Raises
        ------
        ValueError
            If parameters, or numbers of features or outputs, or the names of features,
            differ, if kernels are asked for, or if moments were not kept.
        """
        self._refuse_what_needs_rows()
        for adapter in (self, other):
            if isinstance(adapter, EmbeddingAdapter):
                _require_moments(adapter, "merge")
        merged, moments = self._merged_with(other)
        merged._solve(moments)
        return merged

    def swapped(self) -> Self:
        """Return the linear adapter of the other direction, from the same moments.

        It maps rows of the old model into the space of the new one: the gallery, to be
        searched by new queries as they are.

        Returns
        -------
        EmbeddingAdapter
            A new adapter, with the parameters of this one but for
            ``features="linear"``; its folds are those of the rows of X.

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
        """Tell what moments alone cannot do."""
        if self.features == "nystroem":
            raise ValueError(
                "features='nystroem' needs all rows at once; use fit, or set "
                "features='linear'."
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
                f"entries of X reach {units.x:g} and those of y {units.y:g}; bring "
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
            Queries for the gallery, in the precision of X. A row has the same bits
            whatever rows come with it.
        """
        check_has_map(self)
        return self._map_rows(X, "map", _map_module, self._map_state())

    def torch_module(self, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
        """Return the map as a torch module, to be served or exported.

        It takes and returns tensors of shape (n_samples, n_features) and (n_samples,
        n_outputs) and checks nothing: of one row it is several times faster than
        `transform`, with which it agrees to rounding. Where NumPy is enough and there
        are no kernels, ``row @ coef_.T + intercept_`` is the same map.

        Parameters
        ----------
        dtype : torch.dtype, default=torch.float32
            Precision of its numbers, and of the tensors that it takes.

        Returns
        -------
        torch.nn.Module
            A module of its own on the CPU, in evaluation mode: changing it does not
            change the estimator. With kernels it computes in double precision.
        """
        check_is_fitted(self)
        return module_on_cpu(_map_module, self._map_state(), dtype)

    def regress(self, X: ArrayLike) -> Output:
        """Map rows by the regression alone, as it is before calibration.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Vectors of the new model.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs)
            The predictions of least squared error, in the precision of X: what
            `transform` returns with ``calibrate=None``.

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
        """Map rows of the old model's space back into that of the new one.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Rows of the old model's space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            What is best in least squares. Without kernels: of all rows whose image is
            nearest to the given one, that nearest to `mean_`, by the pseudo-inverse.
            With kernels: the ridge regression of the rows of X on those of y.
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
        """Estimate how many queries find their row in a gallery of some size.

        Parameters
        ----------
        gallery_size : int
            Rows of the gallery, each query's own row included.

        k : int, default=1
            How many rows a search returns.

        Returns
        -------
        recall : float
            The expected share of queries that find their own row, from 0 to 1.

        low, high : float
            Ends of an interval in which it lies with a probability of 95 %.

        Raises
        ------
        ValueError
            If a size is not a positive integer, or if no rows were held out to search:
            after `partial_fit`, or with very few rows.

        Notes
        -----
        It extrapolates `held_out_ranks_`: a beta-binomial distribution, of the number
        of rows nearer than the own one, is fitted to the first ranks. The interval
        holds the uncertainty of both parameters, and grows with the logarithm of the
        factor between the galleries. The maps that ranked had fewer rows than the final
        one, so that with few pairs more is found than is told here.
        """
        check_is_fitted(self, "report_")
        for name, value in {"gallery_size": gallery_size, "k": k}.items():
            is_integer = isinstance(value, Integral) and not isinstance(value, bool)
            if not is_integer or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}.")
        if self.held_out_ranks_ is None:
            raise ValueError(
                "No held-out rows have searched, so that nothing is known of recall: "
                "use fit, with more rows."
            )
        ranks, sizes = self.held_out_ranks_.T
        return expected_recall(ranks, sizes, int(gallery_size), int(k))

    def report(self, gallery_size: int | None = None, k: int = 1) -> str:
        """Return a report of the choices and of the recall to expect.

        Parameters
        ----------
        gallery_size : int, default=None
            Rows of a gallery for which recall is estimated, see
            :meth:`expected_recall`. None tells what was found in the small galleries of
            rows held out alone.

        k : int, default=1
            How many rows a search in that gallery returns.

        Returns
        -------
        str
            A few lines; the numbers are those of `report_`.
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
