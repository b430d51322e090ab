# SPDX-License-Identifier: BSD-3-Clause
"""Proxy networks: small networks, one for each fold, trained all at once.

Gradients and optimiser are written out over one flat table of parameters: for networks
this small, automatic differentiation costs several times the arithmetic.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from sktransform.augmentation._random import PROXY, root_seed, torch_stream
from sktransform.augmentation._tabular.columns import NUMERIC
from sktransform.augmentation._tabular.dataset import Target

# Unchanged rows of a batch, and augmented copies for each of them.
_BATCH, _COPIES = 32, 3
# AdamW with one cycle: the rate rises to its peak and falls, the momentum the reverse;
# shares and ratios are those of torch's OneCycleLR.
_PEAK_RATE, _WEIGHT_DECAY, _CLIP = 4e-3, 1e-3, 1.0
_RISING, _FIRST_RATE, _LAST_RATE = 0.3, _PEAK_RATE / 25, _PEAK_RATE / 25e4
_LOW_MOMENTUM, _HIGH_MOMENTUM, _SECOND, _TINY = 0.85, 0.95, 0.999, 1e-8


class ProxyFeatures:
    """Encoder of rows for a proxy network: callable, (..., d) to float32 (..., p).

    Numeric columns are standardised, missing cells are the mean and have an indicator;
    codes of categories become indicators.
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
        self._keeps_all = len(self._kept) == len(kinds)

    def __call__(self, rows):
        rows = rows.to(torch.float32)
        kept = rows if self._keeps_all else rows[..., self._kept]
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


@dataclass(frozen=True)
class ProxyNetworks:
    """Networks with two hidden layers of rectified units.

    `parameters` (n_networks, n_parameters) holds all matrices and offsets of each in a
    row; `sizes` are the numbers of inputs, hidden units and outputs.
    """

    parameters: torch.Tensor
    sizes: tuple

    @classmethod
    def untrained(cls, n_networks, n_inputs, n_outputs, n_hidden, generator):
        """Return untrained networks, uniform in one over the root of the inputs."""
        sizes = n_inputs, n_hidden, n_hidden, n_outputs
        parts = []
        for inputs, outputs in pairwise(sizes):
            bound = 1 / math.sqrt(max(inputs, 1))
            shape = n_networks, (inputs + 1) * outputs
            parts.append((2 * torch.rand(shape, generator=generator) - 1) * bound)
        return cls(torch.cat(parts, 1), sizes)

    def layers(self, table=None):
        """Return views (matrix, offset) of each layer, of the parameters or a table."""
        table = self.parameters if table is None else table
        views, start = [], 0
        for inputs, outputs in pairwise(self.sizes):
            middle, stop = start + inputs * outputs, start + (inputs + 1) * outputs
            matrix = table[:, start:middle].view(-1, inputs, outputs)
            views.append((matrix, table[:, middle:stop].view(-1, 1, outputs)))
            start = stop
        return views

    def one(self, index, rows):
        """Return the outputs (..., n_outputs) of one network for features (..., p)."""
        *hidden, (matrix, offset) = self.layers()
        for own, constant in hidden:
            rows = (rows @ own[index] + constant[index, 0]).relu_()
        return rows @ matrix[index] + offset[index, 0]


class ProxyTrainer:
    """Training of proxy networks, in place, with the rows of each step.

    `training_rows` holds a tensor of the row indices that each network may see; the
    learning rate rises and falls once over `n_steps`.
    """

    def __init__(self, networks, training_rows, n_steps, generator):
        self.networks, self.n_steps, self.generator = networks, n_steps, generator
        self._counts = torch.tensor([[len(rows)] for rows in training_rows])
        widest = int(self._counts.max())
        self._rows = torch.stack(
            [torch.nn.functional.pad(r, (0, widest - len(r))) for r in training_rows]
        )
        self._gradient = torch.zeros_like(networks.parameters)
        self._mean = torch.zeros_like(networks.parameters)
        self._square = torch.zeros_like(networks.parameters)
        self._layers = networks.layers()
        self._gradients = networks.layers(self._gradient)
        self._n_done = 0

    def draw(self, n_rows=_BATCH):
        """Return row indices (n_networks, n_rows), drawn with replacement."""
        shape = len(self._counts), n_rows
        uniform = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return self._rows.gather(1, (uniform * self._counts).long())

    def outputs(self, rows):
        """Return outputs (n_networks, n, n_outputs), keeping activations for a step."""
        self._inputs = [rows]
        *hidden, (matrix, offset) = self._layers
        for own, constant in hidden:
            rows = torch.baddbmm(constant, rows, own).relu_()
            self._inputs.append(rows)
        return torch.baddbmm(offset, rows, matrix)

    def step(self, slope):
        """Take a step of AdamW, given the derivative of the loss by the outputs."""
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
        rate, momentum = one_cycle(self._n_done, self.n_steps)
        self._n_done += 1
        self._mean.lerp_(self._gradient, 1 - momentum)
        self._square.mul_(_SECOND)
        self._square.addcmul_(self._gradient, self._gradient, value=1 - _SECOND)
        correction = math.sqrt(1 - _SECOND**self._n_done)
        scale = (self._square.sqrt() / correction).add_(_TINY)
        parameters = self.networks.parameters
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


