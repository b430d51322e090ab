# SPDX-License-Identifier: BSD-3-Clause
"""Invariance as a requirement: a primal-dual training that weighs what is hard.

The clean loss is the objective, and the loss under each transformation, at draws that
are likelier where it is large, may not exceed a bound. A multiplier rises while its
bound is exceeded and falls when it is not.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.augmentation._engine import kept_rows
from sktransform.augmentation._features import ProbeFeatures
from sktransform.augmentation._probe import Probes, ProbeTrainer, train_probes
from sktransform.augmentation._streams import (
    CHAIN,
    PROBE,
    row_seeds,
    stream_seed,
    torch_stream,
)
from sktransform.augmentation._target import row_folds

# How much worse than clean rows, in nats or shares of variance, "auto" and "relative"
# let a transformation be.
_MARGIN = 0.05
_WARM_UP = 60
_LARGEST_DUAL = 5.0
_N_BINS = 16


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

    epsilon: object = "auto"
    alpha: float | None = 2.0
    chain_length: int = 2
    n_steps: int = 400
    n_hidden: int = 48
    dual_rate: float = 0.05
    max_fit_rows: int = 2000
    n_reports: int = 7


class _Chains:
    """Draws of every transformation for a batch, likelier where the loss is large.

    The proposal ignores the state, so that it cancels from the acceptance ratio: an
    independence sampler whose target is proportional to the loss.
    """

    def __init__(self, law, features, target, chain_length, root):
        self.law, self.features, self.target = law, features, target
        self.chain_length, self.root = chain_length, root
        self.generator = torch_stream(root, CHAIN)
        n_all = len(law.transformations)
        self.histogram = np.zeros((n_all, _N_BINS))
        self.n_accepted, self.n_proposed = np.zeros(n_all), np.zeros(n_all)
        self._count = 0

    def draw(self, probes, rows, values):
        """Return features (K b, p) of the rows after the chains of all K."""
        found = []
        for place in range(len(self.law.transformations)):
            versions, magnitude, loss = self._propose(probes, place, rows, values)
            for _ in range(self.chain_length - 1):
                other, its_magnitude, its_loss = self._propose(
                    probes, place, rows, values
                )
                ratio = (its_loss / loss.clamp(min=1e-12)).nan_to_num(nan=0.0)
                uniform = torch.rand(len(rows), generator=self.generator)
                accepted = uniform < ratio.clamp(0, 1)
                versions = torch.where(accepted[:, None], other, versions)
                magnitude = torch.where(accepted, its_magnitude, magnitude)
                loss = torch.where(accepted, its_loss, loss)
                self.n_accepted[place] += int(accepted.sum())
                self.n_proposed[place] += len(rows)
            self._record(place, magnitude)
            found.append(versions)
        return torch.cat(found)

    def _propose(self, probes, place, rows, values):
        """Return features, magnitudes and losses of one fresh draw for each row."""
        transformation = self.law.transformations[place]
        drawn = transformation.sample(len(rows), 1.0, self.generator)
        self._count += 1
        base = stream_seed(self.root, CHAIN, place, self._count)
        versions = self.features(
            transformation.forward(
                rows,
                drawn,
                self.law.references[place],
                torch.from_numpy(row_seeds(base, np.arange(len(rows)))),
                values if self.target.is_classes else None,
            )
        )
        losses = self.target.training_loss(probes.one(0, versions), values)
        return versions, transformation.magnitude(drawn), losses

    def _record(self, place, magnitude):
        bins = (magnitude.double() * _N_BINS).long().clamp(max=_N_BINS - 1)
        self.histogram[place] += np.bincount(bins.numpy(), minlength=_N_BINS)


def constrain(data, transformations, settings, root, on_round):
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

    Returns
    -------
    dict
        ``dual_`` (K,), ``dual_path_`` (n_steps, K), ``epsilon_`` (the bound, or None
        for one that follows the clean loss), ``acceptance_`` (K,),
        ``parameter_histogram_`` (K, 16) and ``probabilities`` (K,).
    """
    data = data[kept_rows(data, settings.max_fit_rows, root)]
    law = data.law(transformations)
    features = ProbeFeatures(data.columns)
    epsilon = settings.epsilon
    if epsilon == "auto":
        epsilon = _held_out_loss(data, features, settings, root) + _MARGIN
    chains = _Chains(law, features, data.target, settings.chain_length, root)
    path = _train(data, features, chains, settings, epsilon, root, on_round)
    # In the end a requirement may hold at no price, but only because of the versions
    # that met it: whoever trains anew needs them in the shares of the whole training.
    weights = path.mean(0)
    total = weights.sum()
    proposed = np.maximum(chains.n_proposed, 1)
    return {
        "dual_": path[-max(1, len(path) // 3) :].mean(0),
        "dual_path_": path,
        "epsilon_": None if epsilon == "relative" else float(epsilon),
        "acceptance_": chains.n_accepted / proposed,
        "parameter_histogram_": chains.histogram
        / np.maximum(chains.histogram.sum(1, keepdims=True), 1),
        "probabilities": weights / total if total > 0 else weights,
    }


def _train(data, features, chains, settings, epsilon, root, on_round):
    """Return the path of the multipliers (n_steps, K)."""
    target, clean = data.target, features(data.rows)
    rows_in_single = data.rows.float()
    generator = torch_stream(root, PROBE)
    probes = Probes.of(
        1, clean.shape[1], target.n_outputs, settings.n_hidden, generator
    )
    trainer = ProbeTrainer(
        probes, [torch.arange(len(data))], settings.n_steps, generator
    )
    dual = torch.zeros(len(chains.law.transformations), dtype=torch.float64)
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
            dual = _dual_step(dual, losses, epsilon, settings)
        path.append(dual.numpy())
        if (step + 1) % reported == 0 and on_round():
            break
    return np.stack(path)


def _dual_step(dual, losses, epsilon, settings):
    """Return the multipliers after a step up the dual.

    A relaxation with the price alpha u^2 / 2 is at its optimum u = dual / alpha, which
    leaves a dual that leaks.
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
    losses = [
        target.training_loss(probes.one(fold, clean[rows]), target.values[rows])
        for fold, (_, rows) in enumerate(folds)
    ]
    return float(torch.cat(losses).mean())
