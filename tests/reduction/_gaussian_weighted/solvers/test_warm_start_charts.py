# SPDX-License-Identifier: BSD-3-Clause
"""Splitting charts, and the mixture nearest to a present map."""

import dataclasses
import math

import pytest
import torch

from sktransform.nn._gaussian_weighted import gaussian_weights, mixture_values
from sktransform.reduction._gaussian_weighted.gradients import Adam, TrainableMap
from sktransform.reduction._gaussian_weighted.mixture import Charts, principal_charts
from sktransform.reduction._gaussian_weighted.solvers.majorize import nearest_parameters
from sktransform.reduction._gaussian_weighted.solvers.warm_start import split_charts


def _normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _charts(n_charts=6, n_inputs=5):
    return Charts(
        centers=_normal(n_charts, n_inputs, seed=1),
        widths=0.5 + _normal(n_charts, seed=2).square(),
        components=_normal(n_charts, 2, n_inputs, seed=3),
        offsets=3 * _normal(n_charts, 2, seed=4),
    )


def _split(charts, n_charts, masses=None, seed=0):
    masses = torch.ones(len(charts)) if masses is None else torch.tensor(masses)
    return split_charts(charts, masses, n_charts, torch.Generator().manual_seed(seed))


# Splitting


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)]
)
@pytest.mark.parametrize("sizes", [[7], [12], [40], [7, 8, 20, 50]])
def test_a_split_leaves_the_function_as_it_was(sizes, dtype, tolerance):
    before = charts = _charts()
    for size in sizes:
        charts = _split(charts, size)
        assert len(charts) == size
    X = _normal(1000, 5, seed=5)
    expected = before.values(X)
    found = charts.to(dtype).values(X.to(dtype)).double()
    reference = before.to(dtype).values(X.to(dtype)).double()
    bound = tolerance * expected.abs().max()
    assert (found - reference).abs().max() <= bound
    trained = TrainableMap(
        charts.centers,
        charts.widths,
        charts.components.transpose(0, 1),
        charts.offsets.T,
        charts.log_masses,
    )
    torch.testing.assert_close(trained.forward(X)[0], expected, rtol=0, atol=1e-10)


def test_as_many_charts_as_there_are_need_no_split():
    charts = _charts()
    assert _split(charts, 6) is charts
    assert "log_masses" not in charts.state()


def test_charts_of_largest_mass_are_split_as_often_as_they_stay_largest():
    charts = _split(_charts(4), 8, [1.0, 9.0, 4.0, 0.1])
    pieces = [
        (charts.centers == center).all(1).sum().item() for center in _charts(4).centers
    ]
    # 9 becomes 4.5 twice, these and 4 become 2.25 and 2 twice each.
    assert pieces == [1, 4, 2, 1]
    expected = [0.0, math.log(1 / 4), math.log(1 / 2), 0.0]
    for old, log_mass in zip(_charts(4).centers, expected, strict=True):
        found = charts.log_masses[(charts.centers == old).all(1)]
        torch.testing.assert_close(found, torch.full_like(found, log_mass))


def test_halves_differ_and_training_parts_them():
    charts = _split(_charts(3), 6)
    assert torch.equal(charts.centers[:3], charts.centers[3:])
    assert torch.equal(charts.widths[:3], charts.widths[3:])
    assert (charts.components[:3] != charts.components[3:]).all()
    trained = TrainableMap(
        charts.centers,
        charts.widths,
        charts.components.transpose(0, 1),
        charts.offsets.T,
        charts.log_masses,
    )
    X, goal = _normal(200, 5, seed=6), _normal(200, 2, seed=7)
    adam = Adam(trained.parameters, torch.full_like(trained.parameters, 0.01))
    for _ in range(5):
        Y, saved = trained.forward(X)
        trained.backward(Y - goal, saved)
        adam.step(trained.gradient, 1.0)
    distances = torch.linalg.vector_norm(
        trained.centers[:3] - trained.centers[3:], dim=1
    )
    assert (distances > 0.01).all()


def test_the_generator_decides_the_split():
    charts, first, again, other = (
        _charts(),
        *(_split(_charts(), 9, seed=s) for s in (0, 0, 1)),
    )
    assert torch.equal(first.components, again.components)
    assert not torch.equal(first.components, other.components)
    assert torch.equal(charts.components, _charts().components)


