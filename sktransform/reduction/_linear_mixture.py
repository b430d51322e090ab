# SPDX-License-Identifier: BSD-3-Clause
"""The charts of a fitted mixture of linear maps, and its exact derivative."""

import numpy as np
import torch
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._prepared import PreparedMap
from sktransform.nn._products import row_stable_product
from sktransform.nn._published import PublishedMap
from sktransform.reduction._anchors import AnchoredMap
from sktransform.runtime._kept import built_once


class LinearMixtureMixin:
    """Charts and derivative of an estimator whose `map_` is a mixture of linear maps.

    The estimator is a `TorchTransformer`, and its `anchors_` are None or stored rows.
    """

    def jacobian(self, X):
        """Return the exact derivative of the map at rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_components, n_features)
            How each coordinate of the embedding changes with each feature.
        """
        X, runtime = self._checked(X)
        return runtime.map(self._module(runtime).jacobian, X)

    def chart_weights(self, X):
        """Return how much each row follows each chart.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_charts)
            The weights, which sum to 1 in each row.
        """
        X, runtime = self._checked(X)
        return runtime.map(self._module(runtime).weights, X)

    def published_quantities(self, X):
        """Return the quantities of the published method under their own names.

        They read the blended matrix ``A(x) = sum_i w_i(x) A_i``, which is not the
        derivative of the map: what the weights' own change adds is left out.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        Bunch
            global_influence : of shape (n_features,)
                Share of a feature in the magnitudes of a chart's linear map, in the
                mean over charts. Sums to 1.
            local_influence : of shape (n_samples, n_features)
                Share of a feature in the magnitudes of the blended matrix.
            skewness : of shape (n_samples,)
                Variance of the local influence over features; not a third moment.
            frobenius_norm : of shape (n_samples,)
                Frobenius norm of the blended matrix. An isometry onto q components has
                the square root of q, not 1.
        """
        X, runtime = self._checked(X)
        module = self._module(runtime)
        components = runtime.tensor(self.components_, runtime.dtype)

        def shares_and_norm(block):
            blended = row_stable_product(module.weights(block), components.flatten(1))
            blended = blended.view(len(block), *components.shape[1:])
            norms = torch.linalg.vector_norm(blended, dim=(1, 2))
            return torch.cat([_shares(blended), norms.unsqueeze(1)], 1)

        mapped = runtime.map(shares_and_norm, X)
        local = mapped[:, :-1]
        return as_came(
            runtime,
            global_influence=_shares(components).mean(0),
            local_influence=local,
            skewness=((local - local.mean(1)[:, None]) ** 2).mean(1),
            frobenius_norm=mapped[:, -1],
        )

    @property
    def centers_(self):
        """Centres of the charts, shape (n_charts, n_features)."""
        return self.map_.get("mean", 0) + self._in_features(self.map_["centers"])

    @property
    def embedded_centers_(self):
        """Images of the charts' centres, shape (n_charts, n_components)."""
        centers = self.centers_
        runtime = self._runtime(centers)
        return runtime.map(self._mapping(runtime), centers)

    @property
    def widths_(self):
        """Widths of the charts in squared units of X, shape (n_charts,)."""
        return self.map_["widths"]

    @property
    def components_(self):
        """Linear maps of the charts, shape (n_charts, n_components, n_features)."""
        return self._in_features(self.map_["components"])

    @property
    def offsets_(self):
        """Values of the charts at their centres, shape (n_charts, n_components)."""
        if "offsets" in self.map_:
            return self.map_["offsets"]
        # The published charts are linear.
        return np.einsum("mqd,md->mq", self.components_, self.centers_)

    @property
    def mean_(self):
        """Mean of the rows that the solver saw, shape (n_features,)."""
        if "mean" not in self.map_:
            raise AttributeError("The published map takes rows as they are: no mean_.")
        return self.map_["mean"]

    def _in_features(self, directions):
        """Return directions of the projected space in the features' space."""
        if "projection" not in self.map_:
            return directions
        return directions @ self.map_["projection"].T

    def _checked(self, X):
        """Return validated rows of a fitted estimator and their runtime."""
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        return X, self._runtime(X)

    def _module(self, runtime):
        """Return the map, which has `jacobian` and `weights`, as a module."""

        def build():
            if "mean" not in self.map_:
                return runtime.module(PublishedMap, self.map_)
            return mixture_module(runtime, self.map_)

        return built_once(self, "module", runtime, self.map_, build)

    def _mapped(self, X, runtime):
        """Return what `transform` returns for validated rows."""
        mapping = self._mapping(runtime)
        if isinstance(mapping, AnchoredMap):
            return runtime.map(mapping, X, mapping.block_rows(X))
        return runtime.map(mapping, X)

    def _mapping(self, runtime):
        """Return the function of rows that `transform` applies."""
        anchors = self.anchors_ or {}
        state = {**self.map_, **{f"anchors {k}": v for k, v in anchors.items()}}

        def build():
            module = self._module(runtime)
            if isinstance(module, PublishedMap):
                return module
            prepared = PreparedMap(module)
            if not anchors:
                return prepared
            stored = {k: runtime.tensor(v, runtime.dtype) for k, v in anchors.items()}
            return AnchoredMap(prepared, **stored)

        return built_once(self, "mapping", runtime, state, build)


def mixture_module(runtime, state):
    """Return a mixture of affine maps in the rows' precision, if that can hold it.

    Parameters
    ----------
    runtime : Runtime
        The runtime of the rows.

    state : dict of str to ndarray
        State of a GaussianWeightedMap.

    Returns
    -------
    GaussianWeightedMap
        The module.
    """
    limits = torch.finfo(runtime.dtype)
    widths = np.asarray(state["widths"], dtype=np.float64)
    # Also for widths that are no numbers.
    if not (limits.tiny <= widths.min() and widths.max() <= limits.max):
        # Neighbours are kept in single precision whatever the rows have.
        is_single = runtime.dtype == torch.float32
        raise ValueError(
            "Squared distances of these rows do not fit into float32; give rows in "
            f"{'float64, or in ' if is_single else ''}units nearer to their distances."
        )
    return runtime.module(GaussianWeightedMap, state)


def as_came(runtime, **values):
    """Return named results as the rows came, in their precision.

    Parameters
    ----------
    runtime : Runtime
        The runtime of the rows.

    **values : ndarray or Tensor
        Results, on any device.

    Returns
    -------
    Bunch
        Arrays, or tensors on the rows' device.
    """
    where = runtime.output_device or "cpu"
    tensors = {
        name: torch.as_tensor(value).to(where, runtime.dtype)
        for name, value in values.items()
    }
    return Bunch(**(tensors if runtime.output_device else runtime.state(tensors)))


def _shares(matrices):
    """Return the features' shares in the magnitudes of (n, outputs, features)."""
    magnitudes = matrices.abs().sum(1)
    total = magnitudes.sum(1, keepdim=True)
    return magnitudes / total.clamp_min(torch.finfo(total.dtype).tiny)
