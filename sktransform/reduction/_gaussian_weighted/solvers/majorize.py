# SPDX-License-Identifier: BSD-3-Clause
"""Stress majorisation: the map of least stress, without a learning rate.

For fixed weights w a mixture of local affine maps is linear in its offsets and linear
parts: the embedding is ``design @ coefficients``. Its stress is then minimised without
a learning rate, as de Leeuw and Heiser (1980) showed for restricted configurations:
the Guttman transform of the current embedding is projected onto the design, again and
again. Everything here is in float64 and in internal units (centred rows, unit mean
variance).
"""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.nn._gaussian_weighted import (
    GaussianWeightedMap,
    gaussian_weights,
    mixture_values,
)
from sktransform.reduction._gaussian_weighted.mixture import (
    Charts,
    FittedMap,
    map_and_decoder,
    place_charts,
    principal_charts,
)
from sktransform.reduction._gaussian_weighted.problem import distance_problem
from sktransform.reduction._gaussian_weighted.solvers.warm_start import (
    continued_size,
    squared_errors,
    turned_towards,
)
from sktransform.runtime._linalg import principal_axes
from sktransform.utils._charts import chart_widths, place_centers

# Entries of one block of the pairwise pass: small enough to stay in a core's cache.
_BLOCK_ENTRIES = 100_000

# In internal units, where the data have unit variance.
_SMALLEST_RIDGE = 1e-10

# The more features, the more parameters a chart has to overfit with: a larger ridge.
_FEW_FEATURES, _RIDGE_OF_FEW, _RIDGE = 3, 1e-4, 3e-3

# An iteration that lowers the objective by less than this fraction moves rows hardly
# any more. The number of iterations bounds the time where it falls slowly.
_TOL, _MAX_ITER = 1e-5, 60

# A chart for so many distinct rows and components, since fewer do not determine it. The
# time grows with the square of the charts, and Euclidean distances need few of them;
# distances along the data bend the map, and get twice as many.
_ROWS_A_CHART, _FEWEST_CHARTS = 5, 5
_MOST_CHARTS, _MOST_CHARTS_ALONG_DATA = 50, 100

# Factors on the squared distances between neighbouring centres. Narrower charts follow
# a bent sheet more closely, and Euclidean distances need no bends.
_WIDTH, _WIDTH_ALONG_DATA = 1.0, 0.5


class _Primal:
    """The projection solved in the map's parameters: more rows than parameters."""

    def __init__(self, weights, Z, centers, row_weights, penalty):
        n_rows, n_charts = weights.shape
        design = weights.new_empty((n_rows, n_charts, 1 + Z.shape[1]))
        design[:, :, 0] = 1
        torch.sub(Z.unsqueeze(1), centers, out=design[:, :, 1:])
        design *= weights.unsqueeze(2)
        design = design.view(n_rows, -1)
        # Without columns of mean 0 the bound behind the majorisation is not exact.
        self._design = design - (row_weights @ design) / row_weights.sum()
        self._weighted = self._design * row_weights[:, None]
        gram = self._weighted.T @ self._design
        gram.diagonal().add_(penalty)
        self._factor = torch.linalg.cholesky(gram)
        self._n_charts = n_charts

    def project(self, residual):
        """Return the penalised projection of a residual, and its coefficients."""
        coefficients = torch.cholesky_solve(self._weighted.T @ residual, self._factor)
        return self._design @ coefficients, coefficients

    def squared_norm(self, change, coefficients):
        """Return the squared norm of the parameters."""
        return coefficients.square().sum()

    def parameters(self, coefficients):
        """Return offsets (n_charts, n_outputs) and components (.., .., n_inputs)."""
        by_chart = coefficients.view(self._n_charts, -1, coefficients.shape[1])
        return by_chart[:, 0], by_chart[:, 1:].transpose(1, 2)


