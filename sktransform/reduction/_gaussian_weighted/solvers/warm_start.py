# SPDX-License-Identifier: BSD-3-Clause
"""Going on from a fitted map, with as many charts or with more."""

import dataclasses
import math
from dataclasses import dataclass

import torch

from sktransform.reduction._gaussian_weighted.mixture import Charts
from sktransform.reduction._gaussian_weighted.rows import Frame
from sktransform.runtime._linalg import polar_factor

# Difference of the two halves of a chart, as a share of the chart's linear part.
_DIFFERENCE = 1.0


@dataclass(frozen=True)
class PresentMap:
    """A fitted map as a solver continues it.

    Parameters
    ----------
    frame : Frame
        What leads from rows to the map's inputs.

    charts : Charts
        The charts in internal units.

    frozen : dict of str to float
        What the solver has frozen besides.
    """

    frame: Frame
    charts: Charts
    frozen: dict

    @classmethod
    def of(cls, state, continuation, runtime):
        """Return the map of a fitted state.

        Parameters
        ----------
        state : dict of str to ndarray
            State of a GaussianWeightedMap.

        continuation : dict of str to float
            "input_unit" and "output_unit", the lengths of 1 of the solver's own units
            in the rows and in the embedding, and what it has frozen besides.

        runtime : Runtime
            Where to compute.

        Returns
        -------
        PresentMap
            The map.
        """
        frozen = dict(continuation)
        input_unit, output_unit = frozen.pop("input_unit"), frozen.pop("output_unit")
        state = {name: runtime.tensor(array) for name, array in state.items()}
        mean, projection = state.pop("mean"), state.pop("projection", None)
        state["centers"] /= input_unit
        state["widths"] /= input_unit**2
        state["components"] *= input_unit / output_unit
        state["offsets"] /= output_unit
        frame = Frame(mean, runtime.tensor(input_unit), projection)
        return cls(frame, Charts(**state), frozen)


def split_charts(charts, masses, n_charts, generator):
    """Return more charts of the same mixture.

    The chart of largest mass becomes two of half its mass, again and again. Both have
    its centre and width, and their affine maps differ from its own by opposite random
    changes: in sum they are what it was, at every row, and training can part them.

    Parameters
    ----------
    charts : Charts
        The charts.

    masses : Tensor of shape (len(charts),)
        How much weight they have among the rows.

    n_charts : int
        How many there shall be, at least as many as there are.

    generator : torch.Generator
        Source of the changes.

    Returns
    -------
    Charts
        The charts, the old ones or what is left of them first.
    """
    masses, parents, halves = masses.tolist(), list(range(len(charts))), []
    while len(masses) < n_charts:
        largest = max(range(len(masses)), key=masses.__getitem__)
        masses[largest] /= 2
        halves.append((largest, len(masses)))
        masses.append(masses[largest])
        parents.append(parents[largest])
    if not halves:
        return charts
    log_masses = charts.log_masses
    if log_masses is None:
        log_masses = torch.zeros_like(charts.widths)
    charts = dataclasses.replace(charts, log_masses=log_masses)
    grown = {name: value[parents].clone() for name, value in charts.state().items()}
    components, offsets = grown["components"], grown["offsets"]
    for first, second in halves:
        slopes = components[first]
        change = slopes.square().mean().sqrt() * torch.randn(
            slopes.shape, generator=generator, dtype=slopes.dtype, device=slopes.device
        )
        change *= _DIFFERENCE
        components[second] = slopes - change
        components[first] = slopes + change
        offsets[second] = offsets[first]
        grown["log_masses"][second] = grown["log_masses"][first] - math.log(2)
        grown["log_masses"][first] -= math.log(2)
    return Charts(**grown)


def squared_errors(rows, targets, charts):
    """Return how much each row adds to the stress of a map.

    Parameters
    ----------
    rows : InternalRows
        The rows.

    targets : Tensor of shape (n_rows, n_rows) or None
        Target distances in internal units. None takes the rows' own.

    charts : Charts
        The map.

    Returns
    -------
    Tensor of shape (n_rows,)
        Weighted sum of the squared errors of its distances, at least a little.
    """
    targets = rows.distances() if targets is None else targets
    Y = charts.values(rows.Z)
    errors = (targets - torch.cdist(Y, Y)).square() @ rows.row_weights
    errors *= rows.row_weights
    return errors.clamp_min(torch.finfo(errors.dtype).tiny)


def turned_towards(charts, offsets, components):
    """Return charts after the rotation and shift that bring them closest to others.

    Parameters
    ----------
    charts : Charts
        The charts.

    offsets : Tensor of shape (n_charts, n_outputs)
        Values of the others at their centres.

    components : Tensor of shape (n_charts, n_outputs, n_inputs)
        Linear parts of the others.

    Returns
    -------
    Charts
        The same map in another frame.
    """
    own, other = charts.offsets - charts.offsets.mean(0), offsets.mean(0)
    cross = torch.einsum("mqr,mpr->qp", components, charts.components)
    cross += (offsets - other).T @ own
    rotation = polar_factor(cross)
    return dataclasses.replace(
        charts,
        components=rotation @ charts.components,
        offsets=own @ rotation.T + other,
    )
