# SPDX-License-Identifier: BSD-3-Clause
"""The map that keeps each row's nearest neighbours, with a dial towards distances.

Pairs of neighbours are drawn and attract each other; the other rows of the batch
repel them (InfoNCE with a Cauchy kernel, as in contrastive views of t-SNE and UMAP).
Every row is moved within its tangent space first, so that the map learns a
neighbourhood and not a row. The dial adds the stress of the same pairs once the
neighbourhoods stand.
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
    principal_charts,
    trainable_map,
    trained_charts,
)
from sktransform.reduction._gaussian_weighted.problem import (
    UNLABELLED,
    distinct_rows,
    host_rows,
)
from sktransform.reduction._gaussian_weighted.rows import InternalRows, dense_if_narrow
from sktransform.reduction._gaussian_weighted.solvers.pair_loss import (
    PairState,
    pair_gradients,
)
from sktransform.reduction._gaussian_weighted.sparse_gradients import NearbyCharts
from sktransform.runtime._linalg import principal_axes
from sktransform.runtime._nearest import nearest_others, squared_distances
from sktransform.runtime._runtime import SparseRows

# Learning rates of linear parts, offsets, centres and log widths, as factors.
_RATES = (5.0, 10.0, 0.25, 0.25)

# Range of the tangent jitter, in differences of neighbours, from first to last step.
_JITTER = (1.2, 0.6)
_JITTER_NEIGHBORS = 7

# Batches that are drawn at once.
_DRAWN_AHEAD = 16

# Passes over the rows, and pairs in a step, when positions are moved without the map.
_POLISH_EPOCHS = 10
_POLISH_PAIRS = 1024

# Linear parts are drawn towards the mean of so many charts nearby, after so many steps.
_SMOOTHED_OVER, _SMOOTHED_EVERY = 5, 5


@dataclass(frozen=True)
class NeighborOptions:
    """What a neighbour fit is asked for.

    Parameters
    ----------
    n_neighbors : int
        Neighbours that are searched for, and jitter comes from the first of.

    n_positive : int
        Neighbours that attract.

    stress_weight : float
        The dial, from 0 (neighbours alone) to 1 (distances alone).

    target_weight : float
        Share of the attracting neighbours that come from the row's own class.

    learning_rate : float
        Peak rate of the parameters' common schedule.

    n_steps : int
        Gradient steps.

    batch_size : int
        Pairs of neighbours in a step.

    jitter : pair of float
        Range of the tangent jitter in the first and in the last step.

    attraction : float
        Weight of the pull between neighbours. Above 1 groups become tighter, and
        the gaps between them wider.

    continued : bool
        Whether the map is already trained: the dial is on and the jitter at its last
        range from the first step on.
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
    """Jittered pairs of neighbours, drawn from a local generator.

    Parameters
    ----------
    Z : Tensor of shape (n_rows, n_inputs)
        Centred rows of unit mean squared norm.

    neighbors : Tensor of shape (n_rows, n_neighbors)
        Places of each row's nearest others.

    relatives : Tensor of shape (n_rows, n_neighbors) or None
        Places of the nearest others of its class.

    row_weights : Tensor of shape (n_rows,) or None
        How often a row is an anchor.

    options : NeighborOptions
        Sizes and shares.

    generator : torch.Generator
        Source of the draws.
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
        places, amounts = next(self._draws)
        # Whole rows at a time, which indexing with brackets does not do.
        torch.index_select(self._Z, 0, places, out=self._taken)
        moved, first, second = self._taken.chunk(3)
        at_first, at_last = self._jitter
        reach = at_first + (at_last - at_first) * progress
        return moved.addcmul_(first.sub_(second), amounts, value=reach)

    def _endless_draws(self):
        """Yield places of rows and of their neighbours, and amounts of jitter.

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
            places = torch.cat([rows, *shifts], 1)
            yield from zip(places, self._uniform(*rows.shape, 1), strict=True)

    def _draw_pairs(self, size):
        """Return places of anchors, and of one neighbour of each."""
        if self._cumulated is None:
            anchors = self._integers(len(self._Z), size)
        else:
            uniform = self._uniform(size).to(self._cumulated.dtype)
            anchors = torch.searchsorted(self._cumulated, uniform, right=True)
            anchors.clamp_max_(len(self._Z) - 1)
        places = self._integers(self._n_positive, size)
        partners = _entries(self._neighbors, anchors, places)
        if self._relatives is not None:
            supervised = self._uniform(size) < self._target_weight
            relatives = _entries(self._relatives, anchors, places)
            partners = torch.where(supervised, relatives, partners)
        return anchors, partners


