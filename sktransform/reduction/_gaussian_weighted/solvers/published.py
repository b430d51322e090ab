# SPDX-License-Identifier: BSD-3-Clause
"""The method of Bergh (2025) as its author's code does it, to reproduce and compare.

The data are neither centred nor scaled, the linear maps have no offsets, every width is
1 at the start whatever the data's units, and all pairs are compared in every epoch. The
published code compares squared embedded distances, see :func:`distance_loss`.

Left out are noise of 1e-5 on the centres and the use of global random states. Two runs
with different seeds end in different local minima, here as there.
"""

import warnings
from dataclasses import dataclass

import torch

from sktransform.exceptions import CollapsedRowsWarning
from sktransform.nn._published import EPSILON, published_weights

# Standard deviation of the linear maps' entries at the start.
_INITIAL_SCALE = 0.05

# The published optimiser's own; torch's default is a tenth of it.
_ADAM_EPSILON = 1e-7

# Keeps the Gaussian of a row at a centre, exp(-0 / width), a number.
_SMALLEST_WIDTH = 1e-12

# Share of the rows that may lie outside every Gaussian without a warning.
_TOLERATED_SHARE = 0.01


@dataclass(frozen=True)
class PublishedFit:
    """The result of :func:`fit_published`.

    Parameters
    ----------
    map : dict of str to Tensor
        State of a :class:`sktransform.nn._published.PublishedMap`.

    loss_curve : list of float
        The loss at the start and after each epoch.

    n_collapsed : int
        Training rows outside every Gaussian, which are mapped close to 0.
    """

    map: dict
    loss_curve: list
    n_collapsed: int


def distance_loss(Y, targets, *, squared_distances=True, n_neighbors=None):
    """Return the published loss of an embedding, and its gradient.

    Parameters
    ----------
    Y : Tensor of shape (n_rows, n_outputs)
        The embedding.

    targets : Tensor of shape (n_rows, n_rows)
        Target distances, symmetric.

    squared_distances : bool, default=True
        Whether targets are compared with squared embedded distances, as the published
        code does, or with distances, as the paper says. The squared ones make an
        embedded distance imitate the square root of its target.

    n_neighbors : int, default=None
        Compare each row with itself and as many of its nearest rows in the embedding.
        None compares all.

    Returns
    -------
    loss : Tensor of shape ()
        Mean squared difference over ordered pairs, rows with themselves included.

    gradient : Tensor of shape (n_rows, n_outputs)
        Its derivative by the embedding.
    """
    n_rows = len(Y)
    # Distances do not see the mean, and their products are exact without it.
    Y = Y - Y.mean(0)
    norms = Y.square().sum(1, keepdim=True)
    ones = torch.ones_like(norms)
    left, right = torch.cat([-2 * Y, norms, ones], 1), torch.cat([Y, ones, norms], 1)
    distances = (left @ right.T).clamp_min_(0)
    distances.fill_diagonal_(0)
    if not squared_distances:
        distances.sqrt_()
    pull, n_pairs = distances - targets, n_rows**2
    if n_neighbors is not None and n_neighbors + 1 < n_rows:
        n_pairs = n_rows * (n_neighbors + 1)
        nearest = distances.topk(n_neighbors + 1, largest=False, sorted=False).indices
        pull *= torch.zeros_like(pull).scatter_(1, nearest, 1)
    loss = torch.dot(pull.flatten(), pull.flatten()) / n_pairs
    if not squared_distances:
        # Half the derivative by the squared distance; none where rows coincide.
        pull = torch.where(distances > 0, pull / (2 * distances), 0)
    if n_neighbors is not None:
        # A row is moved by the neighbours it has and by those whose neighbour it is.
        pull = (pull + pull.T) / 2
    gradient = pull.sum(1, keepdim=True) * Y - pull @ Y
    return loss, gradient * (8 / n_pairs)


def random_centers(X, n_gaussians, generator):
    """Return distinct rows drawn at random as centres.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        The rows.

    n_gaussians : int
        How many, at most the number of rows.

    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor of shape (n_gaussians, n_features)
        The centres. The published noise of 1e-5 over the greatest entry is left out: it
        has the wrong sign or divides by zero where no entry is positive.
    """
    order = torch.randperm(len(X), generator=generator, device=generator.device)
    return X[order[:n_gaussians].to(X.device)]


