# SPDX-License-Identifier: BSD-3-Clause
"""Small networks, one for each fold, trained all at once.

Gradients and optimiser are written out over one flat table of parameters: for networks
this small, the bookkeeping of automatic ones would cost several times the arithmetic.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from sktransform.augmentation._random import PROBE, root_seed, torch_stream
from sktransform.augmentation._search.target import Target
from sktransform.augmentation._tabular.columns import NUMERIC


class ProbeFeatures:
    """Code rows in input units for a small network.

    Parameters
    ----------
    columns : ColumnTable
        The columns. Numeric ones are standardised, missing cells are the mean and have
        an indicator; codes of categories become indicators.
    """

    def __init__(self, columns):
        kinds = np.array(columns.kinds, dtype=object)
        in_block = np.zeros(len(kinds), dtype=bool)
        in_block[[column for block in columns.blocks for column in block]] = True
        numeric = np.isin(kinds, NUMERIC)
        coded = (kinds == "categorical") & ~in_block
        self._kept = torch.from_numpy(np.flatnonzero(~coded))
        sd = np.where(numeric & (columns.sd > 0), columns.sd, 1.0)
        self._mean = torch.as_tensor(columns.mean, dtype=torch.float32)[self._kept]
        self._sd = torch.as_tensor(sd, dtype=torch.float32)[self._kept]
        self._missing = torch.from_numpy(np.flatnonzero(columns.has_nan))
        self._coded = [
            (int(column), torch.arange(_n_codes(columns, column)))
            for column in np.flatnonzero(coded)
        ]
        self._is_plain = len(self._kept) == len(kinds)

    def __call__(self, rows):
        """Return features of shape (..., p), float32, of rows of shape (..., d)."""
        rows = rows.to(torch.float32)
        kept = rows if self._is_plain else rows[..., self._kept]
        parts = [(kept - self._mean) / self._sd]
        if len(self._missing):
            parts[0] = torch.nan_to_num(parts[0], nan=0.0)
            parts.append(rows[..., self._missing].isnan().float())
        parts += [
            (rows[..., column, None] == codes).float() for column, codes in self._coded
        ]
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


def _n_codes(columns, column):
    """Return the number of codes of a categorical column."""
    if columns.categories is not None and columns.categories[column]:
        return len(columns.categories[column])
    upper = columns.upper[column]
    return int(upper) + 1 if np.isfinite(upper) else 0


# Clean rows of a batch, and changed versions for each of them.
_BATCH, _VERSIONS = 32, 3
# AdamW with one cycle: the rate rises to its peak and falls, the momentum the reverse.
_PEAK_RATE, _WEIGHT_DECAY, _CLIP = 4e-3, 1e-3, 1.0
_RISING, _FIRST_RATE, _LAST_RATE = 0.3, _PEAK_RATE / 25, _PEAK_RATE / 25e4
_LOW_MOMENTUM, _HIGH_MOMENTUM, _SECOND, _TINY = 0.85, 0.95, 0.999, 1e-8


@dataclass(frozen=True)
class Probes:
    """Networks with two hidden layers of rectified units.

    Parameters
    ----------
    parameters : Tensor of shape (n_probes, n_parameters)
        All matrices and offsets of each network in a row.

    sizes : tuple of int
        Numbers of inputs, units of both hidden layers, and outputs.
    """

    parameters: torch.Tensor
    sizes: tuple

    @classmethod
    def of(cls, n_probes, n_inputs, n_outputs, n_hidden, generator):
        """Return untrained probes, uniform in one over the root of the inputs."""
        sizes = n_inputs, n_hidden, n_hidden, n_outputs
        parts = []
        for inputs, outputs in pairwise(sizes):
            bound = 1 / math.sqrt(max(inputs, 1))
            shape = n_probes, (inputs + 1) * outputs
            parts.append((2 * torch.rand(shape, generator=generator) - 1) * bound)
        return cls(torch.cat(parts, 1), sizes)

    def to_state(self):
        """Return the networks as arrays."""
        return {
            "parameters": self.parameters.numpy().copy(),
            "sizes": np.array(self.sizes),
        }

    @classmethod
    def from_state(cls, state):
        """Return the networks of which `to_state` made arrays."""
        parameters = torch.tensor(state["parameters"])
        return cls(parameters, tuple(int(size) for size in state["sizes"]))

    def layers(self, table=None):
        """Return views (matrix, offset) of each layer, of the parameters or alike."""
        table = self.parameters if table is None else table
        views, start = [], 0
        for inputs, outputs in pairwise(self.sizes):
            middle, stop = start + inputs * outputs, start + (inputs + 1) * outputs
            matrix = table[:, start:middle].view(-1, inputs, outputs)
            views.append((matrix, table[:, middle:stop].view(-1, 1, outputs)))
            start = stop
        return views

    def one(self, probe, rows):
        """Return the outputs, shape (..., n_outputs), of one probe."""
        *hidden, (matrix, offset) = self.layers()
        for own, constant in hidden:
            rows = (rows @ own[probe] + constant[probe, 0]).relu_()
        return rows @ matrix[probe] + offset[probe, 0]


class ProbeTrainer:
    """Probes in training, and the rows of each step.

    Parameters
    ----------
    probes : Probes
        What is trained, in place.

    training_rows : list of Tensor of int64
        Row numbers that each probe may see.

    n_steps : int
        Number of steps, over which the rate rises and falls once.

    generator : torch.Generator
        Draws the rows.
    """

    def __init__(self, probes, training_rows, n_steps, generator):
        self.probes, self.n_steps, self.generator = probes, n_steps, generator
        self._counts = torch.tensor([[len(rows)] for rows in training_rows])
        widest = int(self._counts.max())
        self._rows = torch.stack(
            [torch.nn.functional.pad(r, (0, widest - len(r))) for r in training_rows]
        )
        self._gradient = torch.zeros_like(probes.parameters)
        self._mean = torch.zeros_like(probes.parameters)
        self._square = torch.zeros_like(probes.parameters)
        self._layers = probes.layers()
        self._gradients = probes.layers(self._gradient)
        self._n_done = 0

    def draw(self, n_rows=_BATCH):
        """Return row numbers of shape (n_probes, n_rows), drawn with replacement."""
        shape = len(self._counts), n_rows
        uniform = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return self._rows.gather(1, (uniform * self._counts).long())

    def outputs(self, rows):
        """Return outputs (n_probes, n, n_outputs), and keep what a step needs."""
        self._inputs = [rows]
        *hidden, (matrix, offset) = self._layers
        for own, constant in hidden:
            rows = torch.baddbmm(constant, rows, own).relu_()
            self._inputs.append(rows)
        return torch.baddbmm(offset, rows, matrix)

    def step(self, slope):
        """Take one step, given the loss's derivative by the outputs of each probe."""
        for number in reversed(range(len(self._layers))):
            inputs = self._inputs[number]
            matrix, offset = self._gradients[number]
            matrix.copy_(torch.bmm(inputs.transpose(1, 2), slope))
            offset.copy_(slope.sum(1, keepdim=True))
            if number:
                slope = torch.bmm(slope, self._layers[number][0].transpose(1, 2))
                slope.mul_(inputs > 0)
        norm = self._gradient.norm(dim=1, keepdim=True)
        self._gradient.mul_((_CLIP / norm.clamp_(min=1e-9)).clamp_(max=1.0))
        self._descend()

    def _descend(self):
        """Take a step of AdamW."""
        rate, momentum = one_cycle(self._n_done, self.n_steps)
        self._n_done += 1
        self._mean.lerp_(self._gradient, 1 - momentum)
        self._square.mul_(_SECOND)
        self._square.addcmul_(self._gradient, self._gradient, value=1 - _SECOND)
        correction = math.sqrt(1 - _SECOND**self._n_done)
        scale = (self._square.sqrt() / correction).add_(_TINY)
        parameters = self.probes.parameters
        parameters.mul_(1 - rate * _WEIGHT_DECAY)
        step = rate / (1 - momentum**self._n_done)
        parameters.addcdiv_(self._mean, scale, value=-step)


