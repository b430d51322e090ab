# SPDX-License-Identifier: BSD-3-Clause
"""Invariance as a requirement: a primal-dual training that weighs what is hard.

The clean loss is the objective, and the loss under each transformation, at draws that
are likelier where it is large, may not exceed a bound. A multiplier rises while its
bound is exceeded and falls when it is not.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.augmentation._random import CHAIN, PROBE, torch_stream
from sktransform.augmentation._search.hard_sampling import TrainingChains
from sktransform.augmentation._search.proxy import (
    ProbeFeatures,
    Probes,
    ProbeTrainer,
    train_probes,
)
from sktransform.augmentation._search.select import kept_rows
from sktransform.augmentation._search.target import row_folds

# How much worse than clean rows, in nats or shares of variance, "auto" and "relative"
# let a transformation be.
_MARGIN = 0.05
_WARM_UP = 60
_LARGEST_DUAL = 5.0


@dataclass(frozen=True)
class ConstrainSettings:
    """What the strategy "constrain" is told.

    Parameters
    ----------
    epsilon : float, "auto" or "relative"
        The bound on the loss under each transformation.

    alpha : float or None
        Price of relaxing a bound; None never relaxes.

    chain_length : int
        Draws that a chain compares, the first one counted.

    n_steps : int
        Steps of the training.

    n_hidden : int
        Width of the probe.

    dual_rate : float
        Step of the multipliers.

    max_fit_rows : int
        Rows that are trained on at most.

    n_reports : int
        How often progress is reported at most.
    """

    epsilon: object = "relative"
    alpha: float | None = None
    chain_length: int = 2
    n_steps: int = 400
    n_hidden: int = 48
    dual_rate: float = 0.05
    max_fit_rows: int = 2000
    n_reports: int = 7


def constrain(data, transformations, settings, root, on_round, ranges=None):
    """Return the multipliers of a primal-dual training, and what to draw by them.

    Parameters
    ----------
    data : LabelledRows
        The training rows.

    transformations : tuple of Transformation
        What the model has to bear.

    settings : ConstrainSettings
        What the strategy is told.

    root : int
        Root seed.

    on_round : callable
        Called now and then; True ends the training.

    ranges : ndarray of shape (K,), default=None
        How far it has to bear them; nothing is asked where it is 0. None asks for
        all.

    Returns
    -------
    dict
        ``dual_`` (K,), ``dual_path_`` (n_steps, K), ``epsilon_`` (the bound, or None
        for one that follows the clean loss), ``acceptance_`` (K,),
        ``parameter_histogram_`` (K, 16) and ``probe_`` (a trained probe as arrays).
    """
    data = data[kept_rows(data, settings.max_fit_rows, root)]
    law = data.law(transformations, ranges)
    features = ProbeFeatures(data.columns)
    epsilon = settings.epsilon
    if epsilon == "auto":
        epsilon = _held_out_loss(data, features, settings, root) + _MARGIN
    chains = TrainingChains(law, features, data.target, settings.chain_length, root)
    path, probes = _train(data, features, chains, settings, epsilon, root, on_round)
    return {
        "dual_": path[-max(1, len(path) // 3) :].mean(0),
        "dual_path_": path,
        "epsilon_": None if epsilon == "relative" else float(epsilon),
        "acceptance_": chains.acceptance,
        "parameter_histogram_": chains.frequencies,
        "probe_": probes.to_state(),
    }


def law_shares(path):
    """Return how often each transformation is drawn, and how often it joins another.

    In the end a requirement may hold at no price, but only because of the versions
    that met it: whoever trains anew needs them in the shares of the whole training.

    Parameters
    ----------
    path : ndarray of shape (n_steps, K)
        The multipliers, step by step.

    Returns
    -------
    dict
        ``probabilities`` (K,), the multipliers' shares, and ``joining`` (K,), the
        share of the versions in the loss of the rows and of one multiplier alone:
        what has to be borne may be met together.
    """
    price = path.mean(0)
    total = price.sum()
    probabilities = price / total if total > 0 else price
    return {"probabilities": probabilities, "joining": price / (1 + price)}


def _train(data, features, chains, settings, epsilon, root, on_round):
    """Return the path of the multipliers (n_steps, K), and the trained probe."""
    target, clean = data.target, features(data.rows)
    rows_in_single = data.rows.float()
    generator = torch_stream(root, PROBE)
    probes = Probes.of(
        1, clean.shape[1], target.n_outputs, settings.n_hidden, generator
    )
    trainer = ProbeTrainer(
        probes, [torch.arange(len(data))], settings.n_steps, generator
    )
    dual = torch.zeros(len(chains.places), dtype=torch.float64)
    reported = -(-settings.n_steps // settings.n_reports)
    path = []
    for step in range(settings.n_steps):
        batch = trainer.draw()[0]
        values, weights = target.values[batch], target.weights[batch]
        versions = chains.draw(probes, rows_in_single[batch], values)
        repeats = len(dual) + 1
        values = values.repeat(repeats, *[1] * (values.ndim - 1))
        weights = weights.repeat(repeats)
        outputs = trainer.outputs(torch.cat([clean[batch], versions])[None])
        losses = target.training_loss(outputs[0], values) * weights
        losses = losses.view(repeats, -1).mean(1).double()
        shares = torch.cat([torch.ones(1), dual.float()])
        shares = (shares / shares.sum() / len(batch)).repeat_interleave(len(batch))
        slope = target.training_slope(outputs, values[None])
        trainer.step(slope.mul_((shares * weights)[None, :, None]))
        if step >= _WARM_UP or settings.n_steps <= 2 * _WARM_UP:
            dual = dual_step(dual, losses, epsilon, settings)
        path.append(dual.numpy())
        if (step + 1) % reported == 0 and on_round():
            break
    complete = np.zeros((len(path), len(chains.law.ranges)))
    complete[:, chains.places] = path
    return complete, probes


def dual_step(dual, losses, epsilon, settings):
    """Return the multipliers after a step up the dual.

    A relaxation with the price alpha u^2 / 2 is at its optimum u = dual / alpha, which
    leaves a dual that leaks.

    Parameters
    ----------
    dual : Tensor of shape (K,)
        The multipliers.

    losses : Tensor of shape (1 + K,)
        Mean losses of a batch: of the rows, and under each transformation.

    epsilon : float or "relative"
        The bound.

    settings : ConstrainSettings
        Rate and price of a relaxation.

    Returns
    -------
    Tensor of shape (K,)
        The multipliers, from 0 to their cap.
    """
    bound = losses[0] + _MARGIN if epsilon == "relative" else epsilon
    relaxed = 0.0 if settings.alpha is None else dual / settings.alpha
    moved = dual + settings.dual_rate * (losses[1:] - bound - relaxed)
    return moved.clamp(0.0, _LARGEST_DUAL)


def _held_out_loss(data, features, settings, root):
    """Return the held-out training loss of probes without any transformation."""
    target = data.target
    folds = row_folds(data.codes, target.is_classes, data.groups, 3, root, CHAIN)
    if not folds:
        return 0.0
    training = [torch.from_numpy(train) for train, _ in folds]
    clean = features(data.rows)
    probes = train_probes(
        clean,
        target,
        training,
        None,
        root=root,
        n_steps=settings.n_steps,
        n_hidden=settings.n_hidden,
    )
    held_out = np.concatenate([rows for _, rows in folds])
    losses = [
        target.training_loss(probes.one(fold, clean[rows]), target.values[rows])
        for fold, (_, rows) in enumerate(folds)
    ]
    weights = target.weights[held_out]
    return float((torch.cat(losses) * weights).sum() / weights.sum())
