# SPDX-License-Identifier: BSD-3-Clause
"""What a map of distances is asked: rows, target distances, and where to start."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from sktransform.reduction._internal_rows import InternalRows, select_rows
from sktransform.utils._graphs import classical_scaling, geodesic_distances

# Label of rows whose class is not known.
UNLABELLED = -1


@dataclass(frozen=True)
class Problem:
    """Validated input of a fit.

    Parameters
    ----------
    X : ndarray or Tensor of shape (n_samples, n_features)
        The rows.

    row_weights : ndarray of shape (n_samples,)
        Their weights, not negative and not all 0.

    labels : ndarray of int, shape (n_samples,), default=None
        Classes, -1 where unknown, if they are to shape the map.

    distances : ndarray of shape (n_samples, n_samples), default=None
        Target distances, if they are given.
    """

    X: object
    row_weights: np.ndarray
    labels: np.ndarray | None = None
    distances: np.ndarray | None = None


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

    Returns
    -------
    rows : InternalRows
        Distinct rows or landmarks among them.

    targets : Tensor of shape (n_rows, n_rows) or None
        Target distances in internal units; None for those of the rows.

    start : Tensor of shape (n_rows, n_components) or None
        Embedding to start at; None for PCA.
    """
    # Geodesic paths lead over all rows, landmarks or not.
    first = len(problem.X) if metric == "geodesic" else n_landmarks
    indices = select_rows(problem.row_weights, first, random_state)
    rows = _host_rows(problem.X, indices)
    distinct, places = np.unique(rows, axis=0, return_inverse=True)
    places = places.ravel()
    weights = np.bincount(places, weights=problem.row_weights[indices])
    chosen = np.arange(len(distinct))
    if metric == "geodesic":
        chosen = select_rows(weights, n_landmarks, random_state)
    seen = runtime.tensors(distinct[chosen], weights[chosen])
    internal = InternalRows.of(*seen, n_components)
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
    return internal, targets, start


def _host_rows(X, indices):
    """Return some rows as an array."""
    if isinstance(X, torch.Tensor):
        return X[torch.from_numpy(indices).to(X.device)].cpu().numpy()
    return X[indices]


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
