# SPDX-License-Identifier: BSD-3-Clause
"""Series moved, cut, jittered and warped."""

import numpy as np
import pytest
import torch

from sktransform.augmentation.transforms import (
    ColumnTable,
    SeriesCrop,
    SeriesJitter,
    SeriesPadShift,
    SeriesRoll,
    SmoothWarp,
    TrainingRows,
)
from sktransform.augmentation.transforms._random_field import gaussian_fields

LENGTH = 50


def _apply(transformation, series, P, *, back=False):
    rows = torch.from_numpy(series.reshape(len(series), -1))
    columns = ColumnTable.from_arrays(rows, shape=series.shape[1:], bounds="none")
    bound = transformation.bind(columns)
    reference = bound.fit(TrainingRows(rows, columns))
    P = torch.tensor([P], dtype=torch.float64).reshape(1, -1).repeat(len(rows), 1)
    method = bound.inverse if back else bound.forward
    return (
        method(rows, P, reference, torch.arange(len(rows)))
        .numpy()
        .reshape(series.shape)
    )


@pytest.fixture(params=[(LENGTH,), (LENGTH, 2)], ids=str)
def series(request):
    return np.random.RandomState(0).randn(30, *request.param)


def test_roll_is_numpys(series):
    rolled = _apply(SeriesRoll(max_samples=10), series, 0.64)
    np.testing.assert_array_equal(rolled, np.roll(series, 6, 1))


def test_shift_repeats_the_end(series):
    later = _apply(SeriesPadShift(max_samples=10), series, 0.5)
    np.testing.assert_array_equal(later[:, 5:], series[:, :-5])
    assert (later[:, :5] == series[:, :1]).all()
    earlier = _apply(SeriesPadShift(max_samples=10), series, -0.5)
    np.testing.assert_array_equal(earlier[:, :-5], series[:, 5:])
    back = _apply(SeriesPadShift(max_samples=10), later, 0.5, back=True)
    np.testing.assert_array_equal(back[:, :-5], series[:, :-5])


@pytest.mark.parametrize(("offset", "start"), [(-1, 0), (0, 9.8), (1, 19.6)])
def test_a_crop_is_a_window_stretched(offset, start):
    ramp = np.arange(float(LENGTH))[None]
    cropped = _apply(SeriesCrop(max_share=0.5), ramp, (0.8, offset))
    expected = np.linspace(start, start + 0.6 * (LENGTH - 1), LENGTH)
    np.testing.assert_allclose(cropped[0], expected, atol=1e-10)
    back = _apply(SeriesCrop(max_share=0.5), cropped, (0.8, offset), back=True)
    inside = (ramp[0] >= start) & (ramp[0] <= expected[-1])
    np.testing.assert_allclose(back[0, inside], ramp[0, inside], atol=1e-10)


def test_jitter_is_in_units_of_the_channel():
    series = np.random.RandomState(0).randn(200, LENGTH, 2) * [1, 30]
    noise = _apply(SeriesJitter(max_sd=0.5), series, 0.4) - series
    ratio = noise.std((0, 1)) / series.std((0, 1))
    np.testing.assert_allclose(ratio, 0.2, rtol=0.03)


@pytest.mark.parametrize("strength", [0.5, 5.0, 500.0])
def test_warped_time_rises(strength):
    clock = np.tile(np.arange(float(LENGTH)), (100, 1))
    warped = _apply(SmoothWarp(max_strength=strength, length_scale=6.0), clock, 1.0)
    steps = np.diff(warped, axis=1)
    inside = (warped[:, 1:] < LENGTH - 1) & (warped[:, :-1] > 0)
    assert (steps >= 0).all()
    assert (steps[inside] > 0.1 - 1e-9).all()
    assert warped.min() >= 0
    assert warped.max() <= LENGTH - 1
    assert np.abs(warped - clock).max() > 0.3


def test_the_inverse_of_time_warps_is_close_for_smooth_series():
    time = np.linspace(0, 2 * np.pi, LENGTH)
    series = np.stack([np.sin(time + phase) for phase in range(20)])
    warp = SmoothWarp(max_strength=3.0, length_scale=10.0)
    there = _apply(warp, series, 0.9)
    back = _apply(warp, there, 0.9, back=True)
    assert np.abs(there - series).max() > 0.3
    assert np.abs(back - series)[:, 8:-8].max() < 0.05


def test_magnitude_follows_the_field(series):
    field = gaussian_fields(torch.arange(30), (LENGTH,), 10.0).numpy()
    field = field.reshape(30, LENGTH, *([1] * (series.ndim - 2)))
    warped = _apply(SmoothWarp(kind="magnitude", max_strength=0.6), series, 0.5)
    np.testing.assert_allclose(warped, series * np.exp(0.3 * field), rtol=1e-12)


def test_series_need_a_shape():
    rows = torch.rand(4, 36, generator=torch.Generator().manual_seed(0))
    for shape in (None, (3, 4, 3)):
        training = TrainingRows(rows, ColumnTable.from_arrays(rows, shape=shape))
        with pytest.raises(ValueError, match=r"declare shape=\(length,\)"):
            SeriesRoll().fit(training)
    columns = ColumnTable.from_arrays(rows, shape=(36,))
    with pytest.raises(ValueError, match="needs all 36 columns"):
        SeriesRoll([0, 1]).fit(TrainingRows(rows, columns))


def test_a_series_of_one_sample_stays():
    rows = torch.ones(3, 1, dtype=torch.float64)
    columns = ColumnTable.from_arrays(rows, shape=(1,))
    for transformation in (SmoothWarp(), SeriesCrop(), SeriesRoll(), SeriesPadShift()):
        bound = transformation.bind(columns)
        P = torch.full((3, bound.n_parameters), 0.5)
        reference = bound.fit(TrainingRows(rows, columns))
        assert torch.equal(bound.forward(rows, P, reference, torch.arange(3)), rows)


def test_senseless_declarations_are_refused():
    with pytest.raises(ValueError, match="nothing would remain"):
        SeriesCrop(max_share=1)
    with pytest.raises(ValueError, match="'time' or 'magnitude'"):
        SmoothWarp(kind="space")
