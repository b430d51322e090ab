# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest

from sktransform.exceptions import DegenerateDataWarning
from sktransform.utils._charts import chart_widths, farthest_rows, place_centers


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(60, 3))


def test_centers_are_distinct_and_as_many_as_asked(rows):
    centers = place_centers(rows, 12, np.ones(60), 0)
    assert centers.shape == (12, 3)
    assert len(np.unique(centers, axis=0)) == 12


def test_more_centers_than_rows_are_clipped_with_a_warning(rows):
    with pytest.warns(DegenerateDataWarning, match=r"there are 4 distinct rows"):
        centers = place_centers(rows[:4], 9, np.ones(4), 0)
    np.testing.assert_allclose(np.sort(centers, axis=0), np.sort(rows[:4], axis=0))


def test_single_center_is_the_weighted_mean(rows):
    weights = np.arange(1.0, 61)
    center = place_centers(rows, 1, weights, 0)
    np.testing.assert_allclose(center[0], np.average(rows, axis=0, weights=weights))


def test_farthest_rows_cover_separate_clusters():
    corners = np.array([[0.0, 0], [50, 0], [0, 50], [50, 50]])
    noise = np.random.default_rng(0).normal(size=(80, 2))
    rows = np.repeat(corners, 20, axis=0) + noise
    centers = rows[farthest_rows(rows, 5, np.ones(80))]
    nearest = np.linalg.norm(centers[:, None] - corners, axis=2).argmin(axis=1)
    assert set(nearest) == {0, 1, 2, 3}


def test_widths_are_mean_squared_distances_to_three_nearest_others():
    centers = np.array([[0.0], [1], [3], [7], [20]])
    widths = chart_widths(centers, 0.5)
    assert widths[0] == pytest.approx(0.5 * (1 + 9 + 49) / 3)
    assert widths[4] == pytest.approx(0.5 * (13**2 + 17**2 + 19**2) / 3)


def test_widths_of_nearly_equal_centers_have_a_floor():
    cluster = 1e-12 * np.arange(4.0)[:, None]
    centers = np.concatenate([cluster, [[1.0], [2], [3], [4], [5]]])
    widths = chart_widths(centers, 1.0)
    assert widths.min() == pytest.approx(1e-6 * np.median(widths))


def test_single_chart_has_width_one():
    np.testing.assert_array_equal(chart_widths(np.zeros((1, 4)), 0.1), [1.0])
