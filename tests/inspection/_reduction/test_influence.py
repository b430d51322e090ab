# SPDX-License-Identifier: BSD-3-Clause
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.decomposition import PCA

from sktransform.inspection import InfluenceDisplay


def test_bars_are_the_global_influence_in_falling_order(reducer, wine):
    X, y = wine
    display = InfluenceDisplay.from_estimator(reducer, X, y, n_features=7)
    influence = reducer.influence(X)
    np.testing.assert_array_equal(display.influence, influence)
    means = influence.mean(axis=0)
    np.testing.assert_array_equal(display.features_, np.argsort(-means)[:7])
    drawn = [bar.get_width() for bar in display.bars_]
    np.testing.assert_allclose(drawn, np.sort(means)[::-1][:7])
    names = [tick.get_text() for tick in display.axes_[0].get_yticklabels()]
    assert names == list(X.columns[display.features_])


def test_class_means_are_drawn_on_the_bars(reducer, wine):
    X, y = wine
    display = InfluenceDisplay.from_estimator(reducer, X, y, kind="bar")
    assert display.heatmap_ is None
    for label, line in enumerate(display.class_means_):
        expected = display.influence[y == label].mean(axis=0)[display.features_]
        np.testing.assert_allclose(line.get_xdata(), expected)
    names = [text.get_text() for text in display.legend_.get_texts()]
    assert names == ["0", "1", "2"]
    markers = {line.get_marker() for line in display.class_means_}
    assert len(markers) == 3


@pytest.mark.parametrize("n_classes", [40, 70])
def test_many_classes_leave_room_for_the_bars(reducer, wine, n_classes):
    X = wine[0]
    y = np.array([f"class {index % n_classes}" for index in range(len(X))])
    display = InfluenceDisplay.from_estimator(reducer, X, y)
    display.figure_.canvas.draw()  # a warning if there is no room
    assert len(display.class_means_) == (n_classes if n_classes == 40 else 0)
    assert display.axes_[0].get_window_extent().height > 100
    # Forty names would lie on each other, and gaps would hide the rows.
    assert not display.axes_[1].lines


def test_heat_map_shows_every_row_once_ordered_by_class(reducer, wine):
    X, y = wine
    display = InfluenceDisplay.from_estimator(reducer, X, y, kind="heatmap")
    assert display.bars_ is None
    np.testing.assert_array_equal(np.sort(display.rows_), np.arange(len(X)))
    assert (np.diff(y.to_numpy()[display.rows_]) >= 0).all()
    expected = display.influence[np.ix_(display.rows_, display.features_)].T
    np.testing.assert_array_equal(display.heatmap_.get_array(), expected)


def test_numeric_target_orders_the_rows(reducer, wine):
    target = np.random.default_rng(0).normal(size=len(wine[0]))
    display = InfluenceDisplay.from_estimator(reducer, wine[0], target)
    np.testing.assert_array_equal(display.rows_, np.argsort(target))
    assert display.class_means_ == []
    assert display.axes_[1].get_xlabel() == "rows by target"


def test_without_a_target_rows_are_ordered_by_what_moves_them(reducer, wine):
    display = InfluenceDisplay.from_estimator(reducer, wine[0])
    centered = display.influence - display.global_influence
    first = PCA(1).fit_transform(centered)[display.rows_, 0]
    assert abs(np.diff(np.sign(np.diff(first))).sum()) == 0
    assert display.plot(kind="bar") is display


def test_axes_are_used(reducer, wine):
    _, axes = plt.subplots(1, 2)
    display = InfluenceDisplay.from_estimator(reducer, *wine, ax=axes)
    assert list(display.axes_) == list(axes)


def test_every_leading_feature_has_its_own_map(reducer, wine):
    X, _ = wine
    display = InfluenceDisplay.from_estimator(
        reducer, X, kind="map", n_features=5, components=(2, 0)
    )
    influence = reducer.influence(X)
    expected = np.argsort(-influence.mean(axis=0))[:5]
    np.testing.assert_array_equal(display.features_, expected)
    assert len(display.scatter_) == len(display.axes_) == 5
    limits = {collection.get_clim() for collection in display.scatter_}
    assert len(limits) == 1
    for feature, collection, ax in zip(
        expected, display.scatter_, display.axes_, strict=True
    ):
        np.testing.assert_array_equal(collection.get_array(), influence[:, feature])
        np.testing.assert_array_equal(
            collection.get_offsets(), reducer.embedding_[:, [2, 0]]
        )
        assert ax.get_title() == X.columns[feature]
    # Shared axes and equal units can be drawn together.
    display.figure_.canvas.draw()


def test_mistakes_get_one_clear_sentence(reducer, wine):
    X, y = wine
    with pytest.raises(ValueError, match="kind='pie' must be one of 'bar', 'heatmap'"):
        InfluenceDisplay.from_estimator(reducer, X, kind="pie")
    with pytest.raises(ValueError, match="kind='both' needs 2 axes, but ax has 1"):
        InfluenceDisplay.from_estimator(reducer, X, ax=plt.figure().gca())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        InfluenceDisplay.from_estimator(reducer, X, y[:5])
    pca = PCA(2).fit(X)
    with pytest.raises(TypeError, match=r"the method influence, but PCA has none"):
        InfluenceDisplay.from_estimator(pca, X)
    with pytest.raises(ValueError, match=r"components must be two .* got \(0, 3\)"):
        InfluenceDisplay.from_estimator(reducer, X, kind="map", components=(0, 3))
    with pytest.raises(ValueError, match="embedding is None; use from_estimator"):
        InfluenceDisplay(reducer.influence(X), list(X)).plot(kind="map")
