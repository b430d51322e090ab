# SPDX-License-Identifier: BSD-3-Clause
"""Alignment of two spaces with an exact dial from a rotation to a free linear map."""

import math
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from sktransform.alignment._moment_aligner import MomentAligner
from sktransform.alignment._orthogonal_fit import (
    AlignmentProblem,
    DialOptions,
    bounds_to_compare,
    held_out_errors,
)
from sktransform.base import TorchTransformer
from sktransform.exceptions import DegenerateDataWarning
from sktransform.runtime._runtime import Runtime
from sktransform.utils._sklearn import Interval, StrOptions, fit_context

# Bounds of a path that nobody asked for, as shares of the residual of least squares.
_PATH = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1)


class OrthogonalAligner(MomentAligner):
    """Map one space into another, as close to a rotation as you like.

    It finds ``x W + b`` of least squared error to the target under the exact bound
    ``||W W' - I|| <= lam`` (``||W' W - I||`` onto fewer dimensions). At 0 the map is a
    rotation and keeps all distances; at infinity it is least squares; between them the
    bound decides how far it may stretch. All that is kept of the rows are their
    moments: they come in blocks, in any order, and from several machines.

    Parameters
    ----------
    lam : float or "auto", default="auto"
        The bound, at least 0; 0 is Procrustes, ``inf`` least squares. "auto" takes what
        predicts rows held out best, by moments of `n_folds` folds, with no second pass
        over the rows; a rotation if there are too few rows to hold some out.

    relative : bool, default=False
        Whether `lam` is a share of the distance of least squares from a rotation, from
        0 to 1.

    ridge : float, default=0.0
        Penalty on the map in units of the mean variance of a feature.

    ridge_target : {"zero", "rotation"}, default="zero"
        Where the penalty pulls: to 0, or to the best rotation with the best length.

    scale : bool, default=False
        Whether a common factor is fitted beside the bounded map. Without it a small
        bound leaves no room to shrink where the target cannot be predicted.

    unit_scale : bool, default=True
        Whether both spaces are measured in units of their total standard deviation
        first. Without it a rotation keeps absolute lengths.

    fit_intercept : bool, default=True
        Whether the spaces are centred; else 0 is mapped to 0.

    complete_null : bool, default=True
        Whether directions in which the rows do not vary are mapped onto dimensions of
        the target that are not in use, as a rotation would. Otherwise they are lost.

    n_folds : int, default=5
        Folds for ``lam="auto"``. The fold of a row depends on the row alone, so that
        copies share it, and any order and split of the rows gives the same result.

    device : str, default="auto"
        Where to compute: "cpu", "cuda", "cuda:1", ... "auto" takes a tensor's own
        device, else CUDA if there is one, else the CPU. It may change after `fit`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_outputs, n_features)
        Linear part of the map.

    intercept_ : ndarray of shape (n_outputs,)
        Constant part of the map.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    lam_ : float
        The bound that was used; for "auto", what the chosen map keeps.

    orth_residual_ : float
        Distance of the bounded map from orthogonality, at most `lam_`.

    largest_residual_ : float
        The same of least squares: a bound as large as this is none.

    multiplier_ : float
        Lagrange's multiplier of the bound, in units where the target's variance is 1;
        infinite at a rotation, 0 at least squares.

    certified_ : bool
        Whether it is certain that no other map within the bound is better. Always true,
        to rounding, if the target has as many dimensions or more.

    duality_gap_ : float
        How much lower the loss could at most be, as a share of the target's variance;
        not a number where no bound is known.

    singular_values_ : ndarray of shape (min(rank, n_outputs),)
        Of the bounded map, between spaces of unit size, the largest first.

    scale_ : float
        The fitted common factor, 1 without one.

    rank_ : int
        Number of directions in which the rows vary.

    loss_ : float
        Mean squared error of the training rows as a share of the target's variance.

    lam_path_ : ndarray of shape (n_settings,) or None
        Settings of the dial that "auto" compared, as distances from orthogonality.

    cv_loss_ : ndarray of shape (n_settings,) or None
        Their error on rows held out, as a share of the target's variance.

    moments_ : dict of str to ndarray
        Moments of the rows, fold by fold.

    n_iter_ : int
        Newton steps of the last solve, at least 1.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    EmbeddingAdapter : For searches: gives queries the covariance of the gallery.
    scipy.linalg.orthogonal_procrustes : The rotation between spaces of equal width.

    Notes
    -----
    Onto as many dimensions or more the problem is convex in ``W W'`` and the solution
    is global, with a certificate. Onto fewer the best of several local solutions is
    taken if the certificate fails; even the rotation has no closed form there, and is
    found by Newton's method on the orthonormal maps [2]_. Inputs are never cut.

    `inverse_transform` is the transposed map if the map is a rotation onto as many
    dimensions or more, and exact then; else least squares by the pseudo-inverse.

    The bound is that of [1]_, where a penalty of a neural network's training keeps it
    approximately.

    References
    ----------
    .. [1] S. Ricci et al., "Lambda-orthogonality regularization for compatible
       representation learning", arXiv:2509.16664, 2025.
    .. [2] A. Edelman, T. A. Arias and S. T. Smith, "The geometry of algorithms with
       orthogonality constraints", SIAM Journal on Matrix Analysis, 1998.

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
        "relative": ["boolean"],
        "ridge": [Interval(Real, 0, None, closed="left")],
        "ridge_target": [StrOptions({"zero", "rotation"})],
        "scale": ["boolean"],
        "unit_scale": ["boolean"],
        "fit_intercept": ["boolean"],
        "complete_null": ["boolean"],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        lam="auto",
        *,
        relative=False,
        ridge=0.0,
        ridge_target="zero",
        scale=False,
        unit_scale=True,
        fit_intercept=True,
        complete_null=True,
        n_folds=5,
        device="auto",
    ):
        self.lam = lam
        self.relative = relative
        self.ridge = ridge
        self.ridge_target = ridge_target
        self.scale = scale
        self.unit_scale = unit_scale
        self.fit_intercept = fit_intercept
        self.complete_null = complete_null
        self.n_folds = n_folds
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
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
            Groups whose rows share a fold, near copies of each other for example.

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
        vars(self).pop("moments_", None)
        return self._add(X, y, sample_weight, groups, reset=True)

    def _options(self):
        """Return what is fitted, for the tensor functions."""
        return DialOptions(
            ridge=self.ridge,
            to_rotation=self.ridge_target == "rotation",
            scale=self.scale,
            unit_scale=self.unit_scale,
            fit_intercept=self.fit_intercept,
            complete_null=self.complete_null,
        )

    def _solve(self, runtime, folds):
        """Set the fitted attributes from moments."""
        total = folds.total()
        problem = AlignmentProblem(total, self._options())
        self.lam_path_ = self.cv_loss_ = None
        if problem.is_degenerate:
            warnings.warn(
                "X or y does not vary: the map is constant.",
                DegenerateDataWarning,
                stacklevel=2,
            )
            fitted, is_certified, gap = problem.constant(), True, 0.0
            self.lam_, self.largest_residual_ = math.inf, 0.0
        elif self.lam == "auto":
            fitted, is_certified, gap = self._choose(problem, folds)
        else:
            lam = self.lam
            if self.relative:
                lam = self._relative_bound(problem)
            fitted, is_certified, gap = problem.certified(lam)
            self.lam_ = float(lam)
        if not problem.is_degenerate:
            self.largest_residual_ = problem.largest_residual
            self._warn_if_ambiguous(problem)
        self._keep(runtime, total, problem, fitted)
        self.certified_, self.duality_gap_ = bool(is_certified), float(gap)

    def _relative_bound(self, problem):
        """Return the absolute bound for a share of that of least squares."""
        if self.lam > 1:
            raise ValueError(
                f"lam={self.lam} with relative=True is a share of the distance of "
                "least squares; give a number from 0 to 1."
            )
        return self.lam * problem.largest_residual

    def _warn_if_ambiguous(self, problem):
        """Tell that other maps are as good, where a rotation is bounded."""
        if not problem.is_unique and self.lam_ < self.largest_residual_:
            warnings.warn(
                "Some directions of X tell nothing of y, or the other way round: other "
                "rotations are as good, and one of them was chosen.",
                DegenerateDataWarning,
                stacklevel=2,
            )

    def _choose(self, problem, folds):
        """Return the map of the setting that predicts held-out rows best."""
        lams = bounds_to_compare(problem)
        errors = held_out_errors(folds, problem, lams)
        self.lam_ = 0.0
        if errors is not None:
            self.lam_ = lams[int(errors.argmin())]
            self.lam_path_, self.cv_loss_ = np.array(lams), errors.numpy()
        return problem.certified(self.lam_)

    def _keep(self, runtime, moments, problem, fitted):
        """Set the attributes that describe the map."""
        error = moments.mean_squared_error(fitted.matrix, fitted.intercept)
        variance = moments.covariance_y.trace().item()
        self.mean_, self.intercept_, self.singular_values_ = runtime.arrays(
            moments.mean_x, fitted.intercept, fitted.singular_values
        )
        # A copy: the transposed view would keep the order of its columns.
        self.coef_ = np.ascontiguousarray(runtime.arrays(fitted.matrix)[0].T)
        self.orth_residual_ = fitted.residual
        self.multiplier_ = float(fitted.solution.multiplier)
        self.scale_ = fitted.factor
        self.rank_ = problem.rank
        self.loss_ = error.item() / variance if variance > 0 else 0.0
        self.n_iter_ = max(1, fitted.solution.n_iter)

    def path(self, lams=None):
        """Return the maps along the dial, from the moments alone.

        Parameters
        ----------
        lams : array-like of shape (n_lams,), default=None
            Bounds, not negative. None takes eleven from 0 to the distance of least
            squares from a rotation.

        Returns
        -------
        Bunch
            "lams" in rising order, "coefs" of shape (n_lams, n_outputs, n_features),
            "intercepts" of shape (n_lams, n_outputs), "residuals" and "losses" of shape
            (n_lams,): distances from orthogonality, and mean squared errors of the rows
            seen as shares of the target's variance. Losses are those of `fit` to about
            1e-8, maps to about 1e-3: refit at the bound that you choose.
        """
        check_is_fitted(self, "moments_")
        runtime = Runtime.of(self.moments_["mean_x"], self.device)
        moments = self._moments(runtime).total()
        problem = AlignmentProblem(moments, self._options())
        if problem.is_degenerate:
            raise ValueError("X or y does not vary: there is no path.")
        if lams is None:
            lams = np.array(_PATH) * problem.largest_residual
        lams = np.sort(np.asarray(lams, dtype=float), axis=None)
        if not lams.size or not np.all(lams >= 0):
            raise ValueError(f"lams must be one or more numbers from 0 on, got {lams}.")
        maps = [*problem.path(lams[::-1])][::-1]
        variance = moments.covariance_y.trace()
        errors = [moments.mean_squared_error(m.matrix, m.intercept) for m in maps]
        return Bunch(
            lams=lams,
            coefs=np.stack([m.matrix.T.cpu().numpy() for m in maps]),
            intercepts=np.stack([m.intercept.cpu().numpy() for m in maps]),
            residuals=np.array([m.residual for m in maps]),
            losses=np.array([(error / variance).item() for error in errors]),
        )

    @property
    def _n_features_out(self):
        return self.moments_["mean_y"].shape[1]

    def _inverse_coef(self):
        """Return the transposed map for a rotation, else the pseudo-inverse."""
        n_outputs, n_features = self.coef_.shape
        is_rotation = self.lam_ == 0 and self.rank_ == n_features <= n_outputs
        if is_rotation:
            return self.coef_.T / np.linalg.norm(self.coef_[:, 0]) ** 2
        return super()._inverse_coef()
