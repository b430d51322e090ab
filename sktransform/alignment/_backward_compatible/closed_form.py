# SPDX-License-Identifier: BSD-3-Clause
"""Closed-form maps of new rows and of old ones into one common space."""

import torch

from sktransform.runtime._linalg import ridge_solve, symmetric_eigen

# Share of the variance of X below which a direction counts as rounding.
_NEGLIGIBLE = 1e-10


def forward_backward_maps(moments, matrix, intercept, n_extra, ridge):
    """Return the maps of new rows and of old ones.

    Returned: "matrix", "extra" and "intercept" of the map of new rows, whose further
    columns have mean 0; "forward_matrix" and "forward_intercept" of that of old ones.

    `moments`: moments of new rows (first view) and old ones.
    `matrix`: the map of new rows into the old space, multiplied from the right.

    Shapes: matrix (n_inputs, n_outputs), intercept (n_outputs,).
    """
    extra = _further_columns(moments, matrix, n_extra)
    extended = torch.cat([matrix, extra], 1)
    intercept = torch.cat([intercept, -moments.mean_x @ extra])
    forward = _forward_map(moments, extended, ridge)
    image_of_mean = moments.mean_x @ extended + intercept
    return {
        "matrix": matrix,
        "extra": extra,
        "intercept": intercept,
        "forward_matrix": forward,
        "forward_intercept": image_of_mean - moments.mean_y @ forward,
    }


def with_variance_of_target(moments, matrix):
    """Return a map times a factor such that images vary as much as old rows.

    `moments`: moments of new rows (first view) and old ones.
    `matrix` (returned): the map and the factor. A factor of least squares would be
      smaller the less of the old rows is explained, and their mean would prevail in a
      query.

    Shapes: matrix (n_inputs, n_outputs) -> matrix (n_inputs, n_outputs), intercept
    (n_outputs,).
    """
    mapped = (matrix * (moments.xx @ matrix)).sum()
    wanted = moments.yy.trace()
    if mapped > 0 and wanted > 0:
        matrix = matrix * (wanted / mapped).sqrt()
    return matrix, moments.mean_y - moments.mean_x @ matrix


def _remaining_axes(moments, matrix, n_axes):
    """Return the directions in which rows vary most, beyond those that a map keeps.

    Orthonormal columns: principal directions of the rows less their regression on their
    images. Directions without variance are left out.

    Shapes: matrix (n_inputs, n_outputs) -> (n_inputs, n_kept).
    """
    covariance = moments.covariance_x
    images = covariance @ matrix
    inverse = torch.linalg.pinv(matrix.T @ images, hermitian=True)
    remainder = covariance - images @ inverse @ images.T
    values, vectors = symmetric_eigen((remainder + remainder.T) / 2)
    negligible = values <= _NEGLIGIBLE * covariance.trace()
    n_kept = min(n_axes, len(values) - int(negligible.sum()))
    return vectors[:, :n_kept]


def _further_columns(moments, matrix, n_extra):
    """Return columns for the directions that a map drops, in its units.

    Orthogonal columns of the length of the map's singular values.

    Shapes: matrix (n_inputs, n_outputs) -> (n_inputs, n_kept).
    """
    unit = (matrix.square().sum() / min(matrix.shape)).sqrt()
    return unit * _remaining_axes(moments, matrix, n_extra)


def _forward_map(moments, matrix, ridge):
    """Return the regression of mapped new rows on old ones.

    The map of old rows, multiplied from the right.

    `moments`: moments of new rows (first view) and old ones.
    `matrix`: the map of new rows, multiplied from the right.
    `ridge`: penalty in units of the old features' mean variance.

    Shapes: matrix (n_inputs, n_columns) -> (n_outputs, n_columns).
    """
    gram = moments.covariance_y
    floor = torch.finfo(gram.dtype).tiny
    penalty = (ridge * gram.trace() / len(gram)).clamp_min(floor)
    return ridge_solve(gram, moments.covariance_xy.T @ matrix, penalty)
