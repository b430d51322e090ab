# SPDX-License-Identifier: BSD-3-Clause
"""Ridge regressions for every penalty from one eigendecomposition of moments."""

from dataclasses import dataclass
from functools import cached_property

import torch

from sktransform.alignment._degenerate import ROUNDING
from sktransform.runtime._linalg import gram_matrix, quick_eigh, ridge_solve
from sktransform.runtime._moments import PairMoments, RowMoments

# Where no pivot is less, in units of the trace, no direction is rounding.
_LEAST_PIVOT = 1e-9


def scaled(moments, scale):
    """Return the moments of pairs whose first view is multiplied column by column.

    Parameters
    ----------
    moments : PairMoments
        The moments before.

    scale : Tensor of shape (n_inputs,)
        A factor for each column.

    Returns
    -------
    PairMoments
        The moments after.
    """
    return PairMoments(
        moments.weight,
        moments.mean_x * scale,
        moments.mean_y,
        moments.xx * torch.outer(scale, scale),
        moments.xy * scale[:, None],
        moments.yy,
    )


@dataclass(frozen=True)
class RidgePath:
    """Ridge regressions of the second view on the first, for every penalty.

    Parameters
    ----------
    moments : PairMoments
        Moments of the rows of the regression.

    values : Tensor of shape (n_kept,)
        Eigenvalues of the first view's covariance; those of rounding are dropped.

    vectors : Tensor of shape (n_inputs, n_kept)
        Eigenvectors in columns.

    cross : Tensor of shape (n_kept, n_outputs)
        Covariance between the views, the first one in the eigenbasis.
    """

    moments: PairMoments
    values: torch.Tensor
    vectors: torch.Tensor
    cross: torch.Tensor

    @classmethod
    def of(cls, moments):
        """Return the path of the rows of these moments."""
        values, vectors = quick_eigh(moments.covariance_x)
        floor = (ROUNDING * moments.mean_x).square().sum()
        relative = len(values) * torch.finfo(values.dtype).eps * values[-1]
        kept = values > torch.maximum(floor, relative)
        values, vectors = values[kept], vectors[:, kept]
        return cls(moments, values, vectors, vectors.T @ moments.covariance_xy)

    def matrix(self, penalty):
        """Return the regression's matrix, shape (n_inputs, n_outputs).

        Parameters
        ----------
        penalty : float
            Is added to the eigenvalues, at least 0.

        Returns
        -------
        Tensor of shape (n_inputs, n_outputs)
            Multiplies centred rows from the right.
        """
        return self.vectors @ self.shrunk_cross(penalty)

    def shrunk_cross(self, penalty):
        """Return the regression's matrix in the eigenbasis, see :meth:`matrix`."""
        return self.cross / (self.values + penalty)[:, None]


@dataclass(frozen=True)
class HeldOutPath:
    """Ridge regressions for every penalty, and rows that they have not seen.

    Parameters
    ----------
    path : RidgePath
        The regressions.

    fold : PairMoments
        Moments of the other rows.
    """

    path: RidgePath
    fold: PairMoments

    @cached_property
    def _scatter(self):
        """Scatter of the other rows in the path's eigenbasis, (n_kept, n_kept)."""
        return self.fold.image_scatter(self.path.vectors)

    @cached_property
    def _cross(self):
        """The same between the views, shape (n_kept, n_outputs)."""
        return self.fold.image_cross(self.path.vectors)

    def errors(self, penalties):
        """Return the mean squared errors of all penalties.

        Parameters
        ----------
        penalties : Tensor of shape (n_penalties,)
            The penalties, see :meth:`RidgePath.matrix`.

        Returns
        -------
        Tensor of shape (n_penalties,)
            The errors. A penalty takes products with vectors only: those of matrices
            are shared by all.
        """
        path, fold = self.path, self.fold
        shrunk = 1 / (path.values + penalties[:, None])
        products = self._scatter * gram_matrix(path.cross.T)
        quadratic = ((shrunk @ products) * shrunk).sum(1)
        linear = shrunk @ (self._cross * path.cross).sum(1)
        shift = path.vectors.T @ (fold.mean_x - path.moments.mean_x)
        offset = (shift * shrunk) @ path.cross - (fold.mean_y - path.moments.mean_y)
        squares = quadratic - 2 * linear + fold.yy.trace()
        return squares / fold.weight + offset.square().sum(1)

    def predicted(self, penalty):
        """Return the scatter of predictions for the other rows, (n_outputs, n_outputs).

        Parameters
        ----------
        penalty : float
            See :meth:`RidgePath.matrix`.

        Returns
        -------
        Tensor of shape (n_outputs, n_outputs)
            Sum of outer products of the centred predictions.
        """
        if isinstance(self.fold, RowMoments):
            return self.fold.image_scatter(self.path.matrix(penalty))
        shrunk = self.path.shrunk_cross(penalty)
        return shrunk.T @ self._scatter @ shrunk


def mean_variance(moments):
    """Return the mean variance of the first view's columns, the unit of penalties."""
    return moments.covariance_x.diagonal().mean()


def regression(moments, penalty):
    """Return the regression for one penalty, quicker than by a path where it may be.

    Parameters
    ----------
    moments : PairMoments
        Moments of the rows of the regression.

    penalty : float
        Is added to the eigenvalues of the covariance.

    Returns
    -------
    Tensor of shape (n_inputs, n_outputs)
        Multiplies centred rows from the right.
    """
    covariance = moments.covariance_x
    rounding = (ROUNDING * moments.mean_x).square().sum()
    factor, n_failed = torch.linalg.cholesky_ex(covariance)
    pivots = factor.diagonal().square()
    if n_failed or pivots.min() <= _LEAST_PIVOT * covariance.trace() + rounding:
        return RidgePath.of(moments).matrix(penalty)  # drops directions of rounding
    return ridge_solve(covariance, moments.covariance_xy, penalty)
