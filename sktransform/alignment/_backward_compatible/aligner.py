# SPDX-License-Identifier: BSD-3-Clause
"""Backward-compatible map of new vectors, and a forward map of old ones."""

from numbers import Integral, Real
from typing import Any, Self

import torch
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sktransform.alignment._backward_compatible.closed_form import (
    forward_backward_maps,
    with_variance_of_target,
)
from sktransform.alignment._base import AffineAligner
from sktransform.alignment._orthogonal.aligner import OrthogonalAligner
from sktransform.base import TorchTransformer
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._moments import PairMoments
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, StrOptions, fit_context
from sktransform.utils._typing import Output

# Extra dimensions that "auto" keeps at most.
_AUTO_EXTRA = 32


@fill_doc
class BackwardCompatibleAligner(AffineAligner):
    """Map new vectors into an old space, with further columns for the lost variance.

    The first columns of `transform` are comparable with old vectors. The further
    columns hold the directions in which the rest of the new vectors varies most. Until
    they are embedded again, old vectors either get zeros in the further columns
    (`pad`), or are mapped by a regression of mapped new vectors on old ones
    (`forward`).

    Parameters
    ----------
    aligner : estimator, default=None
        Aligner with `coef_` and `intercept_`, which is cloned and fitted for the first
        columns. None uses the rotation of ``OrthogonalAligner(lam=0, scale=True)``,
        which preserves angles of the new vectors, times a common factor that gives the
        first columns the total variance of the old vectors. Old vectors that are a
        rotated and scaled projection of the new ones are reproduced exactly.

    n_extra : int or "auto", default="auto"
        Largest number of further columns. "auto" uses the number of directions that the
        first columns lose, at most 32. Directions without variance are never kept.

    ridge : float, default=1e-3
        Penalty of the forward map, above 0, in units of the old features' mean
        variance.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_outputs + n_extra, n_features)
        Linear part of the map; its first `n_outputs` rows are those of the aligner.

    intercept_ : ndarray of shape (n_outputs + n_extra,)
        Constant part of the map.

    forward_coef_ : ndarray of shape (n_outputs + n_extra, n_outputs)
        Linear part of the map of old vectors.

    forward_intercept_ : ndarray of shape (n_outputs + n_extra,)
        Constant part of the map of old vectors.

    n_extra_ : int
        Number of further columns.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    OrthogonalAligner : The map of the first columns.
    BackfillPlanner : Orders the rows of a gallery for embedding them again.

    Notes
    -----
    The further columns are the principal components of the residuals of X after a
    regression on the first columns. They are scaled like the first columns, so that an
    orthogonal map onto a smaller space is extended to an orthogonal map onto a larger
    one. If all directions of X are kept, `inverse_transform` is exact; otherwise it is
    least squares.

    Comparable columns together with extra dimensions were proposed in [1]_; here they
    are computed in closed form without training a network. The forward map was proposed
    in [2]_.

    References
    ----------
    .. [1] Y. Zhou et al., "BT^2: Backward-compatible training with basis
       transformation", ICCV 2023, arXiv:2211.03989.
    .. [2] S. Ricci et al., "Lambda-orthogonality regularization for compatible
       representation learning", arXiv:2509.16664, 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import BackwardCompatibleAligner
    >>> new = np.random.default_rng(0).normal(size=(200, 6))
    >>> old = new[:, :4] + 1.0
    >>> aligner = BackwardCompatibleAligner().fit(new, old)
    >>> aligner.transform(new).shape, aligner.n_extra_
    ((200, 6), 2)
    >>> bool(np.allclose(aligner.transform(new)[:, :4], old))
    True
    >>> bool(np.allclose(aligner.inverse_transform(aligner.transform(new)), new))
    True
    """

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "aligner": [AffineAligner, None],
        "n_extra": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "ridge": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        aligner: Any = None,
        *,
        n_extra: int | str = "auto",
        ridge: float = 1e-3,
        device: str = "auto",
    ) -> None:
        self.aligner = aligner
        self.n_extra = n_extra
        self.ridge = ridge
        self.device = device

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn the map of new vectors and the map of old vectors.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows in the new space.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            The same rows in the old space.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None weighs every row 1.

        Returns
        -------
        BackwardCompatibleAligner
            The fitted aligner.

        Raises
        ------
        ValueError
            If X or y is not numeric, finite and two-dimensional, or if their rows
            differ in number.
        """
        X, Y, row_weights = self._validate_pairs(X, y, sample_weight, reset=True)
        runtime = self._runtime(X)
        X, Y, weights = runtime.tensors(X, Y, row_weights)
        with FitProgress(self, max_iter=1) as progress:
            aligner = self._fitted_aligner(X, Y, row_weights)
            moments = PairMoments.of(X, Y, weights)
            matrix, intercept = runtime.tensors(aligner.coef_.T, aligner.intercept_)
            if self.aligner is None:
                matrix, intercept = with_variance_of_target(moments, matrix)
            maps = forward_backward_maps(
                moments,
                matrix,
                intercept,
                _AUTO_EXTRA if self.n_extra == "auto" else self.n_extra,
                self.ridge,
            )
            progress.step()
        self.n_extra_ = maps["extra"].shape[1]
        coef = torch.cat([maps["matrix"], maps["extra"]], 1).T
        self.mean_, self.coef_, self.intercept_ = runtime.arrays(
            moments.mean_x, coef, maps["intercept"]
        )
        self.forward_coef_, self.forward_intercept_ = runtime.arrays(
            maps["forward_matrix"].T, maps["forward_intercept"]
        )
        return self

    def _fitted_aligner(self, X, Y, row_weights):
        """Return the aligner of the first columns, fitted."""
        aligner = self.aligner
        if aligner is None:
            aligner = OrthogonalAligner(lam=0, scale=True, device=self.device)
        return clone(aligner).fit(X, Y, sample_weight=row_weights)

    def forward(self, y: ArrayLike) -> Output:
        """Predict the output of `transform` from old vectors.

        Parameters
        ----------
        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Rows in the old space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs + n_extra)
            The mapped rows, comparable with those of `transform`.
        """
        check_is_fitted(self)
        Y = self._validate_old(y)
        return self._apply(Y, self.forward_coef_, self.forward_intercept_)

    def pad(self, y: ArrayLike) -> Output:
        """Return old vectors unchanged, with zeros in the further columns.

        Parameters
        ----------
        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Rows in the old space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_outputs + n_extra)
            The rows, comparable with those of `transform`.
        """
        check_is_fitted(self)
        Y = self._validate_old(y)
        padding = torch.nn.ConstantPad1d((0, self.n_extra_), 0.0)
        return self._runtime(Y).map(padding, Y)

    def _validate_old(self, y):
        """Return rows of the old space, checked."""
        Y = self._validate_targets(y)
        if Y.shape[1] != self._n_targets:
            raise ValueError(
                f"y has {Y.shape[1]} columns, but {type(self).__name__} was fitted to "
                f"old vectors of {self._n_targets} columns; give old vectors."
            )
        return Y

    @property
    def _n_targets(self):
        return len(self.coef_) - self.n_extra_
