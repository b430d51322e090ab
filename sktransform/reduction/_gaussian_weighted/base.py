# SPDX-License-Identifier: BSD-3-Clause
"""The charts of a fitted mixture of linear maps, and its exact derivative."""

from numbers import Integral

import numpy as np
import torch
from sklearn.utils import Bunch, check_scalar
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sktransform.metrics import stress
from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._prepared import PreparedMap
from sktransform.nn._products import row_stable_product
from sktransform.nn._published import PublishedMap
from sktransform.reduction._gaussian_weighted.anchors import AnchoredMap
from sktransform.reduction._gaussian_weighted.decoder import refine
from sktransform.reduction._gaussian_weighted.problem import (
    check_geodesic_rows,
    distinct_rows,
    host_rows,
)
from sktransform.reduction._gaussian_weighted.rows import sparse_distances
from sktransform.runtime._kept import built_once
from sktransform.runtime._runtime import SparseRows
from sktransform.utils._graphs import geodesic_distances
from sktransform.utils._validation import check_distances, or_auto


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


# Rows that are scored where all distances between them are held.
_SCORED_ROWS = 2000


class LinearMixtureScoreMixin:
    """The score of an estimator whose `map_` is a mixture of linear maps."""

    def score(self, X, y=None, distances=None):
        """Return minus the stress of rows, new ones as a rule.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            At least two distinct rows.

        y : None
            Ignored; here for grid searches.

        distances : array-like of shape (n_samples, n_samples), default=None
            Target distances between these rows, for ``metric="precomputed"``.

        Returns
        -------
        float
            Minus the stress of the distances that `metric` names, as in `stress_`
            without a `target_weight`. Straight ones are scored over a fixed sample of
            pairs if there are more than half a million. Geodesic ones lead over the
            rows that are scored, and not over the training rows; of these, as of a
            sparse table, at most 2000 are compared.

        Raises
        ------
        ValueError
            If distances are given without ``metric="precomputed"``, or not with it.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        if (self.metric == "precomputed") != (distances is not None):
            raise ValueError(
                "A map of given distances is scored as score(X, distances=D) with "
                f"those between the rows of X; metric is {self.metric!r} and distances "
                f"{'are' if distances is not None else 'are not'} given."
            )
        if distances is not None:
            distances = check_distances(distances, "distances", n_rows=len(X))
        elif self.metric == "geodesic":
            check_geodesic_rows(X)
            distinct, places = distinct_rows(host_rows(X, np.arange(len(X))))
            some = _scored(len(X))
            n_neighbors = or_auto(self.n_neighbors, 10)
            distances = geodesic_distances(distinct, n_neighbors, places[some])
            X = X[some]
        elif isinstance(X, SparseRows):
            X = X[_scored(len(X))]
            distances = sparse_distances(X.table.astype(np.float64))
        Y = runtime.map(self._mapping(runtime), X)
        if distances is None:
            return -stress(*runtime.arrays(X, Y))
        return -stress(distances, *runtime.arrays(Y), metric="precomputed")


def _scored(n_rows):
    """Return the places of the rows that are compared, always the same ones."""
    if n_rows <= _SCORED_ROWS:
        return np.arange(n_rows)
    return np.sort(np.random.RandomState(0).permutation(n_rows)[:_SCORED_ROWS])