def one_cycle(step, n_steps):
    """Return rate and momentum of a step: cosines up to a peak, and down again."""
    peak, last = _RISING * n_steps - 1, n_steps - 1
    if step <= peak:
        share, ends = step / max(peak, 1e-9), (_FIRST_RATE, _PEAK_RATE)
        momenta = _HIGH_MOMENTUM, _LOW_MOMENTUM
    else:
        share, ends = (step - peak) / max(last - peak, 1e-9), (_PEAK_RATE, _LAST_RATE)
        momenta = _LOW_MOMENTUM, _HIGH_MOMENTUM
    weight = (1 - math.cos(math.pi * share)) / 2
    return tuple(a + (b - a) * weight for a, b in (ends, momenta))


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
    shares = _shares(pools is not None)
    for _ in range(n_steps):
        rows = trainer.draw()
        inputs = features[rows]
        if pools is not None:
            sources = rows.repeat(1, _VERSIONS)
            versions = _draw_versions(pools, sources, generator)
            inputs = torch.cat([inputs, versions], 1)
            rows = torch.cat([rows, sources], 1)
        outputs = trainer.outputs(inputs)
        slope = target.training_slope(outputs, target.values[rows])
        trainer.step(slope.mul_((shares * target.weights[rows]).unsqueeze(2)))
    return probes


