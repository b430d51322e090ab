# SPDX-License-Identifier: BSD-3-Clause
"""The map of least stress by stochastic gradients, which see every row.

All pairs within a batch are compared. The objective is that of the majorisation: its
expectation over batches is the squared stress of all rows, plus the same penalty.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.nn._gaussian_weighted import gaussian_weights
from sktransform.reduction._gaussian_weighted.gradients import Adam, one_cycle
from sktransform.reduction._gaussian_weighted.mixture import (
    Charts,
    FittedMap,
    map_and_decoder,
    principal_charts,
    trainable_map,
    trained_charts,
)
from sktransform.reduction._gaussian_weighted.problem import distance_problem, host_rows
from sktransform.reduction._gaussian_weighted.rows import InternalRows
from sktransform.reduction._gaussian_weighted.solvers.majorize import (
    centred_axes,
    nearest_parameters,
)
from sktransform.reduction._gaussian_weighted.solvers.pair_loss import stress_gradient
from sktransform.reduction._gaussian_weighted.solvers.warm_start import turned_towards
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import SparseRows
from sktransform.utils._validation import or_auto

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


_BATCH_ROWS = 256

# Steps of a fit; more if that is less than one pass over the rows.
_FEWEST_STEPS = 600

# Fewest steps for a block of a stream: a short one is passed over several times.
_BLOCK_STEPS = 50

# Factor on the learning rates of a fit that starts at a fitted map.
_CONTINUED_RATE = 0.5

# Rows whose pairs judge the map while it is trained, and those of its reported stress.
_VALIDATION_ROWS = 512
_STRESS_ROWS = 2000


class LinearMixtureMinibatchMixin:
    """The minibatch solver of an estimator whose `map_` is a mixture of linear maps."""

    def _fit_minibatch(self, problem, runtime, random_state, present=None):
        """Return the map after steps over all rows; their sample gives the rest."""
        rows = self._sample_rows(problem.sample, runtime, random_state, present)
        if len(rows.Z) == 1:
            # No distances to keep: every row is mapped to 0.
            return self._fit_distances(problem.sample, runtime, random_state, present)
        kept = present and present.charts
        centers, widths = self._distance_charts(rows, None, kept, runtime, random_state)
        ridge = self._ridge()
        origin = principal_charts(
            centers, widths, centred_axes(rows, self.n_components)
        )
        start = origin
        if kept is not None:
            offsets, components = nearest_parameters(
                kept,
                gaussian_weights(rows.Z, centers, widths),
                rows.Z,
                centers,
                (origin.offsets, origin.components),
                rows.row_weights,
                ridge=ridge,
            )
            start = Charts(centers, widths, components, offsets)
        weights = problem.row_weights[problem.row_weights > 0]
        batch_size = or_auto(self.batch_size, _BATCH_ROWS)
        n_steps = or_auto(
            self.max_iter, max(_FEWEST_STEPS, -(-len(weights) // batch_size))
        )
        with FitProgress(self, max_iter=min(_REPORTS, n_steps)) as progress:
            trained, curve, n_iter = train_in_one_cycle(
                start,
                shuffled_batches(
                    problem.X,
                    problem.row_weights,
                    rows.frame,
                    runtime,
                    batch_size=batch_size,
                    random_state=random_state,
                ),
                self._stress_objective(rows, origin, ridge),
                mean_weight=weights.mean(),
                n_steps=n_steps,
                factor=1.0 if present is None else _CONTINUED_RATE,
                report=progress.step,
            )
        return _fitted(rows, trained, kept, curve, n_iter)

    def _fit_block(self, block, sample, seed, runtime):
        """Return the present map after steps over a block, mixed with the sample."""
        present = self._present_map(runtime, "partial_fit")
        random_state = np.random.RandomState(seed)
        rows = self._sample_rows(sample, runtime, random_state, present)
        axes = centred_axes(rows, self.n_components)
        charts = present.charts
        # The steps before count on the axes that the map has: the origin is turned.
        origin = turned_towards(
            principal_charts(charts.centers, charts.widths, axes),
            charts.offsets,
            charts.components,
        )
        batches = self._mixed_batches(
            block, sample, present.frame, runtime, random_state
        )
        state = present.frozen.get("stream")
        if state is not None:
            n_steps = state["n_steps"]
            state = {k: runtime.tensor(v) for k, v in state.items() if k != "n_steps"}
            state["n_steps"] = n_steps
        with FitProgress(self, max_iter=min(_REPORTS, len(batches))) as progress:
            trained, curve, n_iter, state = train_on_stream(
                charts,
                batches,
                self._stress_objective(rows, origin, self._ridge()),
                mean_weight=sample.row_weights.mean(),
                state=state,
                report=progress.step,
            )
        n_steps = state.pop("n_steps")
        state = {**runtime.state(state), "n_steps": n_steps}
        present = trained_charts(trained)
        return _fitted(rows, trained, present, curve, n_iter, {"stream": state})

    def _sample_rows(self, sample, runtime, random_state, present):
        """Return the distinct rows of a sample in internal units."""
        rows, _, _ = distance_problem(
            sample,
            runtime,
            self.n_components,
            metric="euclidean",
            n_neighbors=1,
            n_landmarks=len(sample.X),
            target_weight=0.0,
            random_state=random_state,
            frame=present and present.frame,
        )
        return rows

    def _stress_objective(self, rows, origin, ridge):
        """Return what the steps lower."""
        validation = PairSample.of(rows, _VALIDATION_ROWS)
        return StressObjective(rows, origin, validation, ridge=ridge)

    def _mixed_batches(self, block, sample, frame, runtime, random_state):
        """Return batches of which one half is new, and each new row is in one.

        Rows that come together are often alike. The sample's rows tell where they
        belong among all others, and keep what has been learned of these.
        """
        batch_size = or_auto(self.batch_size, _BATCH_ROWS)
        indices = np.flatnonzero(block.row_weights)
        n_parts = -(-len(indices) // (batch_size // 2))
        parts = []
        while len(parts) < _BLOCK_STEPS:
            order = random_state.permutation(indices)
            parts += np.array_split(order, n_parts)

        def batch(part):
            n_old = min(batch_size - len(part), len(sample.X))
            old = random_state.choice(len(sample.X), n_old, replace=False)
            rows = np.concatenate([block.X[part], sample.X[old]])
            weights = np.concatenate([block.row_weights[part], sample.row_weights[old]])
            return batch_of(rows, weights, frame, runtime)

        return [lambda part=part: batch(part) for part in parts]


def _fitted(rows, trained, present, curve, n_iter, further=None):
    """Return a trained map in its final form."""
    charts = trained_charts(trained)
    state, decoder, _ = map_and_decoder(rows, charts, present)
    pairs = PairSample.of(rows, _STRESS_ROWS)
    return FittedMap(
        map=state,
        decoder=decoder,
        loss_curve=curve,
        stress=pairs.squared_stress(charts.values(pairs.Z)) ** 0.5,
        n_iter=n_iter,
        feature_scale=rows.deviations(),
        continuation={
            "input_unit": rows.unit.item(),
            "output_unit": rows.unit.item(),
            **(further or {}),
        },
    )
