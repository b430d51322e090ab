# SPDX-License-Identifier: BSD-3-Clause
"""Neighbour solver: the map that keeps each row's nearest neighbours.

Pairs of neighbours are drawn and attract each other; the other rows of the batch
repel them (InfoNCE with a Cauchy kernel, as in contrastive views of t-SNE and UMAP).
Every row is moved within its tangent space first, so that the map learns a
neighbourhood and not a row. Once the neighbourhoods are found, the stress of the same
pairs is added with the strength that `stress_weight` asks for.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from sktransform.reduction._gaussian_weighted.anchors import local_scales
from sktransform.reduction._gaussian_weighted.gradients import Adam, one_cycle
from sktransform.reduction._gaussian_weighted.mixture import (
    FittedMap,
    map_and_decoder,
    place_charts,
    principal_charts,
    trainable_map,
    trained_charts,
)
from sktransform.reduction._gaussian_weighted.problem import (
    UNLABELLED,
    DistanceSettings,
    distinct_rows,
    host_rows,
)
from sktransform.reduction._gaussian_weighted.rows import InternalRows, dense_if_narrow
from sktransform.reduction._gaussian_weighted.solvers.majorize import (
    fit_by_majorization,
)
from sktransform.reduction._gaussian_weighted.solvers.pair_loss import (
    PairState,
    pair_gradients,
)
from sktransform.reduction._gaussian_weighted.solvers.warm_start import (
    continued_size,
    split_charts,
)
from sktransform.reduction._gaussian_weighted.sparse_gradients import NearbyCharts
from sktransform.runtime._linalg import principal_axes
from sktransform.runtime._nearest import nearest_others, squared_distances
from sktransform.runtime._runtime import SparseRows

# Neighbours that are searched for, as many as UMAP takes by itself.
_NEIGHBORS = 15

# Width of the charts at the start, as a factor on the squared distances between
# neighbouring centres: narrow charts part groups. Widths are learned from there.
_WIDTH = 0.1

# Learning rates of linear parts, offsets, centres and log widths, as factors on the
# common rate, from PCA on and from a fitted map on: that one is not to be lost.
_RATES = (5.0, 10.0, 0.25, 0.25)
_LEARNING_RATE, _CONTINUED_RATE = 0.02, 0.01

# Range of the tangent jitter, in differences of neighbours, from first to last step.
_JITTER = (1.2, 0.6)
_JITTER_NEIGHBORS = 7

# Batches that are drawn at once.
_DRAWN_AHEAD = 16

# Passes over the rows, and pairs in a step, when positions are moved without the map.
_FINE_TUNING_EPOCHS, _FINE_TUNING_PAIRS = 10, 1024

# Linear parts are drawn towards the mean of so many charts nearby, after so many steps.
_SMOOTHED_OVER, _SMOOTHED_EVERY = 5, 5

# Most rows from which the projection, the charts and the decoder are computed: their
# time and memory would grow with all rows.
SAMPLED_ROWS = 10_000

# Rows whose pairs set the embedding's scale and its reported stress.
_STRESS_ROWS = 1000

# Rows that are projected at once.
_BLOCK_ROWS = 8192

# Inputs of the map, beyond which rows are projected: neighbours are searched in them.
_N_INPUTS = 50

# Rows from which there are enough neighbours around to take fewer, and larger batches.
_MANY_ROWS = 5000

# Rows from which more charts and steps pay.
_VERY_MANY_ROWS = 30_000

# Reports of a fit to callbacks.
_REPORTS = 100


@dataclass(frozen=True)
class NeighborSettings:
    """What the solver is asked for: parameters of the neighbour reducer."""

    n_components: int
    stress_weight: float = 0.2
    anchored: bool = False
    target_weight: float = 0.0
    n_neighbors: int | str = "auto"
    n_gaussians: int | str = "auto"
    max_iter: int | str = "auto"


def fit_by_neighbors(problem, settings, runtime, generator, *, present=None, report):
    """Return the map that keeps neighbourhoods, over all rows of positive weight.

    `settings` are NeighborSettings, `generator` is a RandomState, `present` the map to
    start at, and `report` takes the largest number of reports and returns a context
    whose `step` says whether to stop. The map is scaled such that embedded distances
    are closest to the rows' own.
    """
    indices = np.flatnonzero(problem.row_weights)
    automatic = neighbor_defaults(len(indices))
    rows = sampled_rows(
        problem, indices, settings, runtime, generator, present and present.frame
    )
    if len(rows.Z) == 1:
        # No neighbours to keep: every row is mapped to 0.
        equal = DistanceSettings(settings.n_components, max_iter=settings.max_iter)
        return fit_by_majorization(problem, equal, runtime, generator, report=report)
    charts = _start(rows, settings, automatic, runtime, generator, present)
    options = _options(settings, automatic, present is not None)
    Z = all_inputs(problem.X, indices, rows, runtime)
    draws = runtime.generator(generator)
    neighbors = nearest_others(Z, min(options.n_neighbors, len(Z) - 1), generator)
    batches = _batches(problem, indices, Z, neighbors, options, generator, draws)
    frozen = {} if present is None else present.frozen
    pair_state = PairState(
        options.stress_weight, attraction=options.attraction, **frozen
    )
    with report(_REPORTS) as progress:
        trained, loss_curve, n_iter = train_on_pairs(
            batches, charts.to(Z.dtype), options, pair_state, report=progress.step
        )
    kept = None if present is None else charts.to(torch.float64)
    charts = trained_charts(trained)
    scale, stress = _scale_and_stress(rows, charts)
    state, decoder, to_final_axes = map_and_decoder(rows, charts.magnified(scale), kept)
    anchors = None
    if settings.anchored:
        images = torch.cat([trained.forward(part)[0] for part in Z.split(_BLOCK_ROWS)])
        if len(Z) > _VERY_MANY_ROWS:
            images = fine_tuned(images, neighbors, options, draws)
        embedding = to_final_axes(scale.to(Z) * images)
        anchors = _anchors(Z, embedding, local_scales(Z, neighbors), rows.unit, scale)
    return FittedMap(
        # Trained in single precision, and no more is kept.
        map={name: value.to(Z) for name, value in state.items()},
        decoder={name: value.to(Z) for name, value in decoder.items()},
        loss_curve=loss_curve,
        stress=stress.item(),
        n_iter=n_iter,
        feature_scale=rows.deviations(),
        continuation={
            "input_unit": rows.unit.item(),
            "output_unit": (scale * rows.unit).item(),
            **pair_state.frozen(),
        },
        anchors=anchors,
    )


def _anchors(Z, embedding, scales, unit, scale):
    """Return what an AnchoredMap takes, in the rows' own units.

    `unit` and `scale` are the lengths of 1 of the inputs, and of the embedding in them.
    Shapes: Z (n_rows, n_inputs), embedding (n_rows, n_outputs), scales (n_rows,).
    """
    return {
        "inputs": Z * unit.to(Z),
        "embedding": embedding,
        "scales": scales * unit.to(Z),
        "unit": scale * unit,
    }


def _start(rows, settings, automatic, runtime, generator, present):
    """Return the charts to start at: PCA, or the present ones and new ones."""
    if present is None:
        n_charts = settings.n_gaussians
        if n_charts == "auto":
            n_charts = min(automatic["n_gaussians"], len(rows.Z))
        centers, widths = place_charts(rows, n_charts, _WIDTH, runtime, generator)
        axes = principal_axes(rows.Z, settings.n_components, rows.row_weights)
        single = (tensor.to(torch.float32) for tensor in (centers, widths, axes))
        # In single precision, in which charts are trained. The kernel's reach is 1.
        return principal_charts(*single).magnified(automatic["magnification"])
    n_charts = continued_size(settings.n_gaussians, present.charts, rows)
    masses = rows.row_weights @ present.charts.weights(rows.Z)
    return split_charts(present.charts, masses, n_charts, runtime.generator(generator))


def _batches(problem, indices, Z, neighbors, options, generator, draws):
    """Return the source of pairs among the rows of the given indices."""
    relatives = None
    if options.target_weight > 0:
        labels = problem.labels[indices]
        relatives = _nearest_relatives(Z, neighbors, labels, generator)
    weights = problem.row_weights[indices]
    if weights.min() == weights.max():
        return Batches(Z, neighbors, relatives, None, options, draws)
    weights = torch.from_numpy(weights).to(Z.device)
    return Batches(Z, neighbors, relatives, weights, options, draws)


def _options(settings, automatic, continued):
    """Return the options of the training, each "auto" replaced by its value."""
    return NeighborOptions(
        n_neighbors=(
            _NEIGHBORS if settings.n_neighbors == "auto" else settings.n_neighbors
        ),
        n_positive=automatic["n_positive"],
        stress_weight=settings.stress_weight,
        target_weight=settings.target_weight,
        learning_rate=_CONTINUED_RATE if continued else _LEARNING_RATE,
        n_steps=(
            automatic["max_iter"] if settings.max_iter == "auto" else settings.max_iter
        ),
        batch_size=automatic["batch_size"],
        jitter=automatic["jitter"],
        attraction=automatic["attraction"],
        continued=continued,
    )


def neighbor_defaults(n_rows):
    """Return what "auto" stands for with so many rows of positive weight.

    Besides `n_gaussians`, `max_iter` and `batch_size`: the number of attracting
    neighbours, the range of the jitter, the attraction, and the factor on PCA of rows
    of unit mean squared norm at the start.
    """
    very_many = n_rows > _VERY_MANY_ROWS
    most_charts = 400 if very_many else 200
    return {
        "n_gaussians": int(np.clip(n_rows // 12, 5, most_charts)),
        "max_iter": 4000 if very_many else 2500 if n_rows < _MANY_ROWS else 2000,
        "batch_size": 256 if n_rows < _MANY_ROWS else 512,
        "n_positive": 10 if n_rows < _MANY_ROWS else 5,
        "jitter": (1.2, 0.6) if n_rows < _MANY_ROWS else (1.4, 0.8),
        # With so many rows a smaller start and a stronger pull serve new rows better.
        "attraction": 1.25 if very_many else 1.0,
        "magnification": 3.0 if very_many else 10.0,
    }


def sampled_rows(problem, indices, settings, runtime, generator, frame=None):
    """Return a sample of rows of positive weight, of unit mean squared norm.

    `indices` are those of all such rows. A `frame` tells other internal units.
    """
    if len(indices) > SAMPLED_ROWS:
        indices = np.sort(generator.choice(indices, SAMPLED_ROWS, replace=False))
    # Equal rows count once: charts lie between distinct ones.
    sample, members = distinct_rows(host_rows(problem.X, indices, _N_INPUTS))
    weights = np.bincount(members, weights=problem.row_weights[indices])
    if not isinstance(sample, SparseRows):
        sample = runtime.tensor(sample)
    weights = runtime.tensor(weights)
    if frame is not None:
        return InternalRows.in_frame(sample, weights, frame)
    rows = InternalRows.from_rows(
        sample, weights, settings.n_components, widest=_N_INPUTS
    )
    mean_square = (rows.row_weights @ rows.Z.square()).sum() / rows.row_weights.sum()
    norm = mean_square.sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    return dataclasses.replace(
        rows, scaled=rows.scaled / norm, Z=rows.Z / norm, unit=rows.unit * norm
    )


def all_inputs(X, indices, rows, runtime):
    """Return rows as the map sees them (n_rows, n_inputs), in single precision.

    The internal units are those of the sampled `rows`.
    """
    single = rows.to(torch.float32)

    def inputs_of(block):
        points = dense_if_narrow(X[block], _N_INPUTS)
        if isinstance(points, SparseRows):
            return rows.inputs(points).to(torch.float32)
        return single.inputs(runtime.tensor(points, torch.float32))

    blocks = np.array_split(indices, -(-len(indices) // _BLOCK_ROWS))
    return torch.cat([inputs_of(block) for block in blocks])


def _scale_and_stress(rows, charts):
    """Return the factor after which distances are closest, and the stress then."""
    some = slice(None, None, -(-len(rows.Z) // _STRESS_ROWS))
    embedded = torch.pdist(charts.values(rows.Z[some]))
    targets = rows.pair_distances(some)
    tiny = torch.finfo(torch.float64).tiny
    scale = (targets @ embedded) / (embedded @ embedded).clamp_min(tiny)
    errors = (targets - scale * embedded).square().sum()
    return scale, (errors / targets.square().sum().clamp_min(tiny)).sqrt()


def _nearest_relatives(Z, neighbors, labels, random_state):
    """Return the nearest rows of the same class, of any class where it is unknown."""
    relatives = neighbors.clone()
    for label in np.unique(labels[labels != UNLABELLED]):
        members = torch.from_numpy(np.flatnonzero(labels == label)).to(Z.device)
        if len(members) < 2:
            continue
        k = min(neighbors.shape[1], len(members) - 1)
        nearest = members[nearest_others(Z[members], k, random_state)]
        # A small class repeats its few members.
        columns = torch.arange(neighbors.shape[1], device=Z.device) % k
        relatives[members] = nearest[:, columns]
    return relatives


@dataclass(frozen=True)
class NeighborOptions:
    """Options of the training, nothing of them "auto".

    Of the `n_neighbors` that are searched for, the first `n_positive` attract. The
    `learning_rate` is the peak of the parameters' common schedule. A step sees
    `batch_size` pairs, `jitter` is the range of the tangent jitter in the first and the
    last step, and an `attraction` above 1 makes groups tighter and the gaps between
    them wider. A `continued` map is already trained: stress counts in full and the
    jitter has its last range from the first step on.
    """

    n_neighbors: int
    n_positive: int
    stress_weight: float
    target_weight: float
    learning_rate: float
    n_steps: int
    batch_size: int
    jitter: tuple = _JITTER
    attraction: float = 1.0
    continued: bool = False


class Batches:
    """Source of jittered pairs of neighbours, drawn from a local generator.

    `Z` (n_rows, n_inputs) are centred rows of unit mean squared norm, `neighbors`
    (n_rows, n_neighbors) the indices of each row's nearest others, `relatives` those of
    its class or None, and `row_weights` (n_rows,) tell how often a row is drawn, None
    for equally often.
    """

    def __init__(self, Z, neighbors, relatives, row_weights, options, generator):
        self._Z, self._neighbors, self._relatives = Z, neighbors, relatives
        self._target_weight = options.target_weight
        self._n_positive = min(options.n_positive, neighbors.shape[1])
        self._n_jitter = min(_JITTER_NEIGHBORS, neighbors.shape[1])
        self._batch_size = options.batch_size
        self._jitter = options.jitter
        self._generator = generator
        self._taken = Z.new_empty((6 * self._batch_size, Z.shape[1]))
        self._draws = self._endless_draws()
        self._cumulated = None
        if row_weights is not None:
            self._cumulated = row_weights.cumsum(0) / row_weights.sum()

    def _integers(self, high, *shape):
        return torch.randint(
            high, shape, generator=self._generator, device=self._Z.device
        )

    def _uniform(self, *shape):
        return torch.rand(
            shape, generator=self._generator, device=self._Z.device, dtype=self._Z.dtype
        )

    def draw(self, progress):
        """Return jittered anchors, then their neighbours; the next draw reuses them."""
        indices, amounts = next(self._draws)
        # Whole rows at a time, which indexing with brackets does not do.
        torch.index_select(self._Z, 0, indices, out=self._taken)
        moved, first, second = self._taken.chunk(3)
        at_first, at_last = self._jitter
        reach = at_first + (at_last - at_first) * progress
        return moved.addcmul_(first.sub_(second), amounts, value=reach)

    def _endless_draws(self):
        """Yield indices of rows and of their neighbours, and amounts of jitter.

        Many draws take hardly longer than one.
        """
        while True:
            anchors, partners = self._draw_pairs(_DRAWN_AHEAD * self._batch_size)
            pairs = anchors.view(_DRAWN_AHEAD, -1), partners.view(_DRAWN_AHEAD, -1)
            rows = torch.cat(pairs, 1)
            shifts = [
                _entries(
                    self._neighbors, rows, self._integers(self._n_jitter, *rows.shape)
                )
                for _ in range(2)
            ]
            indices = torch.cat([rows, *shifts], 1)
            yield from zip(indices, self._uniform(*rows.shape, 1), strict=True)

    def _draw_pairs(self, size):
        """Return indices of anchors, and of one neighbour of each."""
        if self._cumulated is None:
            anchors = self._integers(len(self._Z), size)
        else:
            uniform = self._uniform(size).to(self._cumulated.dtype)
            anchors = torch.searchsorted(self._cumulated, uniform, right=True)
            anchors.clamp_max_(len(self._Z) - 1)
        columns = self._integers(self._n_positive, size)
        partners = _entries(self._neighbors, anchors, columns)
        if self._relatives is not None:
            supervised = self._uniform(size) < self._target_weight
            relatives = _entries(self._relatives, anchors, columns)
            partners = torch.where(supervised, relatives, partners)
        return anchors, partners


def _entries(table, rows, columns):
    """Return one entry of each of some rows of a contiguous table."""
    return table.view(-1).take(rows * table.shape[1] + columns)


def train_on_pairs(batches, charts, options, pair_state, *, report):
    """Train charts on batches of pairs; `pair_state` is changed.

    Returned are the TrainableMap, the mean loss of each hundredth of the steps, and the
    steps done. `report` is called after each hundredth and says whether to stop.
    """
    trained = trainable_map(charts)
    training = _Training(trained, batches, options, pair_state)
    interval = -(-options.n_steps // 100)
    curve, losses = [], []
    for step in range(options.n_steps):
        # A sixth of the time goes into what automatic differentiation would need.
        with torch.inference_mode():
            losses.append(training.step(step))
        if len(losses) == interval or step + 1 == options.n_steps:
            curve.append(torch.stack(losses).mean().item())
            losses = []
            if report():
                break
    return trained, curve, step + 1


class _Training:
    """The steps of a fit."""

    def __init__(self, trained, batches, options, pair_state):
        self._trained, self._passes = trained, NearbyCharts(trained)
        self._batches, self._options, self._pair_state = batches, options, pair_state
        rates = [factor * options.learning_rate for factor in _RATES]
        self._adam = Adam(trained.parameters, trained.per_parameter(*rates))
        near = squared_distances(trained.centers, trained.centers).topk(
            min(_SMOOTHED_OVER + 1, trained.n_charts), largest=False
        )
        self._near = near.indices[:, 1:]

    def step(self, number):
        """Take a step and return the loss before it."""
        n_steps = self._options.n_steps
        progress = 1.0 if self._options.continued else number / n_steps
        rows = self._batches.draw(progress)
        images, saved = self._passes.forward(rows)
        self._pair_state.advance(progress, images)
        loss, *gradients = pair_gradients(
            *images.chunk(2), rows.chunk(2), self._pair_state
        )
        self._passes.backward(torch.cat(gradients), saved)
        factor = one_cycle((number + 1) / n_steps)
        self._adam.step(self._trained.gradient, factor)
        if self._near.shape[1] and number % _SMOOTHED_EVERY == 0:
            self._smooth(_SMOOTHED_EVERY * self._options.learning_rate * factor)
        return loss

    def _smooth(self, share):
        """Draw linear parts towards the mean of those of charts nearby."""
        components = self._trained.components
        n_outputs, n_charts, n_inputs = components.shape
        # All linear parts in rows: whole rows at a time are gathered fastest.
        shifts = n_charts * torch.arange(n_outputs, device=self._near.device)
        near = (shifts[:, None, None] + self._near).flatten()
        nearby = components.view(-1, n_inputs).index_select(0, near)
        nearby = nearby.view(n_outputs, n_charts, -1, n_inputs)
        components.lerp_(nearby.mean(2), min(1.0, share))


def fine_tuned(images, neighbors, options, generator):
    """Return positions (n_rows, n_outputs) that keep neighbours better than images do.

    They move freely, without the map: only for anchored use, where new rows follow
    stored positions. `neighbors` (n_rows, n_neighbors) are the rows' nearest others.
    """
    images = images.clone()
    n_rows, size = len(images), min(_FINE_TUNING_PAIRS, len(images))
    n_positive = min(options.n_positive, neighbors.shape[1])
    kind = {"generator": generator, "device": images.device}
    n_steps = _FINE_TUNING_EPOCHS * (n_rows // size)
    state, largest = PairState(0.0), 4 / size
    for step in range(n_steps):
        if step % (n_rows // size) == 0:
            batches = torch.randperm(n_rows, **kind).split(size)
        anchors = batches[step % (n_rows // size)]
        partners = neighbors[anchors, torch.randint(n_positive, (size,), **kind)]
        _, *gradients = pair_gradients(images[anchors], images[partners], (), state)
        rate = size * (1 - step / n_steps)
        for rows, gradient in zip((anchors, partners), gradients, strict=True):
            images.index_add_(0, rows, gradient.clamp_(-largest, largest), alpha=-rate)
    return images