class _Dual:
    """The projection solved in the rows: more parameters than rows.

    The design is never formed: its Gram matrix between rows has a closed form.
    """

    def __init__(self, weights, Z, centers, row_weights, penalty):
        cross = weights * (Z @ centers.T)
        gram = (Z @ Z.T).add_(1).mul_(weights @ weights.T)
        gram -= cross @ weights.T
        gram -= weights @ cross.T
        gram += (weights * centers.square().sum(1)) @ weights.T
        means = (gram @ row_weights) / row_weights.sum()
        gram -= means[:, None]
        gram -= means - row_weights @ means / row_weights.sum()
        gram.diagonal().add_(penalty / row_weights)
        # The inverse serves two products an iteration, three times faster than solves.
        # Row by row in memory, which the products with few rows below read once.
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
        self._inverse = inverse.contiguous()
        self._weights, self._Z, self._centers = weights, Z, centers
        self._row_weights, self._penalty = row_weights, penalty

    def project(self, residual):
        """Return the penalised projection of a residual, and its coefficients."""
        coefficients = (residual.T @ self._inverse).T
        shrinkage = self._penalty * coefficients / self._row_weights[:, None]
        return residual - shrinkage, coefficients

    def squared_norm(self, change, coefficients):
        """Return the squared norm of the parameters."""
        return (change * coefficients).sum()

    def parameters(self, coefficients):
        """Return offsets (n_charts, n_outputs) and components (.., .., n_inputs)."""
        total = coefficients.sum(0) / self._row_weights.sum()
        centred = coefficients - self._row_weights[:, None] * total
        offsets = self._weights.T @ centred
        components = torch.einsum("nm,nq,nr->mqr", self._weights, centred, self._Z)
        return offsets, components - offsets.unsqueeze(2) * self._centers.unsqueeze(1)


def _projection(weights, Z, centers, row_weights, ridge):
    """Return the penalty in the objective's units, and the smaller of the solvers."""
    # A floor, because the constant embedding can be made in many ways.
    penalty = max(ridge, _SMALLEST_RIDGE) * row_weights.sum() / len(centers)
    n_parameters = len(centers) * (1 + Z.shape[1])
    solver_class = _Dual if n_parameters > len(Z) else _Primal
    return penalty, solver_class(weights, Z, centers, row_weights, penalty)


def regress(weights, Z, centers, embedding, row_weights, *, ridge):
    """Return offsets and components of the mixture whose values fit an embedding.

    The fit is up to a constant. Shapes: `weights` (n_rows, n_charts), `Z` (n_rows,
    n_inputs), `centers` (n_charts, n_inputs), `embedding` (n_rows, n_outputs),
    `row_weights` (n_rows,); returned: (n_charts, n_outputs), (n_charts, n_outputs,
    n_inputs). `ridge` weighs the squared parameters.
    """
    _, solver = _projection(weights, Z, centers, row_weights, ridge)
    centred = embedding - row_weights @ embedding / row_weights.sum()
    return solver.parameters(solver.project(centred)[1])


