# SPDX-License-Identifier: BSD-3-Clause
"""Small networks, one for each fold, trained all at once."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch

from sktransform.augmentation._streams import PROBE, torch_stream

# Clean rows of a batch, and changed versions for each of them.
_BATCH, _VERSIONS = 32, 3
_LEARNING_RATE, _WEIGHT_DECAY = 4e-3, 1e-3


@dataclass(frozen=True)
class Probes:
    """Networks with two hidden layers, stacked along the first axis.

    Parameters
    ----------
    parameters : list of Tensor
        Matrices of shape (n_probes, inputs, outputs) and rows of shape (n_probes, 1,
        outputs), in turn, layer by layer.
    """

    parameters: list

    @classmethod
    def of(cls, n_probes, n_inputs, n_outputs, n_hidden, generator):
        """Return untrained probes, uniform in one over the root of the inputs."""
        sizes = n_inputs, n_hidden, n_hidden, n_outputs
        parameters = []
        for inputs, outputs in pairwise(sizes):
            for n_rows in (inputs, 1):
                values = torch.rand(n_probes, n_rows, outputs, generator=generator)
                bound = 1 / math.sqrt(max(inputs, 1))
                parameters.append(((2 * values - 1) * bound).requires_grad_())
        return cls(parameters)

    def __call__(self, rows):
        """Return the outputs, shape (n_probes, n, n_outputs), of each probe's rows."""
        layers = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        for matrix, offset in layers[:-1]:
            rows = torch.baddbmm(offset, rows, matrix).relu()
        matrix, offset = layers[-1]
        return torch.baddbmm(offset, rows, matrix)

    def one(self, probe, rows):
        """Return the outputs, shape (..., n_outputs), of one probe."""
        own = [parameter[probe] for parameter in self.parameters]
        layers = list(zip(own[::2], own[1::2], strict=True))
        for matrix, offset in layers[:-1]:
            rows = (rows @ matrix + offset).relu()
        matrix, offset = layers[-1]
        return rows @ matrix + offset

    def clip_gradients(self, bound=1.0):
        """Scale the gradient of each probe down to a norm."""
        squares = [p.grad.square().sum((1, 2)) for p in self.parameters]
        norm = torch.stack(squares).sum(0).sqrt()
        factor = (bound / norm.clamp(min=1e-9)).clamp(max=1.0)
        for parameter in self.parameters:
            parameter.grad.mul_(factor[:, None, None])


class ProbeTrainer:
    """The optimiser of probes, its schedule, and the rows of each step.

    Parameters
    ----------
    probes : Probes
        What is trained.

    training_rows : list of Tensor of int64
        Row numbers that each probe may see.

    n_steps : int
        Number of steps, over which the rate rises and falls once.

    generator : torch.Generator
        Draws the rows.
    """

    def __init__(self, probes, training_rows, n_steps, generator):
        self.probes = probes
        self.generator = generator
        self._counts = torch.tensor([len(rows) for rows in training_rows])
        widest = int(self._counts.max())
        self._rows = torch.stack(
            [torch.nn.functional.pad(r, (0, widest - len(r))) for r in training_rows]
        )
        self._optimizer = torch.optim.AdamW(
            probes.parameters,
            lr=_LEARNING_RATE,
            weight_decay=_WEIGHT_DECAY,
            foreach=True,
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, _LEARNING_RATE, total_steps=n_steps
        )

    def draw(self, n_rows=_BATCH):
        """Return row numbers of shape (n_probes, n_rows), drawn with replacement."""
        n_probes = len(self._counts)
        uniform = torch.rand(
            n_probes, n_rows, generator=self.generator, dtype=torch.float64
        )
        places = (uniform * self._counts[:, None]).long()
        return self._rows.gather(1, places)

    def step(self, loss):
        """Take one step down the sum of the probes' losses."""
        self._optimizer.zero_grad()
        loss.sum().backward()
        self.probes.clip_gradients()
        self._optimizer.step()
        self._schedule.step()


def train_probes(features, target, training_rows, pools, *, root, n_steps, n_hidden):
    """Return a probe for each list of rows, trained on rows and versions of them.

    Parameters
    ----------
    features : Tensor of shape (n, p)
        Rows as the probes see them, float32.

    target : Target
        The rows' labels.

    training_rows : list of Tensor of int64
        Row numbers that each probe may see.

    pools : list of Tensor of shape (K, M, n, p) or None
        M versions of each row by each of K transformations, one pool for each probe,
        or one for all. None trains on the rows alone.

    root : int
        Root seed. Probes with one seed start alike and see the same rows.

    n_steps : int
        Number of steps.

    n_hidden : int
        Width of the two hidden layers.

    Returns
    -------
    Probes
        The trained probes.

    Notes
    -----
    The loss is half that of the rows and half that of their versions, drawn uniformly
    from the pool: its cost does not depend on the number of transformations.
    """
    generator = torch_stream(root, PROBE)
    n_probes, n_inputs = len(training_rows), features.shape[1]
    probes = Probes.of(n_probes, n_inputs, target.n_outputs, n_hidden, generator)
    trainer = ProbeTrainer(probes, training_rows, n_steps, generator)
    for _ in range(n_steps):
        rows = trainer.draw()
        inputs = features[rows]
        if pools is not None:
            sources = rows.repeat(1, _VERSIONS)
            versions = _draw_versions(pools, sources, generator)
            inputs, rows = (
                torch.cat([inputs, versions], 1),
                torch.cat([rows, sources], 1),
            )
        losses = target.training_loss(probes(inputs), target.values[rows])
        losses = losses * target.weights[rows]
        loss = losses[:, :_BATCH].mean(1)
        if pools is not None:
            loss = 0.5 * loss + 0.5 * losses[:, _BATCH:].mean(1)
        trainer.step(loss)
    return Probes([parameter.detach() for parameter in probes.parameters])


def _draw_versions(pools, sources, generator):
    """Return a version, drawn uniformly, of each row: (n_probes, n_rows, p)."""
    n_operations, n_versions, n_rows, _ = pools[0].shape
    places = torch.randint(
        n_operations * n_versions, sources.shape, generator=generator
    )
    places = places * n_rows + sources
    if len(pools) == 1:
        return pools[0].flatten(0, 2)[places]
    return torch.stack(
        [pool.flatten(0, 2)[own] for pool, own in zip(pools, places, strict=True)]
    )
