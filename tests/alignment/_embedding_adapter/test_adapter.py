# SPDX-License-Identifier: BSD-3-Clause
import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel

from sktransform.alignment import EmbeddingAdapter
from sktransform.exceptions import DegenerateDataWarning, UnreliableAlignmentWarning
from sktransform.metrics import neighbor_overlap, recall_at_k


def views(
    n_rows, seed=0, *, n_texts=15, n_new=20, n_old=30, noise=0.3, bend=0.0, mean=2
):
    """Return vectors of the same texts by a new and an old model."""
    generator, models = np.random.default_rng(seed), np.random.default_rng(99)
    texts = generator.normal(size=(n_rows, n_texts)) * np.linspace(2, 0.3, n_texts)
    bent = texts + bend * np.tanh(texts @ models.normal(size=(n_texts, n_texts)))
    new = texts @ models.normal(size=(n_texts, n_new))
    old = bent @ models.normal(size=(n_texts, n_old)) + mean
    new += noise * generator.normal(size=new.shape)
    return new, old + noise * generator.normal(size=old.shape)


# Texts of which the models know more than so few rows can tell.
RICH = {"n_texts": 100, "n_new": 60, "n_old": 60, "noise": 1.0, "mean": 10}

# Models whose relation is not linear.
BENT = {"n_texts": 3, "bend": 3.0, "noise": 0.05}


@pytest.fixture(scope="module")
def bent():
    """Views whose relation is not linear, and an adapter with kernels for them."""
    new, old = views(400, **BENT)
    return new, old, EmbeddingAdapter(n_landmarks=100).fit(new, old)


def recall(adapter, new, old, **options):
    return recall_at_k(adapter.transform(new), old, **options)


def assert_same_map(adapter, expected):
    for name in ("coef_", "intercept_"):
        wanted = getattr(expected, name)
        tolerance = 1e-9 * np.abs(wanted).max()
        assert_allclose(getattr(adapter, name), wanted, rtol=0, atol=tolerance)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_few_pairs_find_more_by_the_calibration_than_by_regression(metric):
    pairs, (queries, gallery) = views(100, **RICH), views(1000, seed=1, **RICH)
    adapter = EmbeddingAdapter(metric=metric).fit(*pairs)
    plain = EmbeddingAdapter(metric=metric, calibrate=None).fit(*pairs)
    found = recall(adapter, queries, gallery, metric=metric)
    assert found > recall(plain, queries, gallery, metric=metric) + 0.03


def test_hub_constant_finds_more_where_the_mean_is_long():
    (new, old), (queries, gallery) = views(60, **RICH), views(1000, seed=1, **RICH)
    adapter = EmbeddingAdapter().fit(new, old)
    images = adapter.transform(queries)
    hub = adapter.report_["hub_constant"]
    # The image of the mean row is hub times the mean target.
    assert_allclose(adapter.transform(new.mean(0)[None])[0], hub * old.mean(0))
    without_hub = images + (1 - hub) * old.mean(0)
    assert hub < 0.9
    assert recall_at_k(images, gallery) > recall_at_k(without_hub, gallery) + 0.01


def test_without_calibration_it_is_ridge_regression():
    new, old = views(150)
    adapter = EmbeddingAdapter(calibrate=None, features="linear").fit(new, old)
    unit = new.var(axis=0).mean()
    penalty = adapter.report_["ridge"] * unit * len(new)
    expected = Ridge(alpha=penalty).fit(new, old)
    assert_allclose(adapter.coef_, expected.coef_, rtol=1e-8, atol=1e-10)
    assert_allclose(adapter.transform(new), expected.predict(new))


def test_given_penalty_is_taken():
    new, old = views(100)
    adapter = EmbeddingAdapter(calibrate=None, ridge=0.5).fit(new, old)
    expected = Ridge(alpha=0.5 * new.var(axis=0).mean() * 100).fit(new, old)
    assert_allclose(adapter.coef_, expected.coef_, rtol=1e-8)
    assert_allclose(adapter.report_["ridge"], 0.5)


