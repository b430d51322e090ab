# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.metrics.pairwise import rbf_kernel

from sktransform.alignment._embedding_adapter import nystroem as _nystroem
from sktransform.alignment._embedding_adapter.nystroem import NystroemFeatures
from sktransform.alignment._moments.folds import hashed_sample, row_hashes
from sktransform.alignment._moments.pairs import PairRows
from sktransform.runtime._moments import PairMoments


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    X = torch.tensor(generator.normal(size=(200, 3)) * 2 + 5)
    Y = torch.tensor(generator.normal(size=(200, 2)))
    weights = torch.tensor(generator.uniform(0.5, 2, 200))
    return PairRows.from_rows(X, Y, weights, 4)


def features_of(rows, landmarks, bandwidth=1.0):
    moments = PairMoments.of(rows.X, rows.Y, rows.weights)
    return NystroemFeatures.from_landmarks(moments, landmarks, bandwidth)


def test_products_of_features_are_the_kernel_at_landmarks(rows):
    features = features_of(rows, rows.X[:40], bandwidth=0.3)
    kernels = features(rows.X)[:, 3:]
    expected = rbf_kernel(rows.X[:40], rows.X, gamma=1 / features.width)
    assert_allclose(kernels[:40] @ kernels.T, expected, atol=1e-6)


def test_width_is_twice_the_mean_squared_distance_for_bandwidth_1(rows):
    weights = torch.ones_like(rows.weights)
    features = features_of(PairRows(rows.X, rows.Y, weights, rows.folds, 4), rows.X)
    squared = torch.cdist(rows.X, rows.X).square().mean().item()
    # exp(-d^2 / (2 bandwidth^2)), and the bandwidth squared is the mean of d^2.
    assert_allclose(features.width, 2 * squared)


def test_linear_features_have_mean_0_and_total_variance_1(rows):
    moments = features_of(rows, rows.X[:9]).fold_moments(rows, rows.moments()).total()
    assert_allclose(moments.mean_x[:3], 0, atol=1e-12)
    assert_allclose(moments.covariance_x[:3, :3].trace(), 1)


def test_moments_of_blocks_are_those_of_all_rows(rows, monkeypatch):
    features = features_of(rows, rows.X[:9])
    whole = features.fold_moments(rows, rows.moments())
    monkeypatch.setattr(_nystroem, "_BLOCK_ROWS", 33)
    for name, expected in whole.tensors().items():
        torch.testing.assert_close(
            features.fold_moments(rows, rows.moments()).tensors()[name], expected
        )
    for number, fold in enumerate(whole.folds):
        own = rows.take(rows.folds == number)
        expected = PairMoments.of(features(own.X), own.Y, own.weights)
        for name, value in expected.tensors().items():
            torch.testing.assert_close(fold.tensors()[name], value)


def test_an_empty_fold_has_empty_moments(rows):
    kept = rows.take(rows.folds != 2)
    features = features_of(kept, kept.X[:9])
    fold = features.fold_moments(kept, kept.moments()).folds[2]
    assert not any(value.any() for value in (fold.weight, fold.xx, fold.xy, fold.yy))


def test_kernel_weight_scales_products_of_kernels(rows):
    scale = features_of(rows, rows.X[:9]).scale(3.0)
    assert_allclose(scale[:3], 1)
    assert_allclose(scale[3:] ** 2, 3)


def test_equal_rows_have_finite_features():
    X = torch.full((10, 3), 0.1, dtype=torch.float64)
    rows = PairRows.from_rows(X, X, torch.ones(10, dtype=torch.float64), 3)
    assert torch.isfinite(features_of(rows, X)(X)).all()


def test_sample_is_the_same_for_any_order_and_for_repeated_rows(rows):
    X = rows.X
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    sample = X[hashed_sample(X, 20)]
    assert len(sample) == 20
    assert torch.equal(X[order][hashed_sample(X[order], 20)], sample)
    twice = torch.cat([X, X])
    assert torch.equal(twice[hashed_sample(twice, 20)], sample)
    copies = twice[hashed_sample(twice, 20, copies=True)]
    assert torch.equal(copies[::2], sample)
    assert torch.equal(copies[1::2], sample)


def test_sample_is_not_taken_from_some_folds(rows):
    X = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    rows = PairRows.from_rows(X, X, torch.ones(4000), 5)
    counts = rows.folds[hashed_sample(X, 1000)].bincount(minlength=5)
    assert counts.min() > 150


def test_seeds_give_other_hashes(rows):
    assert not (row_hashes(rows.X) == row_hashes(rows.X, seed=1)).any()


def test_rows_of_weight_0_are_left_out(rows):
    weights = rows.weights.clone()
    weights[::3] = 0
    kept = PairRows.from_rows(rows.X, rows.Y, weights, 4)
    assert len(kept.X) == (weights > 0).sum()
    assert torch.equal(kept.folds, rows.folds[weights > 0])
