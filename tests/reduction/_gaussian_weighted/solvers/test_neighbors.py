# SPDX-License-Identifier: BSD-3-Clause
import dataclasses

import numpy as np
import pytest
import torch

from sktransform.reduction._gaussian_weighted.mixture import principal_charts
from sktransform.reduction._gaussian_weighted.solvers.neighbors import (
    Batches,
    NeighborOptions,
    fine_tuned,
    train_on_pairs,
)
from sktransform.reduction._gaussian_weighted.solvers.pair_loss import (
    PairState,
    pair_gradients,
)
from sktransform.runtime._linalg import principal_axes
from sktransform.runtime._nearest import nearest_others

OPTIONS = NeighborOptions(
    n_neighbors=15,
    n_positive=4,
    stress_weight=0.2,
    target_weight=0.0,
    learning_rate=0.02,
    n_steps=200,
    batch_size=64,
)


def _normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _groups(n_rows=300, n_features=4):
    generator = np.random.default_rng(0)
    centers = 3 * generator.normal(size=(6, n_features))
    rows = centers[np.arange(n_rows) % 6]
    rows = rows + generator.normal(size=rows.shape)
    rows = torch.from_numpy(rows - rows.mean(axis=0))
    return rows / rows.square().sum(1).mean().sqrt()


def _neighbors(Z, n_neighbors=15):
    return nearest_others(Z, n_neighbors, np.random.RandomState(0))


def _batches(Z, neighbors, *, relatives=None, weights=None, seed=0, **options):
    options = dataclasses.replace(OPTIONS, **options)
    return Batches(Z, neighbors, relatives, weights, options, _generator(seed))


# The loss


def _contrast(anchors, partners, attraction):
    """The InfoNCE loss with a Cauchy kernel, pair by pair."""
    losses = []
    for i, anchor in enumerate(anchors):
        kernel = [1 / (1 + (anchor - other).square().sum()) for other in partners]
        losses.append(torch.log(sum(kernel)) - attraction * torch.log(kernel[i]))
    return sum(losses) / len(losses)


def _relative_stress(anchors, partners, inputs, scale):
    squared = (anchors[:, None] - partners).square().sum(2)
    targets = (inputs[0][:, None] - inputs[1]).square().sum(2).sqrt() * scale
    errors = targets - (squared + 1e-6).sqrt()
    return errors.square().sum() / targets.square().sum()


def _state_with_strength(strength, images, attraction):
    """Return a state whose strength is constant, with what it has frozen before."""
    state = PairState(strength, attraction=attraction)
    state.advance(1.0, images)
    if strength > 0:
        state.scale_for(*torch.tensor([[[2.0]], [[1.4]]], dtype=torch.float64))
    return state


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("attraction", [1.0, 1.4])
def test_gradients_of_pairs_are_those_of_the_loss_written_out(strength, attraction):
    anchors, partners = 3 * _normal(12, 2), 3 * _normal(12, 2, seed=1)
    inputs = _normal(12, 4, seed=2), _normal(12, 4, seed=3)
    state = _state_with_strength(
        strength, torch.cat([anchors, partners]) + 5, attraction
    )
    kept = [tensor.clone() for tensor in (anchors, partners, *inputs)]
    loss, *gradients = pair_gradients(anchors, partners, inputs, state)
    for tensor, copy in zip((anchors, partners, *inputs), kept, strict=True):
        assert torch.equal(tensor, copy)

    images = torch.cat([anchors, partners])
    radius = (images - images.mean(0)).square().sum(1).mean().sqrt()
    leaves = [anchors.requires_grad_(), partners.requires_grad_()]
    contrast = _contrast(*leaves, attraction)
    stress = _relative_stress(*leaves, inputs, 0.7)
    expected_loss = (1 - strength) * contrast + strength * stress
    # The radius weighs the gradient of the stress, not the loss that is reported.
    objective = (1 - strength) * contrast + strength * radius.detach() * stress
    torch.testing.assert_close(loss, expected_loss.detach())
    expected = torch.autograd.grad(objective, leaves)
    for gradient, reference in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, reference, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n_pairs", [256, 300])
def test_stress_of_many_pairs_is_taken_block_by_block(n_pairs):
    images, inputs = _normal(2, n_pairs, 2), _normal(2, n_pairs, 4, seed=1)
    state = _state_with_strength(1.0, images.flatten(0, 1), 1.0)
    loss, *gradients = pair_gradients(*images, inputs, state)

    leaves = images.clone().requires_grad_()
    size = n_pairs // 2
    blocks = [slice(0, size), slice(size, 2 * size)]
    targets = [0.7 * torch.cdist(*inputs[:, block]) for block in blocks]
    embedded = [(leaves[0, b, None] - leaves[1, b]).square().sum(2) for b in blocks]
    errors = torch.stack(targets) - (torch.stack(embedded) + 1e-6).sqrt()
    stress = errors.square().sum() / torch.stack(targets).square().sum()
    torch.testing.assert_close(loss, stress.detach())
    (expected,) = torch.autograd.grad(state.radius * stress, leaves)
    torch.testing.assert_close(torch.stack(gradients), expected, rtol=0, atol=1e-9)


