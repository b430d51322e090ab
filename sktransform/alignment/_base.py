# SPDX-License-Identifier: BSD-3-Clause
"""What aligners share whose fitted map is one affine map."""

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from sktransform.base import AlignerMixin, TorchTransformer
from sktransform.nn._affine import AffineMap
from sktransform.runtime._kept import built_once
from sktransform.runtime._runtime import QUERY_ROWS, Runtime
from sktransform.runtime._small_blocks import SmallBlocks


class ServedMap:
    """The part of an aligner that hands out its map as a torch module.

    The estimator has `coef_` and `intercept_`.
    """

    def torch_module(self, dtype=torch.float32):
        """Return the map as a torch module, to be served or exported.

        It takes and returns tensors of shape (n_samples, n_features) and (n_samples,
        n_outputs), checks nothing and knows no blocks: of one row it is several times
        faster than `transform`, with which it agrees to rounding. Where NumPy is
        enough, ``row @ coef_.T + intercept_`` is the same map, if it is affine.

        Parameters
        ----------
        dtype : torch.dtype, default=torch.float32
            Precision of its numbers, and of the tensors that it takes.

        Returns
        -------
        torch.nn.Module
            A module of its own on the CPU, in evaluation mode: no change of it reaches
            the estimator. With kernels it computes in double precision.
        """
        check_is_fitted(self)
        runtime = Runtime(torch.device("cpu"), dtype, None)
        return self._built(runtime, self._map_state()).requires_grad_(False)

    def _map_state(self):
        """Return the fitted arrays of the map, by the module's names."""
        return {"coef": self.coef_, "intercept": self.intercept_}

    def _built(self, runtime, state):
        """Return a module of such arrays."""
        return runtime.module(AffineMap, state)


class AffineAligner(
    ServedMap, AlignerMixin, ClassNamePrefixFeaturesOutMixin, TorchTransformer
):
    """Base of aligners whose map is ``x @ coef_.T + intercept_``.

    `fit` sets `coef_` of shape (n_outputs, n_features), `intercept_` of shape
    (n_outputs,) and `mean_`, the mean row of X, of shape (n_features,), in float64.
    """

    _inverse_contract = "least_squares"

    def transform(self, X):
        """Map rows into the space of the target.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs)
            Their images, in the precision of X. A row has the same bits whatever rows
            come with it.
        """
        return self._mapped(X, "map", self._map_state)

    def _mapped(self, X, name, state_of_map):
        """Return rows under a map, whose module is kept by a name."""
        if "coef_" not in vars(self):  # one row should not wait for the whole check
            check_is_fitted(self, "coef_")
        X = self._validate_rows(X, reset=False)
        runtime, state = self._runtime(X), state_of_map()

        def build():
            module = self._built(runtime, state)
            return SmallBlocks(module, QUERY_ROWS, runtime.dtype)

        blocks = built_once(self, name, runtime, state, build)
        is_on_cpu = runtime.device.type == "cpu"
        n_rows = blocks.rows_for(X) if is_on_cpu else QUERY_ROWS
        return runtime.map(blocks.function, X, n_rows)

    def inverse_transform(self, X):
        """Map rows of the target's space back into that of the first view.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Rows of the target's space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            Of all rows whose image is nearest to the given one, that nearest to
            `mean_`: least squares, by the pseudo-inverse. It undoes `transform` where
            the map loses no dimension.
        """
        check_is_fitted(self)
        X = self._validate_outputs(X)
        inverse = self._inverse_coef()
        image_of_mean = self.coef_ @ self.mean_ + self.intercept_
        return self._apply(X, inverse, self.mean_ - inverse @ image_of_mean)

    def _inverse_coef(self):
        """Return the linear part of the inverse, shape (n_features, n_outputs)."""
        return np.linalg.pinv(self.coef_)

    def _apply(self, X, coef, intercept):
        """Return validated rows under an affine map."""
        runtime = self._runtime(X)
        state = {"coef": coef, "intercept": intercept}
        return runtime.map(runtime.module(AffineMap, state), X, QUERY_ROWS)

    @property
    def _n_features_out(self):
        return len(self.coef_)
