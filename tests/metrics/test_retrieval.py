# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import skew, special_ortho_group

from sktransform.metrics import (
    _nearness,
    foscttm,
    hubness,
    mean_reciprocal_rank,
    neighbor_overlap,
    recall_at_k,
)

METRICS = [foscttm, hubness, mean_reciprocal_rank, neighbor_overlap, recall_at_k]
# What the two arrays of each metric are called.
NAMES = {
    foscttm: ("mapped", "reference"),
    neighbor_overlap: ("mapped", "reference"),
    hubness: ("queries", "gallery"),
    mean_reciprocal_rank: ("queries", "gallery"),
    recall_at_k: ("queries", "gallery"),
}
FAR_AND_NEAR = ["cosine", "euclidean"]


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    gallery = generator.standard_normal((70, 6)) + np.array([2, 1, 0, 0, 0, 0])
    return gallery + 0.6 * generator.standard_normal((70, 6)), gallery


def _all_ranks(queries, gallery, metric):
    """Return the rank of every row of the gallery for every query."""
    return cdist(queries, gallery, metric).argsort(1).argsort(1) + 1


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_recall_and_reciprocal_rank_equal_sorted_distances(pair, metric):
    ranks = np.diagonal(_all_ranks(*pair, metric))
    for k in (1, 5, 70):
        expected = (ranks <= k).mean()
        assert recall_at_k(*pair, k=k, metric=metric) == pytest.approx(expected)
    expected = (1 / ranks).mean()
    assert mean_reciprocal_rank(*pair, metric=metric) == pytest.approx(expected)


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_overlap_equals_intersections_of_sorted_distances(pair, metric):
    mapped, reference = pair
    wider = np.random.default_rng(1).standard_normal((90, 6))
    for gallery in (None, wider):
        rows = reference if gallery is None else gallery
        found = _all_ranks(mapped, rows, metric) <= 10
        wanted = _all_ranks(reference, rows, metric) <= 10
        expected = (found & wanted).sum() / found.sum()
        value = neighbor_overlap(mapped, reference, gallery=gallery, metric=metric)
        assert value == pytest.approx(expected)


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_hubness_equals_skewness_of_counts(pair, metric):
    counts = (_all_ranks(*pair, metric) <= 4).sum(0)
    assert hubness(*pair, k=4, metric=metric) == pytest.approx(skew(counts))


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_foscttm_equals_counted_closer_samples(pair, metric):
    distances = cdist(*pair, metric)
    true = np.diagonal(distances)
    closer = (distances < true[:, None]).sum() + (distances < true).sum()
    expected = closer / (2 * 70 * 69)
    assert foscttm(*pair, metric=metric) == pytest.approx(expected)


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_identical_sets_are_perfect(pair, metric):
    gallery = pair[1]
    assert recall_at_k(gallery, gallery, metric=metric) == 1
    assert mean_reciprocal_rank(gallery, gallery, metric=metric) == 1
    assert neighbor_overlap(gallery, gallery, metric=metric) == 1
    assert foscttm(gallery, gallery, metric=metric) == 0


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_shuffled_partners_are_chance(metric):
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((1500, 8))
    mapped = generator.permutation(reference)
    options = {"metric": metric}
    assert recall_at_k(mapped, reference, k=150, **options) == pytest.approx(
        0.1, abs=0.02
    )
    chance = (1 / np.arange(1, 1501)).mean()
    assert mean_reciprocal_rank(mapped, reference, **options) == pytest.approx(
        chance, abs=0.003
    )
    assert foscttm(mapped, reference, **options) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_overlap_of_shuffled_rows_is_chance(metric):
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((300, 8))
    # Row j is in a list with this probability; two lists share it with its square.
    share = (_all_ranks(reference, reference, metric) <= 30).mean(0)
    found = [
        neighbor_overlap(
            generator.permutation(reference), reference, k=30, metric=metric
        )
        for _ in range(50)
    ]
    assert np.mean(found) == pytest.approx((share**2).sum() / 30, abs=0.004)


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_given_targets_follow_the_rows_of_the_gallery(pair, metric):
    queries, gallery = pair
    order = np.random.default_rng(1).permutation(70)
    targets = torch.from_numpy(order.argsort())
    for measure in (recall_at_k, mean_reciprocal_rank):
        expected = measure(queries, gallery, metric=metric)
        found = measure(queries, gallery[order], metric=metric, targets=targets)
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("measure", [recall_at_k, mean_reciprocal_rank])
def test_weights_are_repeated_queries(pair, measure):
    queries, gallery = pair
    weights = np.random.default_rng(1).integers(0, 4, 70)
    targets = np.repeat(np.arange(70), weights)
    expected = measure(queries[targets], gallery, targets=targets)
    for given in (weights, torch.from_numpy(weights)):
        assert measure(*pair, sample_weight=given) == pytest.approx(expected)


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_copies_of_the_partner_count_as_nearer(pair, metric):
    gallery = pair[1]
    copied = np.vstack([gallery] * 3)
    options = {"metric": metric, "targets": np.arange(70)}
    assert recall_at_k(gallery, copied, k=2, **options) == 0
    assert recall_at_k(gallery, copied, k=3, **options) == 1
    assert mean_reciprocal_rank(gallery, copied, **options) == pytest.approx(1 / 3)


