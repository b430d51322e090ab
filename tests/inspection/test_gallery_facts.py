# SPDX-License-Identifier: BSD-3-Clause
"""What the gallery of reduction tells its readers is true of the data.

The maps only point at a fact. Each fact is checked on the columns themselves, or against
another seed of the map.
"""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from sktransform.inspection import ShepardDisplay
from sktransform.metrics import stress
from sktransform.reduction import GaussianWeightedLinearReducer


def _standardised(X):
    return StandardScaler().set_output(transform="pandas").fit_transform(X)


def _reducer(seed, **parameters):
    return GaussianWeightedLinearReducer(random_state=seed, **parameters)


# Wine


@pytest.fixture(scope="module")
def wine():
    X, y = load_wine(return_X_y=True, as_frame=True)
    return _standardised(X), y.to_numpy()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_map_of_wines_shrinks_less_than_pca(wine, seed):
    X, _ = wine
    reducer = _reducer(seed).fit(X)
    assert reducer.stress_ < 0.7 * stress(X, PCA(2).fit_transform(X))
    display = ShepardDisplay.from_estimator(reducer, X)
    ratio = display.embedded_distances / display.distances
    small = display.distances < np.quantile(display.distances, 0.1)
    large = display.distances > np.quantile(display.distances, 0.9)
    assert np.median(ratio[small]) < 0.75 < 1 < np.median(ratio[large])


@pytest.mark.parametrize("seed", [0, 1])
def test_the_cultivar_that_spreads_most_is_placed_worst(wine, seed):
    X, y = wine
    distortion = _reducer(seed).fit(X).distortion(X)
    cultivars = range(3)
    spread = [X[y == cultivar].var().sum() for cultivar in cultivars]
    placed = [np.median(distortion[y == cultivar]) for cultivar in cultivars]
    assert np.argmax(spread) == np.argmax(placed) == 1


def test_leading_columns_differ_between_cultivars(wine):
    X, y = wine
    influence = _reducer(0).fit(X).influence(X)
    means = np.array([influence[y == cultivar].mean(axis=0) for cultivar in range(3)])
    leading = [frozenset(np.argsort(-mean)[:3]) for mean in means]
    assert len(set(leading)) == 3
    # A linear map has one answer for all.
    linear = _reducer(0, n_gaussians=1).fit(X).influence(X)
    np.testing.assert_allclose(linear, np.broadcast_to(linear[0], linear.shape))


# Breast cancer


@pytest.fixture(scope="module")
def tumours():
    data = load_breast_cancer(as_frame=True)
    return _standardised(data.data), data.target_names[data.target] == "malignant"


@pytest.mark.parametrize("seed", [0, 1])
def test_the_map_of_tumours_contracts_unlike_its_blend(tumours, seed):
    X, _ = tumours
    reducer = _reducer(seed, n_gaussians=10).fit(X)
    assert np.median(reducer.expansion(X).expansion) < 0.8
    assert np.median(reducer.published_quantities(X).frobenius_norm) > 1.2
    # The embedding itself: nearest neighbours have come closer.
    distances, nearest = NearestNeighbors(n_neighbors=6).fit(X).kneighbors(X)
    Y = reducer.embedding_
    embedded = np.linalg.norm(Y[nearest] - Y[:, None], axis=2)
    assert np.median(embedded[:, 1:] / distances[:, 1:]) < 0.8


@pytest.mark.parametrize("seed", [0, 1])
def test_texture_is_hidden_although_it_tells_tumours_apart(tumours, seed):
    X, is_malignant = tumours
    hidden = _reducer(seed, n_gaussians=10).fit(X).null_directions(X, 2)
    texture = X.columns.str.contains("texture")
    assert np.sum(hidden.directions[0][texture] ** 2) > 0.5
    spread = (X.to_numpy() @ hidden.directions.T).std(axis=0)
    assert (spread > 1).all()
    assert (hidden.magnitudes < 0.35).all()
    assert 0.7 < roc_auc_score(is_malignant, X["mean texture"]) < 0.8
    assert roc_auc_score(is_malignant, X["mean radius"]) > 0.9


# Diabetes


@pytest.fixture(scope="module")
def patients():
    return _standardised(load_diabetes(as_frame=True, scaled=False).data)


@pytest.mark.parametrize("seed", [0, 1])
def test_cholesterol_and_sex_do_not_tell_neighbours_apart(patients, seed):
    X = patients
    reducer = _reducer(seed).fit(X)
    plain = dict(zip(X.columns, reducer.influence(X).mean(axis=0), strict=True))
    along = reducer.influence(X, tangent=True).mean(axis=0)
    along = dict(zip(X.columns, along, strict=True))
    assert max(plain, key=plain.get) == "s1"
    assert along["s1"] < 0.5 * plain["s1"]
    assert along["sex"] < 0.2 * plain["sex"]
    assert along["sex"] == min(along.values())
    assert X["s1"].corr(X["s2"]) > 0.85
    nearest = NearestNeighbors(n_neighbors=12).fit(X).kneighbors(return_distance=False)
    sex = X["sex"].to_numpy()
    assert np.mean(sex[nearest] == sex[:, None]) > 0.95
