# SPDX-License-Identifier: BSD-3-Clause
"""The base of every transformer, and one small mixin for each kind of family."""

import narwhals.stable.v2 as nw
import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_array, validate_data

from sktransform.runtime._runtime import Runtime, SparseRows
from sktransform.runtime._validation import check_tensor

__all__ = ["TorchTransformer"]


class TorchTransformer(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Base of transformers that compute on torch and keep NumPy arrays.

    It holds what every estimator does the same way: rows are validated, a runtime is
    chosen for them, and scikit-learn is told that precision is kept. A subclass writes
    `fit` with its own signature, which metadata routing reads.
    """

    _parameter_constraints: dict = {"device": [str]}

    # Whether `_validate_rows` takes sparse tables too, and returns SparseRows for them.
    _accepts_sparse = False

    def _validate_rows(self, X, *, reset, min_samples=1):
        """Return rows as float32 or float64: an array, SparseRows, or the tensor."""
        if isinstance(X, torch.Tensor):
            return check_tensor(self, X, reset=reset, min_samples=min_samples)
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

    def _runtime(self, X):
        """Return the runtime for validated rows."""
        return Runtime.of(X, self.device)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.input_tags.sparse = self._accepts_sparse
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
