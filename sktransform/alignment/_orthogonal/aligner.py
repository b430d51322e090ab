# SPDX-License-Identifier: BSD-3-Clause
"""Linear alignment under an exact bound on the distance from a rotation."""

import math
import warnings
from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from sktransform.alignment._base import MomentAligner
from sktransform.alignment._degenerate import warn_of_constant_views
from sktransform.alignment._moments.folds import N_FOLDS, FoldMoments, checked_groups
from sktransform.alignment._orthogonal.problem import (
    AlignmentProblem,
    AlignmentSettings,
    Certificate,
    held_out,
)
from sktransform.base import TorchTransformer
from sktransform.exceptions import DegenerateDataWarning
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import Runtime
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, StrOptions, fit_context
from sktransform.utils._typing import Output

# Default bounds of a path, as shares of the residual of least squares.
_PATH = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1)


@fill_doc
class OrthogonalAligner(MomentAligner):
    """Map one space into another by least squares near a rotation.

    The map ``x W + b`` minimises the squared error to the target under the exact bound
    ``||W W' - I|| <= lam`` in the Frobenius norm (``||W' W - I||`` if y has fewer
    columns than X). With ``lam=0`` the map is a rotation and preserves all distances;
    with ``lam=inf`` it is least squares. The aligner stores only first and second
    moments of the rows, so rows may come in blocks, in any order, and from several
    machines.

    Parameters
    ----------
    lam : float or "auto", default="auto"
        The bound, at least 0: 0 is orthogonal Procrustes, ``inf`` is least squares.
        "auto" chooses the bound by cross-validation over five folds, from their
        moments, without a second pass over the rows; it uses 0 if there are too few
        rows for two folds. The candidates are values of the bound's Lagrange
        multiplier. Only the first folds that together have 200 rows serve as validation
        folds. The fold of a row is a hash of the row, so that equal rows share a fold
        and the order of the rows does not matter.

    scale : bool, default=False
        Whether the bounded map is multiplied by a fitted common factor. Without a
        factor, predictions under a small bound cannot shrink towards the mean if the
        target can hardly be predicted.

    unit_scale : bool, default=True
        Whether both spaces are first divided by their total standard deviation. With
        False a rotation preserves absolute lengths.

    fit_intercept : bool, default=True
        Whether both spaces are centred. With False, 0 is mapped to 0.

    complete_null : bool or "auto", default="auto"
        What happens to directions in which the rows of X do not vary: True maps them
        isometrically onto unused dimensions of the target, as a rotation would; False
        maps them to 0. "auto" chooses the lower cross-validated error if
        ``lam="auto"``, and is equivalent to False if `lam` is a number. With fewer rows
        than features, True adds noise to mapped rows that differ from the training rows
        in such directions.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_outputs, n_features)
        Linear part of the map.

    intercept_ : ndarray of shape (n_outputs,)
        Constant part of the map.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    lam_ : float
        The bound; with ``lam="auto"``, `orth_residual_` of the chosen map.

    orth_residual_ : float
        Distance ``||W W' - I||`` (or ``||W' W - I||``) of the bounded map from a
        rotation, at most `lam_`.

    largest_residual_ : float
        Distance of the least-squares map from a rotation: bounds at or above this value
        are inactive.

    multiplier_ : float
        Lagrange multiplier of the bound, for a target of total variance 1; infinite for
        a rotation, 0 for least squares.

    certified_ : bool
        Whether the solution is proven to be globally optimal: it satisfies the
        Karush-Kuhn-Tucker conditions, and the duality gap is below 1e-8 of the size of
        the loss. If y has fewer dimensions than X, the problem is not convex, and a
        proof exists for large bounds only.

    duality_gap_ : float
        Loss minus a lower bound on the loss of all maps within the bound, as a share of
        the target's variance. Infinite if no lower bound is known.

    singular_values_ : ndarray of shape (min(`rank_`, rank of y),)
        Singular values of the bounded map between the scaled spaces, in descending
        order, for the directions in which X and y vary.

    scale_ : float
        The fitted common factor; 1 with ``scale=False``.

    rank_ : int
        Rank of the covariance of X.

    null_completed_ : bool
        Whether directions in which X does not vary are mapped onto unused dimensions of
        the target, see `complete_null`.

    loss_ : float
        Mean squared training error as a share of the target's variance.

    lam_path_ : ndarray of shape (n_settings,) or None
        Candidates of ``lam="auto"``: the distances from a rotation, averaged over the
        folds, in descending order from least squares. The value of the chosen candidate
        is `lam_`. The search ends when the error no longer falls. None for a given
        bound.

    cv_loss_ : ndarray of shape (n_settings,) or None
        Cross-validated mean squared error of each candidate in `lam_path_`, as a share
        of the target's variance.

    moments_ : dict of str to ndarray
        Moments of the rows; the first axis of each array is the fold.

    n_iter_ : int
        Newton steps of the last solve, at least 1.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    EmbeddingAdapter : Maps queries for retrieval.
    scipy.linalg.orthogonal_procrustes : The rotation between spaces of equal width.

    Notes
    -----
    Both views are projected onto the directions in which they vary, and the bound
    applies to the map between these directions; constant columns of y are predicted as
    constants. If y has at least as many dimensions as X, the problem is convex in ``W
    W'``, also with a common factor, and is solved by its dual and by Newton's method on
    W. If y has fewer dimensions, the best of several local solutions is returned. In
    this case not even the rotation has a closed form: its column space solves a
    self-consistent eigenvalue problem [2]_, and is refined by Newton's method. If a
    solution does not converge, a ``ConvergenceWarning`` states a bound on the error of
    the loss. If the optimal rotation is not unique, the one nearest to a fixed matrix
    is chosen, so that equal moments give equal maps.

    If the map is a rotation and y has at least as many dimensions as X,
    `inverse_transform` is the transposed map, which is exact. Otherwise it is the
    pseudo-inverse (least squares).

    The bound was proposed in [1]_, where a penalty in the training of a neural network
    enforces it approximately.

    References
    ----------
    .. [1] S. Ricci et al., "Lambda-orthogonality regularization for compatible
       representation learning", arXiv:2509.16664, 2025.
    .. [2] L.-H. Zhang, L. Wang, Z. Bai and R.-C. Li, "A self-consistent-field iteration
       for orthogonal canonical correlation analysis", IEEE Transactions on Pattern
       Analysis and Machine Intelligence 44, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import OrthogonalAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 4))
    >>> turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    >>> aligner = OrthogonalAligner(lam=0).fit(X, X @ turn + 1)
    >>> bool(np.allclose(aligner.transform(X), X @ turn + 1))
    True
    >>> bool(np.allclose(aligner.inverse_transform(X @ turn + 1), X))
    True
    """

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "lam": [Interval(Real, 0, None, closed="both"), StrOptions({"auto"})],
        "scale": ["boolean"],
        "unit_scale": ["boolean"],
        "fit_intercept": ["boolean"],
        "complete_null": ["boolean", StrOptions({"auto"})],
    }

    def __init__(
        self,
        lam: float | str = "auto",
        *,
        scale: bool = False,
        unit_scale: bool = True,
        fit_intercept: bool = True,
        complete_null: bool | str = "auto",
        device: str = "auto",
    ) -> None:
        self.lam = lam
        self.scale = scale
        self.unit_scale = unit_scale
        self.fit_intercept = fit_intercept
        self.complete_null = complete_null
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the map.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            The same rows in the target's space.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative: 2 means the same as a repeated row. None
            weighs every row 1.

        groups : array-like of shape (n_samples,), default=None
            Groups of rows, for example near copies; rows of one group are put into the
            same fold.

        Returns
        -------
        OrthogonalAligner
            The fitted aligner.

        Raises
        ------
        ValueError
            If X or y is not numeric, finite and two-dimensional, if their rows differ
            in number, or no row has a positive weight.
        """
        runtime, moments = self._moments_of(X, y, sample_weight, groups, reset=True)
        with FitProgress(self, max_iter=1) as progress:
            self._assign(runtime, moments)
            progress.step()
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        solve: bool = True,
    ) -> Self:
        """Update the map with further rows.

        Up to rounding, the result is that of `fit` on all rows seen.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            The same rows in the target's space.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        groups : array-like of shape (n_samples,), default=None
            Groups of rows; rows of one group are put into the same fold.

        solve : bool, default=True
            Whether to compute the map now. With many small blocks it is faster to pass
            True with the last block only.

        Returns
        -------
        OrthogonalAligner
            The aligner; its map is as before if `solve` is False.
        """
        reset = not hasattr(self, "moments_")
        runtime, moments = self._moments_of(X, y, sample_weight, groups, reset=reset)
        if not reset:
            kept = self._kept_moments(len(moments.folds), runtime.device)
            moments = kept.merge(moments)
        with FitProgress(self, max_iter=1) as progress:
            self._assign(runtime, moments, solve)
            progress.step()
        return self

    def merge(self, other: Self) -> Self:
        """Return the aligner of the rows of two aligners.

        Parameters
        ----------
        other : OrthogonalAligner
            An aligner with the same parameters, fitted to other rows of the same
            spaces.

        Returns
        -------
        OrthogonalAligner
            A new aligner, equal up to rounding to one fitted to all rows. The two
            aligners are not changed.

        Raises
        ------
        ValueError
            If parameters, or numbers of features or outputs, or the names of features,
            differ.
        """
        merged, moments = self._merged_with(other, self._n_folds())
        merged._assign(Runtime.from_rows(self.moments_["mean_x"], self.device), moments)
        return merged

    def _n_folds(self):
        """Return how many folds the moments are held in."""
        return N_FOLDS if self.lam == "auto" else 1

    def _moments_of(self, X, y, sample_weight, groups, *, reset):
        """Return the runtime of validated rows, and their moments, fold by fold."""
        X, Y, row_weights = self._validate_pairs(X, y, sample_weight, reset=reset)
        runtime = self._runtime(X)
        moments = FoldMoments.from_rows(
            runtime.tensor(X, runtime.dtype),
            *runtime.tensors(Y, row_weights),
            n_folds=self._n_folds(),
            groups=checked_groups(X, groups),
        )
        return runtime, moments

    def _assign(self, runtime, moments, solve=True):
        """Set the fitted attributes: those of the map, if it is solved for."""
        if solve:
            self._solve(runtime, moments)
        self.moments_ = runtime.state(moments.tensors())

    def _settings(self):
        """Return the settings that the tensor functions take."""
        return AlignmentSettings(
            scale=self.scale,
            unit_scale=self.unit_scale,
            fit_intercept=self.fit_intercept,
        )

    def _solve(self, runtime, folds):
        """Set the fitted attributes from moments."""
        total = folds.total()
        problem = AlignmentProblem(total, self._settings())
        self.lam_path_ = self.cv_loss_ = None
        self.null_completed_ = self.complete_null is True
        if problem.is_degenerate:
            warn_of_constant_views(problem.constant_views)
            fitted, certificate = problem.constant(), Certificate(0.0, True, True)
            self.lam_, self.largest_residual_ = math.inf, 0.0
            matrix = fitted.matrix
        else:
            compared = None
            if self.lam == "auto":
                compared = held_out(folds, problem, self.complete_null)
            if compared is None:
                self.lam_ = 0.0 if self.lam == "auto" else float(self.lam)
                fitted, certificate = problem.certified(self.lam_)
            else:
                index, self.null_completed_ = compared.best
                fitted, certificate = problem.certified_near(
                    compared.without, compared.fitted[index]
                )
                self.lam_ = fitted.residual
                self.lam_path_ = compared.residuals.numpy()
                self.lam_path_[index] = self.lam_
                self.cv_loss_ = compared.errors.min(dim=1).values.numpy()
            self.largest_residual_ = problem.largest_residual
            self._warn(problem, certificate)
            matrix = fitted.matrix
            if self.null_completed_:
                matrix = problem.completed(fitted)
        self._keep(runtime, total, problem, fitted, matrix)
        self.certified_ = bool(certificate.is_certified)
        self.duality_gap_ = float(certificate.gap)

    def _warn(self, problem, certificate):
        """Warn if the solution is not unique, or has not converged."""
        if not problem.is_unique and self.lam_ < self.largest_residual_:
            warnings.warn(
                "The rotation is not unique: some directions of X are uncorrelated "
                "with y, or of y with X. One of the optimal rotations was chosen.",
                DegenerateDataWarning,
                stacklevel=3,
            )
        # Onto fewer dimensions a local solution is all that is promised.
        is_enough = certificate.is_certified or not problem.problem.is_convex
        if not (certificate.is_stationary and is_enough):
            warnings.warn(
                f"The map for lam={self.lam_:.3g} has not converged: its loss could be "
                f"lower by up to {certificate.gap:.1e} of the target's variance.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _keep(self, runtime, moments, problem, fitted, matrix):
        """Set the attributes that describe the map."""
        intercept = problem.intercept(matrix)
        self.mean_, self.intercept_, self.singular_values_ = runtime.arrays(
            moments.mean_x, intercept, fitted.singular_values
        )
        # A copy: the transposed view would keep the order of its columns.
        self.coef_ = np.ascontiguousarray(runtime.arrays(matrix)[0].T)
        self.orth_residual_ = fitted.residual
        self.scale_ = fitted.factor
        self.rank_ = problem.rank
        self.n_iter_ = max(1, fitted.solution.n_iter)
        self.multiplier_, self.loss_ = float(fitted.solution.multiplier), 0.0
        if not problem.is_degenerate:
            self.multiplier_ /= problem.loss_unit
            self.loss_ = problem.training_loss(fitted)

    def path(self, lams: ArrayLike | None = None) -> Bunch:
        """Return the maps for several bounds, computed from the stored moments.

        Parameters
        ----------
        lams : array-like of shape (n_lams,), default=None
            Bounds, at least 0. None uses eleven bounds from 0 to `largest_residual_`.

        Returns
        -------
        Bunch
            "lams", the bounds in ascending order; "coefs" of shape (n_lams, n_outputs,
            n_features); "intercepts" of shape (n_lams, n_outputs); "residuals" of shape
            (n_lams,), the distances from a rotation; and "losses" of shape (n_lams,),
            the mean squared training errors as shares of the target's variance. The
            losses agree with those of `fit` to about 1e-8, the maps to about 1e-3; for
            an accurate map call `fit` with the chosen bound. Directions in which X does
            not vary are mapped as in `fit`.
        """
        check_is_fitted(self, "moments_")
        problem = AlignmentProblem(self._kept_moments().total(), self._settings())
        if problem.is_degenerate:
            raise ValueError(
                "path has no bounds to compare, because X or y was constant in fit and "
                "all bounds give the same map; fit rows that vary in X and in y."
            )
        if lams is None:
            lams = np.array(_PATH) * problem.largest_residual
        lams = np.sort(np.asarray(lams, dtype=float), axis=None)
        if not lams.size or not np.all(lams >= 0):
            raise ValueError(
                f"lams must be one or more numbers of at least 0, got {lams.tolist()}."
            )
        maps = [*problem.path(lams[::-1])][::-1]
        # A stream that was never solved has chosen nothing.
        is_completed = getattr(self, "null_completed_", self.complete_null is True)
        matrices = [
            problem.completed(fitted) if is_completed else fitted.matrix
            for fitted in maps
        ]
        intercepts = [problem.intercept(matrix) for matrix in matrices]
        return Bunch(
            lams=lams,
            coefs=np.stack([matrix.T.cpu().numpy() for matrix in matrices]),
            intercepts=np.stack([each.cpu().numpy() for each in intercepts]),
            residuals=np.array([fitted.residual for fitted in maps]),
            losses=np.array([problem.training_loss(fitted) for fitted in maps]),
        )

    @property
    def _n_features_out(self):
        return self.moments_["mean_y"].shape[1]

    def inverse_transform(self, X: ArrayLike) -> Output:
        """Map rows of the target's space back into the space of X.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Rows of the target's space.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            The rows mapped by the transposed map, which is exact, if the map is a
            rotation and y has at least as many dimensions as X. Otherwise the
            least-squares inverse by the pseudo-inverse: of all rows whose image is
            nearest to the given row, the row nearest to `mean_`.
        """
        return self._map_back(X, self._inverse_of)

    def _inverse_of(self, coef):
        """Return the transposed map for a rotation, else the pseudo-inverse."""
        n_outputs, n_features = coef.shape
        is_rotation = self.lam_ == 0 and self.rank_ == n_features <= n_outputs
        if is_rotation:
            return coef.T / np.linalg.norm(coef[:, 0]) ** 2
        return np.linalg.pinv(coef)
