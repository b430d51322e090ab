# SPDX-License-Identifier: BSD-3-Clause
"""What every solver hands to the estimator, in its final form."""

from dataclasses import dataclass

import torch

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values
from sktransform.reduction._decoder import fit_decoder
from sktransform.runtime._linalg import symmetric_eigen


@dataclass(frozen=True)
class FittedMap:
    """A map, its decoder and how they were reached.

    Parameters
    ----------
    map : dict of str to Tensor
        State of the map from the rows to the embedding, in the rows' own units.

    decoder : dict of str to Tensor
        State of the map from the embedding to the map's inputs.

    loss_curve : list of float
        The objective at the start and after each report.

    stress : float
        Stress over the rows that the solver saw, normalised by their distances.

    n_iter : int
        Iterations done.

    feature_scale : Tensor of shape (n_features,)
        Standard deviations of the features.

    anchors : dict of str to Tensor, default=None
        Stored rows for the anchored transform: "inputs", "embedding" and "unit".
    """

    map: dict
    decoder: dict
    loss_curve: list
    stress: float
    n_iter: int
    feature_scale: torch.Tensor
    anchors: dict | None = None


def rotation_to_principal_axes(embedding, row_weights):
    """Return the rotation after which the embedding's axes are its principal ones.

    Parameters
    ----------
    embedding : Tensor of shape (n_rows, n_outputs)
        Images of the rows.

    row_weights : Tensor of shape (n_rows,)
        Positive weights.

    Returns
    -------
    Tensor of shape (n_outputs, n_outputs)
        An orthogonal matrix, to be multiplied from the right. Signs are such that the
        outermost row of each axis lies on its positive side.
    """
    covariance = embedding.T @ (row_weights[:, None] * embedding)
    rotation = symmetric_eigen(covariance)[1]
    rotated = embedding @ rotation
    outermost = rotated.gather(0, rotated.abs().argmax(0, keepdim=True))
    return torch.where(outermost < 0, -rotation, rotation)


def map_and_decoder(rows, centers, widths, offsets, components):
    """Centre a map, turn it to principal axes, and fit the way back.

    Parameters
    ----------
    rows : InternalRows
        The rows, in whose internal units the rest is given.

    centers : Tensor of shape (n_charts, n_inputs)
        Centres of the charts.

    widths : Tensor of shape (n_charts,)
        Widths of the charts.

    offsets : Tensor of shape (n_charts, n_outputs)
        Value of each chart at its centre.

    components : Tensor of shape (n_charts, n_outputs, n_inputs)
        Linear part of each chart.

    Returns
    -------
    map, decoder : dict of str to Tensor
        The states, in the rows' own units.

    place : callable
        Takes images under the given parameters to the final embedding.
    """
    weights = gaussian_weights(rows.Z, centers, widths)
    embedding = mixture_values(weights, rows.Z, centers, offsets, components)
    center = rows.row_weights @ embedding / rows.row_weights.sum()
    rotation = rotation_to_principal_axes(embedding - center, rows.row_weights)
    state = {
        "centers": centers,
        "widths": widths,
        "components": rotation.T @ components,
        "offsets": (offsets - center) @ rotation,
    }
    state = {"mean": rows.mean, **rows.in_original_units(state)}
    if rows.projection is not None:
        state["projection"] = rows.projection
    embedding = (embedding - center) @ rotation
    decoder = fit_decoder(weights, embedding, rows.Z, rows.row_weights)

    def place(images):
        turned = (images - center.to(images)) @ rotation.to(images)
        return turned * rows.unit.to(images)

    return state, rows.in_original_units(decoder), place