def _shares(has_versions):
    """Return the weight of each row of a batch: rows and versions weigh the same."""
    if not has_versions:
        return torch.full((_BATCH,), 1 / _BATCH)
    halves = [0.5 / _BATCH] * _BATCH
    return torch.tensor(halves + [0.5 / (_VERSIONS * _BATCH)] * (_VERSIONS * _BATCH))


def _draw_versions(pools, sources, generator):
    """Return a version, drawn uniformly, of each row: (n_probes, n_rows, p)."""
    n_operations, n_versions, n_rows, _ = pools[0].shape
    n_choices = n_operations * n_versions
    chosen = torch.randint(n_choices, sources.shape, generator=generator)
    places = chosen * n_rows + sources
    if len(pools) == 1:
        return pools[0].flatten(0, 2)[places]
    return torch.stack(
        [pool.flatten(0, 2)[own] for pool, own in zip(pools, places, strict=True)]
    )


class _ProbeEstimator(BaseEstimator):
    """One small network; the rows are those of the engine, already coded."""

    def __init__(self, columns, *, n_steps=220, n_hidden=48, random_state=None):
        self.columns = columns
        self.n_steps = n_steps
        self.n_hidden = n_hidden
        self.random_state = random_state

    def _fit(self, X, target):
        self._features = ProbeFeatures(self.columns)
        self._probe = train_probes(
            self._features(torch.as_tensor(X)),
            target,
            [torch.arange(len(X))],
            None,
            root=root_seed(self.random_state),
            n_steps=self.n_steps,
            n_hidden=self.n_hidden,
        )
        return self

    def _outputs(self, X):
        return self._probe.one(0, self._features(torch.as_tensor(X))).double().numpy()


class ProbeClassifier(ClassifierMixin, _ProbeEstimator):
    """A small network of classes."""

    def fit(self, X, y, sample_weight=None):
        """Train on rows (n, d), labels (n,) and weights (n,)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        return self._fit(X, Target.of(codes, True, sample_weight))

    def decision_function(self, X):
        """Return logits (n, n_classes), or their difference for two classes."""
        outputs = self._outputs(X)
        if len(self.classes_) == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def predict(self, X):
        """Return the likeliest class of each row."""
        return self.classes_[self._outputs(X).argmax(1)]


class ProbeRegressor(RegressorMixin, _ProbeEstimator):
    """A small network of numbers."""

    def fit(self, X, y, sample_weight=None):
        """Train on rows (n, d), numbers (n,) or (n, n_outputs), and weights (n,)."""
        y = np.asarray(y, np.float64)
        columns = y.reshape(len(y), -1)
        self._mean, spread = columns.mean(0), columns.std(0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._is_column = y.ndim == 2
        return self._fit(X, Target.of(y, False, sample_weight))

    def predict(self, X):
        """Return the expected numbers of each row."""
        numbers = self._outputs(X) * self._spread + self._mean
        return numbers if self._is_column else numbers[:, 0]
