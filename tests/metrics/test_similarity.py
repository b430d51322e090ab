# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from scipy.spatial import procrustes
from scipy.stats import ortho_group

from sktransform.metrics import linear_cka, procrustes_distance

METRICS = [linear_cka, procrustes_distance]


@pytest.fixture
def pair():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((50, 5)) * [3, 2, 1, 0.5, 0.1] + 4
    return X, X @ generator.standard_normal((5, 3)) + generator.standard_normal((50, 3))


def _gram(rows):
    """Return the centred matrix of products of rows."""
    centring = np.eye(len(rows)) - 1 / len(rows)
    return centring @ rows @ rows.T @ centring


def _normalised(rows):
    rows = rows - rows.mean(0)
    return rows / np.linalg.norm(rows)


@pytest.mark.parametrize("widths", [(5, 3), (80, 3), (5, 200), (80, 200), (50, 50)])
def test_cka_is_the_cosine_of_the_gram_matrices(widths):
    generator = np.random.default_rng(1)
    X, Y = (generator.standard_normal((50, width)) for width in widths)
    K, L = _gram(X), _gram(Y)
    expected = (K * L).sum() / (np.linalg.norm(K) * np.linalg.norm(L))
    assert linear_cka(X, Y) == pytest.approx(expected)


@pytest.mark.parametrize("width", [1, 3, 50, 120])
def test_procrustes_equals_the_disparity_of_scipy(width):
    generator = np.random.default_rng(1)
    X, Y = generator.standard_normal((2, 50, width))
    Y += X
    assert procrustes_distance(X, Y) == pytest.approx(procrustes(X, Y)[2])


@pytest.mark.parametrize("widths", [(5, 3), (80, 3), (5, 200), (80, 200)])
def test_procrustes_follows_from_the_nuclear_norm(widths):
    generator = np.random.default_rng(1)
    X, Y = (generator.standard_normal((50, width)) for width in widths)
    nuclear = np.linalg.norm(_normalised(X).T @ _normalised(Y), ord="nuc")
    assert procrustes_distance(X, Y) == pytest.approx(1 - nuclear**2)
    angle = procrustes_distance(X, Y, angular=True)
    assert angle == pytest.approx(np.arccos(nuclear))


def test_missing_columns_are_columns_of_zeros(pair):
    X, Y = pair
    padded = np.hstack([Y, np.zeros((50, 2))])
    assert procrustes_distance(X, Y) == pytest.approx(procrustes(X, padded)[2])
    assert linear_cka(X, Y) == pytest.approx(linear_cka(X, padded))


@pytest.mark.parametrize("metric", METRICS)
def test_turn_mirror_shift_and_scale_change_nothing(pair, metric):
    X, Y = pair
    expected = metric(X, Y)
    for seed in (0, 1):
        turned = 7 * X @ ortho_group.rvs(5, random_state=seed) - [1, 2, 3, 4, 5]
        assert metric(turned, Y) == pytest.approx(expected)
        turned = 0.01 * Y @ ortho_group.rvs(3, random_state=seed) + 2
        assert metric(X, turned) == pytest.approx(expected)


def test_one_shape_in_two_widths_is_perfect(pair):
    X = pair[0]
    frame = np.linalg.qr(np.random.default_rng(2).standard_normal((90, 5)))[0]
    wide = 3 * X @ frame.T + 1
    assert linear_cka(X, wide) == pytest.approx(1, abs=1e-12)
    assert procrustes_distance(X, wide) == pytest.approx(0, abs=1e-24)
    assert procrustes_distance(X, wide, angular=True) == pytest.approx(0, abs=1e-12)


def test_small_differences_keep_their_digits(pair):
    X = _normalised(pair[0])
    change = _normalised(np.random.default_rng(2).standard_normal(X.shape))
    near, nearer = (procrustes_distance(X, X + s * change) for s in (1e-6, 1e-9))
    # The disparity is quadratic in the change.
    assert nearer == pytest.approx(1e-6 * near, rel=1e-5)


def test_unrelated_columns_are_far_apart():
    # Centred, of one length, orthogonal to each other.
    columns = np.array([[1, 1, -1, -1], [1, -1, 1, -1]], dtype=float).T
    X, Y = columns[:, :1], columns[:, 1:]
    assert linear_cka(X, Y) == 0
    assert procrustes_distance(X, Y) == pytest.approx(1)
    assert procrustes_distance(X, Y, angular=True) == pytest.approx(np.pi / 2)


