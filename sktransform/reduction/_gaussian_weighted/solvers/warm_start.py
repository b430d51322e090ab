# SPDX-License-Identifier: BSD-3-Clause
"""Warm start: a fitted map in a solver's units, with as many charts or with more."""

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
    """Fitted map that a solver continues.

    `frame` leads from rows to the map's inputs, `charts` are in internal units, and
    `frozen` holds further constants that the solver has fixed.
    """

    frame: Frame
    charts: Charts
    frozen: dict

    @classmethod
    def from_arrays(cls, state, continuation, runtime):
        """Return the map of an estimator's `map_` and `continuation_`."""
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


def check_continuable(state, settings, *, continues="warm_start=True"):
    """Raise an error if settings contradict the map that is to be continued."""
    remedy = "call fit" if continues == "partial_fit" else "set warm_start=False"
    n_charts, n_components = state["components"].shape[:2]
    if settings.n_components != n_components:
        raise ValueError(
            f"{continues} continues a map with n_components={n_components}, but "
            f"n_components={settings.n_components} is set; set n_components="
            f"{n_components}, or {remedy} to start anew."
        )
    if settings.n_gaussians != "auto" and settings.n_gaussians < n_charts:
        raise ValueError(
            f"{continues} continues a map of {n_charts} charts, but n_gaussians="
            f"{settings.n_gaussians} is less; set at least {n_charts}, or {remedy} to "
            "start anew."
        )


def continued_size(n_gaussians, present, rows):
    """Return how many charts a continued map gets, no new ones beyond the rows."""
    asked = len(present) if n_gaussians == "auto" else n_gaussians
    return max(len(present), min(asked, len(rows.Z)))


def split_charts(charts, masses, n_charts, generator):
    """Return more charts of the same mixture.

    The chart of largest mass becomes two of half its mass, again and again. Both have
    its centre and width, and their affine maps differ from its own by opposite random
    changes: in sum they are what it was, at every row, and training can part them.

    `masses` (n_present,) tell how much weight charts have among the rows; `n_charts` is
    at least their number. The old charts, or what is left of them, come first.
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
    """Return how much each row adds to the stress of a map, shape (n_rows,).

    `targets` (n_rows, n_rows) are None for the rows' own distances. No error is 0, so
    that the errors can be weights.
    """
    targets = rows.distances() if targets is None else targets
    Y = charts.values(rows.Z)
    errors = (targets - torch.cdist(Y, Y)).square() @ rows.row_weights
    errors *= rows.row_weights
    return errors.clamp_min(torch.finfo(errors.dtype).tiny)


def turned_towards(charts, offsets, components):
    """Return charts after the rotation and shift that take them closest to others.

    Shapes: `offsets` (n_charts, n_outputs), `components` (n_charts, n_outputs,
    n_inputs).
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
