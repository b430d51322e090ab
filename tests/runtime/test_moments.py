# SPDX-License-Identifier: BSD-3-Clause
import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransform.runtime._moments import Moments


def _rows(n_rows, offset=0.0, seed=0):
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n_rows, 3)) + offset
    return torch.from_numpy(rows), torch.from_numpy(generator.uniform(0, 2, n_rows))


def test_moments_agree_with_numpy():
    rows, weights = _rows(50)
    moments = Moments.of(rows, weights)
    expected = np.cov(rows.numpy().T, aweights=weights.numpy(), ddof=0)
    np.testing.assert_allclose(moments.covariance.numpy(), expected, rtol=1e-12)
    mean = np.average(rows.numpy(), axis=0, weights=weights.numpy())
    np.testing.assert_allclose(moments.mean.numpy(), mean, rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 40), max_size=4),
    order=st.permutations(range(40)),
    offset=st.sampled_from([0.0, 1e6]),
)
def test_any_split_and_order_gives_the_same_moments(cuts, order, offset):
    rows, weights = _rows(40, offset)
    whole = Moments.of(rows, weights)
    order = list(order)
    edges = [0, *sorted(cuts), 40]
    parts = Moments.empty(3)
    for start, stop in itertools.pairwise(edges):
        parts = parts.update(rows[order[start:stop]], weights[order[start:stop]])
    torch.testing.assert_close(parts.weight, whole.weight)
    torch.testing.assert_close(parts.mean, whole.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(parts.scatter, whole.scatter, rtol=1e-7, atol=1e-7)


def test_large_offset_costs_no_digits():
    rows, _ = _rows(100)
    near = Moments.of(rows).covariance
    far = Moments.of(rows + 2.0**30).covariance
    # 2^30 leaves about 23 binary digits behind the point.
    torch.testing.assert_close(near, far, rtol=0, atol=1e-5)


def test_float32_rows_are_summed_in_float64():
    rows = torch.full((1000, 1), 0.1, dtype=torch.float32)
    moments = Moments.of(rows)
    assert moments.mean.dtype == torch.float64
    assert moments.mean.item() == rows[0].double().item()


def test_merging_changes_neither_side():
    rows, _ = _rows(20)
    left, right = Moments.of(rows[:12]), Moments.of(rows[12:])
    before = [m.scatter.clone() for m in (left, right)]
    left.merge(right)
    for moments, scatter in zip((left, right), before, strict=True):
        assert torch.equal(moments.scatter, scatter)


def test_rows_without_weight_add_nothing():
    rows, _ = _rows(5)
    moments = Moments.of(rows)
    same = moments.update(rows, torch.zeros(5))
    assert torch.equal(same.mean, moments.mean)
    assert torch.equal(same.scatter, moments.scatter)