def test_shuffled_rows_are_much_less_alike(pair):
    X, Y = pair
    shuffled = np.random.default_rng(3).permutation(Y)
    assert linear_cka(X, shuffled) < 0.2 < 0.5 < linear_cka(X, Y)
    assert procrustes_distance(X, shuffled) > 0.6 > 0.5 > procrustes_distance(X, Y)


def test_a_general_linear_map_is_seen(pair):
    X = pair[0]
    stretched = X * [1, 1, 1, 1, 100]
    assert linear_cka(X, stretched) < 0.5
    assert procrustes_distance(X, stretched) > 0.5


def test_angles_obey_the_triangle_inequality_and_disparities_do_not():
    # Directions in the plane of two orthogonal columns, 30 degrees apart.
    first, second = np.array([[1, 1, -1, -1], [1, -1, 1, -1]]) / 2
    a, b, c = (
        (np.cos(t) * first + np.sin(t) * second)[:, None]
        for t in np.deg2rad([0, 30, 60])
    )
    angles = [procrustes_distance(*p, angular=True) for p in ((a, c), (a, b), (b, c))]
    assert angles[0] == pytest.approx(angles[1] + angles[2])
    assert procrustes_distance(a, c) > procrustes_distance(a, b) + procrustes_distance(
        b, c
    )


@pytest.mark.parametrize("metric", METRICS)
def test_exchanging_the_embeddings_changes_nothing(pair, metric):
    assert metric(*pair) == pytest.approx(metric(*pair[::-1]))


@pytest.mark.parametrize("metric", METRICS)
def test_far_from_the_origin_and_in_any_unit(pair, metric):
    expected = metric(*pair)
    X, Y = pair
    assert metric(X + 1e8, Y - 1e8) == pytest.approx(expected, abs=1e-7)
    assert metric(1e200 * X, 1e-200 * Y) == pytest.approx(expected)


@pytest.mark.parametrize("metric", METRICS)
def test_rank_deficient_embeddings(pair, metric):
    X, Y = pair
    doubled = np.hstack([X, X])
    # Twice the same columns are the same shape.
    assert metric(doubled, Y) == pytest.approx(metric(X, Y))


@pytest.mark.parametrize("metric", METRICS)
def test_two_rows_have_one_shape(metric):
    X, Y = np.random.default_rng(0).standard_normal((2, 2, 4))
    perfect = 1 if metric is linear_cka else 0
    assert metric(X, Y[:, :3]) == pytest.approx(perfect, abs=1e-12)


def test_values_stay_within_their_range():
    generator = np.random.default_rng(0)
    for n_rows in (2, 3, 4, 10):
        X = generator.standard_normal((n_rows, 3))
        assert 1 - 1e-12 < linear_cka(X, X) <= 1
        assert 0 <= procrustes_distance(X, X) < 1e-24


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tensors_give_the_values_of_arrays(pair, metric, dtype):
    arrays = [view.astype(dtype) for view in pair]
    tensors = [torch.from_numpy(view).requires_grad_() for view in arrays]
    value = metric(*tensors)
    assert isinstance(value, float)
    assert value == metric(*arrays)
    # Single precision is that of the input alone.
    assert value == metric(*(view.astype(np.float64) for view in arrays))


@pytest.mark.parametrize("metric", METRICS)
def test_inputs_are_not_written_to(pair, metric):
    tensors = [torch.from_numpy(view.copy()) for view in pair]
    metric(*tensors)
    for tensor, view in zip(tensors, pair, strict=True):
        assert (tensor.numpy() == view).all()
        view.setflags(write=False)
    assert metric(*pair) == metric(*tensors)


@pytest.mark.parametrize("metric", METRICS)
def test_a_constant_embedding_is_refused(pair, metric):
    X, Y = pair
    # A number whose mean may round to another one.
    with pytest.raises(ValueError, match="All rows of Y are equal; give"):
        metric(X, np.full((50, 3), 0.1))
    with pytest.raises(ValueError, match="All rows of X are equal"):
        metric(np.zeros((50, 3)), Y)


@pytest.mark.parametrize("metric", METRICS)
def test_wrong_arrays_are_refused(pair, metric):
    X, Y = pair
    with pytest.raises(ValueError, match="X has 50 rows and Y has 49 rows; give both"):
        metric(X, Y[1:])
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        metric(X[:1], Y[:1])
    with pytest.raises(ValueError, match="Input Y contains NaN"):
        metric(X, np.where(Y > 0, Y, np.nan))
