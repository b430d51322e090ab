# SPDX-License-Identifier: BSD-3-Clause
"""Calibrated regression of an embedding adapter, on rows or on kernel features."""

from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import torch

from sktransform.alignment._degenerate import (
    constant_views,
    warn_of_constant_views,
)
from sktransform.alignment._embedding_adapter.nystroem import NystroemFeatures
from sktransform.alignment._embedding_adapter.row_span import RowSpan
from sktransform.alignment._moments.covariance_matching import Calibration, calibrations
from sktransform.alignment._moments.folds import FoldMoments, hashed_sample
from sktransform.alignment._moments.pairs import Units
from sktransform.alignment._moments.ridge import (
    PENALTIES,
    HeldOutPath,
    RidgeFolds,
    RidgePath,
    held_out_errors,
    mean_variance,
    penalties_of,
    scaled,
)
from sktransform.runtime._moments import PairMoments

_UNSCALED = Units(1.0, 1.0)

# Kernels are tried from so many different rows on, and taken for such a gain.
_KERNEL_ROWS = 200
_KERNEL_GAIN = 0.02

# The search for them looks at so many different rows, two folds and fewer penalties.
_SEARCH_ROWS = 10_000
_SEARCH_FOLDS = 2
_SEARCH_PENALTIES = PENALTIES[::2]

_BANDWIDTHS = (1.2, 0.6, 3.0)
_KERNEL_WEIGHTS = (3.0, 0.3)


class Kernels(NamedTuple):
    """Chosen kernels, their weight, and the share of the error that they save.

    The gain is a share of the linear regression's held-out error, nan without folds;
    the moments are those of the rows' features, if the search looked at all rows.
    """

    features: NystroemFeatures
    weight: float
    gain: float
    moments: FoldMoments | None


@dataclass(frozen=True)
class AdapterModel:
    """A calibrated regression on rows, or on features of rows.

    - `calibration`: the map applied to its predictions.
    - `fold_calibrations`: the same for each validation fold, learnt without its rows.
    - `unit`: mean variance of the rows' own columns, the unit of the penalty.
    - `features`: the features. None stands for the rows themselves.
    - `kernel_weight`: weight of the features' kernels.
    - `gain`: share of the linear regression's held-out error that kernels save, if they
      were tried.
    - `span`: axes along which the regression sees the rows of both views, if not as
      they are.
    - `landmarks` (n_landmarks, n_columns): the features' landmarks in the
      rows' own coordinates.
    - `inverse`: matrix and constant part of the regression of rows on targets, if there
      are kernels, whose map has no pseudo-inverse.
    """

    ridge: RidgeFolds
    calibration: Calibration
    fold_calibrations: list
    unit: float
    features: NystroemFeatures | None = None
    kernel_weight: float | None = None
    gain: float | None = None
    span: RowSpan | None = None
    landmarks: torch.Tensor | None = None
    inverse: tuple | None = None

    def inputs(self, X):
        """Return the predictions of the regression for the rows that it sees."""
        if self.features is None:
            return X
        return self.features(X) * self.features.scale(self.kernel_weight)

    def affine(self):
        """Return matrix and constant part of the map of :meth:`inputs`."""
        return self.calibration.affine(self.ridge.total, self.ridge.matrix)

    def regression(self):
        """Return the same of the regression alone."""
        total, matrix = self.ridge.total, self.ridge.matrix
        return matrix, total.mean_y - total.mean_x @ matrix

    def fold_affines(self):
        """Return the same for each validation fold, learnt without its rows."""
        return [
            calibration.affine(fold_map.others, fold_map.matrix)
            for calibration, fold_map in zip(
                self.fold_calibrations, self.ridge.validation_folds, strict=True
            )
        ]

    def in_units_of_rows(self, matrix, intercept, units=_UNSCALED):
        """Return a map of :meth:`inputs` as one of the rows.

        Returned: "matrix" and "intercept", and with kernels "landmarks" and
        "kernel_matrix".

        `units`: units in which the regression sees the rows.

        Shapes: matrix (n_features, n_outputs), intercept (n_outputs,).
        """
        features, kernel_matrix = self.features, None
        if features is not None:
            matrix = matrix * features.scale(self.kernel_weight)[:, None]
            kernel_matrix = features.whitening @ matrix[features.n_inputs :]
            matrix = matrix[: features.n_inputs] / features.unit
            intercept = intercept - features.mean @ matrix
        if self.span is not None:
            matrix = self.span.unfolded(matrix)
            intercept = self.span.axes_y @ intercept
        state = {
            "matrix": matrix * units.y / units.x,
            "intercept": intercept * units.y,
        }
        if features is not None:
            if self.span is not None:
                kernel_matrix = kernel_matrix @ self.span.axes_y.T
            state["landmarks"] = self.landmarks * units.x
            state["kernel_matrix"] = kernel_matrix * units.y
        return state


def linear_model(moments, settings, gain=None):
    """Return the adapter without kernels."""
    total = moments.total()
    return _linear_model(total, moments, mean_variance(total), settings, gain=gain)


def _linear_model(total, moments, unit, settings, **found):
    """Return the adapter of these moments, whose penalty has this unit."""
    ridge = RidgeFolds.from_splits(
        total, moments.splits(), penalties_of(settings["ridge"], unit)
    )
    shrinkage = None if settings["calibrate"] is None else settings["shrinkage"]
    span = found.get("span")
    span_of = None if span is None else len(span.axes_y)
    calibrated = calibrations(ridge, settings["metric"], shrinkage, span_of)
    return AdapterModel(ridge, *calibrated, unit.item(), **found)


