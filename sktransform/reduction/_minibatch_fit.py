# SPDX-License-Identifier: BSD-3-Clause
"""The map of least stress by stochastic gradients, which see every row.

All pairs within a batch are compared. The objective is that of the majorisation: its
expectation over batches is the squared stress of all rows, plus the same penalty.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.reduction._charts import trainable_map
from sktransform.reduction._distance_problem import host_rows
from sktransform.reduction._internal_rows import InternalRows
from sktransform.reduction._pair_loss import stress_gradient
from sktransform.reduction._trainable_map import Adam, one_cycle
from sktransform.runtime._runtime import SparseRows

# Learning rates of linear parts, offsets, centres and log widths.
_RATES = (0.01, 0.02, 0.0, 0.02)

# In a stream the rates do not fall; an average over steps takes the noise away. This is
# the share of the latest parameters in it.
_LATEST = 0.1

# Validations, and reports, of one fit.
_REPORTS = 100


@dataclass(frozen=True)
class PairSample:
    """Target distances of all pairs among some rows.

    Parameters
    ----------
    Z : Tensor of shape (n_rows, n_inputs)
        The rows as the map sees them.

    targets : Tensor of shape (n_pairs,)
        Distances of their pairs.

    weights : Tensor of shape (n_pairs,)
        Weights of the pairs.
    """

    Z: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def of(cls, rows, limit):
        """Return the pairs among at most so many of the rows, evenly spaced."""
        some = slice(None, None, -(-len(rows.Z) // limit))
        row_weights = rows.row_weights[some] / rows.row_weights.mean()
        first, second = torch.triu_indices(len(row_weights), len(row_weights), 1)
        weights = row_weights[first] * row_weights[second]
        return cls(rows.Z[some], rows.pair_distances(some), weights)

    def squared_stress(self, images):
        """Return the squared stress of the rows' images, normalised by the targets."""
        errors = (self.targets - torch.pdist(images)).square()
        tiny = torch.finfo(errors.dtype).tiny
        total = (self.weights @ self.targets.square()).clamp_min(tiny)
        return (self.weights @ errors / total).item()


class StressObjective:
    """Squared stress plus the penalty on the way from PCA.

    Parameters
    ----------
    rows : InternalRows
        Rows that stand for all, for the units of the objective.

    origin : Charts
        Charts from which changes are counted.

    validation : PairSample
        Pairs on which the objective is judged.

    ridge : float
        Weight of the squared changes, as in :func:`majorize`.
    """

    def __init__(self, rows, origin, validation, *, ridge):
        tiny = torch.finfo(rows.mean.dtype).tiny
        self._variance = (rows.deviations() / rows.unit).square().sum().clamp_min(tiny)
        self._validation = validation
        start = trainable_map(origin)
        self._origin = start.parameters
        weight = (ridge / (len(origin) * self._variance)).item()
        self._penalty = start.per_parameter(weight, weight, 0.0, 0.0)

    def add_gradient(self, trained, batch, mean_weight):
        """Leave the gradient for one batch in the map.

        Parameters
        ----------
        trained : TrainableMap
            The map.

        batch : InternalRows
            At least two rows.

        mean_weight : float
            Mean weight of the rows from which the batch was drawn.
        """
        n_rows = len(batch.Z)
        images, saved = trained.forward(batch.Z)
        weights = batch.row_weights / mean_weight
        _, gradient = stress_gradient(images, batch.distances(), weights)
        # The expected sum of squared targets, and not the batch's own: a ratio of sums
        # would lean towards batches of short distances.
        gradient /= n_rows * (n_rows - 1) * self._variance
        trained.backward(gradient, saved)
        change = trained.parameters - self._origin
        trained.gradient.addcmul_(self._penalty, change, value=2.0)

    def value(self, trained):
        """Return the objective on the pairs for validation."""
        stress = self._validation.squared_stress(trained.forward(self._validation.Z)[0])
        change = trained.parameters - self._origin
        return stress + (self._penalty @ change.square()).item()


