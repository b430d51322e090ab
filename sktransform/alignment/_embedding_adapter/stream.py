# SPDX-License-Identifier: BSD-3-Clause
"""What an embedding adapter learns from moments alone: streams, the way back."""

from dataclasses import replace

from sklearn.base import clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sktransform.alignment._degenerate import (
    constant_views,
    warn_of_constant_views,
)
from sktransform.alignment._embedding_adapter.model import linear_model
from sktransform.alignment._embedding_adapter.report import adapter_report
from sktransform.alignment._moments.folds import FoldMoments
from sktransform.alignment._moments.pairs import PairRows, Units
from sktransform.alignment._stream_checks import check_mergeable, checked_groups
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._moments import PairMoments
from sktransform.runtime._runtime import Runtime
from sktransform.utils._sklearn import fit_context

# Entries from here on have squares whose sums may be beyond float64.
_LARGEST_ENTRY = 1e140


def checked_moments(rows):
    """Return the moments of `PairRows`, whose squares must be numbers of float64."""
    largest = max(part.abs().max().item() for part in (rows.X, rows.Y))
    if largest > _LARGEST_ENTRY:
        raise ValueError(
            f"Entries reach {largest:g}, but moments can be kept of entries up to "
            f"{_LARGEST_ENTRY:g}; scale both views, or use fit with "
            "store_moments=False."
        )
    return rows.moments()


def _size(mean, scatter):
    """Return the size of a view's entries, by its moments."""
    return (mean.square().sum() + scatter.trace()).sqrt().item()


def _in_units(moments):
    """Return moments in units in which products of them are numbers, and the units."""
    total = moments.total()
    units = Units.of_sizes(
        _size(total.mean_x, total.covariance_x), _size(total.mean_y, total.covariance_y)
    )
    if units == (1, 1):
        return moments, units
    folds = (
        PairMoments(
            fold.weight,
            fold.mean_x / units.x,
            fold.mean_y / units.y,
            fold.xx / units.x / units.x,
            fold.xy / units.x / units.y,
            fold.yy / units.y / units.y,
        )
        for fold in moments.folds
    )
    return FoldMoments(tuple(folds)), units


def swapped_folds(moments):
    """Return moments of folds with the views exchanged."""
    return FoldMoments(tuple(fold.swapped() for fold in moments.folds))


def _may_go_on(adapter):
    """Return whether a stream may begin or go on, else tell what is missing."""
    if hasattr(adapter, "coef_"):
        adapter._require_moments("partial_fit")
    return True


