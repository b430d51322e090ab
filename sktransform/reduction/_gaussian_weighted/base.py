# SPDX-License-Identifier: BSD-3-Clause
"""Base of the reducers: a fitted mixture's map, inverse and score."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sktransform.base import MixtureTransformer
from sktransform.metrics import stress
from sktransform.nn._products import row_stable_product
from sktransform.reduction._gaussian_weighted.anchors import AnchoredMap
from sktransform.reduction._gaussian_weighted.decoder import refine
from sktransform.reduction._gaussian_weighted.rows import sparse_distances
from sktransform.runtime._kept import built_once
from sktransform.runtime._runtime import SparseRows
from sktransform.utils._sklearn import Interval, StrOptions
from sktransform.utils._typing import Output, SparseOrDense

# Rows that are scored where all distances between them are held in memory.
_SCORED_ROWS = 2000


class MixtureReducer(ClassNamePrefixFeaturesOutMixin, MixtureTransformer):
    """Base of reducers whose map is a Gaussian-weighted mixture of affine maps.

    It stores and applies the `FittedMap` of a solver. A subclass defines `fit`.
    """

    _inverse_contract = "least_squares"
    _accepts_sparse = True

    _parameter_constraints: dict = {
        **MixtureTransformer._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "target_weight": [Interval(Real, 0, 1, closed="both")],
        "n_neighbors": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "n_gaussians": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "n_landmarks": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "store_embedding": ["boolean"],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
    }

    def _assign(self, fitted, X, runtime, *, reservoir=None):
        """Set every fitted attribute from a solver's FittedMap and its rows.

        Of a stream X is the sample. If `fitted` is None only the sample has changed.
        """
        vars(self).pop("reservoir_", None)
        if reservoir is not None:
            self.reservoir_ = reservoir
        if fitted is None:
            return
        self.map_ = runtime.state(fitted.map)
        self.decoder_ = runtime.state(fitted.decoder)
        self.continuation_ = fitted.continuation
        self.loss_curve_ = np.array(fitted.loss_curve)
        self.n_iter_ = fitted.n_iter
        (self.feature_scale_,) = runtime.arrays(fitted.feature_scale)
        self.stress_ = fitted.stress
        vars(self).pop("embedding_", None)
        if self.store_embedding:
            self.embedding_ = self._embed(X, runtime)

    def _embed(self, X, runtime):
        """Return the images of the training rows; stored ones need no search."""
        # Rows of weight 0 are not stored.
        anchors = self._anchors()
        if anchors is None or len(anchors["embedding"]) < len(X):
            return runtime.arrays(self._mapped(X, runtime))[0]
        (rows,) = runtime.arrays(X[:1])
        return anchors["embedding"].astype(rows.dtype)

    def _continues(self):
        """Return whether there is a map to continue, and not of equal rows alone."""
        return bool(self.warm_start and np.any(getattr(self, "feature_scale_", 0)))

    def transform(self, X: SparseOrDense) -> Output:
        """Map rows into the embedding.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            The rows.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_components)
            The embedding, in the precision of X. The result of a row does not depend on
            the other rows of X.
        """
        X, runtime = self._checked(X)
        return self._mapped(X, runtime)

    def inverse_transform(self, X: ArrayLike, *, n_refinements: int = 0) -> Output:
        """Map points of the embedding to rows by the decoder.

        The decoder is a mixture of affine maps, fitted by least squares to the training
        rows. It returns approximately the mean of the rows that are mapped near a
        point. Differences between rows with the same embedding are lost, so the inverse
        is not exact.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_components)
            Points of the embedding.

        n_refinements : int, default=0
            Number of Gauss-Newton steps that change the decoded rows as little as
            possible such that ``transform`` maps them closer to X. With two to five
            steps, ``transform(inverse_transform(X))`` equals X for points in the range
            of the map.

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
        decoder = self._mixture_module(runtime, self.decoder_)
        inputs = {k: v for k, v in self.map_.items() if k != "projection"}
        inputs["mean"] = np.zeros_like(self.map_["centers"][0])
        inner_map = self._mixture_module(runtime, inputs)
        mean = runtime.tensor(self.map_["mean"], runtime.dtype)
        back = None
        if "projection" in self.map_:
            back = runtime.tensor(self.map_["projection"].T, runtime.dtype)

        def rows_of(block):
            Z = refine(decoder(block), block, inner_map, n_refinements)
            return mean + (Z if back is None else row_stable_product(Z, back))

        return rows_of

    def reconstruction_error(self, X: SparseOrDense) -> Output:
        """Return the reconstruction error of each row.

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

    def score(self, X: SparseOrDense, y: Any = None) -> float:
        """Return the negative stress of rows.

        Parameters
        ----------
        X : array-like, sparse table, data frame or Tensor of shape \
                (n_samples, n_features)
            At least two distinct rows.

        y : None
            Ignored.

        Returns
        -------
        float
            Negative stress of Euclidean distances. With more than half a million pairs
            a fixed random sample of pairs is compared, and at most 2000 rows of a
            sparse X.
        """
        X, runtime = self._checked(X)
        distances = None
        if isinstance(X, SparseRows):
            X = X[scored_rows(len(X))]
            distances = sparse_distances(X.table.astype(np.float64))
        return -self._stress(X, runtime, distances)

    def _stress(self, X, runtime, distances=None):
        """Return the stress of rows; the distances are their own by default."""
        Y = runtime.map(self._mapping(runtime), X)
        if distances is None:
            return stress(*runtime.arrays(X, Y))
        return stress(distances, *runtime.arrays(Y), metric="precomputed")

    @property
    def embedded_centers_(self) -> np.ndarray:
        """Centres of the charts mapped into the embedding, (n_charts, n_components)."""
        centers = self.centers_
        runtime = self._runtime(centers)
        return runtime.map(self._mapping(runtime), centers)

    @property
    def widths_(self) -> np.ndarray:
        """Widths of the charts in squared units of X, shape (n_charts,)."""
        return self.map_["widths"]

    @property
    def mean_(self) -> np.ndarray:
        """Mean of the training rows, or landmarks, shape (n_features,)."""
        return self.map_["mean"]

    def _anchors(self):
        """Return the arrays of the stored rows of an anchored map, else None."""
        return getattr(self, "anchors_", None)

    def _mapping(self, runtime):
        """Return the function of rows that `transform` applies, anchored or not."""
        continuous_map, anchors = super()._mapping(runtime), self._anchors()
        if anchors is None:
            return continuous_map

        def build():
            tensors = {
                name: runtime.tensor(array, runtime.dtype)
                for name, array in anchors.items()
            }
            return AnchoredMap(continuous_map, **tensors)

        state = {**self.map_, **{f"anchors {k}": v for k, v in anchors.items()}}
        return built_once(self, "anchored mapping", runtime, state, build)

    def _mapped(self, X, runtime):
        """Return what `transform` returns for validated rows."""
        mapping = self._mapping(runtime)
        if isinstance(mapping, AnchoredMap):
            return runtime.map(mapping, X, mapping.block_rows(X))
        return runtime.map(mapping, X)


def scored_rows(n_rows):
    """Return the indices of the rows that are compared, always the same ones."""
    if n_rows <= _SCORED_ROWS:
        return np.arange(n_rows)
    return np.sort(np.random.RandomState(0).permutation(n_rows)[:_SCORED_ROWS])
