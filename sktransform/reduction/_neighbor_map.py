# SPDX-License-Identifier: BSD-3-Clause
"""From rows to a map that keeps neighbourhoods: preparation, training, final form."""

import dataclasses

import numpy as np
import torch

from sktransform.reduction._anchors import local_scales
from sktransform.reduction._charts import principal_charts, trained_charts
from sktransform.reduction._distance_problem import (
    UNLABELLED,
    distinct_rows,
    host_rows,
)
from sktransform.reduction._fitted_map import FittedMap, map_and_decoder
from sktransform.reduction._internal_rows import InternalRows, dense_if_narrow
from sktransform.reduction._neighbor_fit import Batches, fit_neighbors, polish
from sktransform.reduction._pair_loss import PairState
from sktransform.runtime._linalg import principal_axes
from sktransform.runtime._nearest import nearest_others
from sktransform.runtime._runtime import SparseRows

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