def guttman_transform(targets, Y, row_weights):
    """Return the configuration (n_rows, n_outputs) that majorisation aims at from Y.

    `targets` (n_rows, n_rows) are symmetric with a zero diagonal, `Y` (n_rows,
    n_outputs) has weighted mean 0, and a pair weighs the product of its `row_weights`.
    Pairs that coincide in Y pull nowhere.
    """
    n_rows = len(Y)
    # Row sums of the ratios come out of the same product as the weighted rows.
    coordinates = Y.T.contiguous()
    augmented = torch.cat([coordinates, torch.ones_like(coordinates[:1])]) * row_weights
    sums = torch.zeros_like(augmented)
    smallest = torch.finfo(Y.dtype).tiny
    step = max(1, _BLOCK_ENTRIES // n_rows)
    for start in range(0, n_rows, step):
        stop = min(start + step, n_rows)
        # The upper triangle suffices: a block serves its rows and its columns.
        ratios = torch.zeros(
            (stop - start, n_rows - start), dtype=Y.dtype, device=Y.device
        )
        difference = torch.empty_like(ratios)
        for coordinate in coordinates:
            torch.sub(coordinate[start:stop, None], coordinate[start:], out=difference)
            ratios.addcmul_(difference, difference)
        torch.nn.functional.threshold_(ratios, smallest, torch.inf)
        ratios.rsqrt_().mul_(targets[start:stop, start:])
        sums[:, start:stop] += augmented[:, start:] @ ratios.T
        sums[:, stop:] += augmented[:, start:stop] @ ratios[:, stop - start :]
    transformed = sums[-1] * coordinates - sums[:-1]
    return transformed.T / row_weights.sum()


@dataclass(frozen=True)
class Majorization:
    """Result of :func:`majorize`.

    Shapes: `offsets` (n_charts, n_outputs), `components` (n_charts, n_outputs,
    n_inputs), `embedding` (n_rows, n_outputs) of weighted mean 0; the values of the
    parameters differ from it by a constant. `loss_curve` is the penalised stress over
    the sum of squared targets, which never rises, and `stress` the root without
    penalty.
    """

    offsets: torch.Tensor
    components: torch.Tensor
    embedding: torch.Tensor
    loss_curve: list
    stress: float


class _Descent:
    """Steps that lower the stress plus the penalty on the distance from the start.

    A state is a step from the start, the embedding that its majorant aims at, the
    stress, and the objective as a share of the squared targets. A step is the change of
    the embedding, and its coefficients for the `solver`.

    Shapes: `targets` (n_rows, n_rows), `row_weights` (n_rows,), `origin` (n_rows,
    n_outputs), the centred embedding of the start.
    """

    def __init__(self, solver, penalty, origin, targets, row_weights):
        self._solver, self._penalty, self._origin = solver, penalty, origin
        self._targets, self._row_weights = targets, row_weights
        self._total = row_weights.sum()
        self._squared_targets = row_weights @ targets.square() @ row_weights / 2
        # Rows that are all equal have no distances to divide by.
        tiny = torch.finfo(targets.dtype).tiny
        self._unit = self._squared_targets.clamp_min(tiny)

    def assess(self, Y, squared_norm):
        """Return the rest of a state: goal, stress and objective of an embedding."""
        # For a centred embedding the stress needs no pass over the pairs of its own.
        goal = guttman_transform(self._targets, Y, self._row_weights)
        products = self._row_weights @ (Y * (Y - 2 * goal)).sum(1)
        stress = self._squared_targets + self._total * products
        objective = stress + self._total * self._penalty * squared_norm
        return goal, stress, (objective / self._unit).item()

    def evaluate(self, step):
        """Return the state of a step."""
        squared_norm = self._solver.squared_norm(*step)
        return step, *self.assess(self._origin + step[0], squared_norm)

    def advance(self, state, plain_only):
        """Return the next state.

        The relaxed step halves the number of iterations; the plain one cannot raise the
        objective but by rounding.
        """
        step, goal, _, objective = state
        plain = self._solver.project(goal - self._origin)
        if not plain_only:
            relaxed = tuple(2 * new - old for new, old in zip(plain, step, strict=True))
            candidate = self.evaluate(relaxed)
            if candidate[-1] <= objective:
                return candidate
        candidate = self.evaluate(plain)
        # Initial parameters, which may have no coefficients, give way to what aims from
        # them: it is not worse but by rounding.
        return candidate if step is None or candidate[-1] <= objective else state

    def relative_stress(self, stress):
        """Return the root of the stress as a share of the squared targets."""
        return (stress / self._unit).clamp_min(0).sqrt().item()


def majorize(
    weights,
    Z,
    centers,
    start,
    targets,
    row_weights,
    *,
    initial=None,
    ridge,
    max_iter,
    tol,
    stop_requested=lambda: False,
):
    """Minimise the stress of a mixture plus its squared distance from the start.

    Shapes: `weights` (n_rows, n_charts), `Z` (n_rows, n_inputs), `centers` (n_charts,
    n_inputs), `targets` (n_rows, n_rows), `row_weights` (n_rows,), a pair of rows
    weighing their product. `start` are offsets and components to start at and towards
    which the penalty `ridge` pulls; `initial` are others to start at. It ends when the
    objective falls by less than a fraction `tol`, or when `stop_requested`.
    """
    penalty, solver = _projection(weights, Z, centers, row_weights, ridge)
    origin = _centred_values(weights, Z, centers, start, row_weights)
    descent = _Descent(solver, penalty, origin, targets, row_weights)
    if initial is None:
        zero = torch.zeros_like(origin)
        state = descent.evaluate((zero, solver.project(zero)[1]))
    else:
        Y = _centred_values(weights, Z, centers, initial, row_weights)
        changes = (a - b for a, b in zip(initial, start, strict=True))
        squared_norm = sum(change.square().sum() for change in changes)
        state = None, *descent.assess(Y, squared_norm)
    loss_curve, finished = [state[-1]], False
    while not finished:
        n_iter = len(loss_curve)
        # The first step is plain, and so is the last.
        state = descent.advance(state, plain_only=n_iter in {1, max_iter})
        loss_curve.append(state[-1])
        converged = n_iter > 4 and loss_curve[-2] - state[-1] <= tol * state[-1]
        finished = stop_requested() or converged or n_iter >= max_iter
    if len(loss_curve) <= max_iter:
        state = descent.advance(state, plain_only=True)
        loss_curve.append(state[-1])
    (change, coefficients), _, stress, _ = state
    change_of_offsets, change_of_components = solver.parameters(coefficients)
    return Majorization(
        offsets=start[0] + change_of_offsets,
        components=start[1] + change_of_components,
        embedding=origin + change,
        loss_curve=loss_curve,
        stress=descent.relative_stress(stress),
    )


def _centred_values(weights, Z, centers, parameters, row_weights):
    """Return a mixture's values at rows, less their mean: (n_rows, n_outputs)."""
    values = mixture_values(weights, Z, centers, *parameters)
    values -= row_weights @ values / row_weights.sum()
    return values


def nearest_parameters(charts, weights, Z, centers, origin, row_weights, *, ridge):
    """Return offsets and components of a mixture closest to a present map.

    The first of the `centers` (n_charts, n_inputs) are those of the present `charts`;
    `weights` (n_rows, n_charts) are those of all charts at the rows `Z`. The map is
    first turned and shifted towards the `origin`, offsets and components from which a
    solver counts changes. Without added charts it is the present map but for that; with
    them `ridge` weighs the squared change that they bring about.
    """
    charts = turned_towards(charts, *(part[: len(charts)] for part in origin))
    added = centers[len(charts) :]
    if not len(added):
        return charts.offsets, charts.components
    # Tangents of the present map: where they are right nothing changes.
    present = GaussianWeightedMap(torch.zeros_like(centers[0]), **charts.state())
    with torch.no_grad():
        tangents = present(added), present.jacobian(added)
    start = (
        torch.cat([charts.offsets, tangents[0]]),
        torch.cat([charts.components, tangents[1]]),
    )
    missing = charts.values(Z) - mixture_values(weights, Z, centers, *start)
    change = regress(weights, Z, centers, missing, row_weights, ridge=ridge)
    return tuple(part + step for part, step in zip(start, change, strict=True))


def centred_axes(rows, n_components):
    """Return the rows' axes of largest variance (n_inputs, n_components)."""
    Z = rows.Z
    if rows.drift is not None:
        Z = Z - rows.row_weights @ Z / rows.row_weights.sum()
    return principal_axes(Z, n_components, rows.row_weights)


def fit_by_majorization(problem, settings, runtime, generator, *, present=None, report):
    """Return the map of least stress over distinct rows or landmarks.

    `settings` are DistanceSettings, `generator` is a RandomState, `present` the map to
    start at, and `report` takes the largest number of iterations and returns a context
    whose `step` says whether to stop.
    """
    rows, targets, start = distance_problem(
        problem, settings, runtime, generator, frame=present and present.frame
    )
    if present is not None and len(rows.Z) == 1:
        # Rows that are all equal have no distances to continue with.
        return fit_by_majorization(problem, settings, runtime, generator, report=report)
    charts = present and present.charts
    centers, widths = distance_charts(
        rows, targets, charts, settings, runtime, generator
    )
    max_iter = _MAX_ITER if settings.max_iter == "auto" else settings.max_iter
    with report(max_iter) as progress:
        return fit_distances(
            rows,
            centers,
            widths,
            settings.n_components,
            targets=targets,
            start_embedding=start,
            present=charts,
            ridge=ridge_weight(settings, rows),
            max_iter=max_iter,
            tol=_TOL,
            stop_requested=progress.step,
        )


def ridge_weight(settings, rows):
    """Return the weight of the squared change of the parameters."""
    if settings.ridge != "auto":
        return settings.ridge
    return _RIDGE_OF_FEW if len(rows.mean) <= _FEW_FEATURES else _RIDGE


def distance_charts(rows, targets, present, settings, runtime, generator):
    """Return centres and widths of charts, those of present ones first."""
    is_euclidean = settings.metric == "euclidean"
    width = _WIDTH if is_euclidean else _WIDTH_ALONG_DATA
    if present is None:
        n_charts = settings.n_gaussians
        if n_charts == "auto":
            most = _MOST_CHARTS if is_euclidean else _MOST_CHARTS_ALONG_DATA
            n_charts = len(rows.Z) // (_ROWS_A_CHART * settings.n_components)
            n_charts = min(int(np.clip(n_charts, _FEWEST_CHARTS, most)), len(rows.Z))
        return place_charts(rows, n_charts, width, runtime, generator)
    n_added = continued_size(settings.n_gaussians, present, rows) - len(present)
    if n_added == 0:
        return present.centers, present.widths
    added = place_centers(
        rows.Z.cpu().numpy(),
        n_added,
        squared_errors(rows, targets, present).cpu().numpy(),
        generator,
    )
    centers = torch.cat([present.centers, runtime.tensor(added)])
    widths = runtime.tensor(chart_widths(centers.cpu().numpy(), width))
    return centers, torch.cat([present.widths, widths[len(present) :]])


def fit_distances(
    rows,
    centers,
    widths,
    n_components,
    *,
    targets=None,
    start_embedding=None,
    present=None,
    ridge,
    **options,
):
    """Fit a map with given charts, and its decoder, to rows in internal units.

    `centers` (n_charts, n_inputs) and `widths` (n_charts,) are in internal units, as
    are `targets` (n_rows, n_rows), the rows' own distances by default. The solver
    starts at the map nearest to `start_embedding` (n_rows, n_components), PCA by
    default, towards which the ridge pulls; or at the `present` charts, which come
    first among the centres. `options` are those of :func:`majorize`.
    """
    weights = gaussian_weights(rows.Z, centers, widths)
    inputs = weights, rows.Z, centers
    if start_embedding is None:
        axes = centred_axes(rows, n_components)
        charts = principal_charts(centers, widths, axes)
        origin = charts.offsets, charts.components
    else:
        origin = regress(*inputs, start_embedding, rows.row_weights, ridge=ridge)
    if targets is None:
        targets = rows.distances()
    initial = None
    if present is not None:
        initial = nearest_parameters(
            present, *inputs, origin, rows.row_weights, ridge=ridge
        )
    result = majorize(
        *inputs,
        origin,
        targets,
        rows.row_weights,
        initial=initial,
        ridge=ridge,
        **options,
    )
    charts = Charts(centers, widths, result.components, result.offsets)
    state, decoder, _ = map_and_decoder(rows, charts, present)
    unit = rows.unit.item()
    return FittedMap(
        map=state,
        decoder=decoder,
        loss_curve=result.loss_curve,
        stress=result.stress,
        n_iter=len(result.loss_curve) - 1,
        feature_scale=rows.deviations(),
        continuation={"input_unit": unit, "output_unit": unit},
    )
