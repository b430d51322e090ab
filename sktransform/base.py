# SPDX-License-Identifier: BSD-3-Clause
"""The base of every transformer, and one small mixin for each kind of family."""

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

from sktransform.runtime._runtime import Runtime, SparseRows
from sktransform.runtime._validation import check_tensor, is_valid_array
from sktransform.utils._sklearn import CallbackSupportMixin, check_sample_weight

__all__ = ["AlignerMixin", "TorchEstimator", "TorchTransformer"]


class TorchEstimator(CallbackSupportMixin, BaseEstimator):
    """Base of estimators that compute on torch and keep NumPy arrays.

    It holds what every estimator does the same way: rows are validated, and a runtime
    is chosen for them. A subclass writes `fit` with its own signature, which metadata
    routing reads.
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
                "of rows at a time; where blocks come one by one, give each of them to "
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
            return SparseRows.of(rows)
        return _keep_single(X, rows)

    def _runtime(self, X):
        """Return the runtime for validated rows."""
        return Runtime.of(X, self.device)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._accepts_sparse
        return tags


class TorchTransformer(TransformerMixin, TorchEstimator):
    """Base of transformers that compute on torch and keep NumPy arrays.

    Beside what all estimators do the same way, it checks outputs on their way back, and
    tells scikit-learn that precision is kept.
    """

    def _validate_outputs(self, X):
        """Return what came out of `transform`, on its way back, as `_validate_rows`."""
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


class AlignerMixin:
    """What transformers of one view of the rows into the space of another share.

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
                f"{self._n_targets}; give the same view."
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
                "None: give the other view of the rows, one row of it for each of X."
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
        """Return the share of the target's variance that the mapped rows explain.

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
        # The rows as they came: a frame's names are compared once more.
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
