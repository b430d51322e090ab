# SPDX-License-Identifier: BSD-3-Clause
"""Changes of numbers and of cells, against closed forms."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from sktransform.augmentation.transforms import (
    ColumnTable,
    GaussianNoise,
    Mask,
    Permute,
    QuantileJitter,
    Rotate,
    Scale,
    Shift,
    SignFlip,
    TrainingRows,
)


def _fitted(transformation, rows, **kwargs):
    rows = torch.as_tensor(rows)
    kwargs.setdefault("bounds", "none")
    training = TrainingRows(rows, ColumnTable.from_arrays(rows, **kwargs))
    bound = transformation.bind(training.columns)
    reference = bound.fit(training)

    def apply(P, X=rows, **more):
        P = torch.as_tensor(P, dtype=torch.float64).reshape(-1, 1).expand(len(X), 1)
        seeds = more.pop("seeds", torch.arange(len(X)))
        return bound.forward(X, P, reference, seeds, **more)

    return apply


@pytest.fixture
def rows():
    return torch.from_numpy(np.random.RandomState(0).randn(200, 3) * [1, 5, 0.1] + 2)


def test_shift_is_in_standard_deviations(rows):
    shifted = _fitted(Shift([1, 2], max_sd=2.0), rows)(-0.5)
    expected = rows.numpy() - [0, 1, 1] * rows.numpy().std(0)
    np.testing.assert_allclose(shifted, expected, atol=1e-12)


def test_scale_is_about_its_center(rows):
    scaled = _fitted(Scale(max_log=np.log(2.0)), rows)(1.0)
    np.testing.assert_allclose(scaled, 2 * rows, rtol=1e-12)
    scaled = _fitted(Scale(max_log=np.log(2.0), center="mean"), rows)(1.0)
    np.testing.assert_allclose(scaled.mean(0), rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(scaled.std(0), 2 * rows.std(0), rtol=1e-12)


def test_rotation_in_standard_units(rows):
    turned = _fitted(Rotate((0, 1), max_degrees=90), rows)(1.0)
    mean, sd = rows.numpy().mean(0), rows.numpy().std(0)
    z, turned_z = ((a.numpy() - mean) / sd for a in (rows, turned))
    np.testing.assert_allclose(turned_z[:, 0], -z[:, 1], atol=1e-12)
    np.testing.assert_allclose(turned_z[:, 1], z[:, 0], atol=1e-12)
    assert torch.equal(turned[:, 2], rows[:, 2])


def test_rotation_needs_two_columns(rows):
    with pytest.raises(ValueError, match="plane of two columns, got 3"):
        _fitted(Rotate((0, 1, 2)), rows)
    # A constant column has no unit; it is turned in its own.
    constant = torch.cat([rows, torch.ones(200, 1)], 1)
    assert torch.isfinite(_fitted(Rotate((0, 3)), constant)(0.3)).all()


def test_sign_flip_keeps_the_center(rows):
    assert torch.equal(_fitted(SignFlip([0]), rows)(1)[:, 0], -rows[:, 0])
    flipped = _fitted(SignFlip(center="mean"), rows)(1)
    np.testing.assert_allclose(flipped + rows, 2 * rows.mean(0) + 0 * rows, rtol=1e-12)
    assert (_fitted(SignFlip(), torch.tensor([[0.0], [1.5]]))(1) == 0).any()


def test_permutations_are_all_orders_but_the_identity():
    row = torch.tensor([[0.5, 1.5, 2.5], [3.5, 4.5, 5.5]]).repeat(500, 1)
    training = TrainingRows(row, ColumnTable.from_arrays(row, bounds="none"))
    bound = Permute((2, 0, 1)).bind(training.columns)
    reference = bound.fit(training)
    P = bound.sample(1000, 1.0, torch.Generator().manual_seed(0))
    result = bound.forward(row, P, reference)
    orders = {tuple(r) for r in result[::2].tolist()}
    assert orders == set(itertools.permutations((0.5, 1.5, 2.5))) - {(0.5, 1.5, 2.5)}


def test_permuted_groups_move_together():
    row = torch.tensor([[0.5, 10.5, 1.5, 11.5, 2.5, 12.5]])
    apply = _fitted(Permute([(0, 1), (2, 3), (4, 5)], group="cyclic"), row)
    assert apply(1).tolist() == [[1.5, 11.5, 2.5, 12.5, 0.5, 10.5]]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (Permute((0,)), "at least two"),
        (Permute(((0, 1), (2,))), "equal numbers of columns"),
        (Permute(range(7)), "group='cyclic'"),
        (Permute((0, 7)), "different kinds"),
    ],
)
def test_senseless_permutations_are_refused(declared, message):
    rows = np.random.RandomState(0).randn(9, 8)
    rows[:, 7] = np.arange(9)
    with pytest.raises(ValueError, match=message):
        _fitted(declared, rows)


def test_noise_is_normal_and_of_the_declared_size(rows):
    many = rows[:1].repeat(5000, 1)
    noisy = _fitted(GaussianNoise(max_sd=0.5), rows)(-0.4, many)
    z = (noisy - many).numpy() / (0.2 * rows.numpy().std(0))
    assert stats.kstest(z.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.04
    assert abs(np.corrcoef(z[1:, 0], z[:-1, 0])[0, 1]) < 0.04


def test_values_of_a_large_share_are_left_alone():
    rng = np.random.RandomState(0)
    rows = np.where(rng.rand(100, 1) < 0.3, 0.0, rng.rand(100, 1) + 0.5)
    for transformation in (GaussianNoise(), Scale()):
        changed = _fitted(transformation, rows)(0.5).numpy()
        assert (changed[rows == 0] == 0).all()
        assert (changed[rows != 0] != rows[rows != 0]).all()
    shifted = _fitted(Shift(), rows)(0.5).numpy()
    assert (shifted != rows).all()


def test_whole_numbers_stay_whole_and_are_not_exact():
    rows = torch.arange(40.0).reshape(-1, 1)
    result, exact = _fitted(GaussianNoise(max_sd=0.1), rows, bounds="train")(
        1.0, return_exact=True
    )
    assert (result == result.round()).all()
    assert (result >= 0).all()
    assert (result <= 39).all()
    assert not exact.any()


def test_a_row_outside_is_not_pulled_in(rows):
    apply = _fitted(Shift(max_sd=1.0), rows, bounds="train")
    outside = rows.amax(0, keepdim=True) + 3
    assert torch.equal(apply(0.5, outside), outside)
    assert (apply(-1e-6, outside) < outside).all()
    assert (apply(-1e-6, outside) > outside - 1e-3).all()


def test_mask_writes_the_middle(rows):
    mixed = torch.cat([rows, (torch.arange(200) % 3 == 0)[:, None].double()], 1)
    masked = _fitted(Mask(max_rate=1.0), mixed)(0.5, mixed[:1].repeat(4000, 1))
    middle = mixed.median(0).values
    middle[3] = 0.0
    changed = masked != mixed[0]
    assert torch.equal(masked, torch.where(changed, middle, mixed[0]))
    assert abs(float(changed.double().mean()) - 0.5) < 0.02


def test_mask_can_make_cells_missing(rows):
    masked = _fitted(Mask(max_rate=0.3, fill="nan"), rows)(1.0)
    assert abs(float(masked.isnan().double().mean()) - 0.3) < 0.05
    assert torch.equal(masked[~masked.isnan()], rows[~masked.isnan()])


def test_mask_writes_whole_categories():
    codes = torch.eye(3)[torch.tensor([0, 1, 1, 2, 1, 0])]
    masked = _fitted(Mask(max_rate=1.0), codes)(1.0)
    assert torch.equal(masked, torch.eye(3)[torch.ones(6, dtype=torch.long)])


def test_quantile_jitter_moves_ranks():
    rng = np.random.RandomState(0)
    rows = np.sort(rng.lognormal(size=(201, 1)), axis=0)
    moved = _fitted(QuantileJitter(max_shift=0.2), rows)(0.5).numpy()
    # 0.1 of 200 steps between ranks: 20 ranks up, and the top stays.
    np.testing.assert_allclose(moved[:-20], rows[20:], rtol=1e-10)
    assert (moved[-20:] == rows[-1]).all()
    assert (np.diff(moved[:, 0]) >= 0).all()


def test_quantile_jitter_keeps_shared_values_and_the_range():
    rng = np.random.RandomState(0)
    rows = np.where(rng.rand(1000, 1) < 0.5, 1.0, 1 + rng.rand(1000, 1) * [[2.0]])
    apply = _fitted(QuantileJitter(max_shift=1.0), rows)
    small = apply(0.05).numpy()
    assert (small[rows == 1] == 1).all()
    for p in (-1.0, 1.0):
        result = apply(p).numpy()
        assert result.min() >= rows.min()
        assert result.max() <= rows.max()


def test_sizes_in_natural_units():
    P = torch.tensor([[-0.5], [1.0]])
    for transformation, name, expected in (
        (Shift(max_sd=2), "shift_sd", [-1, 2]),
        (Scale(max_log=np.log(4)), "factor", [0.5, 4]),
        (Rotate((0, 1), max_degrees=90), "degrees", [-45, 90]),
        (GaussianNoise(max_sd=0.2), "noise_sd", [0.1, 0.2]),
        (Mask(max_rate=0.4), "rate", [0.2, 0.4]),
        (QuantileJitter(max_shift=0.2), "rank_shift", [-0.1, 0.2]),
    ):
        np.testing.assert_allclose(transformation.describe(P)[name], expected)
