# SPDX-License-Identifier: BSD-3-Clause
"""What aligners share that keep nothing of the rows but their moments."""

from sklearn.base import clone

from sktransform.alignment._base import AffineAligner
from sktransform.alignment._moments.folds import FoldMoments
from sktransform.alignment._stream_checks import check_mergeable, checked_groups
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import Runtime
from sktransform.utils._sklearn import fit_context


class MomentAligner(AffineAligner):
    """Base of aligners that solve for their map on moments of folds.

    A subclass has the parameters `lam`, `n_folds` and `device`, and a method `_solve`
    that takes the runtime and the :class:`FoldMoments` and sets its fitted attributes.
    The moments are kept as `moments_`.
    """

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, groups=None, solve=True):
        """Add rows to those seen, and learn the map of all.

        The result is that of `fit` on all rows at once, to rounding.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first view.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            The same rows in the target's space.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None weighs every row 1.

        groups : array-like of shape (n_samples,), default=None
            Groups whose rows share a fold.

        solve : bool, default=True
            Whether to solve for the map now. In a stream of small blocks it is quicker
            to solve with the last one.

        Returns
        -------
        OrthogonalAligner
            The aligner; its map is as before if `solve` is False.
        """
        reset = not hasattr(self, "moments_")
        return self._add(X, y, sample_weight, groups, reset=reset, solve=solve)

    def _add(self, X, y, sample_weight, groups, *, reset, solve=True):
        """Add the moments of rows, and solve."""
        X, Y, row_weights = self._validate_pairs(X, y, sample_weight, reset=reset)
        runtime = self._runtime(X)
        n_folds = self.n_folds if self.lam == "auto" else 1
        moments = FoldMoments.of(
            runtime.tensor(X, runtime.dtype),
            runtime.tensor(Y),
            runtime.tensor(row_weights),
            n_folds=n_folds,
            groups=checked_groups(X, groups),
        )
        if not reset:
            present = self._moments(runtime)
            if len(present.folds) != n_folds:
                raise ValueError(
                    f"The rows seen so far are held in {len(present.folds)} folds, but "
                    f"lam and n_folds now ask for {n_folds}; call fit to start anew."
                )
            moments = present.merge(moments)
        return self._finish(runtime, moments, solve)

    def merge(self, other):
        """Return an aligner of the rows that two aligners have seen.

        Parameters
        ----------
        other : OrthogonalAligner
            A fitted aligner with the same parameters, of the same spaces.

        Returns
        -------
        OrthogonalAligner
            A new aligner, the same to rounding as one fitted to all rows. Neither of
            the two is changed.

        Raises
        ------
        ValueError
            If parameters, or numbers of features or outputs, or the names of features,
            differ.
        """
        check_mergeable(self, other)
        runtime = Runtime.of(self.moments_["mean_x"], self.device)
        moments = self._moments(runtime).merge(other._moments(runtime))
        merged = clone(self)
        vars(merged).update(
            (name, value)
            for name, value in vars(self).items()
            if name in {"n_features_in_", "feature_names_in_"}
        )
        return merged._merged(runtime, moments)

    @fit_context(prefer_skip_nested_validation=True)
    def _merged(self, runtime, moments):
        """Solve for merged moments."""
        return self._finish(runtime, moments, solve=True)

    def _moments(self, runtime):
        """Return the fitted moments on a device."""
        tensors = {name: runtime.tensor(a) for name, a in self.moments_.items()}
        return FoldMoments.from_state(tensors)

    def _finish(self, runtime, moments, solve):
        """Keep moments, and solve for the map of their rows."""
        with FitProgress(self, max_iter=1) as progress:
            if solve:
                self._solve(runtime, moments)
            self.moments_ = runtime.state(moments.tensors())
            progress.step()
        return self
