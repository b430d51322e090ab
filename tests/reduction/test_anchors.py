# SPDX-License-Identifier: BSD-3-Clause
"""Facts about the vote of the nearest stored rows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._prepared import PreparedMap
from sktransform.reduction._anchors import AnchoredMap
from sktransform.runtime import Runtime


def _plain(n_inputs, dtype=torch.float64):
    """Return the map onto the first two inputs."""
    return PreparedMap(
        GaussianWeightedMap(
            mean=torch.zeros(n_inputs, dtype=dtype),
            centers=torch.zeros((1, n_inputs), dtype=dtype),
            widths=torch.ones(1, dtype=dtype),
            components=torch.eye(2, n_inputs, dtype=dtype)[None],
            offsets=torch.zeros((1, 2), dtype=dtype),
        )
    )


def _anchored(n_anchors, n_inputs=4, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn((n_anchors, n_inputs), generator=generator, dtype=dtype)
    embedding = inputs[:, :2] + 0.3 * torch.randn(
        (n_anchors, 2), generator=generator, dtype=dtype
    )
    unit = torch.tensor(0.2, dtype=dtype)
    return AnchoredMap(_plain(n_inputs, dtype), inputs, embedding, unit), (
        inputs.numpy(),
        embedding.numpy(),
    )


def _rows(n_rows, n_inputs=4, seed=1):
    return np.random.default_rng(seed).normal(size=(n_rows, n_inputs))


def _winner(row, inputs, embedding):
    """Return the elected position of one row, by the formula of the vote."""
    squared = ((inputs - row) ** 2).sum(axis=1)
    voters = squared.argsort()[:10]
    nearest = squared[voters[0]]
    votes = softmax(-3 * (squared[voters] - nearest) / nearest)
    places = embedding[voters]
    reach = 3 * 0.2**2
    between = ((places[:, None] - places) ** 2).sum(axis=2)
    to_map = ((places - row[:2]) ** 2).sum(axis=1)
    score = (votes / (1 + between / reach)).sum(axis=1) + 0.3 / (1 + to_map / reach)
    return places[score.argmax()]


@pytest.mark.parametrize("n_anchors", [1, 7, 10, 33, 2000, 2011])
def test_rows_take_the_position_that_the_vote_elects(n_anchors):
    anchored, stored = _anchored(n_anchors)
    rows = _rows(50)
    expected = [_winner(row, *stored) for row in rows]
    found = Runtime.of(rows, "cpu").map(anchored, rows)
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=30, deadline=None)
@given(
    n_anchors=st.integers(1, 2500),
    n_inputs=st.integers(2, 60),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 100),
)
def test_a_row_has_the_same_bits_in_any_company(n_anchors, n_inputs, dtype, seed):
    anchored, _ = _anchored(n_anchors, n_inputs, dtype, seed)
    rows = _rows(70, n_inputs, seed).astype(str(dtype).removeprefix("torch."))
    runtime = Runtime.of(rows, "cpu")
    order = np.random.default_rng(seed).permutation(70)
    whole = runtime.map(anchored, rows)
    np.testing.assert_array_equal(runtime.map(anchored, rows[order]), whole[order])
    np.testing.assert_array_equal(runtime.map(anchored, rows[41:42]), whole[41:42])
