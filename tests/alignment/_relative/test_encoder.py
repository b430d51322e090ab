# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.csgraph import shortest_path
from scipy.spatial.distance import cdist
from scipy.stats import special_ortho_group
from sklearn.metrics.pairwise import cosine_similarity

from sktransform.alignment import RelativeEncoder
from sktransform.alignment._relative.similarities import attended

METRICS = {"euclidean": "euclidean", "l1": "cityblock", "chebyshev": "chebyshev"}
ALL = ["cosine", "geodesic", *METRICS]


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    return generator.normal(size=(60, 5)) * [3, 1, 1, 2, 1] + 4


def _turned(rows):
    return 0.2 * rows @ special_ortho_group(5, seed=0).rvs() - 11


def _reordered(rows):
    return 3 * rows[:, [4, 0, 3, 1, 2]] * [1, -1, 1, 1, -1] + 5


@pytest.mark.parametrize("anchors", ["random", "farthest", [3, 50, 7, 0]])
def test_turned_scaled_and_moved_spaces_have_one_encoding(rows, anchors):
    encoder = RelativeEncoder(
        20,
        anchors=anchors,
        similarities=["cosine", "euclidean", "geodesic"],
        random_state=0,
    )
    code = encoder.fit_transform(rows)
    assert_allclose(encoder.fit_transform(_turned(rows)), code, rtol=0, atol=1e-10)


def test_l1_and_chebyshev_see_rotations_but_no_reordering(rows):
    encoder = RelativeEncoder(20, similarities=["l1", "chebyshev"], random_state=0)
    code = encoder.fit_transform(rows)
    assert_allclose(encoder.fit_transform(_reordered(rows)), code, rtol=0, atol=1e-10)
    turned = encoder.fit_transform(_turned(rows))
    for columns in (slice(0, 20), slice(20, 40)):
        assert np.abs(turned[:, columns] - code[:, columns]).max() > 0.1


def test_anchors_depend_on_the_seed_and_the_number_of_rows_alone(rows):
    encoder = RelativeEncoder(20, random_state=3)
    first = encoder.fit(rows).anchor_indices_
    second = encoder.fit(np.random.default_rng(1).normal(size=(60, 9))).anchor_indices_
    assert_array_equal(first, second)
    assert len(np.unique(first)) == 20
    assert np.any(
        first != RelativeEncoder(20, random_state=4).fit(rows).anchor_indices_
    )


def test_anchors_of_one_space_may_be_given_to_another(rows):
    other = _reordered(rows)
    first = RelativeEncoder(10, anchors="farthest").fit(rows)
    second = RelativeEncoder(anchors=first.anchor_indices_).fit(other)
    assert_array_equal(second.anchors_, other[first.anchor_indices_])
    assert_allclose(second.transform(other), first.transform(rows))


def test_cosines_are_those_of_centred_rows(rows):
    encoder = RelativeEncoder(20, random_state=0).fit(rows)
    origin = rows.mean(0)
    expected = cosine_similarity(rows - origin, encoder.anchors_ - origin)
    assert_allclose(encoder.transform(rows), expected)


@pytest.mark.parametrize("similarity", METRICS)
def test_distances_count_in_their_mean_between_anchors(rows, similarity):
    encoder = RelativeEncoder(20, similarities=similarity, random_state=0).fit(rows)
    anchors = rows[encoder.anchor_indices_]
    between = cdist(anchors, anchors, METRICS[similarity])
    unit = between[np.triu_indices(20, 1)].mean()
    assert_allclose(encoder.scales_[similarity], unit)
    expected = 1 - cdist(rows, anchors, METRICS[similarity]) / unit
    assert_allclose(encoder.transform(rows), expected, atol=1e-12)


def test_an_anchor_is_most_similar_to_itself(rows):
    encoder = RelativeEncoder(12, similarities=ALL, random_state=0).fit(rows)
    own = encoder.transform(encoder.anchors_).reshape(12, 5, 12)
    assert_allclose(np.diagonal(own, axis1=0, axis2=2), 1)


def test_columns_of_several_similarities_stand_side_by_side(rows):
    settings = {"n_anchors": 8, "random_state": 0}
    single = [
        RelativeEncoder(similarities=name, **settings).fit_transform(rows)
        for name in ALL
    ]
    together = RelativeEncoder(similarities=ALL, **settings).fit_transform(rows)
    assert_array_equal(together, np.hstack(single))
    added = RelativeEncoder(similarities=ALL, combination="sum", **settings)
    assert_allclose(added.fit_transform(rows), sum(single))


def test_paths_lead_along_a_curve(rows):
    angle = np.linspace(0.1, np.pi, 200)
    arc = np.column_stack([np.cos(angle), np.sin(angle)])
    encoder = RelativeEncoder(similarities="geodesic", anchors=np.arange(0, 200))
    code = encoder.fit_transform(arc)
    lengths = (1 - code) * encoder.scales_["geodesic"]
    expected = np.abs(angle[:, None] - angle[encoder.anchor_indices_])
    # Chords over ten steps of a two-hundredth of the arc, and a step back.
    assert_allclose(lengths, expected, atol=0.08)
    assert cdist(arc, encoder.anchors_).max() < 2 < lengths.max()


def test_paths_are_shortest_ones_over_near_anchors(rows):
    encoder = RelativeEncoder(15, similarities="geodesic")
    encoder.set_params(random_state=0).fit(rows)
    between = cdist(encoder.anchors_, encoder.anchors_)
    graph = np.where(between <= np.sort(between, 1)[:, [10]], between, 0)
    paths = shortest_path(np.maximum(graph, graph.T))
    assert_allclose(encoder.path_lengths_, paths)
    steps = cdist(rows, encoder.anchors_)
    far = steps > np.sort(steps, 1)[:, [9]]
    lengths = np.where(far, np.inf, steps)[:, :, None] + paths
    expected = 1 - lengths.min(1) / encoder.scales_["geodesic"]
    assert_allclose(encoder.transform(rows), expected, atol=1e-12)
    assert_allclose(encoder.scales_["geodesic"], paths[np.triu_indices(15, 1)].mean())


