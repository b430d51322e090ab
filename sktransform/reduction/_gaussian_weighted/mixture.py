# SPDX-License-Identifier: BSD-3-Clause
"""Mixture of local affine maps: its charts, and the fitted map that solvers return."""

import dataclasses
from dataclasses import dataclass

import torch

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values
from sktransform.reduction._gaussian_weighted.decoder import fit_decoder
from sktransform.reduction._gaussian_weighted.gradients import TrainableMap
from sktransform.runtime._linalg import polar_factor, symmetric_eigen
from sktransform.utils._charts import chart_widths, place_centers


@dataclass(frozen=True)
class Charts:
    """Charts of a mixture in internal units, all that its values depend on.

    `centers` (n_charts, n_inputs), `widths` (n_charts,) in squared units of the inputs,
    linear parts `components` (n_charts, n_outputs, n_inputs), values at the centres
    `offsets` (n_charts, n_outputs), and `log_masses` (n_charts,), None for masses of 1.
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


def place_charts(rows, n_charts, width, runtime, generator):
    """Return centres (n_charts, n_inputs) by k-means, and their widths (n_charts,)."""
    row_weights = rows.row_weights.cpu().numpy()
    centers = place_centers(rows.Z.cpu().numpy(), n_charts, row_weights, generator)
    return runtime.tensors(centers, chart_widths(centers, width))


def principal_charts(centers, widths, axes):
    """Return charts whose map is the projection onto axes (n_inputs, n_outputs)."""
    return Charts(centers, widths, axes.T.expand(len(centers), -1, -1), centers @ axes)


def trainable_map(charts):
    """Return the map of charts to be trained, in memory of its own."""
    return TrainableMap(
        charts.centers,
        charts.widths,
        charts.components.transpose(0, 1),
        charts.offsets.T,
        charts.log_masses,
    )


def trained_charts(trained):
    """Return the charts of a trained map in double precision.

    If the map is in double precision they share its memory.
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
    """Result of every solver, in the rows' own units.

    `map` and `decoder` are states of a GaussianWeightedMap, from rows to the embedding
    and back to the map's inputs. `loss_curve` holds the objective at the start and
    after each report, `stress` is that of the rows that the solver saw. `continuation`
    is what a warm start needs: "input_unit" and "output_unit", the lengths of 1 of the
    solver's own units, and what else it has frozen. `anchors` is what an AnchoredMap
    takes, or None.
    """

    map: dict
    decoder: dict
    loss_curve: list
    stress: float
    n_iter: int
    feature_scale: torch.Tensor
    continuation: dict
    anchors: dict | None = None


def rotation_to_principal_axes(embedding, row_weights):
    """Return the rotation (n_outputs, n_outputs) of an embedding to principal axes.

    It is multiplied from the right. Signs are such that the outermost row of each axis
    lies on its positive side.
    """
    covariance = embedding.T @ (row_weights[:, None] * embedding)
    rotation = symmetric_eigen(covariance)[1]
    rotated = embedding @ rotation
    outermost = rotated.gather(0, rotated.abs().argmax(0, keepdim=True))
    return torch.where(outermost < 0, -rotation, rotation)


def map_and_decoder(rows, charts, present=None):
    """Centre a map, turn it to its final axes, and fit its decoder.

    The axes are principal ones, or those closest to the `present` charts that were
    continued. Returned are both states in the rows' own units, and a function that
    takes images under the given charts to the final embedding.
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

    def to_final_axes(images):
        turned = (images - center.to(images)) @ rotation.to(images)
        return turned * rows.unit.to(images)

    return state, rows.in_original_units(decoder), to_final_axes
