# SPDX-License-Identifier: BSD-3-Clause
"""Fine-tuning of a pair of maps, of new rows and of old ones, by a contrastive loss.

Import this file from where it is needed: skorch takes a moment to load.
"""

from functools import partial

import torch
from skorch.callbacks import Callback

from sktransform.runtime._training import load_module, train_module

# Steps of gradient between two projections.
_PROJECTION_STEPS = 10

_BATCH_ROWS = 256
_LEARNING_RATE = 1e-3


def contrastive_loss(queries, keys, classes, temperature):
    """Return how badly queries tell the keys of their class from others.

    Mean cross-entropy of the softmax over keys against the uniform distribution over
    the keys of the query's class.

    Shapes: queries (n_rows, n_columns), keys (n_rows, n_columns), classes (n_rows,) ->
    ().
    """
    unit = torch.nn.functional.normalize
    logits = unit(queries, dim=1) @ unit(keys, dim=1).T / temperature
    positive = (classes[:, None] == classes).to(logits)
    shares = positive / positive.sum(1, keepdim=True)
    return -(shares * logits.log_softmax(1)).sum(1).mean()


class MapPair(torch.nn.Module):
    """Affine maps of new rows and of old ones into one space.

    - `matrix` (n_inputs, n_outputs): gives the columns of new rows that compare with
      old ones.
    - `extra` (n_inputs, n_extra): gives their further columns, which are not trained.
    - `intercept` (n_outputs + n_extra,): constant part of the map of new rows.
    - `forward_matrix` (n_outputs, n_outputs + n_extra): linear part of the map of old
      rows.
    - `forward_intercept` (n_outputs + n_extra,): its constant part.
    """

    def __init__(self, matrix, extra, intercept, forward_matrix, forward_intercept):
        super().__init__()
        self.matrix = torch.nn.Parameter(matrix)
        self.register_buffer("extra", extra)
        self.intercept = torch.nn.Parameter(intercept)
        self.forward_matrix = torch.nn.Parameter(forward_matrix)
        self.forward_intercept = torch.nn.Parameter(forward_intercept)

    def forward(self, new):
        """Return the images of new rows."""
        return new @ torch.cat([self.matrix, self.extra], 1) + self.intercept

    def bring_forward(self, old):
        """Return the images of old rows."""
        return old @ self.forward_matrix + self.forward_intercept


def pair_loss(pair, mapped, new, targets, *, variance, weight, temperature):
    """Return the loss of a pair of maps on a batch.

    Squared errors of both maps, and contrastive terms between old rows brought forward
    and both new and old rows.

    `targets`: the old rows, and in the last column their classes.
    `variance`: total variance of the old rows, the unit of squared errors.

    Shapes: mapped (n_rows, n_outputs + n_extra), new (n_rows, n_inputs), targets
    (n_rows, n_outputs + 1) -> ().
    """
    old, classes = targets[:, :-1], targets[:, -1]
    brought = pair.bring_forward(old)
    comparable = old.shape[1]
    errors = (brought - mapped).square().sum(1).mean()
    errors = errors + (mapped[:, :comparable] - old).square().sum(1).mean()
    contrast = contrastive_loss(brought, mapped, classes, temperature)
    contrast = contrast + contrastive_loss(
        brought[:, :comparable], old, classes, temperature
    )
    return errors / variance + weight * contrast


class _Projection(Callback):
    """Keep the matrix of a pair feasible while it is trained."""

    def __init__(self, project):
        self.project = project
        self.n_steps = 0

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            self.n_steps += 1
        if not training or self.n_steps % _PROJECTION_STEPS == 0:
            matrix = net.module_.matrix
            with torch.no_grad():
                matrix.copy_(self.project(matrix.to(torch.float64)))


def train_pair(
    pair, training, validation, *, project, max_epochs, random_state, **loss
):
    """Train a pair of maps, and keep it only if the loss of held-out rows falls.

    `pair`: the maps to start at, in single precision; not changed.
    `training`: new rows, and old rows with classes in the last column.
    `validation`: the same of rows held out.
    `project`: takes the matrix of new rows in float64 and returns the nearest one
      allowed.
    `finetuned`: the maps after the best epoch; None if the loss of the rows held out
      did not fall.
    `before, after`: that loss at the start and after the best epoch.

    Returned: finetuned, before, after.
    """
    criterion = partial(pair_loss, **loss)
    device = training[0].device
    result = train_module(
        pair,
        *training,
        loss=criterion,
        learning_rate=_LEARNING_RATE,
        max_epochs=max_epochs,
        batch_size=min(_BATCH_ROWS, len(training[0])),
        validation=validation,
        patience=5,
        random_state=random_state,
        device=device,
        callbacks=[_Projection(project)],
    )
    finetuned = load_module(pair, result.state, device=device)
    with torch.no_grad():
        finetuned.matrix.copy_(project(finetuned.matrix.to(torch.float64)))
        before, after = (
            criterion(maps, maps(validation[0]), *validation).item()
            for maps in (pair, finetuned)
        )
    return (finetuned if after < before else None), before, after
