# SPDX-License-Identifier: BSD-3-Clause
"""Alignment by rotations that are stored as a few Givens angles."""

from numbers import Integral, Real
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted

from sktransform.alignment._base import TorchModuleMixin
from sktransform.alignment._degenerate import constant_views, warn_of_constant_views
from sktransform.alignment._givens.angles import (
    angle_passes,
    givens_rotation,
    has_settled,
)
from sktransform.base import AlignerMixin, TorchTransformer
from sktransform.nn._givens import GivensRotation
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._kept import built_once
from sktransform.runtime._moments import PairMoments
from sktransform.runtime._runtime import QUERY_ROWS
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, fit_context
from sktransform.utils._typing import Output


def _unit_ratio(moments):
    """Return the ratio of the target's total standard deviation to that of X."""
    return (moments.yy.trace() / moments.xx.trace()).sqrt().item()


@fill_doc
class GivensAligner(
    TorchModuleMixin, AlignerMixin, ClassNamePrefixFeaturesOutMixin, TorchTransformer
):
    """Map one view into another by a rotation that is stored as a few angles.

    The rotation is a product of plane rotations (Givens rotations) in the layout of
    [1]_. Let the width be the larger number of columns of the two views. A sweep
    rotates ``width - 1`` planes, in about ``log2(width)`` levels; planes of one level
    have no coordinate in common. The optimal angles of one level, with all others
    fixed, have a closed form. The fit passes over the levels repeatedly, and never
    lowers the covariance of the rotated view with the target.

    One sweep can rotate any given direction into any other, but not every rotation is
    one sweep, since rotations have ``width * (width - 1) / 2`` degrees of freedom.
    About ``width / 2`` sweeps represent every rotation, and then need as much memory as
    the matrix. The map is never a reflection. If memory does not matter, use
    :class:`OrthogonalAligner`.

    Parameters
    ----------
    n_sweeps : int, default=1
        Number of sweeps.

    max_iter : int, default=100
        Largest number of passes over all angles.

    tol : float, default=1e-6
        The fit stops when a pass raises the covariance by less than this fraction.

    unit_scale : bool, default=True
        Whether the rotated rows are scaled to the total standard deviation of the
        target. With False the map preserves lengths.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    angles_ : ndarray of shape (n_sweeps, width - 1)
        The angles in radians.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    target_mean_ : ndarray of shape (n_outputs,)
        Mean row of y.

    scale_ : float
        Factor of the rotated rows; 1 with ``unit_scale=False``, and 0 if X or y is
        constant.

    gain_curve_ : ndarray of shape (n_iter,)
        Trace of the covariance of the rotated, unscaled rows with the target after each
        pass.

    n_iter_ : int
        Number of passes.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    givens_angles : Angles of a given rotation.
    OrthogonalAligner : Fits an orthogonal matrix.

    Notes
    -----
    If the views have different numbers of columns, the narrower view is padded with
    zeros. If y is narrower, the last coordinates are dropped after the rotation, and
    the map is then not the one of least squared error.

    References
    ----------
    .. [1] X. Ma et al., "Parameter efficient quasi-orthogonal fine-tuning via Givens
       rotation", arXiv:2404.04316, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import GivensAligner, givens_rotation
    >>> X = np.random.default_rng(0).normal(size=(100, 8))
    >>> y = X @ givens_rotation([[0.1, 0.2, 0.3, 0.4, -0.3, -0.2, -0.1]]) + 5.0
    >>> aligner = GivensAligner().fit(X, y)
    >>> aligner.angles_.round(3) + 0.0
    array([[ 0.1,  0.2,  0.3,  0.4, -0.3, -0.2, -0.1]])
    >>> bool(np.allclose(aligner.transform(X), y))
    True
    """

    _inverse_contract = "exact"

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "n_sweeps": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "unit_scale": ["boolean"],
    }

    def __init__(
        self,
        n_sweeps: int = 1,
        *,
        max_iter: int = 100,
        tol: float = 1e-6,
        unit_scale: bool = True,
        device: str = "auto",
    ) -> None:
        self.n_sweeps = n_sweeps
        self.max_iter = max_iter
        self.tol = tol
        self.unit_scale = unit_scale
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn the angles, and the scale.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            The same rows in the other view.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        Returns
        -------
        GivensAligner
            The fitted aligner.

        Raises
        ------
        ValueError
            If X or y is not numeric, finite and two-dimensional, or their rows differ
            in number.
        """
        X, Y, weights = self._validate_pairs(X, y, sample_weight, reset=True)
        runtime = self._runtime(X)
        moments = PairMoments.of(*runtime.tensors(X, Y, weights))
        width = max(moments.xy.shape)
        constant = constant_views(moments)
        warn_of_constant_views(constant)
        cross = moments.xy.new_zeros((width, width))
        if not constant:
            cross[: X.shape[1], : Y.shape[1]] = moments.covariance_xy
        gains = []
        with FitProgress(self, self.max_iter, "pass") as progress:
            for passed in angle_passes(cross, self.n_sweeps):
                angles, gain = passed
                gains.append(gain)
                is_last = len(gains) == self.max_iter
                if progress.step() or is_last or has_settled(gains, self.tol):
                    break
        self.angles_, self.mean_, self.target_mean_ = runtime.arrays(
            angles, moments.mean_x, moments.mean_y
        )
        self.scale_ = 0.0 if constant else 1.0
        if self.unit_scale and not constant:
            self.scale_ = _unit_ratio(moments)
        self.gain_curve_, self.n_iter_ = np.array(gains), len(gains)
        return self

    def transform(self, X: ArrayLike) -> Output:
        """Rotate rows into the space of the target.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs)
            The mapped rows, in the precision of X.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        return self._turned(X, "forward", self.mean_, self.target_mean_, self.scale_)

    def inverse_transform(self, X: ArrayLike) -> Output:
        """Rotate rows of the target's space back into the space of X.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Rows of the target's space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            The original rows. The inverse is exact if y has at least as many columns as
            X. Otherwise it is least squares: of all rows with the given image, the row
            nearest to `mean_`. If X or y is constant, every row is `mean_`.
        """
        check_is_fitted(self)
        X = self._validate_outputs(X)
        scale = 1 / self.scale_ if self.scale_ else 0.0
        return self._turned(X, "inverse", self.target_mean_, self.mean_, scale)

    def _turned(self, X, direction, origin, target, scale):
        """Return rows, turned about their mean, scaled and moved to another mean."""
        runtime = self._runtime(X)
        state = {"angles": self.angles_}

        def build():
            return runtime.module(GivensRotation, state)

        module = built_once(self, "rotation", runtime, state, build)
        turn = getattr(module, direction)
        origin, target = runtime.tensors(origin, target, dtype=runtime.dtype)
        missing = self.angles_.shape[1] + 1 - len(origin)

        def moved(rows):
            rows = rows - origin
            if missing:
                rows = torch.nn.functional.pad(rows, (0, missing))
            return torch.add(target, turn(rows)[:, : len(target)], alpha=scale)

        return runtime.map(moved, X, QUERY_ROWS)

    @property
    def coef_(self) -> np.ndarray:
        """Linear part of the map, computed from the angles, (n_outputs, n_features)."""
        rotation = givens_rotation(self.angles_)
        return self.scale_ * rotation[: len(self.mean_), : len(self.target_mean_)].T

    @property
    def intercept_(self) -> np.ndarray:
        """Constant part of the map, shape (n_outputs,)."""
        return self.target_mean_ - self.coef_ @ self.mean_

    @property
    def _n_features_out(self):
        return len(self.target_mean_)
