# SPDX-License-Identifier: BSD-3-Clause
"""Minibatch solver: the map of least stress by stochastic gradients over every row.

All pairs within a batch are compared. The objective is that of the majorisation: its
expectation over batches is the squared stress of all rows, plus the same penalty.
"""

from dataclasses import dataclass, replace

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
    distance_charts,
    fit_by_majorization,
    nearest_parameters,
    ridge_weight,
)
from sktransform.reduction._gaussian_weighted.solvers.pair_loss import stress_gradient
from sktransform.reduction._gaussian_weighted.solvers.warm_start import turned_towards
from sktransform.runtime._runtime import SparseRows

# Rows of a batch. All their pairs are compared, so that the time grows with the square;
# fewer rows make noisier steps.
_BATCH_ROWS = 256

# Learning rates of linear parts, offsets, centres and log widths. Centres stay where
# they are, so that charts of a stream keep their meaning.
_RATES = (0.01, 0.02, 0.0, 0.02)

# In a stream the rates do not fall; an average over steps takes the noise away. This is
# the share of the latest parameters in it.
_LATEST = 0.1

# Steps of a fit; more if that is less than one pass over the rows.
_FEWEST_STEPS = 600

# Fewest steps for a block of a stream: a short one is passed over several times.
_BLOCK_STEPS = 50

# Factor on the learning rates of a fit that starts at a fitted map, which full rates
# would first take away from where it is.
_CONTINUED_RATE = 0.5

# Rows whose pairs validate the map while it is trained, and those of its reported
# stress: their pairs are held in memory.
_VALIDATION_ROWS = 512
_STRESS_ROWS = 2000

# Validations, and reports, of one fit.
_REPORTS = 100


