# SPDX-License-Identifier: BSD-3-Clause
"""Facts about the vote of the nearest stored rows."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.special import softmax

from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._prepared import PreparedMap
from sktransform.reduction._gaussian_weighted.anchors import AnchoredMap, local_scales
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


def _scales(inputs):
    """Return distances to the seventh nearest other row, or to the last."""
    distances = np.sort(cdist(inputs, inputs), axis=1)
    return distances[:, min(7, len(inputs) - 1)]


def _anchored(n_anchors, n_inputs=4, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn((n_anchors, n_inputs), generator=generator, dtype=dtype)
    embedding = inputs[:, :2] + 0.3 * torch.randn(
        (n_anchors, 2), generator=generator, dtype=dtype
    )
    scales = torch.from_numpy(_scales(inputs.numpy())).to(dtype)
    unit = torch.tensor(0.2, dtype=dtype)
    anchored = AnchoredMap(_plain(n_inputs, dtype), inputs, embedding, scales, unit)
    return anchored, (inputs.numpy(), embedding.numpy())


def _rows(n_rows, n_inputs=4, seed=1):
    return np.random.default_rng(seed).normal(size=(n_rows, n_inputs))


def _winner(row, inputs, embedding):
    """Return the elected position of one row, by the formula of the vote."""
    scales = _scales(inputs)
    scales = np.maximum(scales / (scales.mean() or 1), 0.5)
    squared = ((inputs - row) ** 2).sum(axis=1) / scales
    neighbors = squared.argsort()[:10]
    votes = softmax(-squared[neighbors] / squared[neighbors[0]])
    positions = embedding[neighbors]
    between = ((positions[:, None] - positions) ** 2).sum(axis=2)
    agreement = (votes / (1 + between / (3 * 0.2**2))).sum(axis=1)
    return positions[agreement.argmax()]


@pytest.mark.parametrize("n_anchors", [1, 7, 10, 33, 2000, 2011])
def test_rows_take_the_position_that_the_vote_elects(n_anchors):
    anchored, stored = _anchored(n_anchors)
    rows = _rows(50)
    expected = [_winner(row, *stored) for row in rows]
    found = Runtime.from_rows(rows, "cpu").map(anchored, rows)
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
    runtime = Runtime.from_rows(rows, "cpu")
    order = np.random.default_rng(seed).permutation(70)
    whole = runtime.map(anchored, rows)
    np.testing.assert_array_equal(runtime.map(anchored, rows[order]), whole[order])
    for n_rows in (1, 3, 4, 5):
        few = rows[41 : 41 + n_rows]
        found = runtime.map(anchored, few, anchored.block_rows(few))
        np.testing.assert_array_equal(found, whole[41 : 41 + n_rows])


@pytest.mark.parametrize(("n_neighbors", "last"), [(15, 7), (7, 7), (3, 3), (1, 1)])
def test_the_scale_of_a_row_is_its_distance_to_the_seventh_neighbour(n_neighbors, last):
    rows = _rows(40)
    distances = cdist(rows, rows)
    order = distances.argsort(axis=1)[:, 1:]
    tensors = torch.from_numpy(rows), torch.from_numpy(order[:, :n_neighbors].copy())
    expected = np.sort(distances, axis=1)[:, last]
    np.testing.assert_allclose(local_scales(*tensors), expected)


def test_units_do_not_matter():
    _, (inputs, embedding) = _anchored(300)
    rows = _rows(60)
    found = []
    for factor in (1.0, 1e-6, 1e6):
        scaled = [torch.from_numpy(factor * a) for a in (inputs, embedding)]
        scales = torch.from_numpy(factor * _scales(inputs))
        unit = torch.tensor(factor * 0.2)
        anchored = AnchoredMap(_plain(4), *scaled, scales, unit)
        found.append(
            Runtime.from_rows(rows, "cpu").map(anchored, factor * rows) / factor
        )
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-12)


def test_a_row_that_is_nearest_to_all_does_not_win_for_that():
    # One stored row amid new ones, and a dense island beside them. By distance alone
    # all new rows have most neighbours in the island.
    generator = np.random.default_rng(0)
    island = generator.normal(scale=0.05, size=(50, 2))
    around = 2 + generator.normal(size=(30, 2))
    inputs = torch.from_numpy(np.concatenate([island, around]))
    scales = torch.from_numpy(_scales(inputs.numpy()))
    embedding = torch.zeros((80, 2), dtype=torch.float64)
    embedding[50:] = 100.0
    unit = torch.tensor(1.0, dtype=torch.float64)
    new = np.array([[0.6, 0.6], [0.7, 0.8]])
    results = [
        Runtime.from_rows(new, "cpu").map(
            AnchoredMap(_plain(2), inputs, embedding, s, unit), new
        )
        for s in (torch.ones_like(scales), scales)
    ]
    np.testing.assert_array_equal(results[0], 0)
    np.testing.assert_array_equal(results[1], 100)


def test_repeated_stored_rows_have_no_scale_and_stay_in_the_vote():
    inputs = torch.zeros((30, 3), dtype=torch.float64)
    inputs[20:, 0] = 1.0
    embedding, scales = inputs[:, :2] * 5, torch.zeros(30, dtype=torch.float64)
    unit = torch.tensor(1.0, dtype=torch.float64)
    anchored = AnchoredMap(_plain(3), inputs, embedding, scales, unit)
    rows = np.array([[0.0, 0, 0], [0.2, 0, 0], [1.0, 0, 0], [0.9, 0.3, 0]])
    found = Runtime.from_rows(rows, "cpu").map(anchored, rows)
    np.testing.assert_array_equal(found[:, 0], [0, 0, 5, 5])


@pytest.mark.parametrize("size", [1e6, 1e18, 1e25, 3e38])
def test_rows_that_are_far_from_everything_take_some_stored_position(size):
    anchored, (_, embedding) = _anchored(11, dtype=torch.float32)
    rows = (size * np.sign(_rows(50))).astype(np.float32)
    found = Runtime.from_rows(rows, "cpu").map(anchored, rows)
    assert (found[:, None] == embedding).all(axis=2).any(axis=1).all()
