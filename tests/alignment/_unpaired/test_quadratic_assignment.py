# SPDX-License-Identifier: BSD-3-Clause
import itertools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.optimize import quadratic_assignment
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

from sktransform.alignment._unpaired.quadratic_assignment import (
    batched_kmeans,
    best_assignments,
    centred_gram,
    pair_affinity,
    swap_gains,
)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def _symmetric(generator, *shape):
    matrix = torch.randn(*shape, generator=generator, dtype=torch.float64)
    return matrix + matrix.mT


def _inertia(X, centers):
    return torch.cdist(X, centers).amin(1).square().sum().item()


def test_the_best_of_many_runs_is_as_good_as_scikit_learns(generator):
    X = torch.from_numpy(load_iris().data)
    runs = batched_kmeans(X, 20, 3, generator)
    expected = KMeans(3, n_init=20, random_state=0).fit(X.numpy()).inertia_
    assert_allclose(min(_inertia(X, run) for run in runs), expected, rtol=1e-6)
    # Each run ended where every centre is the mean of its rows.
    for run in runs:
        labels = torch.cdist(X, run).argmin(1)
        means = torch.stack([X[labels == label].mean(0) for label in range(3)])
        assert_allclose(means, run, atol=1e-10)


def test_more_clusters_than_different_rows_leave_finite_centres(generator):
    X = torch.arange(3.0).repeat(4)[:, None]
    centers = batched_kmeans(X, 4, 8, generator)
    assert centers.shape == (4, 8, 1)
    assert set(centers.flatten().tolist()) == {0.0, 1.0, 2.0}


def test_gains_of_swaps_are_those_of_brute_force(generator):
    A, B = _symmetric(generator, 6, 6), _symmetric(generator, 6, 6)
    gains = swap_gains(A, B)
    for r, s in itertools.product(range(6), repeat=2):
        order = list(range(6))
        order[r], order[s] = s, r
        gain = (A * B[order][:, order]).sum() - (A * B).sum()
        assert_allclose(gains[r, s], gain, atol=1e-12)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_small_problems_are_solved(generator, weight):
    A, B = _symmetric(generator, 2, 5, 5), _symmetric(generator, 2, 5, 5)
    linear = weight * torch.randn(2, 5, 5, generator=generator, dtype=torch.float64)
    orders, agreements = best_assignments(A, B, linear, 64, generator)
    for problem in range(2):

        def value(order, k=problem):
            order = torch.as_tensor(order)
            quadratic = (A[k] * B[k][order][:, order]).sum()
            return quadratic + linear[k, torch.arange(5), order].sum()

        best = max(value(order) for order in itertools.permutations(range(5)))
        assert_allclose(value(orders[problem]), best)
        gain = linear[problem, torch.arange(5), orders[problem]].sum()
        assert_allclose(agreements[problem], best - gain)


def test_large_problems_are_solved_as_well_as_by_scipy(generator):
    A, B = _symmetric(generator, 12, 12), _symmetric(generator, 12, 12)
    linear = torch.zeros(1, 12, 12, dtype=torch.float64)
    _, agreement = best_assignments(A[None], B[None], linear, 256, generator)
    tries = [
        quadratic_assignment(
            A.numpy(),
            B.numpy(),
            method="2opt",
            options={"maximize": True, "rng": np.random.default_rng(seed)},
        ).fun
        for seed in range(20)
    ]
    assert agreement[0] >= max(tries) - 1e-9


def test_one_cluster_is_assigned_to_itself(generator):
    one = torch.ones(1, 1, 1)
    orders, agreements = best_assignments(one, one, 0 * one, 4, generator)
    assert orders.tolist() == [[0]]
    assert agreements.tolist() == [1.0]


def test_a_gram_forgets_position_rotation_and_size(generator):
    centers = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator).double())[0]
    moved = 7 * centers @ turn + 1
    assert_allclose(centred_gram(moved), centred_gram(centers), atol=1e-12)
    assert (centred_gram(torch.ones(1, 4, 2)) == 0).all()


def test_pairs_favour_the_clusters_that_they_fall_into(generator):
    centers = torch.eye(4)[None]
    order = torch.tensor([2, 0, 3, 1])
    pairs = torch.eye(4).repeat(5, 1), torch.eye(4)[order].repeat(5, 1)
    affinity = pair_affinity(centers, centers, pairs)[0]
    assert affinity.argmax(1).tolist() == order.tolist()
    assert_allclose(torch.linalg.matrix_norm(affinity), 1, rtol=1e-6)