def fit_by_minibatches(problem, settings, runtime, generator, *, present=None, report):
    """Return the map after steps over all rows; the problem's sample gives the rest.

    The arguments are those of :func:`fit_by_majorization`. The units, the charts, the
    start and the decoder are those of the sample.
    """
    rows = _sample_rows(problem.sample, settings, runtime, generator, present)
    if len(rows.Z) == 1:
        # No distances to keep: every row is mapped to 0.
        return fit_by_majorization(
            problem.sample, settings, runtime, generator, present=present, report=report
        )
    kept = present and present.charts
    centers, widths = distance_charts(rows, None, kept, settings, runtime, generator)
    ridge = ridge_weight(settings, rows)
    axes = centred_axes(rows, settings.n_components)
    start = origin = principal_charts(centers, widths, axes)
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
    n_steps = settings.max_iter
    if n_steps == "auto":
        n_steps = max(_FEWEST_STEPS, -(-len(weights) // _BATCH_ROWS))
    batches = shuffled_batches(
        problem.X,
        problem.row_weights,
        rows.frame,
        runtime,
        batch_size=_BATCH_ROWS,
        random_state=generator,
    )
    with report(min(_REPORTS, n_steps)) as progress:
        trained, curve, n_iter = train_in_one_cycle(
            start,
            batches,
            _stress_objective(rows, origin, ridge),
            mean_weight=weights.mean(),
            n_steps=n_steps,
            factor=1.0 if present is None else _CONTINUED_RATE,
            report=progress.step,
        )
    return _fitted(rows, trained, kept, curve, n_iter)


def continue_by_minibatches(
    block, sample, settings, runtime, generator, *, present, report
):
    """Return the present map after steps over a block, mixed with a sample.

    Both are problems of dense rows; the sample stands for all rows of the stream.
    """
    rows = _sample_rows(sample, settings, runtime, generator, present)
    charts = present.charts
    # The steps before count on the axes that the map has: the origin is turned.
    origin = turned_towards(
        principal_charts(
            charts.centers, charts.widths, centred_axes(rows, settings.n_components)
        ),
        charts.offsets,
        charts.components,
    )
    batches = _mixed_batches(block, sample, present.frame, runtime, generator)
    state = present.frozen.get("stream")
    if state is not None:
        n_steps = state["n_steps"]
        state = {k: runtime.tensor(v) for k, v in state.items() if k != "n_steps"}
        state["n_steps"] = n_steps
    with report(min(_REPORTS, len(batches))) as progress:
        trained, curve, n_iter, state = train_on_stream(
            charts,
            batches,
            _stress_objective(rows, origin, ridge_weight(settings, rows)),
            mean_weight=sample.row_weights.mean(),
            state=state,
            report=progress.step,
        )
    n_steps = state.pop("n_steps")
    state = {**runtime.state(state), "n_steps": n_steps}
    fitted = _fitted(rows, trained, trained_charts(trained), curve, n_iter)
    return replace(fitted, continuation={**fitted.continuation, "stream": state})


def _sample_rows(sample, settings, runtime, generator, present):
    """Return all distinct rows of a sample in internal units."""
    settings = replace(settings, n_landmarks=len(sample.X))
    frame = present and present.frame
    return distance_problem(sample, settings, runtime, generator, frame=frame)[0]


def _stress_objective(rows, origin, ridge):
    """Return the objective of the gradient steps."""
    validation = PairSample.from_rows(rows, _VALIDATION_ROWS)
    return StressObjective(rows, origin, validation, ridge=ridge)


def _mixed_batches(block, sample, frame, runtime, generator):
    """Return functions that make batches of new and of sampled rows.

    Half of a batch is new, and each new row is in one. Rows that come together are
    often alike; the sample's rows tell where they belong among all others, and keep
    what has been learned of these.
    """
    indices = np.flatnonzero(block.row_weights)
    n_parts = -(-len(indices) // (_BATCH_ROWS // 2))
    parts = []
    while len(parts) < _BLOCK_STEPS:
        order = generator.permutation(indices)
        parts += np.array_split(order, n_parts)

    def batch(part):
        n_old = min(_BATCH_ROWS - len(part), len(sample.X))
        old = generator.choice(len(sample.X), n_old, replace=False)
        rows = np.concatenate([block.X[part], sample.X[old]])
        weights = np.concatenate([block.row_weights[part], sample.row_weights[old]])
        return batch_of(rows, weights, frame, runtime)

    return [lambda part=part: batch(part) for part in parts]


def _fitted(rows, trained, present, curve, n_iter):
    """Return a trained map in its final form."""
    charts = trained_charts(trained)
    state, decoder, _ = map_and_decoder(rows, charts, present)
    pairs = PairSample.from_rows(rows, _STRESS_ROWS)
    unit = rows.unit.item()
    return FittedMap(
        map=state,
        decoder=decoder,
        loss_curve=curve,
        stress=pairs.squared_stress(charts.values(pairs.Z)) ** 0.5,
        n_iter=n_iter,
        feature_scale=rows.deviations(),
        continuation={"input_unit": unit, "output_unit": unit},
    )


@dataclass(frozen=True)
class PairSample:
    """Target distances of all pairs among some rows.

    Shapes: `Z` (n_rows, n_inputs), `targets` (n_pairs,), `weights` (n_pairs,).
    """

    Z: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def from_rows(cls, rows, limit):
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
    """Objective of the gradient steps: squared stress plus the penalty towards PCA.

    `rows` stand for all and give the units, `origin` are the charts from which changes
    are counted, `validation` is a PairSample on which the objective is evaluated, and
    `ridge` weighs the squared changes as in :func:`majorize`.
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
        """Write the gradient of one batch, of at least two rows, into the map.

        `mean_weight` is that of the rows from which the batch was drawn.
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
    """Yield batches without end; each pass has every row of positive weight once.

    One batch of at most `batch_size` rows is read from X (n_samples, n_features) at a
    time.
    """
    indices = np.flatnonzero(row_weights)
    n_batches = max(1, min(-(-len(indices) // batch_size), len(indices) // 2))
    while True:
        order = random_state.permutation(indices)
        for part in np.array_split(order, n_batches):
            # In the order of the file, if there is one.
            chosen = np.sort(part)
            rows = host_rows(X, chosen)
            yield batch_of(rows, row_weights[chosen], frame, runtime)


def batch_of(rows, row_weights, frame, runtime):
    """Return rows (n_rows, n_features) and their weights as InternalRows of a frame."""
    if not isinstance(rows, SparseRows):
        rows = runtime.tensor(rows)
    return InternalRows.in_frame(rows, runtime.tensor(row_weights), frame)


def train_in_one_cycle(
    charts, batches, objective, *, mean_weight, n_steps, factor=1.0, report
):
    """Train a map in one cycle of the learning rates, and return it at its best.

    Returned are the TrainableMap of least objective at a report or at the start, the
    objectives there, and the steps done. `factor` scales the rates, `report` is called
    after each hundredth of the steps and says whether to stop.
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
    """Continue the training of a map at a constant rate, and return its average.

    `charts` are the average so far, `batches` are functions that return InternalRows,
    and `state` is the state after the steps before: "parameters", "first_moment",
    "second_moment" and "n_steps"; None begins at the average. Returned are the
    TrainableMap of the average, its objective at the start and at each report, the
    steps done, and the new state.
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
