# SPDX-License-Identifier: BSD-3-Clause
"""Explanation of a fitted mixture: influence, expansion, distortion, and others."""

from numbers import Integral

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils import Bunch, check_scalar

from sktransform.nn._products import row_stable_product
from sktransform.reduction._gaussian_weighted.base import MixtureReducer
from sktransform.reduction._gaussian_weighted.tangent import (
    distortion,
    null_directions,
    push_forward,
    tangent_directions,
)
from sktransform.runtime._linalg import principal_axes
from sktransform.utils._typing import Output


class ExplainedReducer(MixtureReducer):
    """Base of reducers whose fitted mixture is explained by its exact derivative."""

    def influence(
        self,
        X: ArrayLike,
        *,
        scaled: bool = True,
        tangent: bool = False,
        reference: ArrayLike | None = None,
        n_neighbors: int = 12,
    ) -> Output:
        """Return the influence of each feature on the position of each row.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        scaled : bool, default=True
            Whether each feature changes by its standard deviation; with False by 1.

        tangent : bool, default=False
            Whether to project the change of the feature onto the directions in which
            the data vary locally, see :meth:`tangent_directions`.

        reference : array-like of shape (n_reference, n_features), default=None
            Rows among which neighbours are searched if `tangent` is True. None uses X.

        n_neighbors : int, default=12
            Number of neighbours if `tangent` is True.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            Sum over the embedding's coordinates of the absolute values of the Jacobian,
            times the feature's change, in units of the embedding. The mean over rows is
            the global influence.
        """
        X, runtime = self._checked(X)
        jacobian = self._module(runtime).jacobian
        step = runtime.tensor(self._feature_steps(scaled), runtime.dtype)
        if not tangent:
            return runtime.map(lambda block: jacobian(block).abs().sum(1) * step, X)
        find = self._tangent_finder(X, runtime, reference, n_neighbors)

        def projected(block):
            directions = find(block)
            images = push_forward(jacobian(block), directions)
            # Back from directions to features, by the same sums of products.
            return push_forward(images, directions.mT).abs().sum(1) * step

        return runtime.map(projected, X)

    def tangent_directions(
        self, X: ArrayLike, *, reference: ArrayLike | None = None, n_neighbors: int = 12
    ) -> Output:
        """Return the directions in which the data vary locally around each row.

        The directions are the right singular vectors of the nearest reference rows
        minus their mean. Along other directions the derivative of the map is not
        constrained by the data.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        reference : array-like of shape (n_reference, n_features), default=None
            Rows among which neighbours are searched; equal rows count once. None uses
            X. If given, the result of a row does not depend on the other rows of X.

        n_neighbors : int, default=12
            Number of neighbours, from 2 to the number of distinct reference rows. A row
            that is a reference row counts as its own first neighbour.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features, n_directions)
            Orthonormal columns in order of descending variance. ``n_directions`` is the
            smaller of `n_components` and ``n_neighbors - 1``. If the neighbours span
            fewer directions, the remaining columns are 0.
        """
        X, runtime = self._checked(X)
        return runtime.map(self._tangent_finder(X, runtime, reference, n_neighbors), X)

    def expansion(
        self, X: ArrayLike, *, reference: ArrayLike | None = None, n_neighbors: int = 12
    ) -> Bunch:
        """Return how the map stretches the data around each row.

        The Jacobian maps the unit ball of the tangent directions to an ellipse in the
        embedding. The half axes of the ellipse are the singular values of the Jacobian
        along the tangent directions; they are all 1 if the map preserves distances.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        reference : array-like of shape (n_reference, n_features), default=None
            See :meth:`tangent_directions`.

        n_neighbors : int, default=12
            See :meth:`tangent_directions`.

        Returns
        -------
        Bunch
            For each row, with k tangent directions:

            singular_values : of shape (n_samples, k)
                Half axes of the ellipse, the longest first.
            log_area : of shape (n_samples,)
                Sum of the logarithms of the singular values; 0 where the map preserves
                areas.
            expansion : of shape (n_samples,)
                Geometric mean of the singular values; above 1 where the map stretches.
            anisotropy : of shape (n_samples,)
                Ratio of the largest and the smallest singular value.
            frobenius : of shape (n_samples,)
                Root mean square of the singular values; 1 for an isometry.
            ellipses : of shape (n_samples, n_components, n_components)
                ``(J T) (J T)'`` with tangent directions T: the ellipse's shape matrix.

            Where the neighbours span fewer than k directions, all values except
            `ellipses` are NaN.
        """
        X, runtime = self._checked(X)
        jacobian = self._module(runtime).jacobian
        find = self._tangent_finder(X, runtime, reference, n_neighbors)

        def images_and_gaps(block):
            directions = find(block)
            images = push_forward(jacobian(block), directions)
            gaps = torch.where(directions.abs().sum(1) > 0, 0.0, torch.nan)
            return torch.cat([images, gaps.unsqueeze(1)], 1)

        mapped = torch.as_tensor(runtime.map(images_and_gaps, X))
        images, gaps = mapped[:, :-1], mapped[:, -1].sum(1)
        singular_values = torch.linalg.svdvals(images)
        ellipses = (images.unsqueeze(2) * images.unsqueeze(1)).sum(3)
        log_area = singular_values.log().sum(1) + gaps
        values = {
            "singular_values": singular_values + gaps[:, None],
            "log_area": log_area,
            "expansion": (log_area / singular_values.shape[1]).exp(),
            "anisotropy": singular_values[:, 0] / singular_values[:, -1] + gaps,
            "frobenius": singular_values.square().mean(1).sqrt() + gaps,
            "ellipses": ellipses,
        }
        return as_given(runtime, **values)

    def suppression(self, X: ArrayLike, *, scaled: bool = True) -> Output:
        """Return how much less each feature moves a row than the strongest feature.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        scaled : bool, default=True
            Whether each feature changes by its standard deviation; with False by 1.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            ``1 - d_j ||J e_j|| / max_k (d_k ||J e_k||)``, where ``J e_j`` is column j
            of the Jacobian and d_j the change of feature j: 0 for the feature that
            moves the row farthest (in the Euclidean norm), 1 for a feature without
            influence.
        """
        X, runtime = self._checked(X)
        jacobian = self._module(runtime).jacobian
        step = runtime.tensor(self._feature_steps(scaled), runtime.dtype)

        def suppressed(block):
            lengths = torch.linalg.vector_norm(jacobian(block), dim=1) * step
            longest = lengths.amax(1, keepdim=True)
            return 1 - lengths / longest.clamp_min(torch.finfo(longest.dtype).tiny)

        return runtime.map(suppressed, X)

    def null_directions(
        self,
        X: ArrayLike,
        n_directions: int = 1,
        *,
        local: bool = False,
        reference: ArrayLike | None = None,
        n_neighbors: int = 12,
    ) -> Bunch:
        """Return directions of the data that the embedding does not show.

        A map onto q components cannot show all of the q + n leading principal
        directions of the data. The returned directions lie in the space of these q + n
        directions: they are the right singular vectors of the Jacobian, restricted to
        this space, for its n smallest singular values. With a larger n the space is
        larger, so the first direction may change.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        n_directions : int, default=1
            Number n of directions.

        local : bool, default=False
            Whether to return directions for each row, within its tangent directions.
            With False, one set of directions is computed from the principal directions
            of the reference rows and the mean of ``J' J`` over X.

        reference : array-like of shape (n_reference, n_features), default=None
            Rows from which principal or tangent directions are computed. None uses X.

        n_neighbors : int, default=12
            Number of neighbours if `local` is True.

        Returns
        -------
        Bunch
            directions : of shape (n_directions, n_features), or (n_samples, \
                    n_directions, n_features) if `local`
                Unit vectors in the units of X, in ascending order of magnitude.
            magnitudes : of shape (n_directions,), or (n_samples, n_directions)
                How far the embedding moves for a step of length 1 along each direction,
                as a root mean square over rows unless `local` is True: 0 if the
                direction is not shown, 1 if its lengths are preserved.

        Raises
        ------
        ValueError
            If the data have fewer than q + n directions.
        """
        check_scalar(n_directions, "n_directions", Integral)
        X, runtime = self._checked(X)
        n_tangent = self._n_features_out + n_directions
        most = min(X.shape[1], n_neighbors - 1) if local else X.shape[1]
        if not 1 <= n_directions <= most - self._n_features_out:
            raise ValueError(
                f"n_directions={n_directions} with {self._n_features_out} components "
                f"needs {n_tangent} directions of the data, but there are only {most}; "
                "use fewer directions or more rows."
            )
        jacobian = self._module(runtime).jacobian
        if local:
            find = self._tangent_finder(X, runtime, reference, n_neighbors, n_tangent)

            def least_shown(block):
                tangent = find(block)
                images = push_forward(jacobian(block), tangent)
                directions, lengths = null_directions(images, tangent, n_directions)
                return torch.cat([directions, lengths.unsqueeze(2)], 2)

            found = runtime.map(least_shown, X)
            return as_given(
                runtime, directions=found[:, :, :-1], magnitudes=found[:, :, -1]
            )
        rows, mean = self._reference(X, runtime, reference)
        tangent = principal_axes(rows - mean, n_tangent, rows.new_ones(len(rows)))
        images = runtime.map(
            lambda block: push_forward(
                jacobian(block), tangent.expand(len(block), -1, -1)
            ),
            X,
        )
        images = runtime.tensor(images).flatten(0, 1) / len(X) ** 0.5
        directions, lengths = null_directions(images, tangent, n_directions)
        return as_given(runtime, directions=directions, magnitudes=lengths)

    def distortion(
        self,
        X: ArrayLike,
        *,
        reference: ArrayLike | None = None,
        n_partners: int | None = 1000,
    ) -> Output:
        """Return the stress of each row's distances to other rows.

        Distances are Euclidean, whatever the estimator's `metric`.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        reference : array-like of shape (n_reference, n_features), default=None
            Rows to which distances are measured. None uses X.

        n_partners : int or None, default=1000
            Largest number of reference rows that are compared with each row. If there
            are more, a fixed random sample is used for all rows. None uses all.

        Returns
        -------
        ndarray or Tensor of shape (n_samples,)
            ``sqrt(sum_k (d_k - d'_k)^2 / sum_k d_k^2)`` over the reference rows k, with
            distances d in the data and d' in the embedding.
        """
        if n_partners is not None:
            check_scalar(n_partners, "n_partners", Integral, min_val=1)
        X, runtime = self._checked(X)
        partners = (
            X if reference is None else self._validate_rows(reference, reset=False)
        )
        if n_partners is not None and len(partners) > n_partners:
            drawn = np.random.RandomState(0).permutation(len(partners))[:n_partners]
            partners = partners[np.sort(drawn)]
        mapping = self._mapping(runtime)
        images = runtime.tensor(runtime.map(mapping, partners))
        partners = runtime.tensor(partners)
        return runtime.map(
            lambda block: distortion(
                block.double(), mapping(block).double(), partners, images
            ),
            X,
        )

    def published_quantities(self, X: ArrayLike) -> Bunch:
        """Return the quantities of the published method under their published names.

        The quantities are computed from the weighted mean ``A(x) = sum_i w_i(x) A_i``
        of the charts' linear maps. It differs from the Jacobian, which includes the
        derivative of the weights.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        Bunch
            global_influence : of shape (n_features,)
                Share of a feature in the sum of absolute values of a chart's linear
                map, averaged over charts. Sums to 1.
            local_influence : of shape (n_samples, n_features)
                Share of a feature in the sum of absolute values of ``A(x)``.
            skewness : of shape (n_samples,)
                Variance of the local influence over features; not a third moment.
            frobenius_norm : of shape (n_samples,)
                Frobenius norm of ``A(x)``. For an isometry onto q components it is the
                square root of q, not 1.
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
        return as_given(
            runtime,
            global_influence=_shares(components).mean(0),
            local_influence=local,
            skewness=((local - local.mean(1)[:, None]) ** 2).mean(1),
            frobenius_norm=mapped[:, -1],
        )

    def _feature_steps(self, scaled):
        """Return how far each feature moves, shape (n_features,)."""
        return self.feature_scale_ if scaled else np.ones(self.n_features_in_)

    def _reference(self, X, runtime, reference):
        """Return the rows that tell where the data are, in float64, and their mean."""
        if reference is not None:
            X = self._validate_rows(reference, reset=False)
        rows = runtime.tensor(X)
        return rows, rows.mean(0)

    def _tangent_finder(self, X, runtime, reference, n_neighbors, n_directions=None):
        """Return the function from rows to their tangent directions."""
        check_scalar(n_neighbors, "n_neighbors", Integral)
        rows, mean = self._reference(X, runtime, reference)
        rows = torch.unique(rows, dim=0) - mean
        if not 2 <= n_neighbors <= len(rows):
            raise ValueError(
                f"n_neighbors must be from 2 to {len(rows)}, the number of distinct "
                f"reference rows, got {n_neighbors}; use fewer neighbours or more "
                "reference rows."
            )
        if n_directions is None:
            n_directions = min(self._n_features_out, n_neighbors - 1)
        return lambda block: tangent_directions(
            block.double() - mean, rows, n_directions, n_neighbors
        )


def as_given(runtime, **values):
    """Return named results as a Bunch of arrays or tensors, like the rows.

    Arrays, or tensors on the rows' device. The values are on any device.
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
