# SPDX-License-Identifier: BSD-3-Clause
"""The displays of maps between spaces: their numbers, and what is drawn of them."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sktransform.alignment import (
    BackwardCompatibleAligner,
    EmbeddingAdapter,
    GaussianWeightedAligner,
    OrthogonalAligner,
)
from sktransform.inspection import (
    CovarianceMatchDisplay,
    LambdaPathDisplay,
    ResidualMapDisplay,
    SingularValueDisplay,
)


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(80, 5)) * [5, 4, 3, 2, 1]


def test_singular_values_fall():
    display = SingularValueDisplay.from_singular_values([0.5, 2.0, 1.0])
    assert_array_equal(display.singular_values, [2.0, 1.0, 0.5])
    assert_array_equal(display.spectrum_.get_ydata(), [2.0, 1.0, 0.5])
    assert display.bands_ == []


def test_bands_hold_what_the_bound_allows():
    lam = 0.75
    display = SingularValueDisplay.from_singular_values(np.ones(9), lam=lam)
    alone, alike = (band.get_paths()[0].vertices[:, 1] for band in display.bands_)
    # One value alone at the bound, and nine values that share it.
    assert_allclose([alone.min(), alone.max()], np.sqrt([1 - lam, 1 + lam]))
    assert_allclose([alike.min(), alike.max()], np.sqrt([1 - lam / 3, 1 + lam / 3]))


def test_no_band_is_drawn_for_a_rotation_or_a_free_map():
    for lam in (None, 0.0, np.inf):
        assert not SingularValueDisplay.from_singular_values([1.0], lam=lam).bands_


def test_residuals_are_in_units_of_the_spread(rows):
    mean = np.broadcast_to(rows.mean(axis=0), rows.shape)
    display = ResidualMapDisplay.from_predictions(rows, mean)
    assert_allclose(np.mean(display.residuals**2), 1)
    # A constant image lies at the origin of the principal axes.
    assert_allclose(display.positions + display.shifts, 0, atol=1e-10)


def test_positions_are_those_of_the_principal_axes(rows):
    display = ResidualMapDisplay.from_predictions(rows, rows)
    centred = rows - rows.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    assert_allclose(np.linalg.norm(display.positions, axis=0), values[:2])
    assert_array_equal(display.residuals, np.zeros(80))


def test_a_row_has_one_arrow(rows):
    display = ResidualMapDisplay.from_predictions(rows[:3], rows[:3] + 1)
    assert display.arrows_.N == 3


def test_the_index_axis_has_whole_numbers(rows):
    spectrum = SingularValueDisplay.from_singular_values([2.0, 1.0, 0.5])
    match = CovarianceMatchDisplay.from_views(rows, rows / 2)
    for ax in (spectrum.ax_, *match.axes_):
        ticks = ax.get_xticks()
        assert_array_equal(ticks, np.round(ticks))


def test_arrows_can_be_left_out(rows):
    display = ResidualMapDisplay.from_predictions(rows, rows + 1, n_arrows=0)
    assert display.arrows_ is None
    assert len(ResidualMapDisplay.from_predictions(rows, rows).arrows_.X) == 40


def test_columns_that_stand_for_the_old_ones_are_compared(views):
    X, y = views
    staged = BackwardCompatibleAligner().fit(X, y[:, :3])
    display = ResidualMapDisplay.from_estimator(staged, X, y[:, :3])
    plain = ResidualMapDisplay.from_predictions(y[:, :3], staged.transform(X)[:, :3])
    assert_array_equal(display.residuals, plain.residuals)


def test_path_is_sorted_with_its_curves():
    display = LambdaPathDisplay.from_path(
        [4, 0, 1],
        {"training": [0.1, 0.5, 0.3], "held out": [0.4, 0.5, 0.3]},
        retrieval=[0.9, 0.7, 0.8],
        chosen=1.0,
    )
    assert_array_equal(display.lams, [0, 1, 4])
    assert_array_equal(display.losses["training"], [0.5, 0.3, 0.1])
    assert_array_equal(display.retrieval_.get_ydata(), [0.7, 0.8, 0.9])
    assert_array_equal(display.chosen_.get_xdata(), [1.0, 1.0])
    assert len(display.axes_) == 2
    # The two losses and the search have three colours and three markers.
    lines = [*display.losses_, display.retrieval_]
    assert len({line.get_color() for line in lines}) == 3
    assert len({line.get_marker() for line in lines}) == 3


@pytest.fixture
def views(rows):
    """A view, and another that is a stretched and noisy image of it."""
    generator = np.random.default_rng(1)
    noise = 0.5 * generator.normal(size=(80, 6))
    return rows, rows @ generator.normal(size=(5, 6)) + noise + 3


def test_path_of_an_aligner_shows_what_its_folds_chose(views):
    X, y = views
    aligner = OrthogonalAligner().fit(X[:50], y[:50])
    display = LambdaPathDisplay.from_estimator(aligner, X[50:], y[50:])
    # A rotation, bounds between, and all that were compared.
    assert len(display.lams) >= 10
    assert display.lams[0] == 0
    assert list(display.losses) == ["pairs", "pairs, held out", "new rows"]
    held_out = display.losses["pairs, held out"]
    known = np.isfinite(held_out)
    assert_array_equal(display.lams[known], np.unique(aligner.lam_path_))
    assert_array_equal(display.losses_[1].get_xdata(), display.lams[known])
    chosen = np.nanargmin(held_out)
    assert display.lams[chosen] == display.chosen == aligner.lam_
    # What the aligner itself says at its bound stands in the picture.
    assert_allclose(display.losses["pairs"][chosen], aligner.loss_, rtol=1e-6)
    missed = 1 - aligner.score(X[50:], y[50:])
    assert_allclose(display.losses["new rows"][chosen], missed, rtol=1e-6)
    assert display.retrieval.shape == display.lams.shape
    assert display.axes_[1].get_ylabel() == "recall@1 of new rows"


def test_path_of_a_fixed_bound_has_no_folds(views):
    aligner = OrthogonalAligner(lam=1.0).fit(*views)
    display = LambdaPathDisplay.from_estimator(aligner, lams=[2, 0, 1])
    assert list(display.losses) == ["pairs"]
    assert display.retrieval_ is None
    assert np.all(np.diff(display.losses["pairs"]) <= 1e-12)


def test_path_without_bound_has_no_chosen_line(views):
    display = LambdaPathDisplay.from_estimator(OrthogonalAligner(np.inf).fit(*views))
    assert display.chosen_ is None


def test_variance_of_an_adapter_before_and_after_its_calibration(views):
    X, y = views
    adapter = EmbeddingAdapter(store_moments=True).fit(X[:50], y[:50])
    display = CovarianceMatchDisplay.from_estimator(adapter, X[50:], y[50:])
    axes = np.linalg.svd(y[50:] - y[50:].mean(axis=0))[2]
    plain = EmbeddingAdapter(calibrate=None).fit(X[:50], y[:50]).transform(X[50:])
    for name, mapped in {
        "queries, regression": plain,
        "queries, matched": adapter.transform(X[50:]),
    }.items():
        assert_allclose(display.variances[name], np.var(mapped @ axes.T, axis=0))


def test_displays_refuse_what_cannot_tell_them(views):
    X, y = views
    adapter, aligner = EmbeddingAdapter().fit(X, y), OrthogonalAligner(0).fit(X, y)
    with pytest.raises(TypeError, match="method path"):
        LambdaPathDisplay.from_estimator(adapter)
    with pytest.raises(TypeError, match="method regress"):
        CovarianceMatchDisplay.from_estimator(aligner, X, y)
    for bent in (GaussianWeightedAligner(), EmbeddingAdapter(features="nystroem")):
        with pytest.raises(TypeError, match="needs an affine map"):
            SingularValueDisplay.from_estimator(bent.fit(X, y))
    with pytest.raises(ValueError, match="give both"):
        LambdaPathDisplay.from_estimator(aligner, X)


def test_covariance_ratio_is_one_for_the_gallery_itself(rows):
    display = CovarianceMatchDisplay.from_views(rows, rows / 2, rows + 1)
    assert_allclose(display.ratio("queries, regression"), 0.25)
    assert_allclose(display.ratio("queries, matched"), 1)
    assert len(display.curves_) == 3
    assert len(display.ratios_) == 2


def test_axes_without_variance_are_left_out(rows):
    gallery = np.column_stack([rows, np.zeros(80)])
    display = CovarianceMatchDisplay.from_views(gallery, gallery)
    assert len(display.variances["gallery"]) == 5


def test_wrong_usage_raises(rows):
    for values in ([-1.0, 2.0], np.eye(3)):
        with pytest.raises(
            ValueError, match="one-dimensional array of numbers of at least 0"
        ):
            SingularValueDisplay.from_singular_values(values)
    for lams in ([0, np.inf], [-1, 0]):
        with pytest.raises(ValueError, match="finite and not negative"):
            LambdaPathDisplay.from_path(lams, {"loss": [1, 2]})
    with pytest.raises(ValueError, match="All rows of y are equal"):
        ResidualMapDisplay.from_predictions(np.ones((5, 2)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="both must have the same shape"):
        ResidualMapDisplay.from_predictions(rows, rows[:, :3])
    with pytest.raises(ValueError, match="give one value for each"):
        LambdaPathDisplay.from_path([0, 1], {"loss": [1, 2, 3]})
    with pytest.raises(ValueError, match="must have the same number of columns"):
        CovarianceMatchDisplay.from_views(rows, rows[:, :3])
    with pytest.raises(ValueError, match="are equal"):
        CovarianceMatchDisplay.from_views(np.ones((5, 2)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="ax must be a pair of axes"):
        CovarianceMatchDisplay.from_views(rows, rows, ax=plt.subplots()[1])
