# SPDX-License-Identifier: BSD-3-Clause
import pytest
import torch

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values
from sktransform.reduction._gaussian_weighted.gradients import Adam, TrainableMap

EVERY_SHAPE = pytest.mark.parametrize(
    ("n_outputs", "n_charts", "n_inputs"), [(2, 6, 5), (1, 4, 3), (3, 5, 2), (2, 1, 4)]
)


def _normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _state(n_outputs=2, n_charts=6, n_inputs=5):
    """Return centres, widths, components and offsets as a map takes them."""
    return (
        _normal(n_charts, n_inputs, seed=1),
        0.5 + _normal(n_charts, seed=2).square(),
        _normal(n_outputs, n_charts, n_inputs, seed=3),
        _normal(n_outputs, n_charts, seed=4),
    )


def _reference(X, centers, widths, components, offsets, log_masses=None):
    weights = gaussian_weights(X, centers, widths, log_masses)
    return mixture_values(weights, X, centers, offsets.T, components.transpose(0, 1))


def _reference_gradients(X, state, pull):
    """Return images and gradients by components, offsets, centres and log widths."""
    centers, widths, components, offsets, *masses = state
    leaves = [components, offsets, centers, widths.log()]
    leaves = [leaf.clone().requires_grad_() for leaf in leaves]
    Y = _reference(X, leaves[2], leaves[3].exp(), leaves[0], leaves[1], *masses)
    return Y.detach(), torch.autograd.grad((Y * pull).sum(), leaves)


@EVERY_SHAPE
def test_forward_is_the_mixture(n_outputs, n_charts, n_inputs):
    state = _state(n_outputs, n_charts, n_inputs)
    X = _normal(40, n_inputs)
    Y, _ = TrainableMap(*state).forward(X)
    torch.testing.assert_close(Y, _reference(X, *state), rtol=0, atol=1e-10)


@EVERY_SHAPE
def test_backward_agrees_with_automatic_differentiation(n_outputs, n_charts, n_inputs):
    state = _state(n_outputs, n_charts, n_inputs)
    X, pull = _normal(40, n_inputs), _normal(40, n_outputs, seed=5)
    trained = TrainableMap(*state)
    _, expected = _reference_gradients(X, state, pull)
    trained.gradient.fill_(torch.nan)
    trained.backward(pull, trained.forward(X)[1])
    parts = trained.gradient.split([part.numel() for part in expected])
    for name, part, gradient in zip(
        ("components", "offsets", "centers", "log widths"), parts, expected, strict=True
    ):
        error = (part.view_as(gradient) - gradient).abs().max()
        assert error <= 1e-9 * max(1, gradient.abs().max()), name
    if n_charts > 1:
        # Every kind is really put to the test.
        assert min(gradient.abs().max() for gradient in expected) > 0.1


def test_weights_too_small_to_matter_are_dropped_and_change_nothing():
    centers, widths, components, offsets = _state()
    state = centers, 0.05 * widths, components, offsets
    X, pull = _normal(200, 5), _normal(200, 2, seed=5)
    trained = TrainableMap(*state)
    Y, saved = trained.forward(X)
    full = gaussian_weights(X, *state[:2])
    assert ((full > 0) & (full < 1e-12)).sum() > 100
    assert (saved[1] == 0).sum() > (full == 0).sum()
    expected, gradients = _reference_gradients(X, state, pull)
    torch.testing.assert_close(Y, expected, rtol=0, atol=1e-10)
    trained.backward(pull, saved)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    error = (trained.gradient - flat).abs().max()
    assert error <= 1e-10 * flat.abs().max()


def test_masses_count_in_both_directions():
    state = *_state(), _normal(6, seed=6)
    X, pull = _normal(40, 5), _normal(40, 2, seed=5)
    trained = TrainableMap(*state)
    Y, saved = trained.forward(X)
    expected, gradients = _reference_gradients(X, state, pull)
    torch.testing.assert_close(Y, expected, rtol=0, atol=1e-10)
    assert (Y - _reference(X, *_state())).abs().max() > 0.1
    trained.backward(pull, saved)
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.testing.assert_close(trained.gradient, flat)


def test_batches_of_other_sizes_do_not_disturb_each_other():
    trained, state = TrainableMap(*_state()), _state()
    for n_rows in (30, 7, 30):
        X, pull = _normal(n_rows, 5, seed=n_rows), _normal(n_rows, 2, seed=5)
        Y, saved = trained.forward(X)
        expected, gradients = _reference_gradients(X, state, pull)
        torch.testing.assert_close(Y, expected)
        trained.backward(pull, saved)
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        torch.testing.assert_close(trained.gradient, flat)


def test_named_parameters_are_views_of_the_vector():
    centers, widths, components, offsets = _state()
    trained = TrainableMap(centers, widths, components, offsets)
    trained.parameters += 1
    torch.testing.assert_close(trained.components, components + 1)
    torch.testing.assert_close(trained.offsets, offsets + 1)
    torch.testing.assert_close(trained.centers, centers + 1)
    torch.testing.assert_close(trained.log_widths, widths.log() + 1)
    X = _normal(9, 5)
    shifted = centers + 1, widths * torch.e, components + 1, offsets + 1
    torch.testing.assert_close(trained.forward(X)[0], _reference(X, *shifted))


def test_values_per_kind_are_laid_out_like_the_parameters():
    trained = TrainableMap(*_state())
    vector = trained.per_parameter(1.0, 2.0, 3.0, 4.0)
    trained.parameters.copy_(vector)
    for value, part in enumerate(
        (trained.components, trained.offsets, trained.centers, trained.log_widths), 1
    ):
        assert (part == value).all()


def test_adam_is_that_of_torch_with_a_rate_for_each_parameter():
    rates = torch.tensor([0.1, 0.01, 0.3, 0.02, 1.0], dtype=torch.float64)
    start, target = _normal(5), _normal(5, seed=1)
    ours = start.clone()
    adam = Adam(ours, rates)
    theirs = [part.clone().requires_grad_() for part in start.split(1)]
    groups = [
        {"params": [part], "lr": rate.item()}
        for part, rate in zip(theirs, rates, strict=True)
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    for step in range(20):
        factor = 1 / (1 + step)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = factor * rate.item()
        optimizer.zero_grad()
        (torch.cat(theirs) - target).pow(4).sum().backward()
        optimizer.step()
        adam.step(4 * (ours - target).pow(3), factor)
        torch.testing.assert_close(ours, torch.cat(theirs).detach(), rtol=0, atol=1e-10)
