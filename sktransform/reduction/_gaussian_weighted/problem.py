# SPDX-License-Identifier: BSD-3-Clause
"""What a map of distances is asked: rows, target distances, and where to start."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_array

from sktransform.reduction._gaussian_weighted.rows import (
    WIDEST,
    InternalRows,
    dense_if_narrow,
    select_rows,
)
from sktransform.runtime._runtime import SparseRows
from sktransform.utils._graphs import classical_scaling, geodesic_distances

# Label of rows whose class is not known.
UNLABELLED = -1


@dataclass(frozen=True)
class Problem:
    """Validated input of a fit.

    Parameters
    ----------
    X : ndarray, SparseRows or Tensor of shape (n_samples, n_features)
        The rows.

    row_weights : ndarray of shape (n_samples,)
        Their weights, not negative and not all 0.

    labels : ndarray of int, shape (n_samples,), default=None
        Classes, -1 where unknown, if they are to shape the map.

    distances : ndarray of shape (n_samples, n_samples), default=None
        Target distances, if they are given.

    sample : Problem, default=None
        Rows that stand for all, drawn from those of positive weight, if a solver needs
        some.
    """

    X: object
    row_weights: np.ndarray
    labels: np.ndarray | None = None
    distances: np.ndarray | None = None
    sample: "Problem | None" = None


def distance_problem(
    problem,
    runtime,
    n_components,
    *,
    metric,
    n_neighbors,
    n_landmarks,
    target_weight,
    random_state,
    frame=None,
):
    """Return rows in internal units, their targets and a start.

    Equal rows become one row with the sum of their weights, and rows of weight 0 are
    left out: weights and repetition then mean the same by construction.

    Parameters
    ----------
    problem : Problem
        The validated input.

    runtime : Runtime
        Where to compute.

    n_components : int
        Dimensions of the embedding.

    metric : {"euclidean", "geodesic", "precomputed"}
        Which distances are the targets.

    n_neighbors : int
        Neighbours in the graph of geodesic distances.

    n_landmarks : int or "auto"
        Most rows that the solver sees.

    target_weight : float
        Share by which distances between rows of one class are shortened.

    random_state : RandomState
        Source of the landmarks.

    frame : Frame, default=None
        Where the internal units come from. None takes the rows' own.

    Returns
    -------
    rows : InternalRows
        Distinct rows or landmarks among them.

    targets : Tensor of shape (n_rows, n_rows) or None
        Target distances in internal units; None for those of the rows.

    start : Tensor of shape (n_rows, n_components) or None
        Embedding to start at; None for PCA.
    """
    if metric == "geodesic":
        check_geodesic_rows(problem.X)
    # Geodesic paths lead over all rows, landmarks or not.
    first = len(problem.X) if metric == "geodesic" else n_landmarks
    indices = select_rows(problem.row_weights, first, random_state)
    rows = host_rows(problem.X, indices)
    distinct, places = distinct_rows(rows)
    weights = np.bincount(places, weights=problem.row_weights[indices])
    chosen = np.arange(len(distinct))
    if metric == "geodesic":
        chosen = select_rows(weights, n_landmarks, random_state)
    seen = distinct[chosen]
    if not isinstance(seen, SparseRows):
        seen = runtime.tensor(seen)
    seen_weights = runtime.tensor(weights[chosen])
    if frame is None:
        internal = InternalRows.of(seen, seen_weights, n_components)
    else:
        internal = InternalRows.in_frame(seen, seen_weights, frame)
    targets, start = None, None
    if metric == "geodesic":
        targets = geodesic_distances(distinct, n_neighbors, chosen)
    elif metric == "precomputed":
        targets = _merged_distances(problem, indices, places, weights)
    if targets is not None:
        start = classical_scaling(targets, n_components, weights[chosen])
        targets, start = (t / internal.unit for t in runtime.tensors(targets, start))
    if target_weight > 0:
        labels = _merged_labels(problem.labels[indices], places)[chosen]
        targets = internal.distances() if targets is None else targets
        targets = _pull_together(targets, labels, target_weight)
        if not targets.any():
            start = torch.zeros_like(internal.Z[:, :n_components])
    return internal, targets, start


def check_geodesic_rows(X):
    """Raise an error if rows are sparse: paths lead over dense ones."""
    if isinstance(X, SparseRows):
        raise ValueError(
            "metric='geodesic' does not take sparse rows; use X.toarray(), or "
            "metric='euclidean'."
        )


def host_rows(X, indices, widest=WIDEST):
    """Return some rows as an array, or sparse if they have more features than widest.

    Parameters
    ----------
    X : ndarray, SparseRows or Tensor of shape (n_samples, n_features)
        All rows.

    indices : ndarray of int
        Places of those to return.

    widest : int, default=100
        Most features of sparse rows that are made dense.

    Returns
    -------
    ndarray or SparseRows
        The rows.
    """
    if isinstance(X, torch.Tensor):
        return X[torch.from_numpy(indices).to(X.device)].cpu().numpy()
    return dense_if_narrow(X[indices], widest)


def distinct_rows(rows):
    """Return rows without repetition, in lexicographic order.

    Parameters
    ----------
    rows : ndarray or SparseRows of shape (n_rows, n_features)
        The rows.

    Returns
    -------
    distinct : ndarray or SparseRows of shape (n_distinct, n_features)
        The distinct ones, in the same order whether sparse or not.

    places : ndarray of int, shape (n_rows,)
        The place of each row among them.
    """
    if not isinstance(rows, SparseRows):
        keys = _dense_keys(rows)
    else:
        keys = _lexicographic_keys(rows.table)
    _, first, places = np.unique(keys, return_index=True, return_inverse=True)
    return rows[first], places


def _ordered_bits(numbers):
    """Return floats as big-endian integers whose bytes have the order of the floats."""
    size = numbers.dtype.itemsize
    # Adding 0 gives both zeros one sign.
    bits = (numbers + numbers.dtype.type(0)).view(f"i{size}")
    # As integers, floats are in order if those of negative ones are turned round.
    bits = np.where(bits < 0, ~bits, bits ^ np.iinfo(bits.dtype).min)
    return bits.astype(f">i{size}")


def _dense_keys(rows):
    """Return one string of bytes for each row, in the order of the rows.

    To sort them takes a twentieth of what it takes to sort rows of numbers.
    """
    bits = np.ascontiguousarray(_ordered_bits(rows))
    return bits.view(np.dtype((np.void, bits.shape[1] * bits.itemsize))).ravel()


def _lexicographic_keys(table):
    """Return one string of bytes for each sparse row, in the order of the dense rows.

    A row is a list of columns and entries. The earlier a positive entry comes the
    greater the row, and the smaller for a negative one; where a row ends, zeros follow.
    """
    table = table.astype(np.float64, copy=True)
    table.eliminate_zeros()
    earliness = np.sign(table.data) * (table.shape[1] - table.indices)
    numbers = np.column_stack([earliness, table.data])
    ordered, end = _ordered_bits(numbers), bytes([128]) + bytes(7)
    keys = np.empty(table.shape[0], dtype=object)
    for row, (start, stop) in enumerate(pairwise(table.indptr)):
        keys[row] = ordered[start:stop].tobytes() + end
    return keys


def _merged_distances(problem, indices, places, weights):
    """Return the targets of merged rows: weighted means over their members."""
    shares = problem.row_weights[indices] / weights[places]
    members = csr_array(
        (shares, (places, np.arange(len(indices)))), (len(weights), len(indices))
    )
    distances = problem.distances[np.ix_(indices, indices)]
    merged = members @ (members @ distances).T
    np.fill_diagonal(merged, 0)
    return (merged + merged.T) / 2


def _merged_labels(labels, places):
    """Return the label of each merged row, unknown where its members disagree."""
    lowest = np.full(places.max() + 1, np.iinfo(labels.dtype).max)
    highest = np.full_like(lowest, np.iinfo(labels.dtype).min)
    np.minimum.at(lowest, places, labels)
    np.maximum.at(highest, places, labels)
    return np.where(lowest == highest, lowest, UNLABELLED)


def _pull_together(targets, labels, target_weight):
    """Return targets of which those between rows of one class are shortened."""
    labels = torch.from_numpy(labels).to(targets.device)
    same = (labels[:, None] == labels) & (labels[:, None] != UNLABELLED)
    return torch.where(same, (1 - target_weight) * targets, targets)
