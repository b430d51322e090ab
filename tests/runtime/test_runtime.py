# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._prepared import PreparedMap
from sktransform.runtime import Runtime
from sktransform.runtime._runtime import _BLOCK_ROWS, resolve_device


def test_auto_takes_the_tensors_own_device():
    on_meta = torch.empty((2, 2), device="meta")
    assert resolve_device(on_meta, "auto").type == "meta"


def test_auto_takes_cuda_if_there_is_one():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device(np.ones((2, 2)), "auto").type == expected


def test_missing_cuda_raises(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="finds no CUDA device here"):
        resolve_device(np.ones((2, 2)), "cuda")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_that_of_the_rows(dtype):
    rows = np.ones((3, 2), dtype=dtype)
    runtime = Runtime.from_rows(rows, "cpu")
    assert runtime.map(torch.exp, rows).dtype == dtype
    assert runtime.tensor(rows, runtime.dtype).numpy().dtype == dtype
    assert runtime.tensor(rows).dtype == torch.float64


@pytest.mark.parametrize("n_samples", [1, 31, 32, 33, 100])
def test_map_gives_every_row_once_and_in_order(n_samples):
    rows = np.random.default_rng(0).normal(size=(n_samples, 4))
    runtime = Runtime.from_rows(rows, "cpu")
    found = runtime.map(lambda block: block[:, None] * torch.ones(3, 1), rows)
    assert found.shape == (n_samples, 3, 4)
    np.testing.assert_array_equal(found, rows[:, None].repeat(3, axis=1))


def test_blocks_have_one_size_and_zeros_at_the_end():
    seen = []
    rows = np.ones((_BLOCK_ROWS["cpu"] + 3, 2))
    Runtime.from_rows(rows, "cpu").map(
        lambda block: seen.append(block.clone()) or block, rows
    )
    assert [len(block) for block in seen] == [_BLOCK_ROWS["cpu"]] * 2
    assert seen[1][:3].sum() == 6
    assert not seen[1][3:].any()


@settings(max_examples=40, deadline=None)
@given(
    n_inputs=st.integers(1, 40),
    n_charts=st.integers(1, 30),
    n_outputs=st.integers(1, 5),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 100),
)
def test_a_row_has_the_same_bits_in_any_company(
    n_inputs, n_charts, n_outputs, dtype, seed
):
    generator = np.random.default_rng(seed)
    state = {
        "mean": generator.normal(size=n_inputs),
        "centers": generator.normal(size=(n_charts, n_inputs)),
        "widths": generator.uniform(0.5, 2, n_charts),
        "components": generator.normal(size=(n_charts, n_outputs, n_inputs)),
        "offsets": generator.normal(size=(n_charts, n_outputs)),
    }
    rows = generator.normal(size=(70, n_inputs)).astype(dtype)
    runtime = Runtime.from_rows(rows, "cpu")
    module = runtime.module(GaussianWeightedMap, state)
    order = generator.permutation(70)
    for function in (module, module.jacobian, PreparedMap(module)):
        whole = runtime.map(function, rows)
        np.testing.assert_array_equal(runtime.map(function, rows[order]), whole[order])
        np.testing.assert_array_equal(runtime.map(function, rows[41:42]), whole[41:42])


@pytest.mark.parametrize(
    "view",
    [
        lambda rows: rows[::-1],
        lambda rows: np.asfortranarray(rows),
        lambda rows: rows[:, ::-1],
        lambda rows: np.broadcast_to(rows[:1], rows.shape),
    ],
)
def test_any_memory_layout_is_read_and_none_is_written(view):
    rows = view(np.random.default_rng(0).normal(size=(50, 3)))
    rows.flags.writeable = False
    before = rows.copy()
    runtime = Runtime.from_rows(rows, "cpu")
    found = runtime.map(lambda block: block.mul_(2), rows)
    np.testing.assert_array_equal(found, 2 * before)
    np.testing.assert_array_equal(rows, before)
    runtime.tensor(rows).zero_()
    np.testing.assert_array_equal(rows, before)


def test_tensor_in_tensor_out_without_sharing_memory():
    rows = torch.arange(6.0).view(3, 2)
    found = Runtime.from_rows(rows).map(lambda block: block + 1, rows)
    assert torch.equal(found, rows + 1)
    Runtime.from_rows(rows).tensor(rows, torch.float32).zero_()
    assert rows.sum() == 15


def test_tensor_that_needs_gradients_is_mapped_without_them():
    rows = torch.ones((3, 2), requires_grad=True)
    found = Runtime.from_rows(rows.detach()).map(torch.exp, rows)
    assert not found.requires_grad


def test_generator_is_local_and_seeded():
    runtime = Runtime.from_rows(np.ones((1, 1)), "cpu")
    before = torch.random.get_rng_state()
    first, second = (torch.rand(3, generator=runtime.generator(0)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_results_agree_between_devices():
    rows = np.random.default_rng(0).normal(size=(300, 5))
    on_cpu = Runtime.from_rows(rows, "cpu").map(torch.exp, rows)
    on_cuda = Runtime.from_rows(rows, "cuda").map(torch.exp, rows)
    np.testing.assert_allclose(on_cuda, on_cpu, rtol=1e-12)
