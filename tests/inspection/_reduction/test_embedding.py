# SPDX-License-Identifier: BSD-3-Clause
import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.decomposition import PCA

from sktransform.inspection import EmbeddingDisplay
from sktransform.inspection._palette import class_style
from sktransform.reduction import GaussianWeightedLinearReducer


def test_every_row_is_drawn_once_in_the_colour_of_its_class(reducer, wine):
    X, y = wine
    display = EmbeddingDisplay.from_estimator(reducer, X, y)
    assert len(display.scatter_) == 3
    for label, collection in enumerate(display.scatter_):
        expected = reducer.embedding_[y == label][:, :2]
        np.testing.assert_array_equal(collection.get_offsets(), expected)
    names = [text.get_text() for text in display.legend_.get_texts()]
    assert names == ["0", "1", "2"]
    assert display.ax_.get_aspect() == 1.0


def test_components_choose_the_axes(reducer, wine):
    display = EmbeddingDisplay.from_estimator(reducer, wine[0], components=(2, 0))
    drawn = display.scatter_[0].get_offsets()
    np.testing.assert_array_equal(drawn, reducer.embedding_[:, [2, 0]])
    assert display.ax_.get_xlabel() == "component 2"
    centers = display.centers_.get_offsets()
    np.testing.assert_array_equal(centers, reducer.embedded_centers_[:, [2, 0]])


def test_arrows_are_the_mean_movement_by_a_standard_deviation(reducer, wine):
    X, _ = wine
    display = EmbeddingDisplay.from_estimator(reducer, X, n_arrows=4)
    movement = reducer.jacobian(X).mean(axis=0) * reducer.feature_scale_
    np.testing.assert_allclose(display.directions, movement.T)
    lengths = np.linalg.norm(display.directions[:, :2], axis=1)
    longest = np.argsort(-lengths)[:4]
    names = [text.get_text() for text in display.texts_]
    assert names == list(X.columns[longest])
    drawn = np.column_stack([display.arrows_.U, display.arrows_.V])
    ratios = np.linalg.norm(drawn, axis=1) / lengths[longest]
    np.testing.assert_allclose(ratios, ratios[0])


def test_centers_lie_where_the_map_puts_them(reducer, wine):
    columns = dict(zip(wine[0].columns, reducer.centers_.T, strict=True))
    expected = reducer.transform(type(wine[0])(columns))
    np.testing.assert_allclose(reducer.embedded_centers_, expected)


def test_numeric_target_gets_a_scale(reducer, wine):
    target = np.linspace(0, 1, len(wine[0])) ** 2
    display = EmbeddingDisplay.from_estimator(reducer, wine[0], target)
    assert display.colorbar_.ax.get_ylabel() == "target"
    np.testing.assert_array_equal(display.scatter_[0].get_array(), target)


def test_more_than_eight_classes_differ_in_colour_or_marker():
    styles = [class_style(index) for index in range(40)]
    assert len(set(styles)) == 40


@pytest.mark.parametrize(("n_classes", "n_columns"), [(18, 1), (40, 3), (65, None)])
def test_legends_of_many_classes_leave_room_for_the_map(n_classes, n_columns):
    y = np.arange(130) % n_classes
    points = np.random.default_rng(0).normal(size=(130, 2))
    display = EmbeddingDisplay.from_embedding(points, y)
    display.figure_.canvas.draw()  # a warning if there is no room
    if n_columns is None:
        # More than there are pairs of colour and marker.
        assert display.legend_ is None
        return
    assert display.legend_._ncols == n_columns
    assert display.ax_.get_window_extent().width > 200


def test_any_transformer_and_any_container(wine):
    X, y = wine
    pca = PCA(2).fit(X)
    display = EmbeddingDisplay.from_estimator(pca, X, y.astype(str))
    assert display.centers_ is None
    assert display.directions is None
    embedding = torch.from_numpy(pca.transform(X))
    display = EmbeddingDisplay.from_embedding(embedding, y.tolist())
    assert isinstance(display.embedding, np.ndarray)


def test_keywords_reach_the_artists_and_the_axes_are_used(reducer, wine):
    _, ax = plt.subplots()
    display = EmbeddingDisplay.from_estimator(
        reducer, *wine, ax=ax, scatter_kw={"alpha": 0.25}, n_arrows=1
    )
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.scatter_[0].get_alpha() == 0.25


