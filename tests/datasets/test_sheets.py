# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial import KDTree
from sklearn import datasets

from sktransform.datasets import make_s_curve, make_swiss_roll

MAKERS = [make_s_curve, make_swiss_roll]


def angles(make, n_samples, seed):
    """Return the curve's parameter of each point, from scikit-learn's generator."""
    return getattr(datasets, make.__name__)(n_samples, random_state=seed)[1]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("noise", [0, 0.3])
def test_points_are_those_of_scikit_learn(make, noise):
    X, _ = make(50, noise=noise, random_state=3)
    expected, _ = getattr(datasets, make.__name__)(50, noise=noise, random_state=3)
    np.testing.assert_allclose(X, expected, rtol=1e-14)


def test_length_of_the_roll_is_the_integral_of_its_speed():
    _, sheet = make_swiss_roll(10, random_state=0)
    for t, length in zip(angles(make_swiss_roll, 10, 0), sheet[:, 0], strict=True):

        def speed(s):
            velocity = np.cos(s) - s * np.sin(s), np.sin(s) + s * np.cos(s)
            return np.hypot(*velocity)

        assert quad(speed, 0, t)[0] == pytest.approx(length, rel=1e-9)


def test_length_of_the_s_curve_is_the_integral_of_its_speed():
    _, sheet = make_s_curve(10, random_state=0)
    for t, length in zip(angles(make_s_curve, 10, 0), sheet[:, 0], strict=True):

        def speed(s):
            step = 1e-5
            ends = [
                np.array([np.sin(u), np.sign(u) * (np.cos(u) - 1)])
                for u in (s - step, s + step)
            ]
            return np.linalg.norm(ends[1] - ends[0]) / (2 * step)

        assert quad(speed, 0, t)[0] == pytest.approx(length, rel=1e-6)


@pytest.mark.parametrize("make", MAKERS)
def test_height_is_the_second_axis(make):
    X, sheet = make(100, random_state=0)
    assert np.array_equal(X[:, 1], sheet[:, 1])


@pytest.mark.parametrize("make", MAKERS)
def test_near_distances_are_those_of_the_sheet(make):
    X, sheet = make(20_000, random_state=0)
    # In units of the least radius of curvature.
    radius = 1.5 * np.pi if make is make_swiss_roll else 1
    near = KDTree(sheet).query_pairs(0.1 * radius, output_type="ndarray")
    flat = np.linalg.norm(sheet[near[:, 0]] - sheet[near[:, 1]], axis=1)
    bent = np.linalg.norm(X[near[:, 0]] - X[near[:, 1]], axis=1)
    assert len(near) > 1000
    # A chord is shorter than its arc by the square of their ratio to the radius / 24.
    assert (bent <= flat * (1 + 1e-9)).all()
    assert (bent >= flat * (1 - 0.1**2 / 20)).all()


@pytest.mark.parametrize("make", MAKERS)
def test_noise_moves_the_points_and_not_the_sheet(make):
    X, sheet = make(5000, random_state=0)
    noisy, same_sheet = make(5000, noise=0.2, random_state=0)
    assert np.array_equal(sheet, same_sheet)
    assert (noisy - X).std(axis=0) == pytest.approx([0.2] * 3, rel=0.05)
    assert (noisy - X).mean(axis=0) == pytest.approx([0] * 3, abs=0.015)


@pytest.mark.parametrize("make", MAKERS)
def test_seeds(make):
    X, sheet = make(20, random_state=0)
    again, again_sheet = make(20, random_state=np.random.RandomState(0))
    assert np.array_equal(X, again)
    assert np.array_equal(sheet, again_sheet)
    assert not np.array_equal(X, make(20, random_state=1)[0])
    assert X.shape == (20, 3)
    assert sheet.shape == (20, 2)


@pytest.mark.parametrize("make", MAKERS)
def test_bad_arguments_are_refused(make):
    with pytest.raises(ValueError, match="n_samples"):
        make(0)
    with pytest.raises(ValueError, match="noise"):
        make(10, noise=-1.0)
