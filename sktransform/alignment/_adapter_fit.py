# SPDX-License-Identifier: BSD-3-Clause
"""From pairs of rows to the map of an embedding adapter."""

from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

from sktransform.alignment._covariance_matching import Calibration, calibrations
from sktransform.alignment._fold_moments import FoldMoments, hashed_sample
from sktransform.alignment._nystroem import NystroemFeatures
from sktransform.alignment._ridge_folds import (
    PENALTIES,
    HeldOutPath,
    RidgeFolds,
    RidgePath,
    held_out_errors,
    mean_variance,
    scaled,
)
from sktransform.runtime._moments import PairMoments

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
    """Kernels that were chosen, their weight, and what they save.

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

    Parameters
    ----------
    ridge : RidgeFolds
        The regression.

    calibration : Calibration
        What its predictions are taken through.

    fold_calibrations : list of Calibration
        The same for the judges among the folds, without their help.

    features : NystroemFeatures, default=None
        The features. None stands for the rows themselves.

    kernel_weight : float, default=None
        Weight of the features' kernels.

    gain : float, default=None
        Share of the linear regression's held-out error that kernels save, if they were
        tried.
    """

    ridge: RidgeFolds
    calibration: Calibration
    fold_calibrations: list
    features: NystroemFeatures | None = None
    kernel_weight: float | None = None
    gain: float | None = None

    @property
    def unit(self):
        """Mean variance of the rows' own columns, the unit of the penalty."""
        if self.features is None:
            return mean_variance(self.ridge.total).item()
        return 1 / self.features.n_inputs

    def inputs(self, X):
        """Return what the regression sees of rows."""
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
        """Return the same for the judges among the folds, learnt without the fold."""
        return [
            calibration.affine(fold_map.others, fold_map.matrix)
            for calibration, fold_map in zip(
                self.fold_calibrations, self.ridge.judges, strict=True
            )
        ]

    def in_units_of_rows(self, matrix, intercept):
        """Return a map of :meth:`inputs` as one of the rows.

        Parameters
        ----------
        matrix : Tensor of shape (n_features, n_outputs)
            Multiplies the inputs from the right.

        intercept : Tensor of shape (n_outputs,)
            The constant part.

        Returns
        -------
        dict of str to Tensor
            "matrix" and "intercept", and with kernels "landmarks" and "kernel_matrix".
        """
        if self.features is None:
            return {"matrix": matrix, "intercept": intercept}
        features = self.features
        matrix = matrix * features.scale(self.kernel_weight)[:, None]
        linear = matrix[: features.n_inputs] / features.unit
        return {
            "matrix": linear,
            "intercept": intercept - features.mean @ linear,
            "landmarks": features.landmarks,
            "kernel_matrix": features.whitening @ matrix[features.n_inputs :],
        }


def linear_model(moments, settings, gain=None):
    """Return the adapter without kernels.

    Parameters
    ----------
    moments : FoldMoments
        Moments of the rows.

    settings : dict
        Parameters of the estimator.

    gain : float, default=None
        See `AdapterModel`.

    Returns
    -------
    AdapterModel
        The adapter.
    """
    total = moments.total()
    penalties = _penalties(settings, mean_variance(total))
    ridge = RidgeFolds.of(total, moments.splits(), penalties)
    return AdapterModel(ridge, *_calibrations(ridge, settings), gain=gain)


def adapter_model(rows, moments, settings):
    """Return the adapter, with kernels if they are asked for or earn their place.

    Parameters
    ----------
    rows : PairRows
        The rows.

    moments : FoldMoments
        Their moments.

    settings : dict
        Parameters of the estimator.

    Returns
    -------
    AdapterModel
        The adapter.
    """
    is_forced = settings["features"] == "nystroem"
    gain = None
    if is_forced or _may_have_kernels(rows, settings):
        landmarks = rows.X[hashed_sample(rows.X, settings["n_landmarks"])]
        kernels = _search_kernels(rows, moments, landmarks)
        gain = kernels.gain
        if is_forced or gain > _KERNEL_GAIN:
            return _kernel_model(rows, moments, kernels, settings)
    return linear_model(moments, settings, gain)