def test_linear_relation_is_recovered():
    new, old = views(300, noise=0.0, n_new=15)
    adapter = EmbeddingAdapter().fit(new, old)
    assert adapter.score(new, old) > 0.999
    assert adapter.report_["r2"] > 1 - 1e-4
    assert recall(adapter, new, old) == 1
    plain = EmbeddingAdapter(calibrate=None).fit(new, old)
    assert plain.score(new, old) > 1 - 1e-4


def test_order_of_the_rows_does_not_matter(bent):
    new, old, adapter = bent
    order = np.random.default_rng(0).permutation(len(new))
    other = EmbeddingAdapter(n_landmarks=100).fit(new[order], old[order])
    assert_array_equal(other.landmarks_, adapter.landmarks_)
    assert_allclose(other.transform(new), adapter.transform(new), rtol=1e-7, atol=1e-7)
    for name in ("recall_at_1", "overlap_at_10", "kernel_gain", "hub_constant"):
        assert_allclose(other.report_[name], adapter.report_[name], rtol=1e-6)


def test_weights_are_repetitions(bent):
    new, old, _ = bent
    weights = np.random.default_rng(0).integers(0, 3, len(new))
    repeated = np.repeat(new, weights, axis=0), np.repeat(old, weights, axis=0)
    options = {"features": "nystroem", "n_landmarks": 50}
    weighted = EmbeddingAdapter(**options).fit(new, old, sample_weight=weights)
    expected = EmbeddingAdapter(**options).fit(*repeated)
    assert_array_equal(weighted.landmarks_, expected.landmarks_)
    assert_allclose(weighted.transform(new), expected.transform(new), atol=1e-6)
    assert weighted.report_["recall_at_1"] == expected.report_["recall_at_1"]


def test_stream_in_any_order_and_split_is_one_fit():
    new, old = views(230)
    weights = np.random.default_rng(0).uniform(0, 2, 230)
    expected = EmbeddingAdapter(features="linear").fit(new, old, weights)
    order = np.random.default_rng(1).permutation(230)
    stream = EmbeddingAdapter()
    for block in np.split(order, [100, 107, 107, 190]):
        if len(block):
            stream.partial_fit(new[block], old[block], weights[block], solve=False)
    stream.partial_fit(new[:1], old[:1], sample_weight=[1e-300])
    assert_same_map(stream, expected)
    for name in ("r2", "r2_calibrated", "hub_constant", "ridge", "weight"):
        assert_allclose(stream.report_[name], expected.report_[name], rtol=1e-9)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_few_wide_rows_along_their_axes_are_what_moments_say(metric):
    new, old = views(50, **RICH)
    new[:, 3], old[:, 7] = 0.3, new[:, 5]
    params = {"features": "linear", "metric": metric, "shrinkage": 0.2}
    weights = np.linspace(0.5, 2, 50)
    stream = EmbeddingAdapter(**params).partial_fit(new, old, weights)
    adapter = EmbeddingAdapter(**params).fit(new, old, weights)
    assert_same_map(adapter, stream)
    for name in ("ridge", "r2", "r2_calibrated", "hub_constant"):
        assert_allclose(adapter.report_[name], stream.report_[name], rtol=1e-8)


def test_merged_adapters_are_one_fit():
    new, old = views(230)
    expected = EmbeddingAdapter(features="linear").fit(new, old)
    parts = [slice(0, 5), slice(5, 150), slice(150, 230)]
    options = {"features": "linear", "store_moments": True}
    first, second, third = (
        EmbeddingAdapter(**options).fit(new[part], old[part]) for part in parts
    )
    kept = pickle.dumps(second)
    for merged in (first.merge(second).merge(third), third.merge(second.merge(first))):
        assert_same_map(merged, expected)
    assert pickle.dumps(second) == kept


