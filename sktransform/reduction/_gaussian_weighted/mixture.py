# SPDX-License-Identifier: BSD-3-Clause
"""The charts of a map, all that its values depend on."""

import dataclasses
from dataclasses import dataclass

import torch

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values
from sktransform.reduction._gaussian_weighted.decoder import fit_decoder
from sktransform.reduction._gaussian_weighted.gradients import TrainableMap
from sktransform.runtime._linalg import polar_factor, symmetric_eigen


@dataclass(frozen=True)
class Charts:
    """The charts of a mixture in internal units.

    Parameters
    ----------
    centers : Tensor of shape (n_charts, n_inputs)
        Their centres.

    widths : Tensor of shape (n_charts,)
        Their widths in squared units of the inputs.

    components : Tensor of shape (n_charts, n_outputs, n_inputs)
        Linear part of each.

    offsets : Tensor of shape (n_charts, n_outputs)
        Value of each at its centre.

    log_masses : Tensor of shape (n_charts,), default=None
        Logarithms of their masses. None gives each the mass 1.
    """

    centers: torch.Tensor
    widths: torch.Tensor
    components: torch.Tensor
    offsets: torch.Tensor
    log_masses: torch.Tensor | None = None

    def __len__(self):
        return len(self.widths)

    def state(self):
        """Return the named tensors, without masses if there are none."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def to(self, dtype):
        """Return the same charts in another precision."""
        state = {name: value.to(dtype) for name, value in self.state().items()}
        return Charts(**state)

    def magnified(self, factor):
        """Return charts whose map is a multiple of this one."""
        return dataclasses.replace(
            self, components=factor * self.components, offsets=factor * self.offsets
        )

    def weights(self, Z):
        """Return the charts' weights at rows, shape (n_rows, n_charts)."""
        return gaussian_weights(Z, self.centers, self.widths, self.log_masses)

    def values(self, Z):
        """Return the mixture's values at rows, shape (n_rows, n_outputs)."""
        return mixture_values(
            self.weights(Z), Z, self.centers, self.offsets, self.components
        )


def principal_charts(centers, widths, axes):
    """Return charts whose map is a projection onto axes.

    Parameters
    ----------
    centers : Tensor of shape (n_charts, n_inputs)
        Their centres.

    widths : Tensor of shape (n_charts,)
        Their widths.

    axes : Tensor of shape (n_inputs, n_outputs)
        Orthonormal columns; those of largest variance for PCA.

    Returns
    -------
    Charts
        The charts.
    """
    return Charts(centers, widths, axes.T.expand(len(centers), -1, -1), centers @ axes)


def trainable_map(charts):
    """Return the map of charts with its gradient written out.

    Parameters
    ----------
    charts : Charts
        The charts, in the precision in which they are to be trained.

    Returns
    -------
    TrainableMap
        The map, in memory of its own.
    """
    return TrainableMap(
        charts.centers,
        charts.widths,
        charts.components.transpose(0, 1),
        charts.offsets.T,
        charts.log_masses,
    )


def trained_charts(trained):
    """Return the charts of a trained map in double precision.

    Parameters
    ----------
    trained : TrainableMap
        The map.

    Returns
    -------
    Charts
        Its charts; in double precision they share its memory.
    """
    charts = Charts(
        trained.centers,
        trained.log_widths,
        trained.components.transpose(0, 1),
        trained.offsets.T,
        trained.log_masses,
    ).to(torch.float64)
    return dataclasses.replace(charts, widths=charts.widths.exp())


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
