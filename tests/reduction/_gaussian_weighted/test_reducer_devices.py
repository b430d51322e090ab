# SPDX-License-Identifier: BSD-3-Clause
"""The device is a matter of each call: it may change after fit and after loading."""

import pickle

import numpy as np
import pytest
import torch

from sktransform.reduction import (
    GaussianWeightedLinearReducer,
    GaussianWeightedNeighborReducer,
)


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(120, 6))


def test_a_loaded_model_computes_on_another_device(rows):
    reducer = GaussianWeightedLinearReducer(random_state=0, device="auto").fit(rows)
    loaded = pickle.loads(pickle.dumps(reducer)).set_params(device="cpu")
    np.testing.assert_allclose(
        loaded.transform(rows), reducer.transform(rows), atol=1e-10
    )
    loaded.set_params(device="meta")
    with pytest.raises(ValueError, match="device='meta' is not supported"):
        loaded.transform(rows)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "cls", [GaussianWeightedLinearReducer, GaussianWeightedNeighborReducer]
)
def test_cpu_and_cuda_agree(rows, cls):
    parameters = {"max_iter": 20, "random_state": 0}
    on_cpu = cls(device="cpu", **parameters).fit(rows)
    moved = pickle.loads(pickle.dumps(on_cpu)).set_params(device="cuda")
    tensor = torch.from_numpy(rows).cuda()
    assert moved.transform(tensor).device == tensor.device
    np.testing.assert_allclose(
        moved.transform(rows), on_cpu.transform(rows), rtol=1e-4, atol=1e-4
    )
    if cls is GaussianWeightedLinearReducer:
        on_cuda = cls(device="cuda", **parameters).fit(rows)
        assert on_cuda.stress_ == pytest.approx(on_cpu.stress_, rel=1e-6)