class StreamedAdapter:
    """The part of `EmbeddingAdapter` that needs the moments of the rows, not the rows.

    The estimator may keep `moments_`, and `_keep` sets what is fitted.
    """

    @available_if(_may_go_on)
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None, groups=None, solve=True):
        """Add rows to those seen, and learn the linear map of all.

        The result is that of `fit` with ``features="linear"`` on all rows at once, to
        rounding, but for the report, which knows nothing of searches. Kernels need the
        rows: after a `fit` that took some, this leaves the linear map of all rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Vectors of the new model.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Vectors of the same rows by the old model.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None weighs every row 1.

        groups : array-like of shape (n_samples,), default=None
            Groups whose rows share a fold.

        solve : bool, default=True
            Whether to solve for the map now. In a stream of small blocks it is quicker
            to solve with the last one.

        Returns
        -------
        EmbeddingAdapter
            The adapter; its map is as before if `solve` is False.

        Raises
        ------
        ValueError
            As for `fit`, if kernels or a polish are asked for, or if `n_folds` has
            changed since the stream began.

        AttributeError
            If a `fit` before did not keep the moments, see `store_moments`.
        """
        self._refuse_what_needs_rows()
        reset = not hasattr(self, "moments_")
        rows = self._rows(X, y, sample_weight, groups, reset=reset)
        moments = checked_moments(rows)
        if not reset:
            moments = self._present(moments.folds[0].xx.device).merge(moments)
        with FitProgress(self, max_iter=1) as progress:
            self._finish(moments, solve)
            progress.step()
        return self

    def merge(self, other):
        """Return a linear adapter of the rows that two adapters have seen.

        Parameters
        ----------
        other : EmbeddingAdapter
            A fitted adapter with the same parameters, of the same spaces.

        Returns
        -------
        EmbeddingAdapter
            A new adapter, the same to rounding as one to which all rows were given by
            `partial_fit`. Neither of the two is changed.

        Raises
        ------
        ValueError
            If parameters, or numbers of features or outputs, or the names of features,
            differ, if kernels or a polish are asked for, or if moments were not kept.
        """
        self._refuse_what_needs_rows()
        for adapter in (self, other):
            if isinstance(adapter, StreamedAdapter) and hasattr(adapter, "coef_"):
                adapter._require_moments("merge")
        check_mergeable(self, other)
        merged = clone(self)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(merged, name, getattr(self, name))
        moments = self._present()
        device = moments.folds[0].xx.device
        return merged._finish(moments.merge(other._present(device)))

    def swapped(self):
        """Return the linear adapter of the other direction, from the same moments.

        It maps rows of the old model into the space of the new one: the gallery, to be
        searched by new queries as they are.

        Returns
        -------
        EmbeddingAdapter
            A new adapter, with the parameters of this one but for ``features="linear"``
            and ``polish=False``; its folds are those of the rows of X.

        Raises
        ------
        ValueError
            If the adapter was fitted without ``store_moments=True``.
        """
        check_is_fitted(self)
        self._require_moments("swapped")
        swapped = clone(self).set_params(features="linear", polish=False)
        moments = swapped_folds(self._present())
        swapped.n_features_in_ = len(moments.folds[0].mean_x)
        return swapped._finish(moments)

    def _rows(self, X, y, sample_weight, groups, *, reset):
        """Return the rows that have a weight, checked."""
        X, Y, weights = self._validate_pairs(X, y, sample_weight, reset=reset)
        groups = checked_groups(X, groups)
        tensors = self._runtime(X).tensors(X, Y, weights)
        return PairRows.of(*tensors, self.n_folds, groups)

    def _require_moments(self, method):
        """Tell that a method needs the moments, if they were not kept."""
        if not hasattr(self, "moments_"):
            raise ValueError(
                f"{method} needs the moments of the rows, which this adapter did not "
                "keep; fit it with store_moments=True."
            )

    def _refuse_what_needs_rows(self):
        """Tell what moments alone cannot do."""
        if self.features == "nystroem" or self.polish:
            name = "polish=True" if self.polish else "features='nystroem'"
            raise ValueError(
                f"{name} needs all rows at once; use fit, or set features='linear' and "
                "polish=False."
            )

    def _present(self, device=None):
        """Return the fitted moments on a device."""
        n_folds = len(self.moments_["weight"])
        if n_folds != self.n_folds:
            raise ValueError(
                f"The rows seen so far are held in {n_folds} folds, but n_folds="
                f"{self.n_folds}; call fit to start anew."
            )
        runtime = Runtime.of(self.moments_["xx"], self.device)
        if device is not None:
            runtime = replace(runtime, device=device)
        tensors = {name: runtime.tensor(a) for name, a in self.moments_.items()}
        return FoldMoments.from_state(tensors)

    def _finish(self, moments, solve=True):
        """Keep moments, and the linear map that they say."""
        if solve:
            scaled, units = _in_units(moments)
            warn_of_constant_views(constant_views(scaled.total()))
            model = linear_model(scaled, self.get_params(deep=False))
            report, self.held_out_ranks_ = adapter_report(model)
            self._keep(model, moments.mean_x(), report, moments, units=units)
        else:
            self.moments_ = Runtime.state(moments.tensors())
        return self

    @property
    def _n_targets(self):
        if hasattr(self, "moments_"):
            return self.moments_["mean_y"].shape[1]
        return len(self.coef_)