def test_rows_added_to_a_fit_with_kernels_leave_the_linear_map_of_all(bent):
    new, old, _ = bent
    adapter = EmbeddingAdapter(n_landmarks=100, store_moments=True).fit(new, old)
    assert adapter.report_["features"] == "nystroem"
    block = views(50, seed=3, **BENT)
    adapter.partial_fit(*block)
    more = [np.vstack(views) for views in zip((new, old), block, strict=True)]
    expected = EmbeddingAdapter(features="linear").fit(*more)
    assert adapter.landmarks_ is None
    assert adapter.report_["features"] == "linear"
    assert_allclose(adapter.transform(new), expected.transform(new))


def test_block_that_is_not_solved_for_keeps_the_map():
    new, old = views(120)
    adapter = EmbeddingAdapter(store_moments=True).fit(new[:60], old[:60])
    before = adapter.transform(new)
    adapter.partial_fit(new[60:], old[60:], solve=False)
    assert_array_equal(adapter.transform(new), before)


def test_kernels_are_taken_where_they_help(bent):
    new, old, adapter = bent
    linear = EmbeddingAdapter(features="linear").fit(new, old)
    assert adapter.report_["features"] == "nystroem"
    assert adapter.report_["kernel_gain"] > 0.1
    queries, gallery = views(1000, seed=1, **BENT)
    assert adapter.score(queries, gallery) > linear.score(queries, gallery)
    found = neighbor_overlap(adapter.transform(queries), gallery)
    assert found > neighbor_overlap(linear.transform(queries), gallery) + 0.02


def test_kernels_are_left_out_where_they_do_not():
    adapter = EmbeddingAdapter(n_landmarks=50).fit(*views(300))
    assert adapter.landmarks_ is None
    assert adapter.report_["kernel_gain"] < 0.02
    forced = EmbeddingAdapter(features="nystroem", n_landmarks=50).fit(*views(300))
    assert forced.landmarks_.shape == (50, 20)


def test_kernels_are_not_tried_with_few_different_rows(bent):
    new, old, _ = bent
    few = np.tile(new[:199], (3, 1)), np.tile(old[:199], (3, 1))
    adapter = EmbeddingAdapter().fit(*few)
    assert adapter.landmarks_ is None
    assert adapter.report_["kernel_gain"] is None


def test_map_is_what_its_attributes_say(bent):
    new, _, adapter = bent
    kernels = rbf_kernel(new, adapter.landmarks_, gamma=1 / adapter.kernel_width_)
    expected = new @ adapter.coef_.T + adapter.intercept_
    expected += kernels @ adapter.kernel_coef_.T
    assert_allclose(adapter.transform(new), expected, atol=1e-8)


def test_kernels_lose_nothing_in_single_precision(bent):
    new, _, adapter = bent
    single = new.astype(np.float32)
    images = adapter.transform(single)
    assert images.dtype == np.float32
    expected = adapter.transform(single.astype(np.float64))
    assert_allclose(images, expected, atol=1e-6 * np.abs(expected).max())


def test_rotation_scale_and_shift_of_the_views_do_not_matter():
    new, old = views(150)
    generator = np.random.default_rng(5)
    turn_new = np.linalg.qr(generator.normal(size=(20, 20)))[0]
    turn_old = np.linalg.qr(generator.normal(size=(30, 30)))[0]
    groups = np.arange(150)
    options = {"features": "linear"}
    images = EmbeddingAdapter(**options).fit(new, old, groups=groups).transform(new)
    moved = 10 * new @ turn_new - 4
    other = EmbeddingAdapter(**options).fit(moved, 0.1 * old @ turn_old, groups=groups)
    assert_allclose(other.transform(moved), 0.1 * images @ turn_old, atol=1e-8)


def test_large_mean_in_single_precision_is_kept():
    new, old = views(300)
    far = new.astype(np.float32) + np.float32(1000)
    exact = far.astype(np.float64)
    adapter = EmbeddingAdapter(features="linear").fit(far, old)
    expected = EmbeddingAdapter(features="linear").fit(exact, old)
    assert_allclose(adapter.coef_, expected.coef_, rtol=1e-9)


