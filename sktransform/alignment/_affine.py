# SPDX-License-Identifier: BSD-3-Clause
"""What aligners share whose fitted map is one affine map."""

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from sktransform.base import AlignerMixin, TorchTransformer
from sktransform.nn._affine import AffineMap
from sktransform.runtime._kept import built_once


class AffineAligner(AlignerMixin, ClassNamePrefixFeaturesOutMixin, TorchTransformer):
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
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        state = {"coef": self.coef_, "intercept": self.intercept_}

        def build():
            return runtime.module(AffineMap, state)

        return runtime.map(built_once(self, "map", runtime, state, build), X)

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
        return runtime.map(runtime.module(AffineMap, state), X)

    @property
    def _n_features_out(self):
        return len(self.coef_)