def _entries(table, rows, columns):
    """Return one entry of each of some rows of a contiguous table."""
    return table.view(-1).take(rows * table.shape[1] + columns)


def fit_neighbors(batches, charts, options, pair_state, *, report):
    """Train the map on rows in internal units.

    Parameters
    ----------
    batches : Batches
        Source of pairs.

    charts : Charts
        The map to start at.

    options : NeighborOptions
        The objective and its limits.

    pair_state : PairState
        The dial; it is changed.

    report : callable
        Called after each hundredth of the steps; a true answer stops.

    Returns
    -------
    trained : TrainableMap
        The trained map.

    loss_curve : list of float
        Mean loss of each hundredth of the steps.

    n_steps : int
        Steps done.
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


def polish(images, neighbors, options, generator):
    """Move the rows' positions freely, without the map, to keep neighbours better.

    For anchored use alone: new rows then follow stored positions.

    Parameters
    ----------
    images : Tensor of shape (n_rows, n_outputs)
        Positions to start at, in the training's units.

    neighbors : Tensor of shape (n_rows, n_neighbors)
        Places of each row's nearest others.

    options : NeighborOptions
        Gives the number of attracting neighbours.

    generator : torch.Generator
        Source of the pairs.

    Returns
    -------
    Tensor of shape (n_rows, n_outputs)
        The new positions.
    """
    images = images.clone()
    n_rows, size = len(images), min(_POLISH_PAIRS, len(images))
    n_positive = min(options.n_positive, neighbors.shape[1])
    kind = {"generator": generator, "device": images.device}
    n_steps = _POLISH_EPOCHS * (n_rows // size)
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


# Rows from which the projection, the charts and the decoder are computed.
SAMPLED_ROWS = 10_000

# Rows whose pairs set the embedding's scale and its reported stress.
_STRESS_ROWS = 1000

# Rows that are projected at once.
_BLOCK_ROWS = 8192

# Inputs of the map, beyond which rows are projected.
_N_INPUTS = 50

# Rows from which there are enough neighbours around to take fewer, and larger batches.
_MANY_ROWS = 5000

# Rows from which more charts and steps pay.
_VERY_MANY_ROWS = 30_000


def neighbor_defaults(n_rows):
    """Return what "auto" stands for with a number of rows.

    Parameters
    ----------
    n_rows : int
        Rows of positive weight.

    Returns
    -------
    dict
        Values of `n_gaussians`, `max_iter`, `batch_size`, `n_positive`, `jitter`,
        `attraction`, and the `magnification` of the start.
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


def sampled_rows(
    X, indices, row_weights, n_components, runtime, random_state, frame=None
):
    """Return a sample of the rows in internal units of unit mean squared norm.

    Parameters
    ----------
    X : ndarray, SparseRows or Tensor of shape (n_samples, n_features)
        All rows.

    indices : ndarray of int
        Rows of positive weight.

    row_weights : ndarray of shape (n_samples,)
        Weights of all rows.

    n_components : int
        Dimensions of the embedding.

    runtime : Runtime
        Where to compute.

    random_state : RandomState
        Source of the draw.

    frame : Frame, default=None
        Where the internal units come from. None takes the rows' own.

    Returns
    -------
    InternalRows
        The sample.
    """
    if len(indices) > SAMPLED_ROWS:
        indices = np.sort(random_state.choice(indices, SAMPLED_ROWS, replace=False))
    # Equal rows count once: charts lie between distinct ones.
    sample, places = distinct_rows(host_rows(X, indices, _N_INPUTS))
    weights = np.bincount(places, weights=row_weights[indices])
    if not isinstance(sample, SparseRows):
        sample = runtime.tensor(sample)
    weights = runtime.tensor(weights)
    if frame is not None:
        return InternalRows.in_frame(sample, weights, frame)
    rows = InternalRows.of(sample, weights, n_components, widest=_N_INPUTS)
    mean_square = (rows.row_weights @ rows.Z.square()).sum() / rows.row_weights.sum()
    norm = mean_square.sqrt().clamp_min(torch.finfo(torch.float64).tiny)
    return dataclasses.replace(
        rows, scaled=rows.scaled / norm, Z=rows.Z / norm, unit=rows.unit * norm
    )


