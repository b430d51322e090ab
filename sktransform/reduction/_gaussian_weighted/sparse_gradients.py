# SPDX-License-Identifier: BSD-3-Clause
"""Trainable mixture of local affine maps over the charts near each row alone.

Where charts are narrow, two or three of hundreds have all the weight at a row. Only the
logits are then computed for every chart; everything else is a sparse matrix with a few
entries in each row. ``examples/benchmarks/mixture_forms.py`` measures the gain.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import embedding_bag

from sktransform.reduction._gaussian_weighted.gradients import Buffers

# Charts below this share of a row's largest weight have no weight there.
_SMALLEST_SHARE = 1e-3

# Share of charts with weight at a row from which dense products are faster.
_DENSE_SHARE = 0.1


@dataclass(frozen=True)
class _Saved:
    """What the gradient needs: entries of rows and charts, and their weights."""

    augmented: torch.Tensor
    table: torch.Tensor
    rows: torch.Tensor
    charts: torch.Tensor
    starts: torch.Tensor
    weights: torch.Tensor
    images: torch.Tensor


class NearbyCharts:
    """Values and gradients of a TrainableMap, from the charts with weight at each row.

    The weights of the others are taken as zero, and those that stay add up to 1.
    """

    def __init__(self, trained):
        self._trained = trained
        self._buffers = Buffers()

    def _augmented(self, X):
        """Return [x, 1, |x|^2] of rows."""
        augmented = self._buffers.take("augmented", X, len(X), X.shape[1] + 2)
        squares = torch.mul(X, X, out=augmented[:, :-2]).sum(1)
        augmented[:, :-2] = X
        augmented[:, -2] = 1
        augmented[:, -1] = squares
        return augmented

    def _logits(self, augmented):
        """Return the logits of all charts."""
        trained = self._trained
        inverse_widths = trained.log_widths.neg().exp_()
        matrix = self._buffers.take(
            "matrix", augmented, trained.n_charts, augmented.shape[1]
        )
        torch.mul(trained.centers, 2 * inverse_widths[:, None], out=matrix[:, :-2])
        constants = trained.centers.square().sum(1).mul_(inverse_widths).neg_()
        if trained.log_masses is not None:
            constants += trained.log_masses
        matrix[:, -2] = constants
        matrix[:, -1] = -inverse_widths
        logits = self._buffers.take("logits", matrix, len(augmented), len(matrix))
        return torch.mm(augmented, matrix.T, out=logits)

    def _table(self):
        """Return each chart's rows [A, b - A mu], one for each output."""
        trained = self._trained
        shape = trained.n_charts, trained.n_outputs, trained.n_inputs + 1
        table = self._buffers.take("table", trained.parameters, *shape)
        table[..., :-1] = trained.components.transpose(0, 1)
        shifts = (trained.components * trained.centers).sum(2)
        table[..., -1] = (trained.offsets - shifts).T
        return table.flatten(1)

    def forward(self, X):
        """Return the mapped rows, and what :meth:`backward` needs.

        Shapes: `X` (n_rows, n_inputs); returned: `Y` (n_rows, n_outputs).
        """
        augmented = self._augmented(X)
        logits = self._logits(augmented)
        n_rows, n_charts = logits.shape
        largest = logits.amax(1, keepdim=True)
        entries = _entries_above(logits.sub_(largest), math.log(_SMALLEST_SHARE))
        if len(entries) > _DENSE_SHARE * logits.numel():
            return self._trained.forward(X)
        rows = entries // n_charts
        charts = entries - rows * n_charts
        starts = torch.arange(n_rows, device=entries.device) * n_charts
        starts = torch.searchsorted(entries, starts)
        weights = logits.view(-1).index_select(0, entries).exp_()
        ones = weights.new_ones((n_charts, 1))
        sums = _weighted_sums(charts, ones, starts, weights).view(-1)
        weights.div_(sums.index_select(0, rows))
        table = self._table()
        mixed = _weighted_sums(charts, table, starts, weights)
        mixed = mixed.view(n_rows, self._trained.n_outputs, -1)
        Y = _row_sums(mixed.mul_(augmented[:, None, :-1]))
        return Y, _Saved(augmented, table, rows, charts, starts, weights, Y)

    def backward(self, output_gradient, saved):
        """Write the gradient for one :meth:`forward`.

        Shapes: `output_gradient` (n_rows, n_outputs).
        """
        if not isinstance(saved, _Saved):
            self._trained.backward(output_gradient, saved)
            return
        augmented, table, rows = saved.augmented, saved.table, saved.rows
        pulled = self._buffers.take("pulled", table, len(augmented), table.shape[1])
        torch.mul(
            output_gradient.unsqueeze(2),
            augmented[:, None, :-1],
            out=pulled.view(len(augmented), self._trained.n_outputs, -1),
        )
        means = (output_gradient * saved.images).sum(1)
        by_logit = pulled.index_select(0, rows)
        by_logit = _row_sums(by_logit.mul_(table.index_select(0, saved.charts)))
        by_logit.sub_(means.index_select(0, rows)).mul_(saved.weights)
        order, starts = _by_chart(saved.charts, self._trained.n_charts)
        rows = rows.index_select(0, order)
        weights = saved.weights.index_select(0, order)
        by_table = _weighted_sums(rows, pulled, starts, weights)
        by_logit = by_logit.index_select(0, order)
        by_logit = _weighted_sums(rows, augmented, starts, by_logit)
        by_table = by_table.view(
            self._trained.n_charts, self._trained.n_outputs, -1
        ).transpose(0, 1)
        self._trained.write_gradient(
            (by_table[..., :-1], by_table[..., -1]),
            (by_logit[:, :-2], by_logit[:, -2], by_logit[:, -1]),
        )


def _entries_above(matrix, bound):
    """Return the flat indices of entries above a bound."""
    if matrix.device.type != "cpu":
        return (matrix > bound).view(-1).nonzero().view(-1)
    # NumPy finds them several times faster.
    return torch.from_numpy(np.flatnonzero(matrix.numpy() > bound))


def _row_sums(table):
    """Return sums over the last axis; short ones are slower without a product."""
    return (
        table.view(-1, table.shape[-1])
        .mv(table.new_ones(table.shape[-1]))
        .view(table.shape[:-1])
    )


def _by_chart(charts, n_charts):
    """Return the order in which entries of one chart follow each other, and starts."""
    if charts.device.type != "cpu":
        order = charts.argsort(stable=True)
    else:
        # NumPy sorts short integers by their digits.
        small = charts.numpy().astype(np.uint16 if n_charts <= 1 << 16 else np.int64)
        order = torch.from_numpy(small.argsort(kind="stable"))
    every = torch.arange(n_charts, device=charts.device)
    return order, torch.searchsorted(charts.index_select(0, order), every)


def _weighted_sums(indices, table, starts, weights):
    """Return weighted sums of rows of a table, one for each run of indices."""
    return embedding_bag(indices, table, starts, mode="sum", per_sample_weights=weights)
