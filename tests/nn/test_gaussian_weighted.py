# SPDX-License-Identifier: BSD-3-Clause
import pytest
import torch

from sktransform.nn._gaussian_weighted import (
    GaussianWeightedMap,
    gaussian_weights,
    mixture_values,
)
from sktransform.nn._prepared import PreparedMap


def _map(projected, n_charts=4):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return GaussianWeightedMap(
        mean=normal(6),
        centers=normal(n_charts, 3 if projected else 6),
        widths=torch.linspace(0.5, 2, n_charts, dtype=torch.float64),
        components=normal(n_charts, 2, 3 if projected else 6),
        offsets=normal(n_charts, 2),
        projection=torch.linalg.qr(normal(6, 3))[0] if projected else None,
    )


def _rows(module):
    """Ordinary rows, one at a centre, one far away."""
    generator = torch.Generator().manual_seed(1)
    X = torch.randn((6, 6), generator=generator, dtype=torch.float64)
    if module.projection is None:
        X[0] = module.mean + module.centers[-1].detach()
    X[1] *= 50
    return X


@pytest.mark.parametrize("projected", [False, True])
def test_forward_is_the_formula(projected):
    module = _map(projected)
    X = _rows(module)
    for x, found in zip(X, module(X), strict=True):
        z = x - module.mean
        z = z @ module.projection if projected else z
        exponents = -(z - module.centers).square().sum(1) / module.widths
        weights = torch.exp(exponents - exponents.max())
        weights = weights / weights.sum()
        values = [
            module.offsets[i] + module.components[i] @ (z - module.centers[i])
            for i in range(4)
        ]
        expected = sum(w * value for w, value in zip(weights, values, strict=True))
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("projected", [False, True])
def test_jacobian_agrees_with_automatic_differentiation(projected):
    module = _map(projected)
    X = _rows(module)
    expected = torch.stack(
        [torch.autograd.functional.jacobian(module, x[None])[0, :, 0] for x in X]
    )
    torch.testing.assert_close(module.jacobian(X), expected)


@pytest.mark.parametrize("projected", [False, True])
def test_an_affine_map_is_added_to_values_and_derivative(projected):
    generator = torch.Generator().manual_seed(2)
    coef = torch.randn((2, 6), generator=generator, dtype=torch.float64)
    intercept = torch.randn(2, generator=generator, dtype=torch.float64)
    mixture = _map(projected)
    state = {name: tensor.detach() for name, tensor in mixture.state_dict().items()}
    whole = GaussianWeightedMap(**state, coef=coef, intercept=intercept)
    X = _rows(mixture)
    expected = mixture(X) + X @ coef.T + intercept
    torch.testing.assert_close(whole(X), expected)
    torch.testing.assert_close(PreparedMap(whole)(X), expected.detach())
    torch.testing.assert_close(whole.jacobian(X), mixture.jacobian(X) + coef)


def test_one_chart_is_affine():
    module = _map(projected=False, n_charts=1)
    jacobian = module.jacobian(_rows(module))
    expected = module.components.expand(6, -1, -1)
    torch.testing.assert_close(jacobian, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_sum_to_one_at_any_distance(dtype):
    module = _map(projected=False).to(dtype)
    for scale in (0, 1, 1e3, 1e6):
        weights = module.weights(scale * torch.ones((1, 6), dtype=dtype))
        assert weights.isfinite().all()
        assert weights.sum().item() == pytest.approx(1)


def test_mixture_values_are_those_of_the_module():
    module = _map(projected=False)
    X = _rows(module)
    Z = module.inputs(X)
    weights = gaussian_weights(Z, module.centers, module.widths)
    values = mixture_values(
        weights, Z, module.centers, module.offsets, module.components
    )
    torch.testing.assert_close(values, module(X))


@pytest.mark.parametrize("projected", [False, True])
def test_masses_multiply_the_gaussians(projected):
    module = _map(projected)
    X = _rows(module)
    plain = module.weights(X)
    masses = torch.tensor([0.5, 2.0, 1.0, 0.1], dtype=torch.float64)
    module.log_masses = masses.log()
    expected = plain * masses
    expected = expected / expected.sum(1, keepdim=True)
    torch.testing.assert_close(module.weights(X), expected)
    found = torch.einsum("nm,nqm->nq", expected, module._local_values(module.inputs(X)))
    torch.testing.assert_close(module(X), found)
    reference = torch.stack(
        [torch.autograd.functional.jacobian(module, x[None]) for x in X]
    )
    torch.testing.assert_close(module.jacobian(X), reference.squeeze(1, 3))


def test_equal_masses_change_nothing():
    module = _map(False)
    X = _rows(module)
    before = module(X)
    module.log_masses = torch.full((4,), -3.0, dtype=torch.float64)
    torch.testing.assert_close(module(X), before, rtol=0, atol=1e-10)
