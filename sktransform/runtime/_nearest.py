# SPDX-License-Identifier: BSD-3-Clause
"""Nearest neighbours by matrix products, on the device of the rows."""

import numpy as np
import torch
from sklearn.cluster import KMeans

# Up to so many rows every pair is compared; above, only rows of nearby cells.
_EXACT_ROWS = 15_000

# Rows of a cell, and cells searched for each: a recall of about .94 among 15.
_CELL_ROWS = 240
_PROBES = 14

# Rows of which the cells are the means, and iterations for them.
_CELL_SAMPLE = 10_000
_CELL_ITERATIONS = 5

# Entries of one block of distances.
_BLOCK_ENTRIES = 10_000_000

# torch takes the smallest k of at least so many times k numbers by a heap, which is
# quicker than with fewer.
_HEAP_RATIO = 64

# Groups of fewer entries are not worth their pass.
_SMALLEST_GROUP = 3


def squared_distances(X, Y):
    """Return squared Euclidean distances, shape (n_rows_X, n_rows_Y), at least 0."""
    norms = X.square().sum(1, keepdim=True) + Y.square().sum(1)
    return torch.addmm(norms, X, Y.T, alpha=-2).clamp_min_(0)


def smallest(values, n_smallest):
    """Return the smallest entries of each row, as `Tensor.topk` does, but sooner.

    The smallest of many small groups are found first, which takes one quick pass; what
    is sought lies in the groups whose smallest are the smallest.

    Shapes: values (n_rows, n_columns) -> found (n_rows, n_smallest), indices (n_rows,
    n_smallest).
    """
    n_columns = values.shape[1]
    group = n_columns // (_HEAP_RATIO * n_smallest)
    if group < _SMALLEST_GROUP:
        return values.topk(n_smallest, largest=False)
    # A group's entries are far apart, so that the minima run along the memory.
    n_groups = n_columns // group
    n_grouped = n_groups * group
    least = values[:, :n_grouped].unflatten(1, (group, n_groups)).amin(1)
    groups = least.topk(n_smallest, largest=False, sorted=False).indices
    steps = torch.arange(0, n_grouped, n_groups, device=values.device)
    indices = (groups.unsqueeze(1) + steps.unsqueeze(1)).flatten(1)
    if n_grouped < n_columns:
        others = torch.arange(n_grouped, n_columns, device=values.device)
        indices = torch.cat([indices, others.expand(len(values), -1)], 1)
    found, best = values.gather(1, indices).topk(n_smallest, largest=False)
    return found, indices.gather(1, best)


def nearest_rows(queries, rows, n_neighbors):
    """Return the nearest rows of each query, exactly.

    Shapes: queries (n_queries, n_features), rows (n_rows, n_features) -> squared
    (n_queries, n_neighbors), indices (n_queries, n_neighbors).
    """
    step = max(1, _BLOCK_ENTRIES // len(rows))
    found = [
        smallest(squared_distances(block, rows), n_neighbors)
        for block in queries.split(step)
    ]
    squared, indices = zip(*found, strict=True)
    return torch.cat(squared), torch.cat(indices)


def nearest_others(rows, n_neighbors, random_state):
    """Return for each row the nearest other ones.

    Indices of the neighbours, the nearest first. Above 15,000 rows the search is
    approximate: an inverted file over cells of about 240 rows, of which the 14 nearest
    are searched.

    `random_state`: seed of the cells, for more than 15,000 rows.

    Shapes: rows (n_rows, n_features) -> (n_rows, n_neighbors).
    """
    if len(rows) > _EXACT_ROWS:
        return _nearest_in_cells(rows, n_neighbors, random_state)
    step = max(1, _BLOCK_ENTRIES // len(rows))
    found = []
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        squared = squared_distances(block, rows)
        squared.diagonal(start).fill_(torch.inf)
        found.append(smallest(squared, n_neighbors)[1])
    return torch.cat(found)


def _nearest_in_cells(rows, n_neighbors, random_state):
    """Search the nearest cells only: one product and one selection for each cell."""
    n_rows = len(rows)
    drawn = random_state.choice(n_rows, _CELL_SAMPLE, replace=False)
    # Copies of a row would leave cells without rows.
    sample = np.unique(rows[drawn].cpu().numpy(), axis=0)
    n_cells = min(max(2 * _PROBES, n_rows // _CELL_ROWS), len(sample))
    kmeans = KMeans(
        n_cells,
        init="random",
        n_init=1,
        max_iter=_CELL_ITERATIONS,
        random_state=random_state,
    ).fit(sample)
    centers = torch.from_numpy(kmeans.cluster_centers_).to(rows)
    labels = nearest_rows(rows, centers, 1)[1].ravel()
    order = labels.argsort()
    edges = np.concatenate([[0], labels.bincount(minlength=n_cells).cumsum(0).tolist()])
    by_cell = rows[order]
    probed = nearest_rows(centers, centers, min(_PROBES, n_cells))[1].tolist()
    result = torch.empty((n_rows, n_neighbors), dtype=torch.long, device=rows.device)
    for cell in range(n_cells):
        start, stop = edges[cell], edges[cell + 1]
        if start == stop:
            continue
        # The cell itself is always searched, and first.
        cells = [cell, *(other for other in probed[cell] if other != cell)]
        if sum(edges[c + 1] - edges[c] for c in cells) <= n_neighbors:
            cells = [cell, *(other for other in range(n_cells) if other != cell)]
        candidates = torch.cat([torch.arange(*edges[c : c + 2]) for c in cells])
        candidates = candidates.to(rows.device)
        squared = squared_distances(by_cell[start:stop], by_cell[candidates])
        squared.diagonal().fill_(torch.inf)
        nearest = smallest(squared, n_neighbors)[1]
        result[order[start:stop]] = order[candidates[nearest]]
    return result
