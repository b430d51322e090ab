# SPDX-License-Identifier: BSD-3-Clause
"""A small network of what a linear map leaves over, with early stopping."""

import numpy as np
import torch

N_HIDDEN, BATCH_SIZE, MAX_EPOCHS, PATIENCE = 256, 128, 120, 40
LEARNING_RATE, WEIGHT_DECAY, SHARE_HELD_OUT = 1e-3, 1e-2, 1 / 6


def _network(n_inputs, n_outputs):
    """Return a network that starts as zero: the linear map alone."""
    last = torch.nn.Linear(N_HIDDEN, n_outputs)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    first = torch.nn.Linear(n_inputs, N_HIDDEN)
    return torch.nn.Sequential(first, torch.nn.GELU(), last)


def _train(network, X, Y):
    """Train, and keep the weights of least error on rows that were held out."""
    order = torch.randperm(len(X))
    held, rest = order.tensor_split([max(20, int(len(X) * SHARE_HELD_OUT))])
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY
    )
    error = torch.nn.MSELoss()
    least, best, n_worse = torch.inf, None, 0
    for _ in range(MAX_EPOCHS):
        for rows in rest[torch.randperm(len(rest))].split(BATCH_SIZE):
            optimizer.zero_grad()
            error(network(X[rows]), Y[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            found = error(network(X[held]), Y[held]).item()
        n_worse += 1
        if found < least - 1e-5:
            n_worse = 0
            weights = network.state_dict()
            least, best = found, {name: w.clone() for name, w in weights.items()}
        if n_worse == PATIENCE:
            break
    network.load_state_dict(best)


def residual_network(X, residuals, unit, seed):
    """Return a function from rows to what the network says is left over.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_inputs)
        Rows.

    residuals : ndarray of shape (n_rows, n_outputs)
        What the linear map leaves over.

    unit : float
        Typical size of the targets.

    seed : int
        Seed of the weights and the order of the rows.
    """
    mean, scale = X.mean(axis=0), np.sqrt(X.var(axis=0).mean())

    def tensor(array):
        return torch.from_numpy(array.astype(np.float32))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(X.shape[1], residuals.shape[1])
        _train(network, tensor((X - mean) / scale), tensor(residuals / unit))

    def transform(rows):
        with torch.inference_mode():
            return unit * network(tensor((rows - mean) / scale)).double().numpy()

    return transform
