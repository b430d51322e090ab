# SPDX-License-Identifier: BSD-3-Clause
"""The published way to a nearly orthogonal map: a gated penalty, trained by Adam.

Ricci, S. et al. (2025), arXiv 2509.16664: the mean squared error plus ``sigmoid(alpha
(r - lam)) r`` with ``r = ||W W' - I||``. Batch size and sharpness are not given there.
"""

import time

import torch

ALPHA, BATCH_SIZE, N_CHECKS = 10, 256, 40


def residual(matrix):
    """Return how far a square matrix is from a rotation."""
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    return torch.linalg.matrix_norm(matrix @ matrix.T - identity)


def gated_loss(X, Y, matrix, intercept, lam):
    """Return the published loss of a batch."""
    error = (X @ matrix + intercept - Y).square().sum(1).mean()
    r = residual(matrix)
    return error + torch.sigmoid(ALPHA * (r - lam)) * r


def gated_training(X, Y, lam, *, n_epochs, learning_rate, cosine, seed=0):
    """Train, and yield the CPU seconds so far with the map, now and then.

    What the caller does between two maps is not counted.
    """
    generator = torch.Generator().manual_seed(seed)
    # A small step off the identity, where the penalty's gradient is not defined.
    start = torch.eye(X.shape[1])
    start += 1e-3 * torch.randn(start.shape, generator=generator)
    matrix = start.requires_grad_()
    intercept = torch.zeros(Y.shape[1], requires_grad=True)
    optimizer = torch.optim.Adam([matrix, intercept], lr=learning_rate)
    n_steps = n_epochs * (len(X) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    check_every = -(-n_steps // N_CHECKS)
    seconds, step = 0.0, 0
    begun = time.process_time()
    for _ in range(n_epochs):
        order = torch.randperm(len(X), generator=generator)
        for rows in order[: len(X) // BATCH_SIZE * BATCH_SIZE].split(BATCH_SIZE):
            optimizer.zero_grad()
            gated_loss(X[rows], Y[rows], matrix, intercept, lam).backward()
            optimizer.step()
            if cosine:
                schedule.step()
            step += 1
            if step % check_every == 0 or step == n_steps:
                seconds += time.process_time() - begun
                yield seconds, matrix.detach().double(), intercept.detach().double()
                begun = time.process_time()
