# SPDX-License-Identifier: BSD-3-Clause
import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransform.runtime import _moments
from sktransform.runtime._moments import PairMoments, RowMoments


def _pairs(n_rows, offset=0.0, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, 3)) + offset
    Y = X[:, :2] ** 2 / (1 + abs(offset)) + generator.normal(size=(n_rows, 2)) - offset
    weights = generator.uniform(0, 2, n_rows)
    return tuple(map(torch.from_numpy, (X, Y, weights)))


def _assert_same(actual, expected, **tolerances):
    for name, value in expected.tensors().items():
        torch.testing.assert_close(getattr(actual, name), value, **tolerances)


def test_moments_agree_with_numpy():
    X, Y, weights = _pairs(50)
    moments = PairMoments.of(X, Y, weights)
    both = np.column_stack([X, Y])
    expected = np.cov(both.T, aweights=weights.numpy(), ddof=0)
    blocks = moments.covariance_x, moments.covariance_xy, moments.covariance_y
    parts = expected[:3, :3], expected[:3, 3:], expected[3:, 3:]
    for block, part in zip(blocks, parts, strict=True):
        np.testing.assert_allclose(block.numpy(), part, rtol=1e-12)
    mean = np.average(both, axis=0, weights=weights.numpy())
    np.testing.assert_allclose(moments.mean_x.numpy(), mean[:3], rtol=1e-12)
    np.testing.assert_allclose(moments.mean_y.numpy(), mean[3:], rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 40), max_size=4),
    order=st.permutations(range(40)),
    offset=st.sampled_from([0.0, 1e6]),
)
def test_any_split_and_order_gives_the_same_moments(cuts, order, offset):
    X, Y, weights = _pairs(40, offset)
    whole = PairMoments.of(X, Y, weights)
    parts = PairMoments.empty(3, 2)
    for start, stop in itertools.pairwise([0, *sorted(cuts), 40]):
        some = list(order)[start:stop]
        parts = parts.merge(PairMoments.of(X[some], Y[some], weights[some]))
    _assert_same(parts, whole, rtol=1e-7, atol=1e-7)


def test_blocks_give_the_same_moments(monkeypatch):
    X, Y, weights = _pairs(100)
    whole = PairMoments.of(X, Y, weights)
    monkeypatch.setattr(_moments, "_BLOCK_ROWS", 7)
    _assert_same(PairMoments.of(X, Y, weights), whole, rtol=1e-12, atol=1e-12)


def test_weights_are_repetitions():
    X, Y, _ = _pairs(30)
    weights = torch.arange(30) % 3
    weighted = PairMoments.of(X, Y, weights)
    repeated = PairMoments.of(
        X.repeat_interleave(weights, 0), Y.repeat_interleave(weights, 0)
    )
    _assert_same(weighted, repeated, rtol=1e-12, atol=1e-12)


def test_large_means_in_single_precision_cost_no_digits():
    X, Y, _ = _pairs(100)
    # 2^20 leaves three binary digits behind the point of a single.
    X = (8 * X).round() / 8
    far = PairMoments.of((X + 2.0**20).float(), Y).covariance_x
    torch.testing.assert_close(
        far, PairMoments.of(X, Y).covariance_x, rtol=1e-12, atol=0
    )


def test_merging_changes_neither_side():
    X, Y, _ = _pairs(20)
    left, right = PairMoments.of(X[:12], Y[:12]), PairMoments.of(X[12:], Y[12:])
    before = [moments.xy.clone() for moments in (left, right)]
    left.merge(right)
    for moments, scatter in zip((left, right), before, strict=True):
        assert torch.equal(moments.xy, scatter)


def test_no_rows_and_rows_without_weight_add_nothing():
    X, Y, _ = _pairs(5)
    moments = PairMoments.of(X, Y)
    for nothing in (PairMoments.of(X, Y, torch.zeros(5)), PairMoments.of(X[:0], Y[:0])):
        _assert_same(moments.merge(nothing), moments, rtol=0, atol=0)
        _assert_same(nothing.merge(moments), moments, rtol=0, atol=0)


def test_error_of_a_map_is_that_of_the_rows():
    X, Y, weights = _pairs(50)
    matrix, intercept = torch.ones(3, 2, dtype=torch.float64), Y[0]
    errors = (X @ matrix + intercept - Y).square().sum(1)
    expected = (weights @ errors) / weights.sum()
    # Also for rows other than those that the map was made for: their mean counts.
    found = PairMoments.of(X, Y, weights).mean_squared_error(matrix, intercept)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)


def test_swapped_views_are_those_of_the_other_direction():
    X, Y, weights = _pairs(20)
    swapped = PairMoments.of(X, Y, weights).swapped()
    _assert_same(swapped, PairMoments.of(Y, X, weights))


def test_rows_that_are_kept_say_what_the_moments_say():
    X, Y, weights = _pairs(5, offset=3.0)
    matrix = torch.linspace(-1, 2, 18, dtype=torch.float64).reshape(3, 6)
    kept, moments = (kind.of(X, Y, weights) for kind in (RowMoments, PairMoments))
    _assert_same(kept, moments)
    for method in ("image_scatter", "image_cross"):
        actual, expected = (getattr(own, method)(matrix) for own in (kept, moments))
        torch.testing.assert_close(actual, expected)
    intercept = torch.ones(2, dtype=torch.float64)
    affine = matrix[:, :2], intercept
    errors = (own.mean_squared_error(*affine) for own in (kept, moments))
    torch.testing.assert_close(*errors)
    assert type(kept.merge(moments)) is PairMoments
