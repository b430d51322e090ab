# SPDX-License-Identifier: BSD-3-Clause
"""A contrastive polish of an adapter's map, behind a gate of searches held out.

Import this file from where it is needed: skorch takes a moment to load.
"""

import math

import torch

from sktransform.alignment._backward_compatible.finetune import contrastive_loss
from sktransform.alignment._moments.folds import row_folds
from sktransform.metrics._nearness import partner_ranks
from sktransform.runtime._runtime import Runtime
from sktransform.runtime._training import load_module, train_module

_TEMPERATURE = 0.05
_BATCH_ROWS = 128
_LEARNING_RATE = 3e-4
_MAX_EPOCHS = 60
_PATIENCE = 10


class _Affine(torch.nn.Module):
    """An affine map whose matrix multiplies rows from the right."""

    def __init__(self, matrix, intercept):
        super().__init__()
        self.matrix = torch.nn.Parameter(matrix)
        self.intercept = torch.nn.Parameter(intercept)

    def forward(self, X):
        """Return the images of rows."""
        return X @ self.matrix + self.intercept


def _pair_loss(queries, targets):
    """Return how badly queries tell their own target from those of other rows."""
    classes = torch.arange(len(queries), device=queries.device)
    return contrastive_loss(queries, targets, classes, _TEMPERATURE)


def polished_affine(model, rows, random_state):
    """Return the adapter's map after training, if searches held out find more.

    One fold is held out: half of it says when to stop, the other half searches. If it
    finds its targets clearly more often, the map of all rows is trained as long.

    Parameters
    ----------
    model : AdapterModel
        The adapter.

    rows : PairRows
        Its rows; each counts once.

    random_state : RandomState
        Seed of the batches.

    Returns
    -------
    affine : tuple of Tensor or None
        Matrix and constant part of the map of the model's inputs; None for no gain.

    gain : float
        By how much the share of searches that find their target rose.
    """
    inputs, units = model.inputs(rows.X), _units(model.ridge.total)
    fold = rows.folds == rows.folds.min()
    halves = row_folds(rows.X, 2)
    stopping, searching = fold & (halves == 0), fold & (halves == 1)
    if not model.ridge.fold_maps or not stopping.any() or not searching.any():
        raise ValueError(
            f"polish=True holds rows out twice, and {len(rows.X)} are too few; give "
            "more rows or set polish=False."
        )
    before = model.fold_affines()[0]
    after, n_epochs = _train(
        before,
        units,
        (inputs[~fold], rows.Y[~fold]),
        random_state,
        validation=(inputs[stopping], rows.Y[stopping]),
    )
    hits = [
        _hits(inputs[searching] @ matrix + intercept, rows.Y, fold, searching, model)
        for matrix, intercept in (before, after)
    ]
    won, lost = (hits[1] > hits[0]).sum(), (hits[0] > hits[1]).sum()
    gain = float(won - lost) / len(hits[0])
    if won - lost <= math.sqrt(won + lost):
        return None, gain
    training = inputs, rows.Y
    return _train(model.affine(), units, training, random_state, n_epochs)[0], gain


def _units(total):
    """Return the mean of the inputs and the root mean variances of both views."""
    variances = total.covariance_x.diagonal().mean(), total.covariance_y.diagonal()
    tiny = torch.finfo(total.xx.dtype).tiny
    return (
        total.mean_x,
        variances[0].clamp_min(tiny).sqrt(),
        variances[1].mean().clamp_min(tiny).sqrt(),
    )


def _train(affine, units, training, random_state, max_epochs=_MAX_EPOCHS, **options):
    """Train an affine map in units in which both views vary by 1.

    Parameters
    ----------
    affine : tuple of Tensor
        Matrix and constant part at the start.

    units : tuple of Tensor
        See :func:`_units`.

    training : tuple of Tensor
        Inputs and targets.

    random_state : RandomState
        Seed of the batches.

    max_epochs : int, default=60
        Passes over the rows.

    **options : tuple of Tensor
        "validation": inputs and targets that say when to stop.

    Returns
    -------
    affine : tuple of Tensor
        Matrix and constant part after the best epoch.

    n_epochs : int
        Number of epochs up to this one.
    """
    (matrix, intercept), (mean, unit_x, unit_y) = affine, units
    start = _Affine(
        (matrix * (unit_x / unit_y)).float(),
        ((intercept + mean @ matrix) / unit_y).float(),
    )

    def standard(rows):
        return ((rows[0] - mean) / unit_x).float(), (rows[1] / unit_y).float()

    if "validation" in options:
        options = {"validation": standard(options["validation"]), "patience": _PATIENCE}
    result = train_module(
        start,
        *standard(training),
        criterion=_pair_loss,
        learning_rate=_LEARNING_RATE,
        max_epochs=max_epochs,
        batch_size=_BATCH_ROWS,
        random_state=random_state,
        device=mean.device,
        **options,
    )
    trained = load_module(start, result.state, device=mean.device, dtype=torch.float64)
    matrix = trained.matrix.detach() * (unit_y / unit_x)
    intercept = trained.intercept.detach() * unit_y - mean @ matrix
    return (matrix, intercept), result.best_epoch + 1


def _hits(images, targets, fold, searching, model):
    """Return which images find their own target among those of the whole fold."""
    places = torch.cumsum(fold, 0)[searching] - 1
    queries, gallery, partners = Runtime.arrays(images, targets[fold], places)
    ranks = partner_ranks(
        queries, gallery, partners, model.calibration.metric, Runtime.of(images)
    )
    return ranks == 1