def test_rows_of_one_direction_tie_under_cosine(pair):
    gallery = np.vstack([pair[1], 3.7 * pair[1]])
    options = {"targets": np.arange(70)}
    assert recall_at_k(pair[1], gallery, **options) == 0
    assert recall_at_k(pair[1], gallery, metric="euclidean", **options) == 1


def test_mirrored_rows_tie_under_euclidean():
    gallery = np.array([[1.1, 0.3], [1.1, -0.3], [1.3, 0.0]])
    queries = np.array([[0.7, 0.0]] * 3)
    ranks = [2, 2, 3]
    expected = np.mean(1 / np.array(ranks))
    found = mean_reciprocal_rank(queries, gallery, metric="euclidean")
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_a_gallery_of_one_point_finds_nothing(pair, metric):
    queries = pair[0]
    gallery = np.tile(pair[1][:1], (70, 1))
    assert recall_at_k(queries, gallery, k=69, metric=metric) == 0
    assert mean_reciprocal_rank(queries, gallery, metric=metric) == pytest.approx(
        1 / 70
    )


def test_one_point_is_worse_than_chance_for_foscttm(pair):
    point = np.tile(pair[0][:1], (70, 1))
    assert foscttm(point, pair[1]) > 0.7
    assert foscttm(point, point) == 1


def test_equally_near_rows_are_taken_in_order():
    gallery = np.tile([[1.0, 2.0, 0.5]], (37, 1))
    # All queries return the first three of the 37 equal rows.
    counts = np.array([5] * 3 + [0] * 34)
    queries = np.random.default_rng(0).standard_normal((5, 3))
    assert hubness(queries, gallery, k=3) == pytest.approx(skew(counts))


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_equally_near_rows_take_the_ranks_after_nearer_ones(metric):
    gallery = np.array([[1.0, 0.0]] + [[1.0, 1.0]] * 5)
    # The nearest row, and the first of its five equal followers.
    counts = np.array([1, 1, 0, 0, 0, 0])
    found = hubness([[1.0, 0.1]], gallery, k=2, metric=metric)
    assert found == pytest.approx(skew(counts))


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
def test_rows_that_are_close_to_each_other_are_told_apart(pair, metric):
    changes = np.random.default_rng(1).standard_normal((70, 6))
    close = pair[1][:1] * (1 + 1e-5 * changes)
    assert recall_at_k(close, close, metric=metric) == 1
    # Beside rows that are not close, which set the unit of distances.
    gallery = np.vstack([close, pair[1][1:]])
    assert recall_at_k(gallery, gallery, metric=metric) == 1