def test_scale_and_radius_are_frozen_when_the_stress_leaves_zero():
    state = PairState(0.5)
    images, targets = _normal(20, 2), _normal(5, 5).abs()
    state.advance(0.2, images)
    assert state.radius is None
    state.advance(0.4, images)
    radius = state.radius
    expected = (images - images.mean(0)).square().sum(1).mean().sqrt()
    torch.testing.assert_close(radius, expected)
    torch.testing.assert_close(
        state.scale_for(targets, 3 * targets), torch.tensor(3.0, dtype=torch.float64)
    )
    state.advance(0.6, 100 * images)
    assert state.radius is radius
    assert state.scale_for(targets, 50 * targets).item() == pytest.approx(3)


def test_stress_counts_from_three_tenths_on_and_in_full_from_one_half_on():
    state, images = PairState(0.8), _normal(4, 2)
    strengths = []
    for progress in (0, 0.15, 0.299, 0.3, 0.35, 0.4, 0.45, 0.5, 0.7, 1):
        state.advance(progress, images)
        strengths.append(state.strength)
    expected = [0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8]
    np.testing.assert_allclose(strengths, expected, atol=1e-12)


@pytest.mark.parametrize("stress_weight", [0.0, 1.0])
def test_either_end_of_the_strength_has_no_ramp(stress_weight):
    state = PairState(stress_weight)
    for progress in (0, 0.2, 0.4, 0.9):
        state.advance(progress, _normal(4, 2))
        assert state.strength == stress_weight


# The pairs


def _without_jitter(monkeypatch):
    still = dataclasses.replace(OPTIONS, jitter=(0.0, 0.0))
    monkeypatch.setitem(globals(), "OPTIONS", still)


def _drawn(batches, Z, n_draws=40):
    """Return indices of anchors and partners, found again by their rows."""
    rows = torch.stack([batches.draw(0.0).clone() for _ in range(n_draws)])
    indices = torch.cdist(rows.flatten(0, 1), Z).argmin(1).view(n_draws, 2, -1)
    return indices[:, 0].flatten(), indices[:, 1].flatten()


def test_partners_are_among_the_first_neighbours(monkeypatch):
    _without_jitter(monkeypatch)
    Z = _groups()
    neighbors = _neighbors(Z)
    anchors, partners = _drawn(_batches(Z, neighbors), Z)
    match = neighbors[anchors] == partners[:, None]
    ranks = match.double().argmax(1)
    assert match.any(1).all()
    assert ranks.bincount().tolist() == pytest.approx([640] * 4, rel=0.15)
    assert (anchors.bincount(minlength=300) > 0).all()


def test_rows_are_anchors_as_often_as_they_weigh(monkeypatch):
    _without_jitter(monkeypatch)
    Z = _groups()
    weights = torch.ones(300, dtype=torch.float64)
    weights[:50], weights[-50:], weights[150] = 0, 0, 40
    batches = _batches(Z, _neighbors(Z), weights=weights)
    counts = _drawn(batches, Z, 100)[0].bincount(minlength=300)
    assert (counts[weights == 0] == 0).all()
    share = weights / weights.sum()
    assert counts[150] / 6400 == pytest.approx(share[150].item(), rel=0.1)
    assert counts[50:150].sum() / 6400 == pytest.approx(
        share[50:150].sum().item(), rel=0.1
    )


@pytest.mark.parametrize("target_weight", [0.0, 0.3, 1.0])
def test_relatives_attract_in_the_share_that_was_asked_for(monkeypatch, target_weight):
    _without_jitter(monkeypatch)
    Z = _groups()
    neighbors = _neighbors(Z)
    relatives = torch.cdist(Z, Z).topk(15).indices  # the farthest
    batches = _batches(Z, neighbors, relatives=relatives, target_weight=target_weight)
    anchors, partners = _drawn(batches, Z)
    is_relative = ~(neighbors[anchors, :4] == partners[:, None]).any(1)
    assert is_relative.double().mean() == pytest.approx(target_weight, abs=0.03)


def test_jitter_stays_in_the_plane_of_planar_rows():
    plane = _groups(300, 2) @ torch.tensor([[1.0, 2, 0], [0, 1, 3]]).double()
    batches = _batches(plane, _neighbors(plane))
    rows = torch.cat([batches.draw(0.0).clone() for _ in range(20)])
    normal = torch.linalg.svd(plane)[2][2]
    torch.testing.assert_close(rows @ normal, 0 * rows[:, 0], rtol=0, atol=1e-12)
    assert torch.cdist(rows, plane).amin(1).median() > 1e-3


