# SPDX-License-Identifier: BSD-3-Clause
import pytest
import torch

from sktransform.nn._gaussian_weighted import GaussianWeightedMap
from sktransform.nn._prepared import PreparedMap
from sktransform.nn._products import padded_columns


def _map(projected=True, n_charts=5, n_outputs=2, masses=False):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    n_inputs = 3 if projected else 6
    return GaussianWeightedMap(
        mean=normal(6),
        centers=normal(n_charts, n_inputs),
        widths=torch.linspace(0.5, 2, n_charts, dtype=torch.float64),
        components=normal(n_charts, n_outputs, n_inputs),
        offsets=normal(n_charts, n_outputs),
        projection=torch.linalg.qr(normal(6, 3))[0] if projected else None,
        log_masses=normal(n_charts) if masses else None,
    )


def _rows(module, n_rows=32):
    """Ordinary rows, one at a centre if rows are not projected, and one far away."""
    generator = torch.Generator().manual_seed(1)
    X = torch.randn((n_rows, 6), generator=generator, dtype=torch.float64)
    if module.projection is None:
        X[0] = module.mean + module.centers[-1].detach()
    X[1] *= 50
    return X


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("masses", [False, True])
@pytest.mark.parametrize(("n_charts", "n_outputs"), [(1, 1), (5, 2), (16, 3)])
def test_values_are_those_of_the_module(projected, masses, n_charts, n_outputs):
    module = _map(projected, n_charts, n_outputs, masses)
    X = _rows(module)
    prepared = PreparedMap(module)
    torch.testing.assert_close(prepared(X), module(X).detach(), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(prepared.inputs(X), module.inputs(X))


def test_a_module_that_is_trained_on_does_not_change_what_was_prepared():
    module = _map(masses=True)
    X = _rows(module)
    prepared = PreparedMap(module)
    before = prepared(X)
    with torch.no_grad():
        for values in (*module.parameters(), *module.buffers()):
            values.add_(1)
    assert torch.equal(prepared(X), before)
    assert not before.requires_grad


def test_rows_are_left_as_they_are():
    module = _map(projected=False)
    X = _rows(module)
    before = X.clone()
    PreparedMap(module)(X)
    assert torch.equal(X, before)


@pytest.mark.parametrize("n_columns", [1, 15, 16, 17])
def test_added_columns_are_zero_and_fill_up_to_sixteen(n_columns):
    matrix = torch.arange(3.0 * n_columns).view(n_columns, 3).T + 1
    padded = padded_columns(matrix)
    assert padded.is_contiguous()
    assert padded.shape == (3, 16 if n_columns <= 16 else 32)
    assert torch.equal(padded[:, :n_columns], matrix)
    assert not padded[:, n_columns:].any()
