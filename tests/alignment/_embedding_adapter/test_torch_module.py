# SPDX-License-Identifier: BSD-3-Clause
"""What aligners hand out beside transform: the regression, and a module."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from sktransform.alignment import (
    BackwardCompatibleAligner,
    EmbeddingAdapter,
    GivensAligner,
    OrthogonalAligner,
    PermutationAligner,
)


@pytest.fixture(scope="module")
def bent():
    """Views of 300 rows whose relation is not linear."""
    generator = np.random.default_rng(0)
    texts = generator.normal(size=(300, 3))
    new, bend = generator.normal(size=(3, 12)), generator.normal(size=(3, 16))
    return texts @ new, np.tanh(texts @ bend) + 0.1 * generator.normal(size=(300, 16))


@pytest.mark.parametrize("features", ["linear", "nystroem"])
def test_regression_is_what_an_adapter_without_calibration_returns(features, bent):
    new, old = bent
    options = {"features": features, "n_landmarks": 50}
    options["store_moments"] = True
    adapter = EmbeddingAdapter(**options).fit(new, old)
    plain = EmbeddingAdapter(calibrate=None, **options).fit(new, old)
    assert_allclose(adapter.regress(new), plain.transform(new), rtol=1e-9, atol=1e-9)
    assert_array_equal(plain.regress(new), plain.transform(new))
    assert np.abs(adapter.transform(new) - adapter.regress(new)).max() > 1e-3


def test_regression_survives_streams(bent):
    new, old = bent
    stream = EmbeddingAdapter().partial_fit(new[:200], old[:200])
    stream.partial_fit(new[200:], old[200:])
    linear = EmbeddingAdapter(features="linear", store_moments=True).fit(new, old)
    assert_allclose(stream.regress(new), linear.regress(new), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("features", ["linear", "nystroem"])
def test_module_is_the_map_and_a_copy(features, bent):
    new, old = bent
    adapter = EmbeddingAdapter(features=features, n_landmarks=50).fit(new, old)
    module = adapter.torch_module(torch.float64)
    rows = torch.from_numpy(new[:5])
    assert_allclose(module(rows), adapter.transform(new[:5]), rtol=1e-10, atol=1e-10)
    for parameter in module.state_dict().values():
        parameter.zero_()
    assert np.abs(adapter.transform(new[:5])).max() > 0
    single = adapter.torch_module()(rows.float())
    assert_allclose(single, adapter.transform(new[:5]), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "aligner",
    [
        BackwardCompatibleAligner(),
        GivensAligner(n_sweeps=2),
        OrthogonalAligner(lam=0),
        PermutationAligner(),
    ],
)
@pytest.mark.parametrize("width", [5, 16])
def test_every_affine_aligner_hands_out_its_map(aligner, width, bent):
    new, old = bent
    aligner.fit(new, old[:, :width])
    module = aligner.torch_module(torch.float64)
    rows = torch.from_numpy(new[:5])
    assert_allclose(module(rows), aligner.transform(new[:5]), atol=1e-10)
    bare = new[:5] @ aligner.coef_.T + aligner.intercept_
    assert_allclose(module(rows), bare, atol=1e-10)


def test_module_of_an_unfitted_adapter_is_refused():
    with pytest.raises(NotFittedError):
        EmbeddingAdapter().torch_module()
