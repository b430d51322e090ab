# SPDX-License-Identifier: BSD-3-Clause
"""Problem: validated rows with weights and classes, and the distances to be kept."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import csr_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
)

from sktransform.reduction._gaussian_weighted.rows import (
    WIDEST,
    InternalRows,
    dense_if_narrow,
    select_rows,
)
from sktransform.runtime._runtime import SparseRows
from sktransform.utils._graphs import classical_scaling, geodesic_distances
from sktransform.utils._sklearn import check_sample_weight
from sktransform.utils._validation import check_distances

# Label of rows whose class is not known.
UNLABELLED = -1

# Neighbours in the graph of geodesic distances: fewer let the graph fall into parts,
# more let paths take short cuts between the turns of a rolled sheet.
_GRAPH_NEIGHBORS = 10


@dataclass(frozen=True)
class Problem:
    """Validated input of a fit: n_samples rows with weights and classes.

    `X` is an array, SparseRows or a tensor; `row_weights` (n_samples,) are not negative
    and not all 0; `labels` (n_samples,) are integers, -1 where unknown, and None if
    they do not shape the map; `distances` (n_samples, n_samples) are given targets;
    `sample` is a Problem of rows that stand for all, if a solver needs some.
    """

    X: object
    row_weights: np.ndarray
    labels: np.ndarray | None = None
    distances: np.ndarray | None = None
    sample: "Problem | None" = None


@dataclass(frozen=True)
class DistanceSettings:
    """What a solver of distances is asked for: parameters of the linear reducer."""

    n_components: int
    metric: str = "euclidean"
    target_weight: float = 0.0
    n_neighbors: int | str = "auto"
    n_gaussians: int | str = "auto"
    ridge: float | str = "auto"
    n_landmarks: int | str = "auto"
    max_iter: int | str = "auto"


def check_problem(
    X, y=None, sample_weight=None, distances=None, *, n_components, target_weight
):
    """Return the problem of validated rows and of what else `fit` was given."""
    if n_components > X.shape[1]:
        raise ValueError(
            f"n_components={n_components} is larger than n_features={X.shape[1]}; use "
            f"n_components={X.shape[1]} or less."
        )
    if distances is not None:
        distances = check_distances(distances, "distances", n_rows=len(X))
    labels = _check_labels(X, y, target_weight) if target_weight > 0 else None
    row_weights = check_sample_weight(
        sample_weight, np.empty(len(X)), dtype=np.float64, ensure_non_negative=True
    )
    return Problem(X, row_weights, labels, distances)


def _check_labels(X, y, target_weight):
    """Return classes as integers (n_samples,), -1 where they are unknown."""
    if y is None:
        raise ValueError(
            f"target_weight={target_weight} needs class labels, but y is None; give y "
            "to fit, or set target_weight=0."
        )
    y = column_or_1d(y, warn=True)
    check_array(y, ensure_2d=False, dtype=None, input_name="y")
    check_consistent_length(X, y)
    labels = np.full(len(y), UNLABELLED)
    # Strings mixed with the number -1 come as objects, as in scikit-learn.
    known = np.flatnonzero(y != UNLABELLED if y.dtype.kind in "ifO" else y == y)
    if len(known):
        classes = np.array(y[known].tolist())
        check_classification_targets(classes)
        labels[known] = np.unique(classes, return_inverse=True)[1]
    return labels


def graph_neighbors(n_neighbors):
    """Return the number of neighbours in the graph of geodesic distances."""
    return _GRAPH_NEIGHBORS if n_neighbors == "auto" else n_neighbors


def distance_problem(problem, settings, runtime, generator, *, frame=None):
    """Return rows in internal units, their targets and an embedding to start at.

    Equal rows become one row with the sum of their weights, and rows of weight 0 are
    left out: weights and repetition then mean the same by construction. The targets
    (n_rows, n_rows) are None for the rows' own distances, the start (n_rows,
    n_components) is None for PCA. The internal units are the rows' own, or those of a
    `frame`.
    """
    metric, n_landmarks = settings.metric, settings.n_landmarks
    if metric == "geodesic":
        check_geodesic_rows(problem.X)
    # Geodesic paths lead over all rows, landmarks or not.
    first = len(problem.X) if metric == "geodesic" else n_landmarks
    indices = select_rows(problem.row_weights, first, generator)
    distinct, members = distinct_rows(host_rows(problem.X, indices))
    weights = np.bincount(members, weights=problem.row_weights[indices])
    chosen = np.arange(len(distinct))
    if metric == "geodesic":
        chosen = select_rows(weights, n_landmarks, generator)
    seen = distinct[chosen]
    if not isinstance(seen, SparseRows):
        seen = runtime.tensor(seen)
    seen_weights = runtime.tensor(weights[chosen])
    if frame is None:
        rows = InternalRows.from_rows(seen, seen_weights, settings.n_components)
    else:
        rows = InternalRows.in_frame(seen, seen_weights, frame)
    targets, start = None, None
    if metric == "geodesic":
        n_neighbors = graph_neighbors(settings.n_neighbors)
        targets = geodesic_distances(distinct, n_neighbors, chosen)
    elif metric == "precomputed":
        targets = _merged_distances(problem, indices, members, weights)
    if targets is not None:
        start = classical_scaling(targets, settings.n_components, weights[chosen])
        targets, start = (t / rows.unit for t in runtime.tensors(targets, start))
    if settings.target_weight > 0:
        labels = _merged_labels(problem.labels[indices], members)[chosen]
        targets = rows.distances() if targets is None else targets
        targets = _pull_together(targets, labels, settings.target_weight)
        if not targets.any():
            start = torch.zeros_like(rows.Z[:, : settings.n_components])
    return rows, targets, start


def check_geodesic_rows(X):
    """Raise an error if rows are sparse: paths lead over dense ones."""
    if isinstance(X, SparseRows):
        raise ValueError(
            "metric='geodesic' does not take sparse rows; use X.toarray(), or "
            "metric='euclidean'."
        )


def host_rows(X, indices, widest=WIDEST):
    """Return some rows as an array, or sparse if wider than `widest`."""
    if isinstance(X, torch.Tensor):
        return X[torch.from_numpy(indices).to(X.device)].cpu().numpy()
    return dense_if_narrow(X[indices], widest)


def distinct_rows(rows):
    """Return rows (n_distinct, n_features) without repetition, in lexicographic order.

    The second result tells for each given row which of them it is. The order is the
    same whether rows are sparse or not.
    """
    if not isinstance(rows, SparseRows):
        keys = _dense_keys(rows)
    else:
        keys = _lexicographic_keys(rows.table)
    _, first, members = np.unique(keys, return_index=True, return_inverse=True)
    return rows[first], members


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


def _merged_distances(problem, indices, members, weights):
    """Return the targets of merged rows: weighted means over their members."""
    shares = problem.row_weights[indices] / weights[members]
    means = csr_array(
        (shares, (members, np.arange(len(indices)))), (len(weights), len(indices))
    )
    distances = problem.distances[np.ix_(indices, indices)]
    merged = means @ (means @ distances).T
    np.fill_diagonal(merged, 0)
    return (merged + merged.T) / 2


def _merged_labels(labels, members):
    """Return the label of each merged row, unknown where its members disagree."""
    lowest = np.full(members.max() + 1, np.iinfo(labels.dtype).max)
    highest = np.full_like(lowest, np.iinfo(labels.dtype).min)
    np.minimum.at(lowest, members, labels)
    np.maximum.at(highest, members, labels)
    return np.where(lowest == highest, lowest, UNLABELLED)


def _pull_together(targets, labels, target_weight):
    """Return targets of which those between rows of one class are shortened."""
    labels = torch.from_numpy(labels).to(targets.device)
    same = (labels[:, None] == labels) & (labels[:, None] != UNLABELLED)
    return torch.where(same, (1 - target_weight) * targets, targets)