@pytest.mark.filterwarnings("ignore::sktransform.exceptions.UnreliableAlignmentWarning")
def test_groups_keep_near_copies_out_of_the_other_folds():
    generator = np.random.default_rng(0)
    new, old = generator.normal(size=(60, 40)), generator.normal(size=(60, 10))
    new, old, groups = (
        np.repeat(new, 5, 0),
        np.repeat(old, 5, 0),
        np.repeat(range(60), 5),
    )
    new += 1e-3 * generator.normal(size=new.shape)
    options = {"features": "linear"}
    naive = EmbeddingAdapter(**options).fit(new, old).report_
    grouped = EmbeddingAdapter(**options).fit(new, old, groups=groups).report_
    assert naive["r2"] > 0.3
    assert grouped["r2"] < 0.05
    assert grouped["ridge"] > 100 * naive["ridge"]


@pytest.mark.parametrize(
    ("n_rows", "options"), [(400, RICH), (400, BENT), (100, {"noise": 1.0})]
)
def test_report_foretells_what_new_rows_find(n_rows, options):
    new, old = views(n_rows, **options)
    queries, gallery = views(3000, seed=1, **options)
    adapter = EmbeddingAdapter(n_landmarks=100).fit(new, old)
    report = adapter.report_
    plain = EmbeddingAdapter(n_landmarks=100, calibrate=None).fit(new, old)
    assert_allclose(report["r2"], plain.score(queries, gallery), atol=0.1)
    assert_allclose(report["r2_calibrated"], adapter.score(queries, gallery), atol=0.15)
    size = round(report["gallery"])
    assert size == pytest.approx(n_rows / 5, rel=0.2)
    parts = [slice(start, start + size) for start in range(0, 3000 - size, size)]
    for fitted, name in ((adapter, "recall_at_1"), (plain, "recall_at_1_ridge")):
        found = np.mean([recall(fitted, queries[p], gallery[p]) for p in parts])
        assert_allclose(report[name], found, atol=0.08)
    found = [neighbor_overlap(adapter.transform(queries[p]), gallery[p]) for p in parts]
    assert_allclose(report["overlap_at_10"], np.mean(found), atol=0.08)


def test_report_in_words_has_the_numbers(bent):
    report, numbers = bent[2].report(), bent[2].report_
    assert "Gaussian kernels" in report
    for name in ("r2", "r2_calibrated", "hub_constant", "recall_at_1", "overlap_at_10"):
        assert f"{numbers[name]:.3f}" in report
    assert f"{numbers['kernel_gain']:.1%}" in report


def test_stream_reports_no_search():
    adapter = EmbeddingAdapter().partial_fit(*views(100))
    assert adapter.report_["recall_at_1"] is None
    assert "rows are not stored" in adapter.report()


def test_unrelated_views_are_warned_of():
    n_warned = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        new, old = generator.normal(size=(100, 20)), generator.normal(size=(100, 12))
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always", UnreliableAlignmentWarning)
            adapter = EmbeddingAdapter(features="linear").fit(new, old)
        n_warned += any("No relation found" in str(one.message) for one in found)
        assert bool(found) == (adapter.report_["evidence"] < 3)
        assert ("No relation" in adapter.report()) == bool(found)
    assert n_warned >= 19


@pytest.mark.parametrize(("n_rows", "noise"), [(40, 3.0), (100, 5.0), (300, 8.0)])
def test_weak_relation_is_not_warned_of(n_rows, noise):
    for seed in range(20):
        new, old = views(n_rows, seed, n_texts=4, noise=noise)
        assert EmbeddingAdapter(features="linear").fit(new, old).report_["evidence"] > 3


def test_stream_of_unrelated_views_is_warned_of():
    generator = np.random.default_rng(0)
    new, old = generator.normal(size=(100, 20)), generator.normal(size=(100, 12))
    with pytest.warns(UnreliableAlignmentWarning, match="No relation found"):
        stream = EmbeddingAdapter().partial_fit(new, old)
    with pytest.warns(UnreliableAlignmentWarning, match="No relation found"):
        fitted = EmbeddingAdapter(features="linear").fit(new, old)
    assert_allclose(stream.report_["evidence"], fitted.report_["evidence"])