def test_mistakes_get_one_clear_sentence(reducer, wine):
    X, y = wine
    with pytest.raises(ValueError, match=r"components must be two .* got \(0, 3\)"):
        EmbeddingDisplay.from_estimator(reducer, X, components=(0, 3))
    with pytest.raises(ValueError, match="one component cannot be drawn"):
        EmbeddingDisplay.from_embedding(np.zeros((4, 1)))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        EmbeddingDisplay.from_embedding(np.zeros((4, 2)), y)
    with pytest.raises(ValueError, match="Arrows need the features' directions"):
        EmbeddingDisplay.from_embedding(np.zeros((4, 2)), n_arrows=2)
    for name in ("n_arrows", "n_ellipses"):
        with pytest.raises(ValueError, match=f"{name} == -1, must be >= 0"):
            EmbeddingDisplay.from_estimator(reducer, X, **{name: -1})
    with pytest.raises(ValueError, match="Input y contains NaN; leave out these rows"):
        EmbeddingDisplay.from_estimator(reducer, X, np.where(y == 0, np.nan, y))
    with pytest.raises(
        TypeError, match="must have one type, but there are NoneType, str"
    ):
        EmbeddingDisplay.from_estimator(reducer, X, np.where(y == 0, None, "red"))


def test_plot_returns_the_display_and_can_be_repeated(reducer, wine):
    display = EmbeddingDisplay.from_estimator(reducer, *wine)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


def test_page_tells_what_the_estimator_knows_of_each_row(reducer, wine, tmp_path):
    X, y = wine
    display = EmbeddingDisplay.from_estimator(reducer, X, y)
    np.testing.assert_array_equal(display.distortion, reducer.distortion(X))
    np.testing.assert_array_equal(display.influence, reducer.influence(X))
    page = display.to_html(tmp_path / "wine.html", title="Wines").read_text()
    assert "<title>Wines</title>" in page
    assert f"{display.distortion[0]:.2f}" in page
    assert X.columns[display.influence[0].argmax()] in page
    with pytest.raises(
        ValueError, match="components must be two column indices of the embedding"
    ):
        display.to_html(tmp_path / "wine.html", components=(0, 7))


# What takes long


class _Refusing(GaussianWeightedLinearReducer):
    """A reducer that explains nothing."""

    def jacobian(self, X):
        raise AssertionError("jacobian was called")

    distortion = influence = jacobian


def test_a_plain_picture_asks_for_no_explanation(wine):
    X, y = wine
    refusing = _Refusing(n_components=2, max_iter=3, random_state=0).fit(X)
    display = EmbeddingDisplay.from_estimator(refusing, X, y)
    for name in ("directions", "distortion", "influence"):
        with pytest.raises(AssertionError, match="jacobian was called"):
            getattr(display, name)
    with pytest.raises(AssertionError, match="jacobian was called"):
        display.plot(n_arrows=2)


def test_explanations_are_computed_once(reducer, wine):
    display = EmbeddingDisplay.from_estimator(reducer, wine[0])
    for name in ("directions", "distortion", "influence"):
        assert getattr(display, name) is getattr(display, name)


def test_explanations_are_those_of_the_map_that_was_drawn(wine):
    X, _ = wine
    changing = GaussianWeightedLinearReducer(max_iter=3, random_state=0).fit(X)
    expected = changing.influence(X)
    display = EmbeddingDisplay.from_estimator(changing, X)
    changing.set_params(n_gaussians=2).fit(X[:50])
    np.testing.assert_array_equal(display.influence, expected)


def test_a_display_that_was_not_asked_survives_pickling(reducer, wine):
    display = EmbeddingDisplay.from_estimator(reducer, wine[0])
    loaded = pickle.loads(pickle.dumps(display))
    np.testing.assert_array_equal(loaded.directions, display.directions)


def test_a_sparse_table_is_drawn_without_what_would_make_it_dense(wine, tmp_path):
    dense = wine[0].to_numpy()
    sparse = csr_array(dense)
    fitted = GaussianWeightedLinearReducer(max_iter=3, random_state=0).fit(dense)
    display = EmbeddingDisplay.from_estimator(fitted, sparse, wine[1], n_arrows=3)
    assert display.distortion is None
    assert display.influence is None
    np.testing.assert_array_equal(display.embedding, fitted.transform(dense))
    expected = EmbeddingDisplay.from_estimator(fitted, dense).directions
    np.testing.assert_array_equal(display.directions, expected)
    page = display.to_html(tmp_path / "sparse.html", title="Sparse").read_text()
    assert "<title>Sparse</title>" in page
