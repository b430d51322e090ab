# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from sklearn.decomposition import PCA

from sktransform.inspection import BiplotDisplay
from sktransform.inspection._reduction.arrows import _name_positions
from sktransform.reduction import GaussianWeightedLinearReducer


@pytest.fixture(scope="module")
def reducer(wine):
    return GaussianWeightedLinearReducer(
        n_components=3, n_gaussians=5, random_state=0
    ).fit(wine[0])


def test_charts_blend_into_the_map(reducer, wine):
    X, _ = wine
    charts = [BiplotDisplay.from_estimator(reducer, X, chart=i) for i in range(5)]
    blended = sum(chart.weights[:, None] * chart.points for chart in charts)
    np.testing.assert_allclose(blended, reducer.embedding_, atol=1e-9)
    total = sum(chart.weights for chart in charts)
    np.testing.assert_allclose(total, 1)


def test_biplot_of_the_only_chart_is_that_of_the_linear_map(wine):
    X, y = wine
    reducer = GaussianWeightedLinearReducer(n_gaussians=1).fit(X)
    display = BiplotDisplay.from_estimator(reducer, X, y, n_arrows=3)
    np.testing.assert_allclose(display.points, reducer.embedding_, atol=1e-10)
    np.testing.assert_array_equal(display.rows_, np.arange(len(X)))
    directions = reducer.components_[0].T * reducer.feature_scale_[:, None]
    np.testing.assert_allclose(display.directions, directions)
    longest = np.argsort(-np.linalg.norm(directions, axis=1))[:3]
    drawn = np.column_stack([display.arrows_.U, display.arrows_.V])
    ratios = drawn / directions[longest]
    np.testing.assert_allclose(ratios, ratios[0, 0])
    names = [text.get_text() for text in display.texts_]
    assert names == list(X.columns[longest])


def test_rows_are_as_opaque_as_their_share(reducer, wine):
    X, y = wine
    display = BiplotDisplay.from_estimator(reducer, X, chart=1, components=(2, 1))
    shares = display.weights / display.weights.max()
    np.testing.assert_array_equal(display.rows_, np.flatnonzero(shares >= 0.1))
    (scatter,) = display.scatter_
    np.testing.assert_array_equal(scatter.get_alpha(), shares[display.rows_])
    np.testing.assert_array_equal(
        scatter.get_offsets(), display.points[display.rows_][:, [2, 1]]
    )
    coloured = BiplotDisplay.from_estimator(reducer, X, y, chart=1)
    drawn = sum(len(part.get_offsets()) for part in coloured.scatter_)
    assert drawn == len(display.rows_)
    numeric = BiplotDisplay.from_estimator(reducer, X, X["alcohol"], chart=1)
    np.testing.assert_array_equal(
        numeric.scatter_[0].get_array(), X["alcohol"].iloc[display.rows_]
    )


def test_the_chart_of_most_rows_is_drawn_first(reducer, wine):
    leaders = reducer.chart_weights(wine[0]).argmax(axis=1)
    display = BiplotDisplay.from_estimator(reducer, wine[0])
    assert display.chart == np.bincount(leaders).argmax()
    assert display.ax_.get_title() == f"chart {display.chart}"
    assert display.plot(ax=display.ax_) is display


def test_names_of_parallel_arrows_stand_apart():
    arrows = np.array([[1.0, 0.1], [0.9, 0.11], [0.8, 0.05], [-0.7, 0.1]])
    positions = _name_positions(arrows, 0.1)
    right = np.sort(positions[:3, 1])
    assert np.diff(right).min() >= 0.1
    # Those on the other side do not move names.
    np.testing.assert_allclose(positions[3], 1.05 * arrows[3])


def test_mistakes_get_one_clear_sentence(reducer, wine):
    X, _ = wine
    with pytest.raises(ValueError, match="chart must be from 0 to 4, got 5"):
        BiplotDisplay.from_estimator(reducer, X, chart=5)
    with pytest.raises(ValueError, match=r"components must be two .* got \(0, 3\)"):
        BiplotDisplay.from_estimator(reducer, X, components=(0, 3))
    with pytest.raises(TypeError, match="method chart_weights, but PCA has none"):
        BiplotDisplay.from_estimator(PCA(2).fit(X), X)