def train_proxies(features, target, training_rows, pools, *, root, n_steps, n_hidden):
    """Return a network for each tensor of row indices, trained on rows and copies.

    Features are (n, p); `pools` holds M copies of each row by each of K transformations
    (K, M, n, p), one pool for each network or one for all, or is None for rows alone.
    Networks of one root start alike and see the same rows. The loss is half that of the
    rows and half that of their copies, drawn uniformly from the pool: its cost does not
    depend on the number of transformations.
    """
    generator = torch_stream(root, PROXY)
    networks = ProxyNetworks.untrained(
        len(training_rows), features.shape[1], target.n_outputs, n_hidden, generator
    )
    trainer = ProxyTrainer(networks, training_rows, n_steps, generator)
    shares = torch.full((_BATCH,), 1 / _BATCH)
    if pools is not None:
        of_copies = [0.5 / (_COPIES * _BATCH)] * (_COPIES * _BATCH)
        shares = torch.tensor([0.5 / _BATCH] * _BATCH + of_copies)
    for _ in range(n_steps):
        rows = trainer.draw()
        inputs = features[rows]
        if pools is not None:
            sources = rows.repeat(1, _COPIES)
            inputs = torch.cat([inputs, _pool_copies(pools, sources, generator)], 1)
            rows = torch.cat([rows, sources], 1)
        outputs = trainer.outputs(inputs)
        slope = target.training_gradient(outputs, target.values[rows])
        trainer.step(slope.mul_((shares * target.weights[rows]).unsqueeze(2)))
    return networks


def _pool_copies(pools, sources, generator):
    """Return a copy, drawn uniformly, of each source row: (n_networks, n_rows, p)."""
    n_transformations, n_copies, n_rows, _ = pools[0].shape
    n_choices = n_transformations * n_copies
    chosen = torch.randint(n_choices, sources.shape, generator=generator)
    indices = chosen * n_rows + sources
    if len(pools) == 1:
        return pools[0].flatten(0, 2)[indices]
    return torch.stack(
        [pool.flatten(0, 2)[own] for pool, own in zip(pools, indices, strict=True)]
    )


class _ProxyEstimator(BaseEstimator):
    """A proxy network as an estimator of encoded rows."""

    def __init__(self, columns, *, n_steps, n_hidden, random_state=None):
        self.columns = columns
        self.n_steps = n_steps
        self.n_hidden = n_hidden
        self.random_state = random_state

    def _fit(self, X, target):
        self._features = ProxyFeatures(self.columns)
        self._network = train_proxies(
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
        features = self._features(torch.as_tensor(X))
        return self._network.one(0, features).double().numpy()


class ProxyClassifier(ClassifierMixin, _ProxyEstimator):
    """Proxy network of classes, used where no estimator is given."""

    def fit(self, X, y, sample_weight=None):
        """Train on rows (n, d), labels (n,) and weights (n,)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        return self._fit(X, Target.from_labels(codes, True, sample_weight))

    def decision_function(self, X):
        """Return logits (n, n_classes), or their difference for two classes."""
        outputs = self._outputs(X)
        if len(self.classes_) == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def predict(self, X):
        """Return the most probable class of each row."""
        return self.classes_[self._outputs(X).argmax(1)]


class ProxyRegressor(RegressorMixin, _ProxyEstimator):
    """Proxy network of numbers, used where no estimator is given."""

    def fit(self, X, y, sample_weight=None):
        """Train on rows (n, d), numbers (n,) or (n, n_outputs), and weights (n,)."""
        y = np.asarray(y, np.float64)
        columns = y.reshape(len(y), -1)
        self._mean, spread = columns.mean(0), columns.std(0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._is_column = y.ndim == 2
        return self._fit(X, Target.from_labels(y, False, sample_weight))

    def predict(self, X):
        """Return the expected numbers of each row."""
        numbers = self._outputs(X) * self._spread + self._mean
        return numbers if self._is_column else numbers[:, 0]