def test_attention_is_the_mean_of_what_codes_make_of_each_other(rows):
    settings = {"n_anchors": 8, "similarities": ALL, "random_state": 0}
    codes = RelativeEncoder(**settings).fit_transform(rows).reshape(60, 5, 8)
    scores = codes @ codes.transpose(0, 2, 1) / np.sqrt(8)
    weights = np.exp(scores) / np.exp(scores).sum(2, keepdims=True)
    expected = (weights @ codes).mean(1)
    encoder = RelativeEncoder(**settings, combination="attention").fit(rows)
    assert_allclose(encoder.transform(rows), expected, atol=1e-12)
    assert_array_equal(encoder.transform(rows[:1]), encoder.transform(rows)[:1])


def test_attention_turns_from_a_code_that_no_other_agrees_with():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(2, 4, 50, generator=generator)
    agreed, odd = 2 * codes / codes.norm(dim=2, keepdim=True)
    joined = attended([agreed, agreed, odd])
    plain = (2 * agreed + odd) / 3
    assert torch.all((joined - agreed).norm(dim=1) < (plain - agreed).norm(dim=1))
    assert torch.equal(attended([agreed]), agreed)


def test_columns_are_named_by_similarity_and_anchor(rows):
    encoder = RelativeEncoder(anchors=[7, 3], similarities=["cosine", "l1"]).fit(rows)
    names = encoder.get_feature_names_out()
    assert_array_equal(names, ["cosine_7", "cosine_3", "l1_7", "l1_3"])
    names = encoder.set_params(combination="sum").fit(rows).get_feature_names_out()
    assert_array_equal(names, ["similarity_7", "similarity_3"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_without_a_direction_have_cosine_0(rows, dtype):
    rows = rows.astype(dtype)
    encoder = RelativeEncoder(10, random_state=0).fit(rows)
    mean = rows.astype(np.float64).mean(0, keepdims=True).astype(dtype)
    assert_array_equal(encoder.transform(mean), np.zeros((1, 10)))


def test_zero_rows_and_zero_anchors_have_cosine_0():
    X = np.array([[0.0, 0.0], [1.0, 2.0], [-1.0, -2.0]])
    encoder = RelativeEncoder(anchors=[0, 1]).fit(X)
    code = encoder.transform(X)
    assert_array_equal(code[:, 0], [0, 0, 0])
    assert code[0, 1] == 0
    assert_allclose(code[1, 1], 1)


def test_equal_rows_have_finite_codes():
    X = np.full((6, 3), 0.1)
    encoder = RelativeEncoder(4, similarities=ALL, random_state=0).fit(X)
    assert_array_equal(
        encoder.transform(X), np.repeat([[0, 1, 1, 1, 1]], 4, 1).repeat(6, 0)
    )


def test_farthest_anchors_are_each_farthest_from_those_before(rows):
    encoder = RelativeEncoder(12, anchors="farthest").fit(rows)
    indices = encoder.anchor_indices_
    to_mean = np.linalg.norm(rows - rows.mean(0), axis=1)
    assert indices[0] == to_mean.argmin()
    for count in range(1, 12):
        nearest = cdist(rows, rows[indices[:count]]).min(1)
        assert_allclose(nearest[indices[count]], nearest.max())


def test_farthest_anchors_are_different_rows_even_if_rows_are_equal():
    X = np.repeat([[0.0, 1.0], [2.0, 3.0]], 5, axis=0)
    indices = RelativeEncoder(7, anchors="farthest").fit(X).anchor_indices_
    assert len(np.unique(indices)) == 7


def test_there_are_at_most_as_many_anchors_as_rows(rows):
    encoder = RelativeEncoder(random_state=0).fit(rows)
    assert_array_equal(encoder.anchor_indices_, np.arange(60))
    assert encoder.transform(rows[:3]).shape == (3, 60)


def test_parameters_that_change_after_fit_do_not_change_the_code(rows):
    encoder = RelativeEncoder(5, similarities=ALL, random_state=0).fit(rows)
    code = encoder.transform(rows)
    encoder.set_params(combination="sum", similarities="l1")
    assert_array_equal(encoder.transform(rows), code)
    assert len(encoder.get_feature_names_out()) == code.shape[1]


def test_no_inverse_is_offered():
    assert not hasattr(RelativeEncoder(), "inverse_transform")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"anchors": [0, 60]},
            "indices from 0 to 59, since X has 60 rows, got indices from 0 to 60",
        ),
        ({"anchors": [-1, 3]}, "must be indices from 0 to 59"),
        ({"anchors": [0.5, 3.0]}, "one-dimensional array of row indices"),
        ({"anchors": [[0, 1]]}, "one-dimensional array of row indices"),
        ({"anchors": [3, 7, 3]}, "must be distinct indices, got a repeated index"),
        ({"anchors": []}, "one-dimensional array of row indices"),
        ({"similarities": []}, "each at most once"),
        ({"similarities": ["cosine", "cosine"]}, "each at most once"),
        ({"similarities": [["cosine"]]}, "each at most once"),
        ({"similarities": ["l3"]}, r"of \['chebyshev', 'cosine'"),
    ],
)
def test_wrong_usage_raises(rows, settings, message):
    with pytest.raises(ValueError, match=message):
        RelativeEncoder(**settings).fit(rows)
