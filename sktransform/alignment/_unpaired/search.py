# SPDX-License-Identifier: BSD-3-Clause
"""Search for a map between two sets of rows with few known pairs or none."""

from dataclasses import dataclass, replace

import torch

from sktransform.alignment._unpaired.quadratic_assignment import (
    batched_kmeans,
    best_assignments,
    centred_gram,
    pair_affinity,
)
from sktransform.alignment._unpaired.sinkhorn import CovarianceConstraint, soft_cross
from sktransform.alignment._unpaired.views import (
    View,
    held_out_pairs,
    mirror_contrast,
    recall_of_pairs,
)
from sktransform.runtime._linalg import polar_factor, unit_rows

# Runs of k-means of a candidate, and restarts of the matching of each of them.
_RUNS = 10
_RESTARTS = 128

# Clusterings whose matching is worst are left out.
_KEPT_RUNS = 0.75

# Clusters of each clustering; to match them costs their cube.
_CLUSTERS = 20

# Weight of the known pairs among the clusters.
_CLUSTER_PAIRS = 0.3

# Rows of each side in a step of a candidate, and its most steps.
_CANDIDATE_ROWS = 1024
_CANDIDATE_STEPS = 8

# Steps in which candidates that were joined settle along the principal axes.
_JOINT_STEPS = 10

# Rows of each side in a step over all columns, whose memory grows with the square.
_STEP_ROWS = 2500

# How far a step looks ahead, in units of the last one.
_MOMENTUM = 1.2

# So many known pairs, or more, are a better start than clusters are.
_STARTING_PAIRS = 50

# Known pairs weigh as much as all soft ones together at this share of the rows.
_EQUAL_SHARE = 1 / 30

# Rows among which partners of held-out pairs are searched.
_GALLERY_ROWS = 2500

# Divides the cosines by which rows are paired softly: less pairs more sharply. Below
# 0.03 its exponential underflows in single precision.
_TEMPERATURE = 0.05

# Change of the map, as a share of its norm, at which the steps end.
_SETTLED = 1e-3


@dataclass(frozen=True)
class Settings:
    """Parameters of the search, see `UnpairedAligner`."""

    n_components: int
    n_candidates: int
    shrinkage: float
    max_iter: int


@dataclass(frozen=True)
class Found:
    """Result of a search.

    - `matrix` (n_inputs, n_outputs): takes rows around their mean, of length 1, to such
      rows.
    - `agreement`: mean cosine between rows mapped by the maps of both halves of
      candidates.
    - `contrast`: how often a row is nearer to the other side than under mirrored maps.
    - `pair_recall`: share of the held-out pairs whose partner is nearest; None without.
    - `n_iter`: steps at full width.
    """

    matrix: torch.Tensor
    agreement: float
    contrast: float
    pair_recall: float | None
    n_iter: int


def pairs_cross(X, Y):
    """Return the second moment of known pairs in float64, shape (p, q)."""
    return X.to(torch.float64).T @ Y.to(torch.float64) / max(1, len(X))


def blended(cross, known, share):
    """Return the moment of soft pairs with that of known ones added.

    The sum of both, each of norm 1, the known ones weighted.

    Shapes: cross (n_inputs, n_outputs), known (n_inputs, n_outputs) -> (n_inputs,
    n_outputs).
    """
    weight = share / _EQUAL_SHARE
    parts = [cross, weight * known]
    norms = [torch.linalg.matrix_norm(part) for part in (cross, known)]
    return sum(
        part / norm for part, norm in zip(parts, norms, strict=True) if norm > 0
    ) + torch.zeros_like(cross)


def _sample(rows, n_rows, generator):
    """Return indices of rows, all of them or some drawn at random."""
    if len(rows) <= n_rows:
        return slice(None)
    order = torch.randperm(len(rows), generator=generator, device=rows.device)
    return order[:n_rows]


def refined(matrix, sides, known, constraint, settings, generator, **limits):
    """Return the map after alternating between soft pairs and the map fitted to them.

    Successive changes of the map are small and similar, so the rows are paired by a map
    that extrapolates the last change.

    `sides`: rows of both spaces, of length 1, in float32.
    `known`: rows of both spaces that belong together.
    `**limits`: `n_rows`, the most rows of a side in a step, and `max_iter`, the most
      steps.

    Shapes: matrix (n_inputs, n_outputs) -> matrix (n_inputs, n_outputs), n_iter.
    """
    X, Y = sides
    known_cross = pairs_cross(*known)
    share = len(known[0]) / min(len(X), len(Y))
    n_iter, ahead = 0, matrix
    while n_iter < limits["max_iter"]:
        n_iter += 1
        x, y = (side[_sample(side, limits["n_rows"], generator)] for side in sides)
        keys = unit_rows(x @ ahead.float())
        cross = soft_cross(keys, y, x, y, _TEMPERATURE)
        previous = matrix
        matrix = constraint.best(blended(cross, known_cross, share))
        step = matrix - previous
        # The first step leaves the start, and does not predict the next one.
        ahead = matrix if n_iter == 1 else matrix + _MOMENTUM * step
        change = torch.linalg.matrix_norm(step)
        if change <= _SETTLED * torch.linalg.matrix_norm(matrix):
            break
    return matrix, n_iter


def cluster_start(sides, known, settings, generator):
    """Return the rotation fitted to matched clusters.

    A map with orthonormal rows or columns.

    `sides`: rows of both spaces, of length 1.
    `known`: rows of both spaces that belong together.

    Shape: (n_inputs, n_outputs).
    """
    n_clusters = min(_CLUSTERS, *map(len, sides))
    centers = []
    for side in sides:
        rows = side[_sample(side, _STEP_ROWS, generator)]
        centers.append(batched_kmeans(rows, _RUNS, n_clusters, generator))
    grams = [centred_gram(side) for side in centers]
    linear = torch.zeros_like(grams[0])
    if len(known[0]):
        linear = _CLUSTER_PAIRS * pair_affinity(*centers, known)
    orders, agreements = best_assignments(*grams, linear, _RESTARTS, generator)
    return _map_of_clusters(*centers, orders, agreements, generator)


