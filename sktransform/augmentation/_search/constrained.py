# SPDX-License-Identifier: BSD-3-Clause
"""Primal-dual training: invariance as a constraint, with a multiplier for each.

The objective is the loss of unchanged rows; the loss under each transformation
may not exceed a bound. A multiplier rises while its bound is exceeded and falls when it
is not (Hounie, Chamon and Ribeiro, 2023).
"""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.augmentation._policy.policy import fit_policy
from sktransform.augmentation._random import (
    CONSTRAINED,
    PROXY,
    row_seeds,
    stream_seed,
    torch_stream,
)
from sktransform.augmentation._search import constants
from sktransform.augmentation._search.proxy import (
    ProxyFeatures,
    ProxyNetworks,
    ProxyTrainer,
    train_proxies,
)
from sktransform.augmentation._tabular.dataset import row_folds

# How much worse than unchanged rows, in nats or shares of variance, "auto" and
# "relative" let a transformation be.
_MARGIN = 0.05
# Steps before the multipliers move: an untrained network violates every bound.
_WARM_UP = 60
# Step of the multipliers, and their cap: with 5 a transformation that destroys the
# label does not drown all others.
_DUAL_RATE, _MAX_DUAL = 0.05, 5.0
# Folds of the held-out loss that "auto" starts from.
_FOLDS = 3


@dataclass(frozen=True)
class ConstrainedResult:
    """Multipliers of a primal-dual training.

    `dual` (K,) is the mean of the last third of `dual_path` (n_steps, K); `epsilon` is
    the bound, None for one that follows the loss of unchanged rows.
    """

    dual: np.ndarray
    dual_path: np.ndarray
    epsilon: float | None


class _TransformedBatches:
    """Features of the rows of a batch under each transformation alone.

    `active` are the indices of the transformations with a range.
    """

    def __init__(self, policy, features, is_classes, root):
        self.policy, self.features, self.is_classes = policy, features, is_classes
        self.root, self.generator = root, torch_stream(root, CONSTRAINED)
        self.active = np.flatnonzero(policy.ranges > 0)
        self._n_draws = 0

    def draw(self, rows, values):
        """Return features (n_active b, p) of the b rows, at fresh parameters."""
        copies = [self._copies(k, rows, values) for k in self.active]
        return torch.cat([self.features(rows[:0]), *copies])

    def _copies(self, k, rows, values):
        """Return features (b, p) of the rows under transformation `k`."""
        transformation, scale = self.policy.transformations[k], self.policy.ranges[k]
        drawn = transformation.sample(len(rows), float(scale), self.generator)
        self._n_draws += 1
        base = stream_seed(self.root, CONSTRAINED, int(k), self._n_draws)
        return self.features(
            transformation.forward(
                rows,
                drawn,
                self.policy.references[k],
                torch.from_numpy(row_seeds(base, np.arange(len(rows)))),
                values if self.is_classes else None,
            )
        )


