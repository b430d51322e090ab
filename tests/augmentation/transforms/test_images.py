# SPDX-License-Identifier: BSD-3-Clause
"""Pictures moved and recoloured, against SciPy and brute force."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from sktransform.augmentation.transforms import (
    ColumnTable,
    ImageBrightness,
    ImageContrast,
    ImageFlip,
    ImageNoise,
    ImageQuarterTurn,
    ImageRoll,
    ImageRotate,
    ImageShear,
    ImageTranslate,
    ImageZoom,
    RandomField,
    TrainingRows,
)
from sktransform.augmentation.transforms._random_field import gaussian_fields


def _apply(transformation, images, p, *, back=False, bounds="none", seeds=None):
    """Return images transformed by one parameter, in their shape."""
    images = np.asarray(images)
    rows = torch.from_numpy(images.reshape(len(images), -1))
    shape = images.shape[1:]
    training = TrainingRows(
        rows, ColumnTable.from_arrays(rows, shape=shape, bounds=bounds)
    )
    bound = transformation.bind(training.columns)
    reference = bound.fit(training)
    P = torch.full((len(rows), 1), float(p), dtype=torch.float64)
    seeds = torch.arange(len(rows)) if seeds is None else seeds
    method = bound.inverse if back else bound.forward
    return method(rows, P, reference, seeds).numpy().reshape(images.shape)


@pytest.fixture(params=[(9, 9), (8, 12), (7, 10, 3)], ids=str)
def images(request):
    return np.random.RandomState(0).rand(4, *request.param)


def _per_channel(function, images):
    """Return images of which each channel of each was put through a function."""
    flat = images.reshape(*images.shape[:3], -1)
    out = np.empty_like(flat)
    for i in range(len(flat)):
        for c in range(flat.shape[3]):
            out[i, ..., c] = function(flat[i, ..., c])
    return out.reshape(images.shape)


def _sampled(image, matrix, shift=(0, 0)):
    """Return SciPy's linear interpolation at matrix @ (y, x) + shift about the middle.

    What is outside is 0, and values fade to it over one pixel, as in the library.
    """
    padded = np.pad(image, 1)
    middle = (np.array(padded.shape) - 1) / 2
    offset = middle - matrix @ middle + shift
    moved = ndimage.affine_transform(
        np.pad(padded, 40), matrix, _offset_of(matrix, offset, 40), order=1
    )
    return moved[41:-41, 41:-41]


def _offset_of(matrix, offset, pad):
    """Return the offset for a image with more zeros around."""
    more = np.full(2, float(pad))
    return offset + more - matrix @ more


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("pixels", [2, -3])
def test_a_whole_shift_moves_pixels_and_zeros_come_in(images, axis, pixels):
    moved = _apply(ImageTranslate(axis=axis, max_pixels=4), images, pixels / 4)
    shift = (0, pixels) if axis == "x" else (pixels, 0)
    expected = _per_channel(lambda image: ndimage.shift(image, shift, order=0), images)
    np.testing.assert_allclose(moved, expected, atol=1e-12)


def test_a_fraction_of_a_pixel_is_interpolated(images):
    moved = _apply(ImageTranslate(max_pixels=1), images, 0.3)
    np.testing.assert_allclose(
        moved[:, :, 1:],
        0.7 * images[:, :, 1:] + 0.3 * images[:, :, :-1],
        atol=1e-12,
    )


@pytest.mark.parametrize("degrees", [15, -70, 133])
def test_rotation_is_scipys(images, degrees):
    turned = _apply(ImageRotate(max_degrees=180), images, degrees / 180)
    angle = np.radians(degrees)
    # Rows run down: counter-clockwise takes (y, x) from the turn in the other direction.
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    expected = _per_channel(lambda image: _sampled(image, matrix), images)
    np.testing.assert_allclose(turned, expected, atol=1e-10)


def test_a_quarter_of_a_rotation_is_a_quarter_turn():
    images = np.random.RandomState(0).rand(3, 8, 8)
    expected = np.rot90(images, 1, axes=(1, 2))
    turned = _apply(ImageRotate(max_degrees=90), images, 1.0)
    np.testing.assert_allclose(turned, expected, atol=1e-12)
    np.testing.assert_array_equal(_apply(ImageQuarterTurn(), images, 1), expected)
    np.testing.assert_array_equal(
        _apply(ImageQuarterTurn(), images, 3), np.rot90(images, -1, axes=(1, 2))
    )


def test_images_that_are_not_square_turn_without_distortion():
    # A disc stays a disc, whatever the frame.
    y, x = np.mgrid[:20, :31] - np.array([9.5, 15.0])[:, None, None]
    disc = np.clip(6 - np.hypot(y, x), 0, 1)[None]
    turned = _apply(ImageRotate(max_degrees=180), disc, 0.37)
    np.testing.assert_allclose(turned, disc, atol=0.2)
    half = _apply(ImageRotate(max_degrees=180), disc, 1.0)
    np.testing.assert_allclose(half, disc[:, ::-1, ::-1], atol=1e-10)


@pytest.mark.parametrize("p", [-1.0, 0.4])
def test_zoom_and_shear_are_scipys(images, p):
    zoomed = _apply(ImageZoom(max_log=0.3), images, p)
    matrix = np.eye(2) * np.exp(-0.3 * p)
    expected = _per_channel(lambda image: _sampled(image, matrix), images)
    np.testing.assert_allclose(zoomed, expected, atol=1e-10)
    sheared = _apply(ImageShear(max_slope=0.5), images, p)
    matrix = np.array([[1, 0], [0.5 * p, 1]])
    expected = _per_channel(lambda image: _sampled(image, matrix), images)
    np.testing.assert_allclose(sheared, expected, atol=1e-10)


@pytest.mark.parametrize(
    "transformation",
    [ImageTranslate(), ImageRotate(), ImageZoom(), ImageShear(), RandomField()],
    ids=repr,
)
def test_the_inverse_is_close_in_the_middle_of_smooth_images(transformation):
    y, x = np.mgrid[:24, :24] - 11.5
    smooth = np.stack([np.exp(-((y - a) ** 2 + x**2) / 40) for a in (-1, 0, 2)])
    there = _apply(transformation, smooth, 0.7)
    back = _apply(transformation, there, 0.7, back=True)
    assert np.abs(there - smooth).max() > 0.03
    assert np.abs(back - smooth)[:, 6:18, 6:18].max() < 0.03


def test_roll_is_numpys(images):
    for axis, dimension in (("y", 1), ("x", 2)):
        rolled = _apply(ImageRoll(axis=axis, max_pixels=3), images, -0.7)
        np.testing.assert_array_equal(rolled, np.roll(images, -2, dimension))


def test_flip_is_numpys(images):
    flipped = _apply(ImageFlip(axis="x"), images, 1)
    np.testing.assert_array_equal(flipped, images[:, :, ::-1])
    flipped = _apply(ImageFlip(axis="y"), images, 1)
    np.testing.assert_array_equal(flipped, images[:, ::-1])


def test_brightness_contrast_and_noise(images):
    sd = images.std((0, 1, 2))
    if images.ndim == 3:
        sd = images.std()
    brighter = _apply(ImageBrightness(max_sd=0.5), images, 0.6)
    np.testing.assert_allclose(brighter, images + 0.3 * sd, rtol=1e-12)
    stretched = _apply(ImageContrast(max_log=np.log(2)), images, 1.0)
    mean = images.reshape(len(images), -1).mean(1)
    np.testing.assert_allclose(
        stretched.reshape(len(images), -1).mean(1), mean, rtol=1e-12
    )
    np.testing.assert_allclose(np.ptp(stretched), 2 * np.ptp(images), rtol=0.2)
    many = np.repeat(images, 50, 0)
    noise = (_apply(ImageNoise(max_sd=0.4), many, -0.5) - many) / sd
    assert abs(noise.std() - 0.2) < 0.01


def test_the_allowed_range_is_that_of_all_cells():
    images = np.zeros((5, 6, 6))
    images[:, 2:4, 2:4] = 1.0
    moved = _apply(ImageTranslate(max_pixels=2), images, 1.0, bounds="train")
    np.testing.assert_allclose(moved[:, 2:4, 4:], 1)
    noisy = _apply(ImageNoise(), images, 1.0, bounds="train")
    assert noisy.min() == 0
    assert noisy.max() == 1


def test_whole_numbers_of_images_stay_whole():
    images = np.random.RandomState(0).randint(0, 17, size=(4, 8, 8))
    columns = ColumnTable.from_arrays(images.reshape(4, -1), shape=(8, 8))
    rows = torch.from_numpy(images.reshape(4, -1).astype(float))
    training = TrainingRows(rows, columns)
    for transformation, is_exact in ((ImageRotate(), False), (ImageFlip(), True)):
        bound = transformation.bind(columns)
        P = torch.ones(4, 1)
        result, exact = bound.forward(rows, P, bound.fit(training), return_exact=True)
        assert torch.equal(result, result.round())
        assert (exact == is_exact).all()


@pytest.mark.parametrize(
    ("shape", "message"), [(None, "declare shape"), (36, "needs images")]
)
def test_images_need_a_shape(shape, message):
    rows = torch.rand(4, 36, generator=torch.Generator().manual_seed(0))
    training = TrainingRows(rows, ColumnTable.from_arrays(rows, shape=shape))
    with pytest.raises(ValueError, match=message):
        ImageRotate().fit(training)


def test_quarter_turns_need_squares():
    images = np.random.RandomState(0).rand(4, 3, 5)
    with pytest.raises(ValueError, match="square images, got 3 x 5"):
        _apply(ImageQuarterTurn(), images, 1)
    with pytest.raises(ValueError, match="axis of ImageFlip must be"):
        ImageFlip(axis="z")


@pytest.mark.parametrize(
    ("shape", "length", "count"), [((64, 48), 5.0, 400), ((256,), 12.0, 4000)]
)
def test_fields_have_variance_one_and_the_declared_correlation(shape, length, count):
    fields = gaussian_fields(torch.arange(count), shape, length).numpy()
    assert abs(fields.mean()) < 0.05
    assert abs(fields.var() - 1) < 0.03
    for axis in range(1, fields.ndim):
        for steps in (int(length), 2 * int(length)):
            moved = np.roll(fields, steps, axis)
            expected = np.exp(-((steps / length) ** 2) / 2)
            assert abs((fields * moved).mean() - expected) < 0.03


def test_fields_of_two_streams_are_independent():
    first, second = (
        gaussian_fields(torch.arange(300), (16, 16), 3.0, stream) for stream in (0, 1)
    )
    assert abs(float((first * second).mean())) < 0.05


def test_gain_and_offset_follow_the_field(images):
    field = gaussian_fields(torch.arange(4), images.shape[1:3], 4.0).numpy()
    field = field.reshape(*field.shape, *([1] * (images.ndim - 3)))
    gained = _apply(RandomField(kind="gain", max_strength=0.5), images, -0.4)
    np.testing.assert_allclose(gained, images * np.exp(0.2 * field), rtol=1e-12)
    sd = images.std((0, 1, 2)) if images.ndim == 4 else images.std()
    added = _apply(RandomField(kind="offset", max_strength=0.5), images, 0.4)
    np.testing.assert_allclose(added, images + 0.2 * field * sd, rtol=1e-12)


def test_a_warp_moves_by_the_declared_distance():
    # On a ramp the change of a value is the displacement along it.
    ramp = np.tile(np.arange(40.0), (200, 40, 1))
    warped = _apply(RandomField(max_strength=1.0, length_scale=6.0), ramp, 0.8)
    moves = (warped - ramp)[:, 5:-5, 5:-5]
    assert abs(moves.std() - 0.8) < 0.05
