# SPDX-License-Identifier: BSD-3-Clause
"""Covariance matching: predictions of a regression get the target's covariance."""

from dataclasses import dataclass

import torch

from sktransform.alignment._degenerate import varies
from sktransform.runtime._linalg import gram_matrix, quick_eigh

# Added to eigenvalues before they are inverted, in units of their mean.
_FLOOR = 1e-6

# From this stretch on, shrinkage grows with it.
_GREAT_STRETCH = 1.1

# Folds on which the stretch is seen before the shrinkage is settled.
_PILOTS = 2

# Folds without which nothing can be held out twice.
_FEWEST_FOLDS = 3

# Matched predictions that vary less than so come of a handful of rows, whose folds say
# next to nothing.
_LEAST_STRETCH = 0.8

# Where predictions are uncertain, what tells near rows of the gallery apart lies in the
# directions of small variance: queries are flattened, by the target's covariance to a
# power. It is this share of the variance that is not explained, up to a bound. Measured
# on text and image embeddings: more finds more partners, but other lists of neighbours.
_FLATTENING = 1 / 3
_MOST_FLATTENING = 0.25

# Added to the target's variances before they are flattened, in units of their mean.
_FLAT_FLOOR = 0.03

# Share of the hub constant that is taken, for a unit of unexplained variance.
_HUB_SLOPE = 2.0

# Bounds the gain that predictions without any relation to the target would get.
_LEAST_HUB = 0.1


def symmetric_power(matrix, power, floor=0.0):
    """Return a power of a symmetric positive semidefinite matrix.

    `matrix`: the matrix, of which one triangle is read; negative eigenvalues of
      rounding count as 0.
    `power`: the exponent; if it is negative, `floor` must be positive.
    `floor`: added to the eigenvalues, in units of their mean.

    Shapes: matrix (n, n) -> (n, n).
    """
    return gram_matrix(_half_power(matrix, power, floor).T)


def _half_power(matrix, power, floor):
    """Return a matrix that times its transpose is the power."""
    values, vectors = quick_eigh(matrix)
    values = values.clamp_min(0)
    values = values + floor * values.mean()
    return vectors * values ** (power / 2)


def matching_map(predicted, wanted, shrinkage=0.0, root=None, floor=None):
    """Return the matrix that gives predictions another covariance.

    It is the optimal transport of normal distributions: symmetric, and of all matrices
    that reach the covariance the one that moves the predictions least.

    ``S^1/2 (S^1/2 P S^1/2)^-1/2 S^1/2``, the small eigenvalues of the middle raised.
    The identity, if the predictions or the target do not vary.

    `shrinkage`: weight of the shape of S, from 0 to 1, in an estimate of P from few
      rows. At 1 the matrix is a multiple of the identity.
    `root`: ``S^1/2``, where it is known; its diagonal alone, where S is diagonal.
    `floor`: added to the eigenvalues that are inverted, in units of their mean; None
      stands for 1e-6.

    Shapes: predicted (n, n), wanted (n, n), root (n, n) or (n,) -> (n, n).
    """
    ratio = predicted.trace() / wanted.trace()
    identity = torch.eye(len(wanted), dtype=wanted.dtype, device=wanted.device)
    if not torch.isfinite(ratio) or ratio <= torch.finfo(wanted.dtype).eps ** 2:
        return identity
    if shrinkage == 1:
        return identity / ratio.sqrt()
    floor = _FLOOR if floor is None else floor
    blend = torch.lerp(predicted, ratio * wanted, shrinkage)
    root = symmetric_power(wanted, 0.5) if root is None else root
    if root.ndim == 1:
        half = root[:, None] * _half_power(root[:, None] * blend * root, -0.5, floor)
    else:
        half = root @ _half_power(root @ blend @ root, -0.5, floor)
    return gram_matrix(half.T)


def flattening_map(wanted, power, n_columns=None):
    """Return the matrix that makes the target's variances less unequal.

    A multiple of ``S^-power``, small eigenvalues raised, such that the total variance
    of the target stays; its diagonal for a diagonal.

    `wanted`: covariance S of the target, or its diagonal, where it is diagonal.
    `power`: from 0, which leaves S as it is, to .5, at which all variances become
      equal.
    `n_columns`: columns of the target, if they are more than n: S has no variance
      there.

    Shapes: wanted (n, n) or (n,) -> (n, n) or (n,).
    """
    values, vectors = (wanted, None) if wanted.ndim == 1 else quick_eigh(wanted)
    values = values.clamp_min(0)
    mean = values.sum() / (n_columns or len(values))
    powers = ((values + _FLAT_FLOOR * mean) / mean) ** -power
    powers = powers * (values.sum() / (powers.square() * values).sum()).sqrt()
    return powers if vectors is None else (vectors * powers) @ vectors.T


