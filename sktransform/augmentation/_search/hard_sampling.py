# SPDX-License-Identifier: BSD-3-Clause
"""Metropolis-Hastings sampling: draws are likelier where a network's loss is large.

The proposal ignores the state, so that it cancels from the acceptance ratio: an
independence sampler whose density is that of the proposals times the loss.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.augmentation._policy.policy import (
    Draw,
    apply_draw,
    draw_transformations,
)
from sktransform.augmentation._random import (
    CHAIN,
    COPIES,
    HARD,
    row_seeds,
    stream_seed,
    torch_stream,
)
from sktransform.augmentation._search.proxy import ProxyFeatures, ProxyNetworks

# Rows whose loss is computed at once: fixed, so that results depend on no setting.
_CHUNK = 2048


def accepts(loss, proposed, uniform):
    """Return which proposals (n,) are accepted: with probability proposed / loss.

    Where there is no ratio, of infinities or NaN, nothing is accepted.
    """
    ratio = (proposed / loss.clamp(min=1e-12)).nan_to_num(nan=0.0)
    return uniform < ratio.clamp(0, 1)


class TrainingSampler:
    """Sampler of each transformation alone for the rows of a training batch.

    `active` are the indices of the transformations with a range; `chain_length` counts
    the draws that a chain compares, the first one included.
    """

    def __init__(self, policy, features, target, chain_length, root):
        self.policy, self.features, self.target = policy, features, target
        self.chain_length, self.root = chain_length, root
        self.generator = torch_stream(root, CHAIN)
        self.active = np.flatnonzero(policy.ranges > 0)
        n_all = len(policy.transformations)
        self._n_accepted, self._n_proposed = np.zeros(n_all), np.zeros(n_all)
        self._n_draws = 0

    def draw(self, network, rows, values):
        """Return features (n_active b, p) of the rows after the chains."""
        found = [self.features(rows[:0])]
        for k in self.active:
            copies, loss = self._propose(network, k, rows, values)
            for _ in range(self.chain_length - 1):
                proposed, proposed_loss = self._propose(network, k, rows, values)
                uniform = torch.rand(len(rows), generator=self.generator)
                accepted = accepts(loss, proposed_loss, uniform)
                copies = torch.where(accepted[:, None], proposed, copies)
                loss = torch.where(accepted, proposed_loss, loss)
                self._n_accepted[k] += int(accepted.sum())
                self._n_proposed[k] += len(rows)
            found.append(copies)
        return torch.cat(found)

    @property
    def acceptance_rate(self):
        """Share (K,) of the proposals that were accepted, NaN where there were none."""
        with np.errstate(invalid="ignore"):
            return self._n_accepted / self._n_proposed

    def _propose(self, network, k, rows, values):
        """Return features and losses of one fresh draw for each row."""
        transformation, scale = self.policy.transformations[k], self.policy.ranges[k]
        drawn = transformation.sample(len(rows), float(scale), self.generator)
        self._n_draws += 1
        base = stream_seed(self.root, CHAIN, int(k), self._n_draws)
        copies = self.features(
            transformation.forward(
                rows,
                drawn,
                self.policy.references[k],
                torch.from_numpy(row_seeds(base, np.arange(len(rows)))),
                values if self.target.is_classes else None,
            )
        )
        return copies, self.target.training_loss(network.one(0, copies), values)


@dataclass(frozen=True)
class HardSampler:
    """Sampler of whole copies, of all their transformations, from a policy."""

    network: ProxyNetworks
    chain_length: int

    def draw(self, dataset, policy, root, *key, clean_share=0.0):
        """Return draws as `draw_transformations` does, hard ones more often."""
        rows = np.arange(len(dataset))
        draw = draw_transformations(policy, rows, root, *key, clean_share=clean_share)
        # Unchanged rows are a fixed share: they are never the state of a chain.
        changed = torch.from_numpy(draw.on.any(1))
        loss = self.losses(dataset, policy, draw)
        for step in range(1, self.chain_length):
            other = draw_transformations(policy, rows, root, HARD, *key, step)
            other_loss = self.losses(dataset, policy, other)
            # The streams of the draws end in numbers from 1 on.
            generator = torch_stream(root, HARD, *key, step, 0)
            uniform = torch.rand(len(rows), generator=generator)
            accepted = accepts(loss, other_loss, uniform) & changed
            loss = torch.where(accepted, other_loss, loss)
            draw = draw.replaced(accepted.numpy(), other)
        return draw

    def copies(self, dataset, policy, n_copies, root, *key):
        """Return the draws of copies of rows, one copy after the other."""
        return Draw.concatenate(
            [
                self.draw(dataset, policy, root, COPIES, *key, copy)
                for copy in range(n_copies)
            ]
        )

    def losses(self, dataset, policy, draw):
        """Return the float64 loss (n,) of each row as drawn."""
        features, target = ProxyFeatures(dataset.columns), dataset.target
        rows = apply_draw(policy, dataset.rows.float(), draw, dataset.labels)
        losses = [
            target.training_loss(
                self.network.one(0, features(rows[start : start + _CHUNK])),
                target.values[start : start + _CHUNK],
            )
            for start in range(0, len(rows), _CHUNK)
        ]
        return torch.cat(losses).double()