def run_constrained(dataset, transformations, epsilon, alpha, root, on_round):
    """Return the result of the primal-dual method on labelled rows.

    `epsilon` is a number, "auto" or "relative"; `alpha` the price of a relaxation or
    None; `on_round()` is called now and then and ends the training if it returns True.
    """
    policy = fit_policy(dataset, transformations)
    features = ProxyFeatures(dataset.columns)
    if epsilon == "auto":
        epsilon = _held_out_loss(dataset, features, root) + _MARGIN
    batches = _TransformedBatches(policy, features, dataset.target.is_classes, root)
    path = _train(dataset, features, batches, epsilon, alpha, root, on_round)
    return ConstrainedResult(
        path[-max(1, len(path) // 3) :].mean(0),
        path,
        None if epsilon == "relative" else float(epsilon),
    )


def policy_shares(path):
    """Return `probabilities` and `joining` of a policy, from multipliers (n_steps, K).

    They are those of the whole training: at its end a requirement may hold at no price
    only because of the copies that met it. A transformation of multiplier m joins the
    one that is drawn with probability m / (1 + m), its share of the copies in the loss
    of the rows and of it alone.
    """
    price = path.mean(0)
    total = price.sum()
    probabilities = price / total if total > 0 else price
    return {"probabilities": probabilities, "joining": price / (1 + price)}


def n_constrained_steps(shape):
    """Return the number of steps of the primal-dual method, and the width."""
    n_steps, n_hidden = constants.proxy_size(shape)
    return int(constants.CONSTRAINED_STEP_FACTOR * n_steps), n_hidden


def _train(dataset, features, batches, epsilon, alpha, root, on_round):
    """Return the path of the multipliers (n_steps, K)."""
    target, clean = dataset.target, features(dataset.rows)
    n_steps, n_hidden = n_constrained_steps(dataset.columns.shape)
    rows_in_single = dataset.rows.float()
    generator = torch_stream(root, PROXY)
    network = ProxyNetworks.untrained(
        1, clean.shape[1], target.n_outputs, n_hidden, generator
    )
    trainer = ProxyTrainer(network, [torch.arange(len(dataset))], n_steps, generator)
    dual = torch.zeros(len(batches.active), dtype=torch.float64)
    interval = -(-n_steps // (constants.MAX_ROUNDS + 1))
    path = []
    for step in range(n_steps):
        batch = trainer.draw()[0]
        values, weights = target.values[batch], target.weights[batch]
        copies = batches.draw(rows_in_single[batch], values)
        repeats = len(dual) + 1
        values = values.repeat(repeats, *[1] * (values.ndim - 1))
        weights = weights.repeat(repeats)
        outputs = trainer.outputs(torch.cat([clean[batch], copies])[None])
        losses = target.training_loss(outputs[0], values) * weights
        losses = losses.view(repeats, -1).mean(1).double()
        shares = torch.cat([torch.ones(1), dual.float()])
        shares = (shares / shares.sum() / len(batch)).repeat_interleave(len(batch))
        slope = target.training_gradient(outputs, values[None])
        trainer.step(slope.mul_((shares * weights)[None, :, None]))
        if step >= _WARM_UP or n_steps <= 2 * _WARM_UP:
            dual = dual_step(dual, losses, epsilon, alpha)
        path.append(dual.numpy())
        if (step + 1) % interval == 0 and on_round():
            break
    complete = np.zeros((len(path), len(batches.policy.ranges)))
    complete[:, batches.active] = path
    return complete


def dual_step(dual, losses, epsilon, alpha, rate=_DUAL_RATE):
    """Return the multipliers (K,) after a step up the dual, from 0 to their cap.

    `losses` (1 + K,) are mean losses of a batch: of the rows, and under each
    transformation. A relaxation u of price alpha u^2 / 2 is at its optimum u = dual /
    alpha, which is equivalent to weight decay on the dual.
    """
    bound = losses[0] + _MARGIN if epsilon == "relative" else epsilon
    relaxed = 0.0 if alpha is None else dual / alpha
    moved = dual + rate * (losses[1:] - bound - relaxed)
    return moved.clamp(0.0, _MAX_DUAL)


def _held_out_loss(dataset, features, root):
    """Return the held-out training loss of networks without any transformation."""
    target = dataset.target
    is_classes, groups = target.is_classes, dataset.groups
    folds = row_folds(dataset.codes, is_classes, groups, _FOLDS, root, CONSTRAINED)
    if not folds:
        return 0.0
    n_steps, n_hidden = n_constrained_steps(dataset.columns.shape)
    training = [torch.from_numpy(train) for train, _ in folds]
    clean = features(dataset.rows)
    networks = train_proxies(
        clean,
        target,
        training,
        None,
        root=root,
        n_steps=n_steps,
        n_hidden=n_hidden,
    )
    held_out = np.concatenate([rows for _, rows in folds])
    losses = [
        target.training_loss(networks.one(fold, clean[rows]), target.values[rows])
        for fold, (_, rows) in enumerate(folds)
    ]
    weights = target.weights[held_out]
    return float((torch.cat(losses) * weights).sum() / weights.sum())
