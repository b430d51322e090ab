# SPDX-License-Identifier: BSD-3-Clause
"""What every solver hands to the estimator, in its final form."""

from dataclasses import dataclass

import torch

from sktransform.reduction._decoder import fit_decoder
from sktransform.runtime._linalg import polar_factor, symmetric_eigen


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
        For the anchored transform, what :class:`AnchoredMap` takes: "inputs",
        "embedding", "scales" and "unit".

    continuation : dict of str to float, default=None
        What the solver needs to continue the map: "input_unit" and "output_unit", the
        lengths of 1 of its own units, and what else it has frozen. None if it cannot.
    """

    map: dict
    decoder: dict
    loss_curve: list
    stress: float
    n_iter: int
    feature_scale: torch.Tensor
    anchors: dict | None = None
    continuation: dict | None = None


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


def map_and_decoder(rows, charts, present=None):
    """Centre a map, turn it to its final axes, and fit the way back.

    Parameters
    ----------
    rows : InternalRows
        The rows, in whose internal units the rest is given.

    charts : Charts
        The charts of the map.

    present : Charts, default=None
        Charts of the map that was continued, towards which the new one is turned. None
        takes principal axes.

    Returns
    -------
    map, decoder : dict of str to Tensor
        The states, in the rows' own units.

    place : callable
        Takes images under the given charts to the final embedding.
    """
    embedding = charts.values(rows.Z)
    center = rows.row_weights @ embedding / rows.row_weights.sum()
    if present is None:
        rotation = rotation_to_principal_axes(embedding - center, rows.row_weights)
    else:
        weighted = (embedding - center) * rows.row_weights[:, None]
        rotation = polar_factor(weighted.T @ present.values(rows.Z))
    state = {
        **charts.state(),
        "components": rotation.T @ charts.components,
        "offsets": (charts.offsets - center) @ rotation,
    }
    state = {"mean": rows.mean, **rows.in_original_units(state)}
    if rows.projection is not None:
        state["projection"] = rows.projection
    embedding = (embedding - center) @ rotation
    weights = charts.weights(rows.Z)
    decoder = fit_decoder(weights, embedding, rows.Z, rows.row_weights)

    def place(images):
        turned = (images - center.to(images)) @ rotation.to(images)
        return turned * rows.unit.to(images)

    return state, rows.in_original_units(decoder), place