def shuffled_batches(X, row_weights, frame, runtime, *, batch_size, random_state):
    """Yield batches for ever; each pass has every row of positive weight once.

    Parameters
    ----------
    X : ndarray, SparseRows or Tensor of shape (n_samples, n_features)
        All rows, of which one batch at a time is read.

    row_weights : ndarray of shape (n_samples,)
        Their weights, at least two of them positive.

    frame : Frame
        What leads from rows to the map's inputs.

    runtime : Runtime
        Where to compute.

    batch_size : int
        Most rows in a batch, at least two.

    random_state : RandomState
        Source of the order.

    Yields
    ------
    InternalRows
        The batch.
    """
    indices = np.flatnonzero(row_weights)
    n_batches = max(1, min(-(-len(indices) // batch_size), len(indices) // 2))
    while True:
        order = random_state.permutation(indices)
        for part in np.array_split(order, n_batches):
            # In the order of the file, if there is one.
            places = np.sort(part)
            rows = host_rows(X, places)
            yield batch_of(rows, row_weights[places], frame, runtime)


def batch_of(rows, row_weights, frame, runtime):
    """Return rows as a batch.

    Parameters
    ----------
    rows : ndarray or SparseRows of shape (n_rows, n_features)
        The rows.

    row_weights : ndarray of shape (n_rows,)
        Their weights, positive.

    frame : Frame
        What leads from rows to the map's inputs.

    runtime : Runtime
        Where to compute.

    Returns
    -------
    InternalRows
        The batch.
    """
    if not isinstance(rows, SparseRows):
        rows = runtime.tensor(rows)
    return InternalRows.in_frame(rows, runtime.tensor(row_weights), frame)


def train_in_one_cycle(
    charts, batches, objective, *, mean_weight, n_steps, factor=1.0, report
):
    """Train a map, and return it as it was at its best.

    Parameters
    ----------
    charts : Charts
        The map to start at.

    batches : iterator of InternalRows
        At least as many as there are steps.

    objective : StressObjective
        What to lower.

    mean_weight : float
        Mean weight of all rows.

    n_steps : int
        Gradient steps.

    factor : float, default=1.0
        Factor on the learning rates.

    report : callable
        Called after each hundredth of the steps; a true answer stops.

    Returns
    -------
    trained : TrainableMap
        The map that had the least objective at a report, or at the start.

    loss_curve : list of float
        The objective at the start and at each report.

    n_steps : int
        Steps done.
    """
    trained = trainable_map(charts)
    adam = Adam(trained.parameters, factor * trained.per_parameter(*_RATES))
    curve, best = [objective.value(trained)], trained.parameters.clone()
    interval = -(-n_steps // _REPORTS)
    for step in range(n_steps):
        objective.add_gradient(trained, next(batches), mean_weight)
        adam.step(trained.gradient, one_cycle((step + 1) / (n_steps + 1)))
        if (step + 1) % interval and step + 1 < n_steps:
            continue
        curve.append(objective.value(trained))
        if curve[-1] < min(curve[:-1]):
            best.copy_(trained.parameters)
        if report():
            break
    trained.parameters.copy_(best)
    return trained, curve, step + 1


def train_on_stream(charts, batches, objective, *, mean_weight, state=None, report):
    """Go on from a map at a constant rate, by steps of which the average counts.

    Parameters
    ----------
    charts : Charts
        The map, the average so far.

    batches : list of callable
        Each returns InternalRows.

    objective : StressObjective
        What to lower.

    mean_weight : float
        Mean weight of all rows.

    state : dict, default=None
        What the steps before have left. None begins at the average.

    report : callable
        Called after each hundredth of the steps; a true answer stops.

    Returns
    -------
    trained : TrainableMap
        The average after these steps.

    loss_curve : list of float
        The objective of the average at the start and at each report.

    n_steps : int
        Steps done.

    state : dict
        What these steps leave: "parameters", "first_moment", "second_moment" and
        "n_steps".
    """
    average, latest = trainable_map(charts), trainable_map(charts)
    moments, n_before = None, 0
    if state is not None:
        latest.parameters.copy_(state["parameters"])
        moments = state["first_moment"], state["second_moment"]
        n_before = state["n_steps"]
    rates = latest.per_parameter(*_RATES)
    adam = Adam(latest.parameters, rates, moments=moments, n_steps=n_before)
    curve, interval = [objective.value(average)], -(-len(batches) // _REPORTS)
    for step, batch in enumerate(batches, start=1):
        objective.add_gradient(latest, batch(), mean_weight)
        adam.step(latest.gradient, 1.0)
        average.parameters.lerp_(latest.parameters, _LATEST)
        if step % interval == 0 or step == len(batches):
            curve.append(objective.value(average))
            if report():
                break
    first, second = adam.moments
    state = {
        "parameters": latest.parameters,
        "first_moment": first,
        "second_moment": second,
        "n_steps": adam.n_steps,
    }
    return average, curve, step, state