def test_jitter_is_a_difference_of_two_near_neighbours_and_shrinks():
    Z = _groups(8, 5)
    neighbors = _neighbors(Z, 7)
    differences = Z[:, None] - Z
    reaches = []
    for progress in (0.0, 1.0):
        batches = _batches(Z, neighbors, seed=3)
        plain = _batches(Z, neighbors, seed=3, jitter=(0.0, 0.0))
        moved, lengths = batches.draw(progress), []
        rows = plain.draw(progress)
        for row, step in zip(rows, moved - rows, strict=True):
            if step.norm() < 1e-9:  # a neighbour less itself
                continue
            own = torch.cdist(row[None], Z).argmin()
            others = torch.arange(8) != own
            allowed = differences[others][:, others].flatten(0, 1)
            allowed = allowed[allowed.norm(dim=1) > 0]
            ratios = (allowed @ step) / allowed.square().sum(1)
            errors = (ratios[:, None] * allowed - step).norm(dim=1)
            errors[ratios < 0] = torch.inf
            assert errors.min() < 1e-9
            lengths.append(ratios[errors.argmin()].item())
        reaches.append(max(lengths))
    # Uniform shares of 1.2 at first and of 0.6 at last; the draws are the same.
    assert 1.0 < reaches[0] <= 1.2
    assert reaches[1] == pytest.approx(reaches[0] / 2)


def test_one_generator_one_sequence_of_batches():
    Z = _groups()
    neighbors = _neighbors(Z)
    first, again, other = (_batches(Z, neighbors, seed=s) for s in (0, 0, 1))
    kept = torch.get_rng_state()
    for progress in (0.0, 0.5):
        batch = first.draw(progress)
        assert torch.equal(batch, again.draw(progress))
        assert not torch.equal(batch, other.draw(progress))
    assert torch.equal(torch.get_rng_state(), kept)


def test_fewer_neighbours_than_are_asked_for():
    Z = _groups(6)
    rows = _batches(Z, _neighbors(Z, 2), batch_size=16).draw(0.0)
    assert rows.shape == (32, 4)
    assert rows.isfinite().all()


# The fit


def _fit(
    n_steps=200, stress_weight=0.0, report=lambda: False, n_charts=12, attraction=1.0
):
    Z = _groups()
    options = dataclasses.replace(OPTIONS, n_steps=n_steps, stress_weight=stress_weight)
    batches = Batches(Z, _neighbors(Z), None, None, options, _generator())
    axes = principal_axes(Z, 2, torch.ones(300, dtype=torch.float64))
    widths = torch.full((n_charts,), 0.05, dtype=torch.float64)
    charts = principal_charts(Z[:n_charts], widths, axes).magnified(10.0)
    pair_state = PairState(stress_weight, attraction=attraction)
    return train_on_pairs(batches, charts, options, pair_state, report=report)


def test_loss_falls_and_is_reported_by_hundredths():
    reports = []
    _, curve, n_steps = _fit(250, report=lambda: reports.append(0))
    assert n_steps == 250
    assert 50 <= len(curve) == len(reports) <= 100
    assert np.mean(curve[-10:]) < 0.8 * curve[0]


def test_fit_stops_when_asked():
    answers = iter([False, False, True])
    _, curve, n_steps = _fit(report=lambda: next(answers))
    assert (len(curve), n_steps) == (3, 6)


def test_a_stronger_attraction_tightens_groups():
    shares, groups = [], np.arange(300) % 6
    for attraction in (1.0, 1.5):
        trained, *_ = _fit(attraction=attraction)
        Y = trained.forward(_groups())[0]
        within = torch.stack([Y[groups == g].var(0).sum() for g in range(6)]).mean()
        shares.append((within / Y.var(0).sum()).item())
    assert shares[1] < 0.8 * shares[0]


def test_one_chart_stays_affine_and_finite():
    trained, *_ = _fit(60, 0.5, n_charts=1)
    X = _normal(30, 4)
    Y = trained.forward(X)[0]
    expected = (
        trained.offsets[:, 0] + (X - trained.centers) @ trained.components[:, 0].T
    )
    torch.testing.assert_close(Y, expected)


def test_fine_tuning_lowers_the_loss_of_neighbours():
    Z = _groups(600)
    neighbors = _neighbors(Z)
    images = 10 * Z[:, :2]
    tuned = fine_tuned(images, neighbors, OPTIONS, _generator())
    assert torch.equal(images, 10 * Z[:, :2])

    def loss(Y):
        pairs = [
            pair_gradients(Y, Y[neighbors[:, rank]], (), PairState(0.0))[0]
            for rank in range(OPTIONS.n_positive)
        ]
        return torch.stack(pairs).mean().item()

    assert loss(tuned) < 0.9 * loss(images)
    again = fine_tuned(images, neighbors, OPTIONS, _generator())
    assert torch.equal(tuned, again)