@pytest.mark.parametrize("metric", FAR_AND_NEAR)
@pytest.mark.parametrize("measure", METRICS)
def test_blocks_do_not_change_values(pair, measure, metric, monkeypatch):
    # Copies, so that ties are decided too.
    views = [np.vstack([view, view[:20], view[:7]]) for view in pair]
    expected = measure(*views, metric=metric)
    for entries in (1, 200, 1000):
        monkeypatch.setattr(_nearness, "_BLOCK_ENTRIES", entries)
        assert measure(*views, metric=metric) == expected


@pytest.mark.parametrize("measure", METRICS)
def test_turning_both_sides_changes_nothing(pair, measure):
    turn = special_ortho_group.rvs(6, random_state=0)
    for metric in FAR_AND_NEAR:
        expected = measure(*pair, metric=metric)
        found = measure(pair[0] @ turn, pair[1] @ turn, metric=metric)
        assert found == pytest.approx(expected)


@pytest.mark.parametrize("measure", METRICS)
def test_lengths_of_rows_do_not_matter_under_cosine(pair, measure):
    lengths = np.random.default_rng(1).uniform(1e-3, 1e3, (2, 70, 1))
    expected = measure(*pair, metric="cosine")
    assert measure(*(pair * lengths), metric="cosine") == pytest.approx(expected)


@pytest.mark.parametrize("measure", METRICS)
def test_units_and_origin_do_not_matter_under_euclidean(pair, measure):
    expected = measure(*pair, metric="euclidean")
    for factor, shift in ((1e-3, 5), (1e200, 0), (1e-200, 0), (1, 1e7)):
        moved = (factor * view + shift for view in pair)
        assert measure(*moved, metric="euclidean") == pytest.approx(expected)


def test_numbers_of_any_size_have_a_cosine(pair):
    sizes = 10.0 ** np.linspace(-300, 300, 70)[:, None]
    assert recall_at_k(sizes * pair[1], pair[1]) == 1


def test_a_remote_row_blurs_no_others(pair):
    queries, gallery = (np.vstack([view, 1e9 * np.ones(6)]) for view in pair)
    # Nothing but the remote row's own partner is added, and it is found.
    expected = (70 * recall_at_k(*pair, metric="euclidean") + 1) / 71
    found = recall_at_k(queries, gallery, metric="euclidean")
    assert found == pytest.approx(expected)


