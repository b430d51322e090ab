# SPDX-License-Identifier: BSD-3-Clause
"""
Forms of one mixture, and what each is there for
================================================

A Gaussian-weighted mixture of affine maps is defined once, by ``GaussianWeightedMap``.
Three faster forms of it stay in the package only because they gain time:
``PreparedMap`` maps rows that come alone, ``TrainableMap`` has its gradient written
out, and ``NearbyCharts`` leaves out charts without weight. So does ``SmallBlocks``,
which maps a row that comes alone in a block of 4 rows instead of 32 if its bits allow
that: ``AnchoredMap``, whose search takes most of the time, uses it. All are compared
with the definition, by automatic differentiation where there is a gradient: seconds a
call, and the largest difference of results as a share of the largest result.
"""

import argparse
import time

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._prepared import PreparedMap
from sktransform.reduction._gaussian_weighted.anchors import AnchoredMap, local_scales
from sktransform.reduction._gaussian_weighted.gradients import TrainableMap
from sktransform.reduction._gaussian_weighted.sparse_gradients import NearbyCharts
from sktransform.runtime._runtime import Runtime

# Rows, charts and inputs of a step of the neighbour solver with many rows.
N_ROWS, N_CHARTS, N_INPUTS, N_OUTPUTS = 1024, 200, 50, 2

# Rows that an anchored map stores, and those that come to it at once.
N_STORED, ARRIVING = 5000, (1, 1000)

# Widths as shares of the mean squared distance between charts: two or three charts have
# weight at a row, or nearly all have.
WIDTHS = {"narrow": 0.02, "wide": 1.0}


def problem(width):
    """Return rows, a derivative of the loss by their images, and a mixture's state."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator)

    centers = normal(N_CHARTS, N_INPUTS)
    rows = centers[torch.randint(N_CHARTS, (N_ROWS,), generator=generator)]
    rows = rows + 0.1 * normal(N_ROWS, N_INPUTS)
    state = {
        "centers": centers,
        "widths": torch.full((N_CHARTS,), 2 * N_INPUTS * width),
        "components": normal(N_CHARTS, N_OUTPUTS, N_INPUTS),
        "offsets": normal(N_CHARTS, N_OUTPUTS),
    }
    return rows, normal(N_ROWS, N_OUTPUTS), state


def seconds_of(function, n_repeats):
    """Return the median seconds of a call."""
    function()
    times = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def training_forms(rows, pulls, state):
    """Return functions that return images and the gradient by the components."""
    module = GaussianWeightedMap(torch.zeros(N_INPUTS), **state)
    trained = TrainableMap(
        state["centers"],
        state["widths"],
        state["components"].transpose(0, 1),
        state["offsets"].T,
    )
    nearby = NearbyCharts(trained)

    def automatic():
        module.zero_grad()
        images = module(rows)
        images.backward(pulls)
        return images.detach(), module.components.grad

    def written_out(form):
        def step():
            with torch.inference_mode():
                images, saved = form.forward(rows)
                form.backward(pulls, saved)
            size = trained.components.numel()
            gradient = trained.gradient[:size].view_as(trained.components)
            return images, gradient.transpose(0, 1)

        return step

    return {
        "GaussianWeightedMap": automatic,
        "TrainableMap": written_out(trained),
        "NearbyCharts": written_out(nearby),
    }


def serving_forms(rows, state):
    """Return functions that map one row."""
    module = GaussianWeightedMap(torch.zeros(N_INPUTS), **state)
    prepared, row = PreparedMap(module), rows[:1]

    def call(form):
        @torch.no_grad()
        def images():
            return (form(row),)

        return images

    return {"GaussianWeightedMap": call(module), "PreparedMap": call(prepared)}


def anchored_forms(state, n_arriving):
    """Return functions that map rows in whole blocks and in the blocks chosen."""
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(N_STORED, N_INPUTS, generator=generator)
    prepared = PreparedMap(GaussianWeightedMap(torch.zeros(N_INPUTS), **state))
    neighbors = torch.cdist(rows, rows).topk(8, largest=False).indices[:, 1:]
    scales = local_scales(rows, neighbors)
    anchored = AnchoredMap(prepared, rows, prepared(rows), scales, 1.0)
    arriving = rows[:n_arriving].numpy()
    runtime = Runtime.from_rows(arriving, "cpu")

    def whole():
        return (torch.from_numpy(runtime.map(anchored, arriving)),)

    def chosen():
        n_rows = anchored.block_rows(arriving)
        return (torch.from_numpy(runtime.map(anchored, arriving, n_rows)),)

    return {"AnchoredMap": whole, "SmallBlocks": chosen}


def compare(table, task, forms, n_repeats):
    """Add a row for each form: seconds, gain, and difference from the first."""
    expected, base = None, None
    for name, form in forms.items():
        found = [part.clone() for part in form()]
        seconds = seconds_of(form, n_repeats)
        expected, base = expected or found, base or seconds
        difference = max(
            float((a - b).abs().max() / b.abs().max())
            for a, b in zip(found, expected, strict=True)
        )
        table.add_row(
            task,
            name,
            f"{1e3 * seconds:.3f}",
            f"{base / seconds:.1f}",
            f"{difference:.0e}",
        )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repeats")
    n_repeats = 5 if parser.parse_args().quick else 100
    torch.set_num_threads(1)
    table = Table("task", "form", "ms", "times as fast", "difference")
    for name, width in WIDTHS.items():
        rows, pulls, state = problem(width)
        forms = training_forms(rows, pulls, state)
        compare(table, f"a training step, {name} charts", forms, n_repeats)
    compare(table, "one row", serving_forms(rows, state), n_repeats)
    for n_arriving in ARRIVING:
        forms = anchored_forms(state, n_arriving)
        compare(table, f"anchored, rows: {n_arriving}", forms, n_repeats)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
