# SPDX-License-Identifier: BSD-3-Clause
"""The way back of an estimator whose map is a mixture of linear maps."""

from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sktransform.nn._products import row_stable_product
from sktransform.reduction._decoder import refine
from sktransform.reduction._linear_mixture import mixture_module


def _has_decoder(reducer):
    """Tell whether a reducer's map has a way back, or will have one."""
    if hasattr(reducer, "decoder_"):
        return reducer.decoder_ is not None
    return reducer.solver != "published"


class LinearMixtureInverseMixin:
    """The decoder of an estimator whose `map_` and `decoder_` are mixtures."""

    @available_if(_has_decoder)
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
        check_scalar(n_refinements, "n_refinements", Integral, min_val=0)
        points = self._validate_outputs(X)
        runtime = self._runtime(points)
        return runtime.map(self._inverse_mapping(runtime, n_refinements), points)

    def _inverse_mapping(self, runtime, n_refinements=0):
        """Return the function of points that `inverse_transform` applies."""
        decoder = mixture_module(runtime, self.decoder_)
        inputs = {k: v for k, v in self.map_.items() if k != "projection"}
        inputs["mean"] = np.zeros_like(self.map_["centers"][0])
        inner_map = mixture_module(runtime, inputs)
        mean = runtime.tensor(self.map_["mean"], runtime.dtype)
        back = None
        if "projection" in self.map_:
            back = runtime.tensor(self.map_["projection"].T, runtime.dtype)

        def rows_of(block):
            Z = refine(decoder(block), block, inner_map, n_refinements)
            return mean + (Z if back is None else row_stable_product(Z, back))

        return rows_of

    @available_if(_has_decoder)
    def reconstruction_error(self, X):
        """Return how far rows are from their reconstruction.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
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
        mapping, rows_of = self._mapping(runtime), self._inverse_mapping(runtime)

        def errors(block):
            return torch.linalg.vector_norm(block - rows_of(mapping(block)), dim=1)

        return runtime.map(errors, X)
