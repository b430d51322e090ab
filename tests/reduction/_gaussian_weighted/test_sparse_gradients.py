# SPDX-License-Identifier: BSD-3-Clause
import pytest
import torch

from sktransform.reduction._gaussian_weighted import sparse_gradients
from sktransform.reduction._gaussian_weighted.gradients import TrainableMap
from sktransform.reduction._gaussian_weighted.sparse_gradients import NearbyCharts


def _normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _map(width, n_charts=60, n_inputs=5, n_outputs=2, masses=False):
    return TrainableMap(
        _normal(n_charts, n_inputs),
        width * (1 + 0.3 * torch.rand(n_charts, dtype=torch.float64)),
        _normal(n_outputs, n_charts, n_inputs, seed=1),
        _normal(n_outputs, n_charts, seed=2),
        _normal(n_charts, seed=3) if masses else None,
    )


def _both(trained, X, slopes):
    """Return images and gradients, of all charts and of those nearby."""
    results = []
    for passes in (trained, NearbyCharts(trained)):
        Y, saved = passes.forward(X)
        passes.backward(slopes, saved)
        results.append((Y, trained.gradient.clone(), saved))
    return results


@pytest.mark.parametrize("n_outputs", [1, 2, 3])
@pytest.mark.parametrize("masses", [False, True])
def test_with_every_chart_the_dense_map_and_its_gradient(
    monkeypatch, n_outputs, masses
):
    monkeypatch.setattr(sparse_gradients, "_SMALLEST_SHARE", 1e-30)
    monkeypatch.setattr(sparse_gradients, "_DENSE_SHARE", 1.1)
    trained = _map(1.0, n_outputs=n_outputs, masses=masses)
    X, slopes = _normal(40, 5, seed=4), _normal(40, n_outputs, seed=5)
    (Y, gradient, _), (near_Y, near_gradient, _) = _both(trained, X, slopes)
    torch.testing.assert_close(near_Y, Y, rtol=0, atol=1e-10)
    torch.testing.assert_close(near_gradient, gradient, rtol=1e-9, atol=1e-9)


def test_charts_of_little_weight_are_left_out_and_the_rest_adds_up_to_one():
    trained = _map(0.3)
    X = trained.centers[:40] + 0.3 * _normal(40, 5, seed=4)
    _, saved = NearbyCharts(trained).forward(X)
    assert 40 < len(saved.rows) < 0.1 * 40 * 60
    sums = torch.zeros(40, dtype=torch.float64).index_add(0, saved.rows, saved.weights)
    torch.testing.assert_close(sums, torch.ones_like(sums))
    weights = torch.zeros(40, 60, dtype=torch.float64)
    weights[saved.rows, saved.charts] = saved.weights
    squared = (X[:, None] - trained.centers).square().sum(2)
    expected = torch.softmax(-squared / trained.log_widths.exp(), 1)
    expected[expected < 1e-3 * expected.amax(1, keepdim=True)] = 0
    expected /= expected.sum(1, keepdim=True)
    torch.testing.assert_close(weights, expected, rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_the_weights_that_stay():
    trained = _map(0.3)
    X = trained.centers[:40] + 0.3 * _normal(40, 5, seed=4)
    slopes = _normal(40, 2, seed=5)
    passes = NearbyCharts(trained)
    passes.backward(slopes, passes.forward(X)[1])
    gradient, step = trained.gradient.clone(), _normal(len(trained.parameters), seed=6)
    start, values = trained.parameters.clone(), []
    for sign in (1, -1):
        torch.add(start, step, alpha=sign * 1e-6, out=trained.parameters)
        values.append((passes.forward(X)[0] * slopes).sum())
    slope = (values[0] - values[1]) / 2e-6
    torch.testing.assert_close(gradient @ step, slope, rtol=1e-5, atol=1e-5)


def test_wide_charts_take_dense_products():
    trained = _map(50.0)
    X, slopes = _normal(40, 5, seed=4), _normal(40, 2, seed=5)
    (Y, gradient, _), (near_Y, near_gradient, _) = _both(trained, X, slopes)
    assert torch.equal(Y, near_Y)
    assert torch.equal(gradient, near_gradient)


def test_charts_without_rows_have_no_gradient():
    trained = _map(0.3)
    passes = NearbyCharts(trained)
    passes.backward(_normal(3, 2), passes.forward(trained.centers[:3].clone())[1])
    by_offset = trained.gradient[2 * 60 * 5 :][: 2 * 60].view(2, 60).abs().sum(0)
    assert by_offset.count_nonzero() < 30
    assert (by_offset[:3] > 0).all()