def fit_published(
    X,
    centers,
    n_components,
    *,
    max_iter,
    learning_rate=0.01,
    squared_distances=True,
    n_neighbors=None,
    generator,
    stop_requested,
):
    """Fit the published model by full-batch Adam.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        The rows, neither centred nor scaled.

    centers : Tensor of shape (n_charts, n_features)
        Centres of the charts, which stay where they are; :func:`random_centers` draws
        them as published.

    n_components : int
        Dimensions of the embedding.

    max_iter : int
        Number of epochs; each is one step of Adam.

    learning_rate : float, default=0.01
        Adam's learning rate; there is no schedule.

    squared_distances : bool, default=True
        Which loss, see :func:`distance_loss`.

    n_neighbors : int, default=None
        Which pairs, see :func:`distance_loss`.

    generator : torch.Generator
        Source of the initial linear maps.

    stop_requested : callable
        Called after each epoch; a true answer stops.

    Returns
    -------
    PublishedFit
        The map after the last epoch, not the best one.

    Warns
    -----
    CollapsedRowsWarning
        If more than 1 % of the rows lie outside every Gaussian.
    """
    targets = _distances(X, X)
    squared_to_centers = _distances(X, centers).square_()
    shape = (len(centers), n_components, X.shape[1])
    components = torch.randn(
        shape, generator=generator, device=generator.device, dtype=X.dtype
    )
    components = (components.to(X.device) * _INITIAL_SCALE).requires_grad_()
    widths = torch.ones_like(X[:1, 0]).repeat(len(centers)).requires_grad_()
    optimizer = torch.optim.Adam(
        [components, widths], lr=learning_rate, eps=_ADAM_EPSILON
    )

    def evaluate():
        Y = _embed(X, squared_to_centers, widths, components)
        options = {"squared_distances": squared_distances, "n_neighbors": n_neighbors}
        return Y, *distance_loss(Y.detach(), targets, **options)

    Y, loss, gradient = evaluate()
    loss_curve, finished = [loss.item()], False
    while not finished:
        optimizer.zero_grad()
        Y.backward(gradient)
        optimizer.step()
        Y, loss, gradient = evaluate()
        loss_curve.append(loss.item())
        finished = stop_requested() or len(loss_curve) > max_iter
    widths = _positive(widths.detach())
    sums = torch.exp(-squared_to_centers / widths).sum(1)
    n_collapsed = int((sums < EPSILON).sum())
    _warn_of_collapsed_rows(n_collapsed, len(X))
    state = {"centers": centers, "widths": widths, "components": components.detach()}
    return PublishedFit(map=state, loss_curve=loss_curve, n_collapsed=n_collapsed)


def global_influence(components):
    """Return the published global influence of each feature.

    Parameters
    ----------
    components : Tensor of shape (n_charts, n_outputs, n_features)
        The charts' linear maps.

    Returns
    -------
    Tensor of shape (n_features,)
        Mean over charts of each feature's share of the magnitudes; it sums to 1.
    """
    magnitudes = components.abs().sum(1)
    return (magnitudes / magnitudes.sum(1, keepdim=True)).mean(0)


def _distances(X, Z):
    """Return distances by subtraction, right far from the origin."""
    return torch.cdist(X, Z, compute_mode="donot_use_mm_for_euclid_dist")


def _positive(widths):
    """Return what counts of learned widths, whose sign may flip."""
    return widths.abs().clamp_min(_SMALLEST_WIDTH)


def _embed(X, squared_to_centers, widths, components):
    """Return the embedding as a function of what is learned."""
    gaussians = torch.exp(-squared_to_centers / _positive(widths))
    blended = published_weights(gaussians) @ components.flatten(1)
    return torch.einsum("nqd,nd->nq", blended.view(len(X), *components.shape[1:]), X)


def _warn_of_collapsed_rows(n_collapsed, n_rows):
    """Warn if many rows lie outside every Gaussian."""
    if n_collapsed <= _TOLERATED_SHARE * n_rows:
        return
    warnings.warn(
        f"{n_collapsed} of {n_rows} rows lie outside every Gaussian of the published "
        "map, which starts with width 1 in squared units of the rows: they are mapped "
        "to the origin and teach it nothing. Scale the rows down, or use another "
        "solver.",
        CollapsedRowsWarning,
        stacklevel=4,
    )