def test_rows_of_zeros_have_cosine_zero():
    gallery = np.array([[0.0, 0.0], [1.0, 0.1], [-1.0, 0.2]])
    queries = np.array([[-1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    # Zero is nearer than -1 and farther than 1; a query of zeros sees only ties.
    expected = (1 / 2 + 1 / 3 + 1) / 3
    assert mean_reciprocal_rank(queries, gallery) == pytest.approx(expected)
    assert foscttm(np.zeros((4, 2)), np.eye(4, 2), metric="cosine") == 1
    assert neighbor_overlap(np.zeros((4, 2)), np.zeros((4, 2)), k=2) == 1


def test_a_hub_makes_counts_skew():
    generator = np.random.default_rng(0)
    gallery = generator.standard_normal((200, 50))
    queries = generator.standard_normal((200, 50))
    without = hubness(queries, gallery, k=5, metric="euclidean")
    gallery[:3] = 0.1 * gallery[:3]  # near the mean, and so near every query
    assert hubness(queries, gallery, k=5, metric="euclidean") > without + 3


def test_hubness_grows_with_the_dimension():
    generator = np.random.default_rng(0)
    few, many = (generator.standard_normal((400, d)) for d in (2, 100))
    low, high = (hubness(X, X, metric="euclidean") for X in (few, many))
    assert low < 0.5 < 1 < high


def test_even_counts_have_no_hubs(pair):
    gallery = pair[1]
    assert hubness(gallery, gallery, k=1) == 0
    assert hubness(gallery, gallery, k=70) == 0


@pytest.mark.parametrize("measure", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tensors_give_the_values_of_arrays(pair, measure, dtype):
    arrays = [view.astype(dtype) for view in pair]
    tensors = [torch.from_numpy(view).requires_grad_() for view in arrays]
    value = measure(*tensors)
    assert isinstance(value, float)
    assert value == measure(*arrays)


@pytest.mark.parametrize("measure", METRICS)
def test_half_precision_tensors(pair, measure):
    halves = [torch.from_numpy(view).to(torch.bfloat16) for view in pair]
    assert measure(*halves) == measure(*(half.double() for half in halves))


@pytest.mark.parametrize("measure", METRICS)
def test_inputs_are_not_written_to(pair, measure):
    for metric in FAR_AND_NEAR:
        views = [view.copy() for view in pair]
        for view in views:
            view.setflags(write=False)
        measure(*views, metric=metric)
        tensors = [torch.from_numpy(view.copy()) for view in pair]
        measure(*tensors, metric=metric)
        for tensor, view in zip(tensors, pair, strict=True):
            assert (tensor.numpy() == view).all()


@pytest.mark.parametrize("measure", METRICS)
def test_spaces_of_different_width_are_refused(pair, measure):
    first, second = NAMES[measure]
    message = (
        f"{first} has 5 columns and {second} has 6 columns, but both must have the same"
    )
    with pytest.raises(ValueError, match=message):
        measure(pair[0][:, :5], pair[1])


@pytest.mark.parametrize("measure", [foscttm, neighbor_overlap])
def test_pairs_of_different_length_are_refused(pair, measure):
    with pytest.raises(ValueError, match="mapped has 69 rows and reference has 70"):
        measure(pair[0][1:], pair[1])


@pytest.mark.parametrize("measure", [recall_at_k, mean_reciprocal_rank])
def test_queries_without_a_partner_are_refused(pair, measure):
    message = "queries has 69 rows and gallery has 70 rows; give the index"
    with pytest.raises(ValueError, match=message):
        measure(pair[0][1:], pair[1])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([0] * 69, "targets must be 70 integers"),
        ([0.5] * 70, "targets must be 70 integers"),
        ([[0]] * 70, "targets must be 70 integers"),
        ([70] * 70, "targets must be indices of rows of the gallery, from 0 to 69"),
        ([-1] * 70, "targets must be indices of rows of the gallery, from 0 to 69"),
    ],
)
def test_wrong_targets_are_refused(pair, targets, message):
    with pytest.raises(ValueError, match=message):
        recall_at_k(*pair, targets=targets)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1] * 69, r"sample_weight.shape == \(69,\), expected \(70,\)"),
        ([-1] + [1] * 69, "Negative values"),
        ([0] * 70, "at least one non-zero"),
    ],
)
def test_wrong_weights_are_refused(pair, weights, message):
    with pytest.raises(ValueError, match=message):
        recall_at_k(*pair, sample_weight=weights)


@pytest.mark.parametrize("measure", [hubness, neighbor_overlap, recall_at_k])
def test_k_is_at_most_the_number_of_rows(pair, measure):
    name = NAMES[measure][1]
    message = f"k must be at most 70, the number of rows of {name}, got 71"
    with pytest.raises(ValueError, match=message):
        measure(*pair, k=71)
    with pytest.raises(ValueError, match="'k' parameter"):
        measure(*pair, k=0)


def test_a_gallery_of_another_space_is_refused(pair):
    with pytest.raises(ValueError, match="mapped has 6 columns and gallery has 5"):
        neighbor_overlap(*pair, gallery=pair[1][:, :5])
    with pytest.raises(
        ValueError, match="k must be at most 4, the number of rows of gallery, got 10"
    ):
        neighbor_overlap(*pair, gallery=pair[1][:4])


@pytest.mark.parametrize("measure", METRICS)
def test_unknown_metrics_and_bad_numbers_are_refused(pair, measure):
    with pytest.raises(ValueError, match="'metric' parameter"):
        measure(*pair, metric="manhattan")
    for value, message in ((np.nan, "contains NaN"), (np.inf, "contains infinity")):
        spoilt = pair[1].copy()
        spoilt[3, 2] = value
        with pytest.raises(ValueError, match=message):
            measure(pair[0], spoilt)
        with pytest.raises(ValueError, match=message):
            measure(torch.from_numpy(spoilt), pair[1])


def test_foscttm_asks_for_two_rows(pair):
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        foscttm(pair[0][:1], pair[1][:1])