def test_scale_of_the_weights_is_no_evidence():
    new, old = views(100)
    evidence = [
        EmbeddingAdapter(features="linear")
        .fit(new, old, np.full(100, weight))
        .report_["evidence"]
        for weight in (1e-3, 1, 1e3)
    ]
    assert_allclose(evidence, evidence[1])


@pytest.mark.parametrize("k", [1, 10])
@pytest.mark.parametrize(
    ("n_rows", "options"),
    [(100, RICH), (400, RICH), (400, {"noise": 2.0}), (1500, {"noise": 2.0})],
)
def test_interval_holds_the_recall_in_a_large_gallery(n_rows, options, k):
    adapter = EmbeddingAdapter(features="linear").fit(*views(n_rows, **options))
    queries, gallery = views(3000, seed=1, **options)
    expected, low, high = adapter.expected_recall(3000, k)
    found = recall(adapter, queries, gallery, k=k)
    error = 0.005  # of a share of 3000 queries
    assert low - error <= found <= high + error
    assert low < expected < high
    line = f"in a gallery of 3000: recall@{k} {expected:.3f}"
    assert line in adapter.report(gallery_size=3000, k=k)


def test_expected_recall_falls_with_the_gallery_and_rises_with_k():
    adapter = EmbeddingAdapter(features="linear").fit(*views(300, noise=2.0))
    sizes = [adapter.expected_recall(size)[0] for size in (1, 60, 1000, 100_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert_allclose(sizes[0], 1)
    assert_allclose(sizes[1], adapter.report_["recall_at_1"], atol=0.05)
    depths = [adapter.expected_recall(1000, k)[0] for k in (1, 10, 100, 1000, 5000)]
    assert depths == sorted(depths)
    assert_allclose(depths[-2:], 1)


def test_recall_of_no_search_is_not_expected():
    stream = EmbeddingAdapter().partial_fit(*views(100))
    with pytest.raises(ValueError, match="call fit, not partial_fit"):
        stream.report(gallery_size=100)
    adapter = EmbeddingAdapter().fit(*views(100))
    for size in (0, 2.5, True, "all"):
        with pytest.raises(ValueError, match="gallery_size must be a positive integer"):
            adapter.expected_recall(size)
    with pytest.raises(ValueError, match="k must be a positive integer"):
        adapter.expected_recall(100, k=0)


def test_inverse_of_a_linear_map_is_its_pseudo_inverse():
    new, old = views(150)
    adapter = EmbeddingAdapter(features="linear").fit(new, old)
    assert_allclose(adapter.inverse_transform(adapter.transform(new)), new, atol=1e-6)


def test_inverse_with_kernels_is_the_regression_of_new_on_old(bent):
    new, old, adapter = bent
    options = {"features": "linear", "calibrate": None, "store_moments": True}
    expected = EmbeddingAdapter(**options).fit(new, old).swapped()
    assert_allclose(adapter.inverse_transform(old), expected.transform(old))


def test_swapped_adapter_is_one_fitted_in_the_other_direction():
    new, old = views(150)
    groups = np.arange(150)
    adapter = EmbeddingAdapter(store_moments=True).fit(new, old, groups=groups)
    expected = EmbeddingAdapter(features="linear").fit(old, new, groups=groups)
    swapped = adapter.swapped()
    assert swapped.n_features_in_ == 30
    assert_allclose(swapped.transform(old), expected.transform(old), atol=1e-8)


@pytest.mark.filterwarnings("ignore::sktransform.exceptions.DegenerateDataWarning")
@pytest.mark.parametrize("n_rows", [1, 2, 3, 6])
def test_very_few_rows_give_a_finite_map(n_rows):
    new, old = views(n_rows)
    for features in ("auto", "nystroem"):
        adapter = EmbeddingAdapter(features=features).fit(new, old)
        assert np.isfinite(adapter.transform(views(20, seed=1)[0])).all()
    with pytest.warns(DegenerateDataWarning, match="X and y do not vary"):
        one = EmbeddingAdapter().fit(new[:1], old[:1])
    assert_allclose(one.transform(new), np.tile(old[:1], (n_rows, 1)))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("n_rows", [4, 5, 6])
def test_a_handful_of_rows_is_not_stretched_beyond_measure(n_rows, metric):
    for seed in range(8):
        new, old = views(n_rows, seed, n_texts=8, n_new=8, n_old=6, noise=0.1, mean=0)
        adapter = EmbeddingAdapter(metric=metric).fit(new, old)
        mapped = adapter.transform(views(60, 9, n_texts=8, n_new=8, n_old=6)[0])
        assert np.abs(mapped).max() < 10 * np.abs(old).max()


def test_constant_views_are_mapped_to_the_mean():
    new, old = views(100)
    with pytest.warns(DegenerateDataWarning, match="X does not vary"):
        adapter = EmbeddingAdapter().fit(np.full_like(new, 0.1), old)
    assert_allclose(adapter.transform(new), np.tile(old.mean(0), (100, 1)))
    with pytest.warns(DegenerateDataWarning, match="y does not vary"):
        adapter = EmbeddingAdapter().fit(new, np.full_like(old, 0.1))
    assert_allclose(adapter.transform(new), 0.1)


@pytest.mark.parametrize("value", [0.0, 1.0, -1e80, 1e-100])
@pytest.mark.parametrize("n_rows", [1, 20, 250])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_constant_target_gives_a_constant_map(method, n_rows, value):
    # Enough rows for kernels to be tried are among them.
    new = np.random.default_rng(0).normal(size=(n_rows, 12))
    with pytest.warns(DegenerateDataWarning, match="y do"):
        adapter = getattr(EmbeddingAdapter(), method)(new, np.full((n_rows, 5), value))
    assert_allclose(adapter.transform(new * 7), value, rtol=1e-12)


def test_target_constant_to_rounding_is_constant():
    new, _ = views(250)
    old = 1 + 1e-16 * np.arange(250)[:, None] % 3e-16 + np.zeros(4)
    with pytest.warns(DegenerateDataWarning, match="y does not vary"):
        adapter = EmbeddingAdapter().fit(new, old)
    assert_allclose(adapter.transform(new), 1, rtol=1e-12)


@pytest.mark.parametrize("n_rows", [20, 250])
def test_target_of_rank_one_is_found_and_stays_so(n_rows):
    new, _ = views(n_rows)
    old = 3 + np.outer(new[:, 0], [1.0, -2, 0, 5])
    adapter = EmbeddingAdapter().fit(new, old)
    images = adapter.transform(new)
    assert_allclose(images[:, 2] / images[0, 2], 1)
    deviations = images - images.mean(0)
    assert np.linalg.matrix_rank(deviations, tol=1e-6) == 1
    assert np.corrcoef(deviations[:, 3], new[:, 0])[0, 1] > 0.99


@pytest.mark.parametrize("scale", [1e-120, 1e-100, 1e80, 1e120])
def test_scale_of_the_views_does_not_matter(scale):
    new, old = views(250, **BENT)
    groups = np.arange(250)
    # Powers of two: folds and landmarks are by content, so groups hold the folds.
    scale = 2.0 ** round(np.log2(scale))
    for options in ({"features": "linear"}, {"features": "nystroem"}):
        expected = EmbeddingAdapter(**options).fit(new, old, groups=groups)
        other = EmbeddingAdapter(**options).fit(new * scale, old * scale, groups=groups)
        if options["features"] == "linear":
            images = other.transform(new * scale) / scale
            assert_allclose(images, expected.transform(new), rtol=1e-7, atol=1e-9)
        assert_allclose(
            other.report_["r2"], expected.report_["r2"], atol=1e-3, rtol=1e-3
        )
        back = other.inverse_transform(old * scale) / scale
        assert_allclose(back, expected.inverse_transform(old), rtol=1e-6, atol=1e-6)
    stream = EmbeddingAdapter().partial_fit(new * scale, old * scale, groups=groups)
    linear = EmbeddingAdapter(features="linear").fit(new, old, groups=groups)
    images = stream.transform(new * scale) / scale
    assert_allclose(images, linear.transform(new), rtol=1e-7, atol=1e-9)


def test_map_beyond_the_range_of_numbers_is_refused():
    new, old = views(50)
    with pytest.raises(ValueError, match="beyond the range of float64"):
        EmbeddingAdapter().fit(new * 1e-200, old * 1e200)
    with pytest.raises(ValueError, match="moments can be stored only"):
        EmbeddingAdapter().partial_fit(new * 1e200, old)


def test_adapter_on_disk_holds_its_map():
    generator = np.random.default_rng(0)
    new = generator.normal(size=(400, 384))
    old = new @ generator.normal(size=(384, 384)) / 20
    adapter = EmbeddingAdapter(features="linear").fit(new, old)
    assert not hasattr(adapter, "moments_")
    assert len(pickle.dumps(adapter)) < 1.3e6
    again = pickle.loads(pickle.dumps(adapter))
    assert_array_equal(again.transform(new), adapter.transform(new))


def test_methods_that_need_moments_raise_without_them():
    new, old = views(50)
    adapter = EmbeddingAdapter().fit(new, old)
    before = adapter.transform(new)
    for action in (
        lambda: adapter.merge(adapter),
        lambda: adapter.swapped(),
        lambda: adapter.regress(new),
    ):
        with pytest.raises(ValueError, match="store_moments=True"):
            action()
    with pytest.raises(AttributeError) as refusal:
        adapter.partial_fit(new, old)
    assert "store_moments=True" in str(refusal.value.__cause__)
    assert_array_equal(adapter.transform(new), before)


@pytest.mark.parametrize("shape", [(80, 300, 200), (80, 300, 20), (80, 20, 300)])
def test_wide_rows_are_what_their_moments_say(shape):
    n_rows, n_new, n_old = shape
    new, old = views(n_rows, n_texts=30, n_new=n_new, n_old=n_old)
    options = {"features": "linear"}
    adapter = EmbeddingAdapter(**options).fit(new, old)
    assert_same_map(adapter, EmbeddingAdapter(**options).partial_fit(new, old))


def test_kernels_of_wide_rows_are_those_of_the_rows_themselves():
    new, old = views(250, n_new=400, **{**BENT, "noise": 0.01})
    options = {"features": "nystroem", "n_landmarks": 50}
    adapter = EmbeddingAdapter(**options).fit(new, old)
    assert adapter.landmarks_.shape == (50, 400)
    is_row = (adapter.landmarks_[:, None] == new[None]).all(2).any(1)
    assert is_row.all()
    kernels = rbf_kernel(new, adapter.landmarks_, gamma=1 / adapter.kernel_width_)
    expected = new @ adapter.coef_.T + adapter.intercept_
    expected += kernels @ adapter.kernel_coef_.T
    assert_allclose(adapter.transform(new), expected, atol=1e-8)


def test_wrong_usage_raises():
    new, old = views(50)
    adapter = EmbeddingAdapter(store_moments=True).fit(new, old)
    with pytest.raises(ValueError, match="requires y"):
        EmbeddingAdapter().fit(new, None)
    with pytest.raises(ValueError, match="at least one non-zero"):
        EmbeddingAdapter().fit(new, old, sample_weight=np.zeros(50))
    with pytest.raises(ValueError, match="inconsistent numbers"):
        EmbeddingAdapter().fit(new, old, groups=[0, 1])
    with pytest.raises(ValueError, match="features='nystroem' needs all rows"):
        EmbeddingAdapter(features="nystroem").partial_fit(new, old)
    with pytest.raises(ValueError, match=r"different parameters .*shrinkage"):
        adapter.merge(EmbeddingAdapter(shrinkage=0.2, store_moments=True).fit(new, old))
    with pytest.raises(ValueError, match="different spaces"):
        adapter.merge(EmbeddingAdapter(store_moments=True).fit(new, old[:, 1:]))
    with pytest.raises(ValueError, match="must be of class EmbeddingAdapter"):
        adapter.merge(LinearRegression())
    with pytest.raises(ValueError, match="fitted to 30"):
        adapter.partial_fit(new, old[:, 1:])