def _map_of_clusters(centers_x, centers_y, orders, agreements, generator):
    """Return the rotation of matched centres, by the runs that match best."""
    kept = agreements.argsort(descending=True)[: max(1, int(_KEPT_RUNS * len(orders)))]
    centers_x, centers_y = centers_x[kept].double(), centers_y[kept].double()
    orders = orders[kept, :, None].expand_as(centers_y)
    partners = centers_y.gather(1, orders)
    centred_x = centers_x - centers_x.mean(1, keepdim=True)
    centred_y = partners - partners.mean(1, keepdim=True)
    products = centred_x.mT @ centred_y
    total = (agreements[kept, None, None] * products).sum(0)
    if not total.any():
        # The same map for all candidates would feign agreement.
        noise = torch.randn(total.shape, generator=generator, device=total.device)
        total = noise.to(total)
    return polar_factor(total)


class Search:
    """The search for a map between two views.

    - `views`: both views, without the rows of pairs that are held out.
    - `known`: rows of both views that belong together.
    - `generator`: source of all that is random.
    """

    def __init__(self, views, known, settings, generator):
        self.codes = tuple(view.codes for view in views)
        self.known = tuple(view.codes for view in known)
        self.settings, self.generator = settings, generator
        self.constraint = CovarianceConstraint.from_rows(
            *self.codes, settings.shrinkage
        )

    def candidate(self):
        """Return a candidate map along the principal axes, from a new random start."""
        if len(self.known[0]) < _STARTING_PAIRS:
            start = cluster_start(self.codes, self.known, self.settings, self.generator)
        else:
            n_pairs = len(self.known[0])
            half = _sample(self.known[0], (n_pairs + 1) // 2, self.generator)
            cross = pairs_cross(*(side[half] for side in self.known))
            start = self.constraint.best(cross)
        return self.refined(start, _CANDIDATE_ROWS, _CANDIDATE_STEPS)

    def joined(self, maps):
        """Return the refined average of several maps."""
        start = self.constraint.best(sum(maps))
        return self.refined(start, _STEP_ROWS, _JOINT_STEPS)

    def refined(self, matrix, n_rows, max_iter):
        """Return a map along the principal axes, refined."""
        return refined(
            matrix,
            self.codes,
            self.known,
            self.constraint,
            self.settings,
            self.generator,
            n_rows=n_rows,
            max_iter=max_iter,
        )[0]

    def agreement(self, first, second):
        """Return the mean cosine between the images of rows under two maps."""
        rows = self.codes[0].to(torch.float64)
        images = unit_rows(rows @ first), unit_rows(rows @ second)
        return (images[0] * images[1]).sum(1).mean().clamp(-1, 1).item()


def find_map(X, Y, pairs, settings, generator, step):
    """Return the map between two sets of rows.

    `X`: rows of the first space around their mean.
    `Y`: rows of the second space around their mean.
    `pairs`: indices of rows of X and of Y that belong together.
    `step`: called after each of ``n_candidates + 1`` parts of the work.

    Shapes: X (n_rows_X, n_inputs), Y (n_rows_Y, n_outputs), pairs (n_pairs, 2).
    """
    n_axes = min(settings.n_components, X.shape[1], Y.shape[1])
    whole = tuple(View.from_deviations(side, n_axes) for side in (X, Y))
    held_out, training = held_out_pairs(len(pairs), generator, X.device)
    indices = list(pairs.T)
    views = tuple(
        view.without(side[held_out]) if len(held_out) else view
        for view, side in zip(whole, indices, strict=True)
    )
    known = [
        view.take(side[training]) for view, side in zip(whole, indices, strict=True)
    ]
    search = Search(views, known, settings, generator)
    candidates = []
    for _ in range(settings.n_candidates):
        candidates.append(search.candidate())
        step()
    halves = [search.joined(candidates[start::2]) for start in (0, 1)]
    agreement = search.agreement(*halves)
    codes_map = search.joined(halves)
    matrix = whole[0].axes @ codes_map @ whole[1].axes.T
    matrix, n_iter = _widened(matrix, views, known, settings, generator)
    recall = None
    if len(held_out):
        queries, partners = (
            view.rows[side[held_out]] for view, side in zip(whole, indices, strict=True)
        )
        recall = recall_of_pairs(
            matrix, queries, partners, views[1].rows[:_GALLERY_ROWS]
        )
        known = [view.take(side) for view, side in zip(whole, indices, strict=True)]
        # Little is left to do: the pairs that come back are few.
        fewer = replace(settings, max_iter=(settings.max_iter + 1) // 2)
        matrix, more = _widened(matrix, whole, known, fewer, generator)
        n_iter += more
    step()
    images = whole[0].rows @ (matrix @ whole[1].axes).float()
    contrast = mirror_contrast(unit_rows(images), whole[1].codes, generator)
    return Found(matrix, agreement, contrast, recall, n_iter)


def _widened(matrix, views, known, settings, generator):
    """Return a map refined at full width, and the number of steps."""
    sides = tuple(view.rows for view in views)
    return refined(
        matrix,
        sides,
        tuple(view.rows for view in known),
        CovarianceConstraint.from_rows(*sides, settings.shrinkage),
        settings,
        generator,
        n_rows=_STEP_ROWS,
        max_iter=settings.max_iter,
    )
