# SPDX-License-Identifier: BSD-3-Clause
import pytest
import torch

from sktransform.nn._givens import GivensRotation, plane_levels


def _angles(n_sweeps, width):
    generator = torch.Generator().manual_seed(0)
    angles = torch.randn((n_sweeps, width - 1), generator=generator)
    return angles.to(torch.float64)


def _planes(width):
    return [
        list(zip(*(range(width)[part] for part in level), strict=True))
        for level in plane_levels(width)
    ]


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 8, 11, 16, 33])
def test_each_coordinate_but_the_first_is_the_second_of_one_plane(width):
    seconds = [j for planes in _planes(width) for _, j in planes]
    assert sorted(seconds) == list(range(1, width))


@pytest.mark.parametrize("width", [2, 3, 7, 16, 33])
def test_planes_of_a_level_have_no_coordinate_in_common(width):
    for planes in _planes(width):
        coordinates = [i for plane in planes for i in plane]
        assert len(set(coordinates)) == len(coordinates)


def test_there_are_as_few_levels_as_halvings():
    assert [len(plane_levels(width)) for width in (1, 2, 3, 4, 5, 8, 9)] == [
        *(0, 1, 2, 2, 3, 3, 4)
    ]


@pytest.mark.parametrize("width", [2, 5, 6, 8])
def test_rotation_is_the_product_of_plane_rotations(width):
    angles = _angles(2, width)
    expected = torch.eye(width, dtype=torch.float64)
    for sweep in angles:
        planes = [plane for level in _planes(width) for plane in level]
        for (i, j), angle in zip(planes, sweep, strict=True):
            turn = torch.eye(width, dtype=torch.float64)
            turn[i, i] = turn[j, j] = angle.cos()
            turn[i, j], turn[j, i] = angle.sin(), -angle.sin()
            expected = expected @ turn
    found = GivensRotation(angles)(torch.eye(width, dtype=torch.float64))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("width", [1, 2, 7])
def test_inverse_turns_back(width):
    module = GivensRotation(_angles(3, width))
    X = torch.arange(4.0 * width, dtype=torch.float64).view(4, width)
    torch.testing.assert_close(module.inverse(module(X)), X)
