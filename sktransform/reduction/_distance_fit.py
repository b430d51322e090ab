# SPDX-License-Identifier: BSD-3-Clause
"""The map whose embedded rows imitate the rows' distances, and its decoder."""

from dataclasses import dataclass

import torch

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values
from sktransform.reduction._decoder import fit_decoder
from sktransform.reduction._majorization import majorize
from sktransform.runtime._linalg import principal_axes, symmetric_eigen


@dataclass(frozen=True)
class DistanceFit:
    """The result of :func:`fit_distances`.

    Parameters
    ----------
    map : dict of str to Tensor
        State of the map from the rows to the embedding, in the rows' own units.

    decoder : dict of str to Tensor
        State of the map from the embedding to the map's inputs.

    loss_curve : list of float
        The objective at the start and after each iteration.

    stress : float
        Stress over the rows, normalised by their distances.
    """

    map: dict
    decoder: dict
    loss_curve: list
    stress: float


def _principal_start(rows, centers, n_components):
    """Return offsets and components with which the mixture is exactly PCA."""
    axes = principal_axes(rows.Z, n_components, rows.row_weights)
    return centers @ axes, axes.T.expand(len(centers), -1, -1)


def _rotation_to_principal_axes(embedding, row_weights):
    """Return the rotation after which the embedding's axes are its principal ones.

    Signs are such that the outermost row of each axis lies on its positive side.
    """
    covariance = embedding.T @ (row_weights[:, None] * embedding)
    rotation = symmetric_eigen(covariance)[1]
    rotated = embedding @ rotation
    outermost = rotated.gather(0, rotated.abs().argmax(0, keepdim=True))
    return torch.where(outermost < 0, -rotation, rotation)


def fit_distances(rows, centers, widths, n_components, **options):
    """Fit a map and a decoder to rows in internal units.

    Parameters
    ----------
    rows : InternalRows
        The rows.

    centers : Tensor of shape (n_charts, n_inputs)
        Centres of the charts in internal units.

    widths : Tensor of shape (n_charts,)
        Widths of the charts in squared internal units.

    n_components : int
        Dimensions of the embedding.

    **options
        Ridge, limits and the way to stop, see :func:`majorize`.

    Returns
    -------
    DistanceFit
        The map, centred and on principal axes, and its decoder.
    """
    weights = gaussian_weights(rows.Z, centers, widths)
    start = _principal_start(rows, centers, n_components)
    targets = rows.distances()
    result = majorize(
        weights, rows.Z, centers, start, targets, rows.row_weights, **options
    )
    rotation = _rotation_to_principal_axes(result.embedding, rows.row_weights)
    components = rotation.T @ result.components
    offsets = result.offsets @ rotation
    embedding = mixture_values(weights, rows.Z, centers, offsets, components)
    center = rows.row_weights @ embedding / rows.row_weights.sum()
    state = {
        "centers": centers,
        "widths": widths,
        "components": components,
        "offsets": offsets - center,
    }
    state = {"mean": rows.mean, **rows.in_original_units(state)}
    if rows.projection is not None:
        state["projection"] = rows.projection
    decoder = fit_decoder(weights, embedding - center, rows.Z, rows.row_weights)
    return DistanceFit(
        map=state,
        decoder=rows.in_original_units(decoder),
        loss_curve=result.loss_curve,
        stress=result.stress,
    )
