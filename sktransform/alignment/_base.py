# SPDX-License-Identifier: BSD-3-Clause
"""Bases of aligners: one affine map, and streams of moments from which to solve it."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, clone
from sklearn.utils.validation import check_is_fitted

from sktransform.alignment._moments.folds import FoldMoments
from sktransform.base import AlignerMixin, TorchTransformer
from sktransform.nn._affine import AffineMap
from sktransform.runtime._kept import built_once
from sktransform.runtime._runtime import QUERY_ROWS, Runtime, resolve_device
from sktransform.utils._sklearn import check_params
from sktransform.utils._typing import Output


class TorchModuleMixin:
    """Mixin of aligners whose map is available as a torch module.

    The estimator has `coef_` and `intercept_`.
    """

    def torch_module(self, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
        """Return the map as a torch module, for serving or export.

        The module maps a tensor of shape (n_samples, n_features) to one of shape
        (n_samples, n_outputs), without validation. For single rows it is several times
        faster than `transform`, with the same result up to rounding. In NumPy, ``row @
        coef_.T + intercept_`` is the same map.

        Parameters
        ----------
        dtype : torch.dtype, default=torch.float32
            Precision of the parameters and of the input tensors.

        Returns
        -------
        torch.nn.Module
            A module on the CPU in evaluation mode, which shares no memory with the
            estimator.
        """
        check_is_fitted(self)
        coef, intercept = self.coef_, self.intercept_  # type: ignore[attr-defined]
        state = {"coef": coef, "intercept": intercept}
        return module_on_cpu(affine_module, state, dtype)


class AffineAligner(
    TorchModuleMixin, AlignerMixin, ClassNamePrefixFeaturesOutMixin, TorchTransformer
):
    """Base of aligners whose map is ``x @ coef_.T + intercept_``.

    `fit` sets `coef_` of shape (n_outputs, n_features), `intercept_` of shape
    (n_outputs,) and `mean_`, the mean row of X, of shape (n_features,), in float64.
    """

    _inverse_contract = "least_squares"

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
        check_has_map(self)
        state = {"coef": self.coef_, "intercept": self.intercept_}
        return self._map_rows(X, "map", affine_module, state)

    def _map_rows(self, X, name, make_module, state):
        """Return rows of the first view under a map that is kept by a name.

        `make_module` takes the runtime and `state`, the fitted arrays of the map.
        """
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        module = built_once(
            self, name, runtime, state, lambda: make_module(runtime, state)
        )
        return runtime.map(module, X, QUERY_ROWS)

    def inverse_transform(self, X: ArrayLike) -> Output:
        """Map rows of the target's space back into the space of X.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Rows of the target's space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            The least-squares inverse by the pseudo-inverse: of all rows whose image is
            nearest to the given row, the row nearest to `mean_`. It is exact if `coef_`
            has full column rank.
        """
        return self._map_back(X, np.linalg.pinv)

    def _map_back(self, X, inverse_of):
        """Return rows of the target's space mapped back about `mean_`.

        `inverse_of` takes `coef_` and returns an inverse (n_features, n_outputs).
        """
        check_is_fitted(self)
        X = self._validate_outputs(X)
        inverse = inverse_of(self.coef_)
        image_of_mean = self.coef_ @ self.mean_ + self.intercept_
        return self._apply(X, inverse, self.mean_ - inverse @ image_of_mean)

    def _apply(self, X, coef, intercept):
        """Return validated rows under an affine map."""
        runtime = self._runtime(X)
        module = affine_module(runtime, {"coef": coef, "intercept": intercept})
        return runtime.map(module, X, QUERY_ROWS)

    @property
    def _n_features_out(self):
        return len(self.coef_)


class MomentAligner(AffineAligner):
    """Base of aligners that keep the moments of the rows and solve for their map.

    `moments_` is a dict of arrays whose first axis is that of the folds. A subclass
    writes `fit`, `partial_fit` and `merge`: each takes moments, merges them with those
    kept, solves for the map and assigns the fitted attributes.
    """

    def _kept_moments(self, n_folds=None, device=None):
        """Return `moments_` on a device, by default that of the estimator.

        The folds must be as many as the parameters ask for, if that is given.
        """
        n_kept = len(self.moments_["weight"])
        if n_folds not in (None, n_kept):
            raise ValueError(
                f"The moments of earlier rows are stored in {n_kept} folds, but the "
                f"parameters now need {n_folds} folds; call fit to start anew."
            )
        if device is None:
            device = resolve_device(self.moments_["weight"], self.device)
        return FoldMoments.from_arrays(self.moments_, device)

    def _merged_with(self, other, n_folds=None):
        """Return an unfitted copy of the aligner, and the moments of both aligners."""
        check_mergeable(self, other)
        check_params(self)
        kept = self._kept_moments(n_folds)
        device = kept.folds[0].weight.device
        moments = kept.merge(FoldMoments.from_arrays(other.moments_, device))
        merged = clone(self)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(merged, name, getattr(self, name))
        return merged, moments


def affine_module(runtime, state):
    """Return the module of an affine map's arrays, "coef" and "intercept"."""
    return runtime.module(AffineMap, state)


def module_on_cpu(make_module, state, dtype):
    """Return a module of fitted arrays that does not share their memory."""
    runtime = Runtime(torch.device("cpu"), dtype, None)
    return make_module(runtime, state).requires_grad_(False)


def check_has_map(aligner):
    """Check that an aligner has `coef_`, quickly: a single row should not wait."""
    if "coef_" not in vars(aligner):
        check_is_fitted(aligner, "coef_")


def check_mergeable(aligner, other):
    """Check that two fitted aligners have one class, the same parameters and views.

    Parameters are all but the device; views have the same widths and feature names.
    """
    check_is_fitted(aligner, "moments_")
    if type(other) is not type(aligner):
        name = type(aligner).__name__
        raise ValueError(f"other must be of class {name}, got {other!r}.")
    check_is_fitted(other, "moments_")
    first, second = (one.get_params(deep=False) for one in (aligner, other))
    differing = sorted(
        name for name in first if name != "device" and first[name] != second[name]
    )
    if differing:
        values = ", ".join(
            f"{name}={first[name]!r} and {second[name]!r}" for name in differing
        )
        raise ValueError(
            f"Aligners with different parameters cannot be merged ({values}); fit both "
            "aligners with the same parameters."
        )
    widths = [
        tuple(one.moments_[name].shape[-1] for name in ("mean_x", "mean_y"))
        for one in (aligner, other)
    ]
    if widths[0] != widths[1]:
        raise ValueError(
            f"Aligners of different spaces cannot be merged: one has {widths[0]}, the "
            f"other {widths[1]} features and outputs; fit both on the same spaces."
        )
    names = [getattr(one, "feature_names_in_", None) for one in (aligner, other)]
    is_named = all(name is not None for name in names)
    if is_named and not np.array_equal(*names):
        raise ValueError(
            f"Aligners of different spaces cannot be merged: features {list(names[0])} "
            f"and {list(names[1])}; fit both on the same columns in the same order."
        )