def adapter_model(rows, settings, units=_UNSCALED):
    """Return the adapter, with kernels if they are asked for or reduce the error.

    `seen`: the rows as the adapter sees them: few rows of wide views along their span.

    Returned: model, seen.
    """
    is_few = len(rows.X) <= rows.X.shape[1] + rows.Y.shape[1]
    span = RowSpan.from_rows(rows) if is_few else None
    seen = rows if span is None else span.rows(rows)
    moments = seen.moments()
    total = moments.total()
    constant = constant_views(total)
    warn_of_constant_views(constant)
    found = {"span": span}
    if not constant and _may_have_kernels(rows, settings, units):
        indices = hashed_sample(rows.X, settings["n_landmarks"])
        searched = hashed_sample(rows.X, _SEARCH_ROWS, copies=True)
        kernels = _search_kernels(
            seen, moments, seen.X[indices], searched, rows.X.shape[1]
        )
        found["gain"] = kernels.gain
        if settings["features"] == "nystroem" or kernels.gain > _KERNEL_GAIN:
            found["landmarks"] = rows.X[indices]
            found["inverse"] = _inverse(moments, span)
            return _kernel_model(seen, moments, kernels, settings, found), seen
    unit = total.covariance_x.trace() / rows.X.shape[1]
    return _linear_model(total, moments, unit, settings, **found), seen


def _may_have_kernels(rows, settings, units):
    """Return whether kernels are to be tried: their width must be a number, too."""
    if settings["features"] == "linear" or not 1e-140 < units.x < 1e140:
        return False
    if settings["features"] == "nystroem":
        return True
    return len(hashed_sample(rows.X, _KERNEL_ROWS)) == _KERNEL_ROWS


def _inverse(moments, span):
    """Return the regression of the rows on their targets, matrix and constant part."""
    swapped = moments.swapped()
    total = swapped.total()
    unit = total.covariance_x.trace() / (
        len(total.mean_x) if span is None else len(span.axes_y)
    )
    ridge = RidgeFolds.from_splits(total, swapped.splits(), penalties_of("auto", unit))
    matrix, intercept = ridge.matrix, total.mean_y - total.mean_x @ ridge.matrix
    if span is None:
        return matrix, intercept
    axes = span.axes_x
    return span.swapped(matrix), intercept if axes is None else axes @ intercept


def _search_kernels(rows, moments, landmarks, searched, n_columns):
    """Return the kernels of least held-out error: bandwidth first, then weight.

    `searched`: indices of the rows that the search looks at.
    `n_columns`: columns of the rows before they were turned into their span.

    Shapes: landmarks (n_landmarks, n_inputs).
    """
    is_whole = len(searched) == len(rows.X)
    if not is_whole:
        rows = rows.take(searched)
        moments = rows.moments()
    total = moments.total()
    linear_error = _search_error(moments, total.covariance_x.trace() / n_columns)
    first, *other_weights = _KERNEL_WEIGHTS
    trials = []
    for bandwidth in _BANDWIDTHS:
        features = NystroemFeatures.from_landmarks(total, landmarks, bandwidth)
        kernel_moments = features.fold_moments(rows, moments)
        error = _kernel_error(kernel_moments, features, first, n_columns)
        trials.append((error, features, kernel_moments))
    error, features, kernel_moments = min(trials, key=lambda trial: trial[0])
    errors = {first: error}
    for weight in other_weights:
        errors[weight] = _kernel_error(kernel_moments, features, weight, n_columns)
    weight = min(errors, key=errors.get)
    gain = 1 - errors[weight] / linear_error if linear_error > 0 else 0.0
    return Kernels(features, weight, gain, kernel_moments if is_whole else None)


def _kernel_error(moments, features, kernel_weight, n_columns):
    """Return the held-out error of kernels with a weight, see :func:`_search_error`."""
    return _search_error(moments, 1 / n_columns, features.scale(kernel_weight))


def _search_error(moments, unit, scale=None):
    """Return the least held-out error of a ridge regression, estimated quickly.

    Few folds and penalties are tried; NaN without folds.

    Shapes: scale (n_inputs,).
    """
    filled = [fold for fold in moments.folds if fold.weight > 0]
    if len(filled) < 2:
        return float("nan")
    if scale is not None:
        filled = [scaled(fold, scale) for fold in filled]
    # Not all splits: merging large moments takes as long as their use.
    held_out, rest = filled[:_SEARCH_FOLDS], filled[_SEARCH_FOLDS:]
    splits = [
        (reduce(PairMoments.merge, rest, own), fold)
        for own, fold in (held_out, held_out[::-1])
    ]
    total = splits[0][0].merge(held_out[1])
    paths = [
        HeldOutPath(RidgePath.from_moments(others), fold) for others, fold in splits
    ]
    penalties = _SEARCH_PENALTIES.to(total.xx.device) * unit
    return held_out_errors(total, paths, penalties).min().item()


def _kernel_model(rows, moments, kernels, settings, found):
    """Return the adapter with these kernels, see :func:`adapter_model`."""
    features, scale = kernels.features, kernels.features.scale(kernels.weight)
    kernel_moments = kernels.moments or features.fold_moments(rows, moments)
    folds = (scaled(fold, scale) for fold in kernel_moments.folds)
    kernel_moments = FoldMoments(tuple(folds))
    total = kernel_moments.total()
    return _linear_model(
        total,
        kernel_moments,
        total.xx.new_tensor(1 / found["landmarks"].shape[1]),
        settings,
        features=features,
        kernel_weight=kernels.weight,
        **found,
    )