def all_inputs(X, indices, rows, runtime):
    """Return all rows as the map sees them, in single precision.

    Parameters
    ----------
    X : ndarray, SparseRows or Tensor of shape (n_samples, n_features)
        All rows.

    indices : ndarray of int
        Rows of positive weight.

    rows : InternalRows
        Gives the units.

    runtime : Runtime
        Where to compute.

    Returns
    -------
    Tensor of shape (n_rows, n_inputs)
        The rows in internal units.
    """
    single = rows.to(torch.float32)

    def inputs_of(block):
        points = dense_if_narrow(X[block], _N_INPUTS)
        if isinstance(points, SparseRows):
            return rows.inputs(points).to(torch.float32)
        return single.inputs(runtime.tensor(points, torch.float32))

    blocks = np.array_split(indices, -(-len(indices) // _BLOCK_ROWS))
    return torch.cat([inputs_of(block) for block in blocks])


def principal_map(rows, centers, widths, n_components, magnification):
    """Return charts whose map is PCA of the rows, magnified.

    Parameters
    ----------
    rows : InternalRows
        The rows, or a sample of them.

    centers : Tensor of shape (n_charts, n_inputs)
        Centres of the charts.

    widths : Tensor of shape (n_charts,)
        Their widths.

    n_components : int
        Dimensions of the embedding.

    magnification : float
        Factor on PCA of rows of unit mean squared norm; the kernel's reach is 1.

    Returns
    -------
    Charts
        The charts in single precision, in which they are trained.
    """
    axes = principal_axes(rows.Z, n_components, rows.row_weights)
    single = (tensor.to(torch.float32) for tensor in (centers, widths, axes))
    return principal_charts(*single).magnified(magnification)


def fit_neighbor_map(
    Z,
    rows,
    row_weights,
    labels,
    charts,
    options,
    *,
    frozen,
    anchored,
    random_state,
    generator,
    report,
):
    """Train a map on all rows and bring it into its final form.

    Parameters
    ----------
    Z : Tensor of shape (n_rows, n_inputs)
        All rows, as the map sees them, in internal units and single precision.

    rows : InternalRows
        The sample that stands for them where their number does not matter.

    row_weights : Tensor of shape (n_rows,) or None
        How often a row is an anchor.

    labels : ndarray of int, shape (n_rows,) or None
        Classes, -1 where unknown, if they are to shape the map.

    charts : Charts
        The map to start at.

    options : NeighborOptions
        The objective and its limits.

    frozen : dict of str to float
        What the training of the map to start at has frozen, see :class:`PairState`.

    anchored : bool
        Whether to keep the rows and their positions for the anchored transform.

    random_state : RandomState
        Seed of the neighbour search.

    generator : torch.Generator
        Source of the batches.

    report : callable
        See :func:`fit_neighbors`.

    Returns
    -------
    FittedMap
        The map, scaled such that embedded distances are closest to the rows' own.
    """
    n_neighbors = min(options.n_neighbors, len(Z) - 1)
    neighbors = nearest_others(Z, n_neighbors, random_state)
    relatives = None
    if options.target_weight > 0:
        relatives = _nearest_relatives(Z, neighbors, labels, random_state)
    batches = Batches(Z, neighbors, relatives, row_weights, options, generator)
    pair_state = PairState(
        options.stress_weight, attraction=options.attraction, **frozen
    )
    trained, loss_curve, n_iter = fit_neighbors(
        batches, charts.to(Z.dtype), options, pair_state, report=report
    )
    present = charts.to(torch.float64) if options.continued else None
    charts = trained_charts(trained)
    scale, stress = _scale_and_stress(rows, charts)
    state, decoder, place = map_and_decoder(rows, charts.magnified(scale), present)
    anchors = None
    if anchored:
        images = torch.cat([trained.forward(part)[0] for part in Z.split(_BLOCK_ROWS)])
        if len(Z) > _VERY_MANY_ROWS:
            images = polish(images, neighbors, options, generator)
        anchors = {
            "inputs": Z * rows.unit.to(Z),
            "embedding": place(scale.to(Z) * images),
            "scales": local_scales(Z, neighbors) * rows.unit.to(Z),
            "unit": scale * rows.unit,
        }
    return FittedMap(
        # Trained in single precision, and no more is kept.
        map={name: value.to(Z) for name, value in state.items()},
        decoder={name: value.to(Z) for name, value in decoder.items()},
        loss_curve=loss_curve,
        stress=stress.item(),
        n_iter=n_iter,
        feature_scale=rows.deviations(),
        anchors=anchors,
        continuation={
            "input_unit": rows.unit.item(),
            "output_unit": (scale * rows.unit).item(),
            **pair_state.frozen(),
        },
    )


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
