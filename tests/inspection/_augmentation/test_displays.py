# SPDX-License-Identifier: BSD-3-Clause
"""The displays of augmentation: their numbers, and what is drawn of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sktransform.inspection import (
    AcceptanceDisplay,
    AugmentedExamplesDisplay,
    DualPathDisplay,
    ExcessDisplay,
)

MAGNITUDES = np.array([0.0, 0.5, 1.0])


@pytest.fixture
def augmenter():
    """What a fitted augmenter shows of itself."""
    return SimpleNamespace(
        names_=["shift", "turn", "flip"],
        range_=np.array([1.0, 0.25, 0.0]),
        status_=["kept", "shrunk", "rejected"],
        excess_curve_={
            "magnitude": MAGNITUDES,
            "excess": np.array([[0, 0, 0.01], [0, 0.1, 0.6], [0, np.nan, 0.9]]),
            "se": np.full((3, 3), 0.02),
            "tolerance": np.array(0.03),
        },
        acceptance_losses_={
            "policy": 0.17,
            "unshrunk": 0.19,
            "none": 0.2,
            "repeated": 0.21,
        },
        acceptance_gain_=0.03,
        acceptance_se_=0.01,
        chosen_="policy",
        dual_path_=np.array([[0.0, 0.1, 0.2], [0.0, 0.3, 0.1]]),
    )


def test_excess_curves_are_drawn_with_their_intervals(augmenter):
    display = ExcessDisplay.from_estimator(augmenter, z=2)
    assert_array_equal(display.curves_[1].get_ydata(), [0, 0.1, 0.6])
    heights = display.bands_[1].get_paths()[0].vertices[:, 1]
    assert_allclose([heights.min(), heights.max()], [-0.04, 0.64])
    # What was not measured is left out, not drawn at 0.
    assert_array_equal(display.curves_[2].get_xdata(), [0, 1])
    assert [line is None for line in display.ranges_] == [False, False, True]
    assert_array_equal(display.ranges_[1].get_xdata(), [0.25, 0.25])
    assert display.axes_[1].get_title() == "turn\nshrunk 0.25"
    assert display.axes_[2].get_title() == "flip\nrejected"
    assert len({ax.get_ylim() for ax in display.axes_}) == 1


def test_a_single_curve_needs_neither_names_nor_errors():
    display = ExcessDisplay.from_curves(MAGNITUDES, [0, 1, 2])
    assert len(display.axes_) == len(display.curves_) == 1
    assert display.bands_ == []
    assert display.ranges_ == [None]


def test_panels_that_are_not_needed_are_hidden():
    display = ExcessDisplay.from_curves(MAGNITUDES, np.zeros((5, 3)), n_columns=3)
    assert [ax.axison for ax in display.figure_.axes] == [True] * 5 + [False]


def test_acceptance_shows_control_and_interval_of_the_best(augmenter):
    display = AcceptanceDisplay.from_estimator(augmenter, z=2)
    assert list(display.losses) == ["none", "repeated", "policy", "unshrunk"]
    assert [point.get_xdata()[0] for point in display.points_] == [
        0.2,
        0.21,
        0.17,
        0.19,
    ]
    assert_allclose(display.gain("policy"), 0.03)
    assert set(display.intervals_) == {"policy"}
    (segment,) = display.intervals_["policy"].get_segments()
    assert_allclose(segment[:, 0], [0.15, 0.19])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels[0] == "no augmentation"
    assert labels[2] == "policy (chosen)"


def test_acceptance_draws_the_interval_where_its_gain_was_measured(augmenter):
    # The unshrunk policy was asked a second time, and is no longer the lowest.
    augmenter.acceptance_gain_, augmenter.chosen_ = 0.01, "none"
    display = AcceptanceDisplay.from_estimator(augmenter)
    assert set(display.intervals_) == {"unshrunk"}


def test_acceptance_marks_that_nothing_was_chosen(augmenter):
    augmenter.chosen_ = "none"
    display = AcceptanceDisplay.from_estimator(augmenter)
    label = display.ax_.get_yticklabels()[0].get_text()
    assert label == "no augmentation (chosen)"
    # The interval stays that of the best candidate.
    assert set(display.intervals_) == {"policy"}


def test_dual_paths_are_named_by_their_last_value(augmenter):
    display = DualPathDisplay.from_estimator(augmenter)
    assert_array_equal(display.order_, [1, 2, 0])
    assert_array_equal(display.lines_[0].get_ydata(), [0.1, 0.3])
    names = [text.get_text().split()[0] for text in display.legend_.get_texts()]
    assert names == ["turn", "flip", "shift"]
    many = DualPathDisplay.from_path(np.ones((2, 20)))
    styles = {(line.get_color(), line.get_linestyle()) for line in many.lines_}
    assert len(styles) == 20


def test_images_stand_beside_their_copies_on_one_scale():
    rows = np.arange(12.0).reshape(2, 6)
    views = np.stack([rows + 1, rows + 2, rows])
    display = AugmentedExamplesDisplay.from_views(rows, views, shape=(2, 3))
    assert display.kind == "images"
    assert display.axes_.shape == (2, 4)
    assert_array_equal(display.images_[1].get_array(), (rows[0] + 1).reshape(2, 3))
    assert {image.get_clim() for image in display.images_[:4]} == {(0, 7)}
    colour = AugmentedExamplesDisplay.from_views(rows, views, shape=(1, 2, 3))
    assert colour.images_[0].get_array().shape == (1, 2, 3)
    grey = AugmentedExamplesDisplay.from_views(rows, views, shape=(2, 3, 1))
    assert grey.images_[0].get_array().shape == (2, 3)


def test_series_of_several_channels():
    rows = np.arange(12.0).reshape(2, 6)
    display = AugmentedExamplesDisplay.from_views(
        rows, rows[None], shape=(3, 2), kind="series", titles=[0, 1]
    )
    assert len(display.lines_) == 2 * 2 * 2
    assert_array_equal(display.lines_[1].get_ydata(), [1, 3, 5])
    single = AugmentedExamplesDisplay.from_views(rows, rows[None], shape=(6,))
    assert single.kind == "series"


def test_a_table_marks_the_cells_that_changed():
    rows = pd.DataFrame({"age": [30, 40], "job": ["a", "b"], "pay": [1.5, np.nan]})
    new = rows.assign(age=[31, 40], job=["a", "a"])
    display = AugmentedExamplesDisplay.from_views(rows, [new, rows])
    assert display.kind == "table"
    expected = [[[1, 0, 0], [0, 1, 0]], np.zeros((2, 3))]
    assert_array_equal(display.changed(), expected)
    cells = display.tables_[0].get_celld()
    assert cells[0, 0].get_text().get_text() == "age"
    assert cells[2, 0].get_text().get_text() == "31"
    assert cells[2, 0].get_facecolor() != cells[2, 1].get_facecolor()
    assert display.tables_[1].get_celld()[2, 1].get_text().get_text() == "a"


def test_a_wide_table_shows_the_columns_that_changed_most():
    rows = np.zeros((2, 40))
    views = np.zeros((1, 2, 40))
    views[0, :, 33] = 1
    display = AugmentedExamplesDisplay.from_views(rows, views)
    assert len(display.features_) == 10
    assert 33 in display.features_
    names = [display.tables_[0].get_celld()[0, c].get_text().get_text() for c in (0, 9)]
    assert names == ["x0", "x33"]


def test_copies_of_an_estimator_are_seeded():
    class Augmenter:
        shape = (2, 2)

        def augment(self, X, random_state):
            return X + np.random.default_rng(random_state).normal(size=X.shape)

    rows = np.zeros((3, 4))

    def views(seed):
        display = AugmentedExamplesDisplay.from_estimator(
            Augmenter(), rows, n_views=2, random_state=seed
        )
        assert display.kind == "images"
        return display.views

    assert_array_equal(views(0), views(0))
    assert not np.array_equal(views(0), views(1))
    assert not np.array_equal(*views(0))


def test_wrong_usage_raises(augmenter):
    rows = np.zeros((2, 4))
    with pytest.raises(ValueError, match="one row for each transformation"):
        ExcessDisplay.from_curves(MAGNITUDES, np.zeros((3, 2)))
    with pytest.raises(ValueError, match="both shapes must be equal"):
        ExcessDisplay.from_curves(MAGNITUDES, np.zeros((2, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="names has 1 entries"):
        ExcessDisplay.from_curves(MAGNITUDES, np.zeros((2, 3)), names=["a"])
    with pytest.raises(ValueError, match="status has 1 entries"):
        ExcessDisplay.from_curves(MAGNITUDES, np.zeros((2, 3)), status=["kept"])
    with pytest.raises(ValueError, match="an entry 'none'"):
        AcceptanceDisplay.from_losses({"policy": 1}, "policy")
    with pytest.raises(ValueError, match="an entry 'other'"):
        AcceptanceDisplay.from_losses({"none": 1}, "other")
    augmenter.acceptance_losses_ = {}
    with pytest.raises(ValueError, match="measured no loss"):
        AcceptanceDisplay.from_estimator(augmenter)
    with pytest.raises(ValueError, match="at least one step"):
        DualPathDisplay.from_path(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="give one step for each row"):
        DualPathDisplay.from_path(np.zeros((4, 3)), ["a"])
    del augmenter.dual_path_
    with pytest.raises(ValueError, match="fit a ConstrainedAugmenter"):
        DualPathDisplay.from_estimator(augmenter)
    with pytest.raises(ValueError, match="a copy of every row"):
        AugmentedExamplesDisplay.from_views(rows, rows[None, :1])
    with pytest.raises(ValueError, match="does not fit rows of 4"):
        AugmentedExamplesDisplay.from_views(rows, rows[None], shape=(3,))
    with pytest.raises(ValueError, match="needs the shape"):
        AugmentedExamplesDisplay.from_views(rows, rows[None], kind="images")
    with pytest.raises(ValueError, match="must be one of"):
        AugmentedExamplesDisplay.from_views(rows, rows[None], kind="sound")
    with pytest.raises(ValueError, match="must be two-dimensional"):
        AugmentedExamplesDisplay.from_views(rows[0], rows[None])
