# SPDX-License-Identifier: BSD-3-Clause
"""Bases of all transformers, and one small mixin for each kind of family."""

from collections.abc import Iterator

import narwhals.stable.v2 as nw
import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._prepared import PreparedMap
from sktransform.runtime._kept import built_once
from sktransform.runtime._runtime import Runtime, SparseRows
from sktransform.runtime._validation import check_tensor, is_valid_array
from sktransform.utils._sklearn import CallbackSupportMixin, check_sample_weight
from sktransform.utils._typing import Output

__all__ = ["AlignerMixin", "MixtureTransformer", "TorchEstimator", "TorchTransformer"]


class TorchEstimator(CallbackSupportMixin, BaseEstimator):
    """Base of estimators that compute on torch and keep NumPy arrays.

    It validates rows and chooses device and precision for them. A subclass defines
    `fit` with an explicit signature, which metadata routing reads.
    """

    _parameter_constraints: dict = {"device": [str]}

    # Whether `_validate_rows` takes sparse tables too, and returns SparseRows for them.
    _accepts_sparse = False

    def _validate_rows(self, X, *, reset, min_samples=1):
        """Return rows as float32 or float64: an array, SparseRows, or the tensor."""
        if isinstance(X, torch.Tensor):
            return check_tensor(self, X, reset=reset, min_samples=min_samples)
        if not reset and is_valid_array(self, X, min_samples):
            return X
        if isinstance(X, Iterator):
            raise TypeError(
                f"X is a {type(X).__name__}, but {type(self).__name__} takes one table "
                "of rows at a time; if rows come in blocks, pass each block to "
                "partial_fit or to transform."
            )
        rows = validate_data(
            self,
            X,
            accept_sparse="csr" if self._accepts_sparse else False,
            dtype=[np.float64, np.float32],
            reset=reset,
            ensure_min_samples=min_samples,
        )
        if issparse(rows):
            return SparseRows.from_table(rows)
        return _keep_single(X, rows)

    def _runtime(self, X):
        """Return the runtime for validated rows."""
        return Runtime.from_rows(X, self.device)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._accepts_sparse
        return tags


class TorchTransformer(TransformerMixin, TorchEstimator):
    """Base of transformers that compute on torch and keep NumPy arrays.

    In addition to `TorchEstimator` it validates the input of `inverse_transform` and
    sets the tag that outputs have the precision of the input.
    """

    def _validate_outputs(self, X):
        """Return rows of outputs, checked as `_validate_rows` checks inputs."""
        if isinstance(X, torch.Tensor):
            outputs = check_tensor(self, X)
        else:
            outputs = check_array(X, dtype=[np.float64, np.float32], estimator=self)
        if outputs.shape[1] != self._n_features_out:
            raise ValueError(
                f"X has {outputs.shape[1]} columns, but inverse_transform of "
                f"{type(self).__name__} takes the {self._n_features_out} columns that "
                "transform returns."
            )
        return _keep_single(X, outputs)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class MixtureTransformer(TorchTransformer):
    """Base of transformers whose map is a Gaussian-weighted mixture of affine maps.

    `fit` sets `map_`, a dict of arrays: the arguments of
    `sktransform.nn._gaussian_weighted.GaussianWeightedMap`. A subclass writes
    `transform`.
    """

    def jacobian(self, X: ArrayLike) -> Output:
        """Return the Jacobian of the map at each row.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs, n_features)
            Partial derivatives of each output by each feature.
        """
        X, runtime = self._checked(X)
        return runtime.map(self._module(runtime).jacobian, X)

    def chart_weights(self, X: ArrayLike) -> Output:
        """Return the weight of each chart at each row.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_charts)
            The weights, which sum to 1 for each row.
        """
        X, runtime = self._checked(X)
        return runtime.map(self._module(runtime).weights, X)

    @property
    def centers_(self) -> np.ndarray:
        """Centres of the charts, shape (n_charts, n_features)."""
        return self.map_["mean"] + self._in_features(self.map_["centers"])

    @property
    def components_(self) -> np.ndarray:
        """Linear maps of the charts, shape (n_charts, n_outputs, n_features)."""
        components = self._in_features(self.map_["components"])
        return components if "coef" not in self.map_ else self.map_["coef"] + components

    @property
    def offsets_(self) -> np.ndarray:
        """Values of the charts at their centres, shape (n_charts, n_outputs)."""
        offsets = self.map_["offsets"]
        if "coef" not in self.map_:
            return offsets
        return self.centers_ @ self.map_["coef"].T + self.map_["intercept"] + offsets

    @property
    def _n_features_out(self):
        return self.map_["components"].shape[1]

    def _in_features(self, directions):
        """Return directions of the projected space in the features' space."""
        projection = self.map_.get("projection")
        return directions if projection is None else directions @ projection.T

    def _checked(self, X):
        """Return validated rows of a fitted estimator and their runtime."""
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        return X, self._runtime(X)

    def _module(self, runtime):
        """Return the map as a module with a derivative."""
        state = self.map_
        return built_once(
            self, "module", runtime, state, lambda: self._mixture_module(runtime, state)
        )

    def _mapping(self, runtime):
        """Return the function of rows that `transform` applies."""
        return built_once(
            self,
            "mapping",
            runtime,
            self.map_,
            lambda: PreparedMap(self._module(runtime)),
        )

    @staticmethod
    def _mixture_module(runtime, state):
        """Return the module of a mixture's state in the rows' precision, if it fits."""
        limits = torch.finfo(runtime.dtype)
        widths = np.asarray(state["widths"], dtype=np.float64)
        # Also true for NaN: the comparisons are False.
        if not (limits.tiny <= widths.min() and widths.max() <= limits.max):
            # Neighbours are kept in single precision whatever the rows have.
            is_single = runtime.dtype == torch.float32
            wider = "give X in float64, or " if is_single else ""
            raise ValueError(
                "Squared distances between rows of X overflow or underflow in float32; "
                f"{wider}rescale X so that distances are nearer to 1."
            )
        return runtime.module(GaussianWeightedMap, state)