@dataclass(frozen=True)
class Calibration:
    """Map that calibrates the predictions of a regression for a search.

    - `matching` (n_outputs, n_outputs): multiplies deviations from the mean from the
      right. Matched to the covariance of the target, then flattened.
    - `hub`: the hub constant, see :func:`calibrations`.
    - `metric`: how rows are compared. The mean is multiplied by the hub constant for
      cosines; the deviations are divided by it for Euclidean distances.
    """

    matching: torch.Tensor
    hub: float
    metric: str

    def affine(self, moments, matrix):
        """Return a regression as an affine map, calibrated.

        Shapes: matrix (n_inputs, n_outputs) -> matrix (n_inputs, n_outputs), intercept
        (n_outputs,).
        """
        matrix, mean = matrix @ self.matching, moments.mean_y
        if self.metric == "cosine":
            mean = self.hub * mean
        else:
            matrix = matrix / self.hub
        return matrix, mean - moments.mean_x @ matrix


def calibrations(ridge, metric, shrinkage, span_of=None):
    """Return the calibration of a regression, and those for its folds.

    A matching map shrinks the very targets that it was learnt from, and stretches
    others. By how much is seen on folds with maps in which they have no part: where it
    is much, more shrinkage is taken, and the scale is set such that total variances
    agree. A handful of rows does not say it, and is not calibrated.

    `span_of`: columns of the target, if the regression's are the principal axes of its
      rows, in which its covariance is diagonal.
    `calibration`: that of the regression on all rows.
    `held_out`: one for each validation fold, with a map in which the fold has no part.

    Returned: calibration, held_out.
    """
    maps, total = ridge.fold_maps, ridge.total
    identity = torch.eye(len(total.mean_y)).to(total.mean_y)
    none = Calibration(identity, 1.0, metric)
    without = none, [none] * len(ridge.validation_folds)
    is_constant = not varies(total.covariance_y, total.mean_y)
    if shrinkage is None or is_constant or len(maps) < _FEWEST_FOLDS:
        return without
    predicted = ridge.nested_covariances()
    wanted = total.covariance_y
    unexplained = ridge.error / wanted.trace().item()
    power = min(_MOST_FLATTENING, _FLATTENING * unexplained)
    if span_of is None:
        root, floor = symmetric_power(wanted, 0.5), None
        flattening = flattening_map(wanted, power)
    else:
        variances = wanted.diagonal().clamp_min(0)
        root, floor = variances.sqrt(), _FLOOR * len(variances) / span_of
        flattening = flattening_map(variances, power, span_of)

    def matched(covariance):
        matching = matching_map(covariance, wanted, shrinkage, root, floor)
        is_diagonal = flattening.ndim == 1
        return matching * flattening if is_diagonal else matching @ flattening

    nested = [matched(part) for part in predicted[:_PILOTS]]
    stretch, hub = stretch_and_hub(ridge, nested)
    if stretch > _GREAT_STRETCH:
        shrinkage, nested = min(1.0, shrinkage * stretch), []
    if len(nested) < len(predicted):
        nested += [matched(part) for part in predicted[len(nested) :]]
        stretch, hub = stretch_and_hub(ridge, nested)
    if stretch < _LEAST_STRETCH:
        return without
    matching = matched(ridge.predicted_covariance())
    # Where most is explained queries hardly flock to the mean, and few rows would take
    # too much of it.
    share = min(1.0, _HUB_SLOPE * unexplained)
    hub = share * hub + (1 - share)
    return Calibration(matching / stretch, hub, metric), [
        Calibration(held_out / stretch, hub, metric) for held_out in nested
    ]


def stretch_and_hub(ridge, nested):
    """Return by how much matched predictions vary too much, and the hub constant.

    The hub constant is the share of the target that matched predictions explain once
    their length is right. Unless the mean in a query falls with it, it outweighs the
    deviation, and queries flock to rows near the mean. The best gain on the deviation
    is its inverse.

    Returned: stretch, hub.

    `nested`: for each validation fold, or the first ones, a map in which the fold has
      no part.
    `stretch`: length of the predictions for the folds in units of the target's.
    `hub`: ``tr(K S) / tr(S' S)`` with S the covariance of the target, S' that of the
      validation target and K that between it and the predictions, of the right length;
      at least .1 and at most 1.

    Shapes: nested list of (n_outputs, n_outputs).
    """
    wanted, scatter = ridge.total.covariance_y, ridge.validation_scatter(len(nested))
    squares = cross = 0
    for matching, fold_map in zip(
        nested, ridge.validation_folds[: len(nested)], strict=True
    ):
        squares = squares + (matching * (fold_map.predicted @ matching)).sum()
        cross = cross + (matching * (fold_map.cross @ wanted)).sum()
    if squares <= 0 or scatter.trace() <= 0:
        return 1.0, 1.0
    stretch = (squares / scatter.trace()).sqrt()
    hub = cross / (scatter * wanted).sum() / stretch
    return stretch.item(), hub.clamp(_LEAST_HUB, 1).item()
