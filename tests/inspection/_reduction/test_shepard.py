# SPDX-License-Identifier: BSD-3-Clause
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.manifold import Isomap

from sktransform.datasets import make_swiss_roll
from sktransform.inspection import ShepardDisplay
from sktransform.metrics import stress
from sktransform.reduction import GaussianWeightedLinearReducer


@pytest.fixture(scope="module")
def reducer(wine_rows):
    return GaussianWeightedLinearReducer(random_state=0).fit(wine_rows)


def test_pairs_are_those_of_the_rows(reducer, wine_rows):
    display = ShepardDisplay.from_estimator(reducer, wine_rows)
    np.testing.assert_allclose(display.distances, pdist(wine_rows))
    np.testing.assert_allclose(display.embedded_distances, pdist(reducer.embedding_))
    np.testing.assert_array_equal(display.distortion, reducer.distortion(wine_rows))
    assert np.nansum(display.pairs_.get_array()) == len(display.distances)
    np.testing.assert_array_equal(
        display.identity_.get_xdata(), display.identity_.get_ydata()
    )


def test_sampled_pairs_are_seeded_and_of_distinct_rows(reducer, wine_rows):
    first = ShepardDisplay.from_estimator(reducer, wine_rows, n_pairs=500)
    second = ShepardDisplay.from_estimator(reducer, wine_rows, n_pairs=500)
    assert first.distances.shape == (500,)
    assert first.distances.min() > 0
    np.testing.assert_array_equal(first.distances, second.distances)
    everything = set(pdist(wine_rows).round(8))
    assert set(first.distances.round(8)) <= everything


def test_medians_are_those_of_equally_many_pairs(reducer, wine_rows):
    display = ShepardDisplay.from_estimator(reducer, wine_rows, kind="scatter")
    assert len(display.pairs_.get_offsets()) == len(display.distances)
    order = np.argsort(display.distances)[: -(-len(display.distances) // 20)]
    x, y = display.medians_.get_data()
    assert len(x) == 20
    assert x[0] == np.median(display.distances[order])
    assert y[0] == np.median(display.embedded_distances[order])


def test_distortion_as_map_histogram_or_nothing(reducer, wine_rows):
    display = ShepardDisplay.from_estimator(reducer, wine_rows)
    np.testing.assert_array_equal(display.distortion_.get_array(), display.distortion)
    np.testing.assert_array_equal(display.distortion_.get_offsets(), reducer.embedding_)
    display.plot(distortion="histogram")
    assert sum(bar.get_height() for bar in display.distortion_) == len(wine_rows)
    assert display.plot(distortion=None) is display
    assert display.distortion_ is None
    assert len(display.axes_) == 1


def test_any_transformer_any_container_and_one_component(wine_rows):
    display = ShepardDisplay.from_estimator(PCA(2).fit(wine_rows), wine_rows)
    assert display.distortion is None
    assert (display.embedded_distances <= display.distances + 1e-9).all()
    tensor = torch.from_numpy(wine_rows)
    display = ShepardDisplay.from_embedding(tensor, tensor[:, :2])
    assert isinstance(display.distances, np.ndarray)
    one = GaussianWeightedLinearReducer(1, random_state=0).fit(wine_rows)
    display = ShepardDisplay.from_estimator(one, wine_rows)
    assert sum(bar.get_height() for bar in display.distortion_) == len(wine_rows)


def test_distances_along_the_data_are_those_that_an_unrolled_sheet_keeps():
    X, _ = make_swiss_roll(400, random_state=0)
    along = Isomap(n_neighbors=5).fit(X).dist_matrix_
    reducer = GaussianWeightedLinearReducer(
        metric="geodesic", n_neighbors=5, random_state=0
    ).fit(X)
    straight = ShepardDisplay.from_estimator(reducer, X)
    display = ShepardDisplay.from_estimator(reducer, X, distances=along)
    np.testing.assert_array_equal(
        display.embedded_distances, straight.embedded_distances
    )
    assert display.distances.max() > 2 * straight.distances.max()
    # The stress of all pairs is the mean of the rows' own, by what each weighs.
    power = np.square(along).sum(axis=1)
    mean = np.average(display.distortion**2, weights=power) ** 0.5
    expected = stress(along, reducer.embedding_, metric="precomputed")
    assert mean == pytest.approx(expected, rel=1e-6)
    assert np.median(display.distortion) < 0.05
    assert display.distortion.max() < straight.distortion.min()
    given = ShepardDisplay.from_embedding(X, reducer.embedding_, distances=along)
    np.testing.assert_array_equal(given.distortion, display.distortion)
    with pytest.raises(ValueError, match="between the 399 rows of X"):
        ShepardDisplay.from_estimator(reducer, X[1:], distances=along)


def test_mistakes_get_one_clear_sentence(reducer, wine_rows):
    with pytest.raises(ValueError, match="kind='dots' must be one of 'histogram'"):
        ShepardDisplay.from_estimator(reducer, wine_rows, kind="dots")
    with pytest.raises(ValueError, match="distortion='bars' must be one of 'map'"):
        ShepardDisplay.from_estimator(reducer, wine_rows, distortion="bars")
    with pytest.raises(ValueError, match="ax must have 2 axes, got 1"):
        ShepardDisplay.from_estimator(reducer, wine_rows, ax=plt.figure().gca())
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ShepardDisplay.from_embedding(wine_rows, wine_rows[:9])