def _may_have_kernels(rows, settings):
    """Return whether kernels are to be tried."""
    if settings["features"] == "linear":
        return False
    return len(hashed_sample(rows.X, _KERNEL_ROWS)) == _KERNEL_ROWS


def _search_kernels(rows, moments, landmarks):
    """Return the kernels of least held-out error: bandwidth first, then weight.

    Parameters
    ----------
    rows : PairRows
        The rows.

    moments : FoldMoments
        Their moments.

    landmarks : Tensor of shape (n_landmarks, n_inputs)
        Centres of the kernels.

    Returns
    -------
    Kernels
        The kernels.
    """
    searched = hashed_sample(rows.X, _SEARCH_ROWS, copies=True)
    is_whole = len(searched) == len(rows.X)
    if not is_whole:
        rows = rows.take(searched)
        moments = rows.moments()
    total = moments.total()
    linear_error = _search_error(moments, mean_variance(total))
    first, *other_weights = _KERNEL_WEIGHTS
    trials = []
    for bandwidth in _BANDWIDTHS:
        features = NystroemFeatures.of(total, landmarks, bandwidth)
        kernel_moments = features.fold_moments(rows, moments)
        error = _kernel_error(kernel_moments, features, first)
        trials.append((error, features, kernel_moments))
    error, features, kernel_moments = min(trials, key=lambda trial: trial[0])
    errors = {first: error}
    for weight in other_weights:
        errors[weight] = _kernel_error(kernel_moments, features, weight)
    weight = min(errors, key=errors.get)
    gain = 1 - errors[weight] / linear_error
    return Kernels(features, weight, gain, kernel_moments if is_whole else None)


def _kernel_error(moments, features, kernel_weight):
    """Return the held-out error of kernels with a weight, see :func:`_search_error`."""
    return _search_error(moments, 1 / features.n_inputs, features.scale(kernel_weight))


def _search_error(moments, unit, scale=None):
    """Return the least held-out error of a ridge regression, estimated quickly.

    Parameters
    ----------
    moments : FoldMoments
        Moments of rows or features.

    unit : float
        Unit of the penalties.

    scale : Tensor of shape (n_inputs,), default=None
        Factor of each column.

    Returns
    -------
    float
        The error, by few folds and penalties; nan without folds.
    """
    filled = [fold for fold in moments.folds if fold.weight > 0]
    if len(filled) < 2:
        return float("nan")
    if scale is not None:
        filled = [scaled(fold, scale) for fold in filled]
    # Not all splits: merging large moments takes as long as their use.
    judges, rest = filled[:_SEARCH_FOLDS], filled[_SEARCH_FOLDS:]
    splits = [
        (reduce(PairMoments.merge, rest, own), fold)
        for own, fold in (judges, judges[::-1])
    ]
    total = splits[0][0].merge(judges[1])
    paths = [HeldOutPath(RidgePath.of(others), fold) for others, fold in splits]
    penalties = _SEARCH_PENALTIES.to(total.xx.device) * unit
    return held_out_errors(total, paths, penalties).min().item()


def _kernel_model(rows, moments, kernels, settings):
    """Return the adapter with these kernels, see :func:`adapter_model`."""
    features, scale = kernels.features, kernels.features.scale(kernels.weight)
    kernel_moments = kernels.moments or features.fold_moments(rows, moments)
    folds = (scaled(fold, scale) for fold in kernel_moments.folds)
    kernel_moments = FoldMoments(tuple(folds))
    total = kernel_moments.total()
    penalties = _penalties(settings, total.xx.new_tensor(1 / features.n_inputs))
    ridge = RidgeFolds.of(total, kernel_moments.splits(), penalties)
    return AdapterModel(
        ridge,
        *_calibrations(ridge, settings),
        features,
        kernels.weight,
        kernels.gain,
    )


def _penalties(settings, unit):
    """Return the penalties to choose from, on the device and in units of the rows."""
    if settings["ridge"] == "auto":
        return PENALTIES.to(unit.device) * unit
    return settings["ridge"] * unit.reshape(1)


def _calibrations(ridge, settings):
    """Return the calibrations that the settings ask for."""
    shrinkage = None if settings["calibrate"] is None else settings["shrinkage"]
    return calibrations(ridge, settings["metric"], shrinkage)