class AlignerMixin:
    """Mixin of transformers that map one view of the rows into the space of another.

    The target `y` of such a `TorchTransformer` is the other view: a table with a row
    for each row of X.
    """

    def _validate_pairs(self, X, y, sample_weight=None, *, reset, min_samples=1):
        """Return both views, as `_validate_rows` does, and float64 weights."""
        X = self._validate_rows(X, reset=reset, min_samples=min_samples)
        Y = self._validate_targets(y)
        check_consistent_length(X, Y)
        if not reset and Y.shape[1] != self._n_targets:
            raise ValueError(
                f"y has {Y.shape[1]} columns, but {type(self).__name__} was fitted to "
                f"{self._n_targets} columns; give rows of the same view."
            )
        weights = check_sample_weight(
            sample_weight, np.empty(len(X)), dtype=np.float64, ensure_non_negative=True
        )
        return X, Y, weights

    def _validate_targets(self, y):
        """Return the target view as a table of float32 or float64, or the tensor."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None: give the other view, with one row for each row of X."
            )
        if isinstance(y, torch.Tensor):
            return check_tensor(self, y[:, None] if y.ndim == 1 else y)
        targets = check_array(
            y,
            dtype=[np.float64, np.float32],
            ensure_2d=False,
            input_name="y",
            estimator=self,
        )
        return targets[:, None] if targets.ndim == 1 else targets

    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the R2 of the mapped rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            The same rows in the other view.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None weighs every row 1.

        Returns
        -------
        float
            R2 over all columns together, each weighted by its variance: 1 at best, 0
            for a constant, below 0 for worse.
        """
        check_is_fitted(self)
        rows, Y, weights = self._validate_pairs(X, y, sample_weight, reset=False)
        # The input before validation: a frame's names are compared once more.
        mapped = self.transform(X)  # type: ignore[attr-defined]
        Y, mapped = self._runtime(rows).arrays(Y, mapped)  # type: ignore[attr-defined]
        mapped = np.asarray(mapped)[:, : self._n_targets]
        return float(
            r2_score(Y, mapped, sample_weight=weights, multioutput="variance_weighted")
        )

    @property
    def _n_targets(self):
        """Number of leading columns of `transform` that stand for those of y."""
        return self._n_features_out

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.two_d_labels = False
        return tags


def _keep_single(X, array):
    """Return the array in float32 if X is a data frame of float32 columns alone.

    scikit-learn's check widens such frames of polars and pyarrow to float64.
    """
    if isinstance(X, np.ndarray):  # at once: a single row should not wait
        return array
    frame = nw.from_native(X, pass_through=True, eager_only=True)
    if isinstance(frame, nw.DataFrame) and all(
        dtype == nw.Float32 for dtype in frame.schema.values()
    ):
        return array.astype(np.float32, copy=False)
    return array