# The nearest mixture


def _turned(charts, angle, shift):
    """Return charts of the same map up to a rotation, a reflection and a shift."""
    cosine, sine = math.cos(angle), math.sin(angle)
    rotation = torch.tensor([[cosine, sine], [sine, -cosine]], dtype=torch.float64)
    return dataclasses.replace(
        charts,
        components=rotation @ charts.components,
        offsets=charts.offsets @ rotation.T + shift,
    )


def _nearest(present, centers, widths, origin, Z, ridge=1e-3):
    weights = gaussian_weights(Z, centers, widths)
    ones = torch.ones(len(Z), dtype=torch.float64)
    inputs = weights, Z, centers
    offsets, components = nearest_parameters(
        present, *inputs, (origin.offsets, origin.components), ones, ridge=ridge
    )
    return mixture_values(*inputs, offsets, components), offsets, components


def test_the_same_charts_are_turned_and_shifted_towards_the_origin():
    origin, Z = _charts(), _normal(100, 5, seed=5)
    present = _turned(origin, 0.7, 5.0)
    _, offsets, components = _nearest(present, *_placement(origin), origin, Z)
    torch.testing.assert_close(offsets, origin.offsets, rtol=0, atol=1e-10)
    torch.testing.assert_close(components, origin.components, rtol=0, atol=1e-10)


def _placement(charts):
    return charts.centers, charts.widths


def test_no_rotation_brings_the_same_charts_closer():
    origin, present = _charts(), _turned(_charts(n_inputs=5), 0.3, 1.0)
    present = dataclasses.replace(
        present, components=present.components + 0.5 * _normal(6, 2, 5, seed=8)
    )
    Z = _normal(100, 5, seed=5)
    _, *found = _nearest(present, *_placement(origin), origin, Z)

    def squared_distance(offsets, components):
        changes = offsets - origin.offsets, components - origin.components
        return sum(change.square().sum() for change in changes)

    best = squared_distance(*found)
    kept = Charts(*_placement(origin), found[1], found[0])
    mirrored = _turned(kept, 0.0, 0.0)
    for angle, shift in [(0.0, 0.1), (0.1, 0.0), (1.0, -0.2), (2.0, 0.1)]:
        for other in (_turned(kept, angle, shift), _turned(mirrored, angle, shift)):
            assert squared_distance(other.offsets, other.components) > best


def test_an_affine_map_needs_no_change_for_more_charts():
    # All tangents agree: the larger mixture is the map, whatever the weights.
    axes = torch.linalg.qr(_normal(5, 2))[0]
    present = principal_charts(*_placement(_charts(3)), axes)
    larger = _charts(8)
    centers = torch.cat([present.centers, larger.centers[3:]])
    origin = principal_charts(centers, larger.widths, axes)
    Z = _normal(60, 5, seed=5)
    Y, _, components = _nearest(present, centers, larger.widths, origin, Z)
    torch.testing.assert_close(Y, Z @ axes, rtol=0, atol=1e-10)
    torch.testing.assert_close(components, axes.T.expand(8, -1, -1), rtol=0, atol=1e-10)


def test_added_charts_miss_little_of_a_curved_map():
    axes = torch.linalg.qr(_normal(5, 2))[0]
    present = principal_charts(*_placement(_charts(4)), axes)
    bend = 0.3 * _normal(4, 2, 5, seed=9)
    present = dataclasses.replace(present, components=present.components + bend)
    centers = torch.cat([present.centers, _normal(8, 5, seed=6)])
    widths = torch.cat([present.widths, 0.5 + _normal(8, seed=7).square()])
    origin = principal_charts(centers, widths, axes)

    def missed(ridge, n_rows):
        Z = _normal(n_rows, 5, seed=5)
        expected = torch.pdist(present.values(Z))
        found = torch.pdist(_nearest(present, centers, widths, origin, Z, ridge)[0])
        return ((found - expected).square().sum() / expected.square().sum()).item()

    # The regression makes up for what the tangents alone, for a large ridge, miss.
    assert missed(1e-3, 300) < 0.5 * missed(1e6, 300)
    # More parameters than rows can do all.
    assert missed(1e-8, 40) < 1e-8
