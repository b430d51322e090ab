# SPDX-License-Identifier: BSD-3-Clause
"""
What training through skorch costs
==================================

CPU time of one batch: a bare torch loop against ``train_module``, over the same batches
of a small module, where the loop's own cost shows most. One thread; the two take turns,
and the median is reported.
"""

import argparse
import json
import statistics
import time

import numpy as np
import torch

from sktransform.runtime._training import train_module

N_FEATURES, N_OUTPUTS, BATCH_SIZE = 64, 2, 256


def build():
    return torch.nn.Linear(N_FEATURES, N_OUTPUTS)


def bare_loop(X, y, n_epochs):
    torch.manual_seed(0)
    module, criterion = build(), torch.nn.MSELoss()
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(BATCH_SIZE):
            optimizer.zero_grad()
            criterion(module(X[rows]), y[rows]).backward()
            optimizer.step()


def through_train_module(X, y, n_epochs):
    train_module(
        build,
        X,
        y,
        criterion=torch.nn.MSELoss,
        max_epochs=n_epochs,
        batch_size=BATCH_SIZE,
        random_state=0,
    )


def measure(loops, X, y, n_epochs, repetitions):
    """Return the median CPU microseconds a batch of each loop."""
    n_batches = n_epochs * -(-len(X) // BATCH_SIZE)
    seconds = {name: [] for name in loops}
    for _ in range(repetitions):
        for name, loop in loops.items():
            start = time.process_time()
            loop(X, y, n_epochs)
            seconds[name].append(time.process_time() - start)
    return {
        name: 1e6 * statistics.median(taken) / n_batches
        for name, taken in seconds.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer batches")
    parser.add_argument("--output", metavar="PATH", help="write the figures as JSON")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    X = torch.from_numpy(generator.normal(size=(40 * BATCH_SIZE, N_FEATURES))).float()
    y = X[:, :N_OUTPUTS].clone()
    loops = {"bare loop": bare_loop, "train_module": through_train_module}
    measure(loops, X, y, n_epochs=1, repetitions=1)  # warm up
    n_epochs, repetitions = (5, 3) if arguments.quick else (25, 7)
    microseconds = measure(loops, X, y, n_epochs, repetitions)

    ratio = microseconds["train_module"] / microseconds["bare loop"]
    print(f"{'loop':<14}{'CPU us a batch':>16}{'ratio':>8}")
    for name, value in microseconds.items():
        print(f"{name:<14}{value:>16.0f}{value / microseconds['bare loop']:>8.2f}")
    if arguments.output:
        figures = {"microseconds_a_batch": microseconds, "ratio": ratio}
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
