# SPDX-License-Identifier: BSD-3-Clause
import itertools
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.linalg import hadamard, orthogonal_procrustes
from scipy.optimize import brentq, minimize
from scipy.stats import ortho_group

from sktransform.alignment import OrthogonalAligner, PermutationAligner
from sktransform.alignment._moments.folds import row_folds
from sktransform.exceptions import DegenerateDataWarning

SHAPES = [(5, 8), (6, 6), (8, 5)]


def views(n_inputs, n_outputs, n_rows=200, seed=0):
    """Return rows, and a curved and noisy image of them."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, n_inputs)) * np.linspace(2, 0.5, n_inputs) + 1
    turn = generator.normal(size=(n_inputs, n_outputs)) / 2
    y = np.tanh(X @ turn) + 0.2 * generator.normal(size=(n_rows, n_outputs)) - 3
    return X, y


def unit_views(X, y):
    """Return centred views of total variance 1."""
    X, y = X - X.mean(axis=0), y - y.mean(axis=0)
    return tuple(view / np.sqrt((view**2).sum(axis=1).mean()) for view in (X, y))


def loss(W, X, y):
    return ((X @ W - y) ** 2).sum(axis=1).mean()


def residual(W):
    return np.sqrt(((np.linalg.svd(W, compute_uv=False) ** 2 - 1) ** 2).sum())


def test_zero_is_procrustes():
    X, y = views(6, 6)
    aligner = OrthogonalAligner(lam=0).fit(X, y)
    X, y = unit_views(X, y)
    rotation = orthogonal_procrustes(X, y)[0]
    factor = np.linalg.norm(aligner.coef_, 2)
    assert_allclose(aligner.coef_.T / factor, rotation, atol=1e-10)
    assert_allclose(aligner.loss_, loss(rotation, X, y))


def largest_residual(X, y):
    """Return the distance of least squares from a rotation."""
    return OrthogonalAligner(lam=np.inf).fit(X, y).largest_residual_


@pytest.mark.parametrize("shape", SHAPES)
def test_infinity_is_least_squares(shape):
    X, y = views(*shape)
    aligner = OrthogonalAligner(lam=np.inf).fit(X, y)
    design = np.column_stack([X, np.ones(len(X))])
    solution = np.linalg.lstsq(design, y)[0]
    assert_allclose(aligner.coef_.T, solution[:-1], atol=1e-8)
    assert_allclose(aligner.intercept_, solution[-1], atol=1e-8)
    assert aligner.multiplier_ == 0


def test_rotation_onto_fewer_dimensions_beats_the_polar_factor():
    X, y = views(40, 12, n_rows=2000)
    aligner = OrthogonalAligner(lam=0).fit(X, y)
    X, y = unit_views(X, y)
    left, _, right = np.linalg.svd(X.T @ y, full_matrices=False)
    assert residual(aligner.coef_.T / np.linalg.norm(aligner.coef_, 2)) < 1e-10
    assert aligner.loss_ < loss(left @ right, X, y) - 1e-3
    # Random turns of the columns' span nearby are no better.
    generator = np.random.default_rng(0)
    W = aligner.coef_.T / np.linalg.norm(aligner.coef_, 2)
    for _ in range(20):
        other = np.linalg.qr(W + 1e-3 * generator.normal(size=W.shape))[0]
        other *= np.sign(np.sum(other * W, axis=0))
        assert loss(other, X, y) >= aligner.loss_ - 1e-12


@pytest.mark.parametrize("shape", [(2, 3), (3, 3), (3, 2)])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_bounded_map_equals_a_general_solver_from_many_starts(shape, share):
    X, y = views(*shape, n_rows=60)
    lam = share * largest_residual(X, y)
    aligner = OrthogonalAligner(lam=lam).fit(X, y)
    X, y = unit_views(X, y)
    assert abs(aligner.orth_residual_ - lam) <= 1e-6 * lam
    generator = np.random.default_rng(0)
    found = [
        minimize(
            lambda flat: loss(flat.reshape(shape), X, y),
            generator.normal(size=shape).ravel(),
            method="SLSQP",
            constraints={
                "type": "ineq",
                "fun": lambda flat: lam**2 - residual(flat.reshape(shape)) ** 2,
            },
            options={"ftol": 1e-14, "maxiter": 500},
        )
        for _ in range(12)
    ]
    best = min(end.fun for end in found if end.success)
    assert_allclose(aligner.loss_, best, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_loss_falls_as_the_bound_rises(shape):
    X, y = views(*shape)
    aligner = OrthogonalAligner().fit(X, y)
    path = aligner.path()
    assert np.all(np.diff(path.losses) <= 1e-12)
    assert np.all(path.residuals <= path.lams * (1 + 1e-6) + 1e-12)
    ends = [OrthogonalAligner(lam=lam).fit(X, y).loss_ for lam in (0, np.inf)]
    assert_allclose(path.losses[[0, -1]], ends, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_path_is_continuous_at_its_ends(shape):
    X, y = views(*shape)

    def loss_at(share):
        return OrthogonalAligner(lam=share * largest_residual(X, y)).fit(X, y).loss_

    assert_allclose(loss_at(1e-5), loss_at(0), rtol=1e-4)
    assert_allclose(loss_at(0.99999), loss_at(1), rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_global_optimum_is_certified_onto_as_many_dimensions_or_more(shape):
    for seed, share in itertools.product(range(3), (0, 0.05, 0.3, 0.8, 1)):
        X, y = views(*shape, seed=seed)
        aligner = OrthogonalAligner(lam=share * largest_residual(X, y)).fit(X, y)
        assert aligner.certified_
        assert abs(aligner.duality_gap_) < 1e-6


def test_reflected_targets_are_no_worse():
    X, y = views(6, 6)
    mirror = np.diag([-1, 1, 1, 1, 1, 1])
    losses = [
        OrthogonalAligner(lam=0.5).fit(X, target).loss_ for target in (y, y @ mirror)
    ]
    assert_allclose(losses[0], losses[1], rtol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_turned_spaces_turn_the_map(shape):
    X, y = views(*shape)
    generator = np.random.default_rng(1)
    turns = [np.linalg.qr(generator.normal(size=(n, n)))[0] for n in shape]
    plain = OrthogonalAligner(lam=0.7).fit(X, y)
    turned = OrthogonalAligner(lam=0.7).fit(X @ turns[0], y @ turns[1])
    expected = turns[0].T @ plain.coef_.T @ turns[1]
    assert_allclose(turned.coef_.T, expected, atol=1e-5)


def test_units_of_the_spaces_do_not_matter():
    X, y = views(5, 8)
    plain = OrthogonalAligner(lam=0.7).fit(X, y)
    scaled = OrthogonalAligner(lam=0.7).fit(10 * X, y / 10)
    assert_allclose(100 * scaled.coef_, plain.coef_, rtol=1e-6)


@pytest.mark.parametrize("lam", [0, 0.5, np.inf, "auto"])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_split_and_order_gives_the_same_map(shape, lam):
    X, y = views(*shape)
    weights = np.random.default_rng(2).integers(1, 4, len(X))
    whole = OrthogonalAligner(lam=lam).fit(X, y, sample_weight=weights)
    order = np.random.default_rng(3).permutation(len(X))
    parts = OrthogonalAligner(lam=lam), OrthogonalAligner(lam=lam)
    for indices, part in zip(
        np.split(order, [1, 40, 150]), (parts[0], *parts, parts[0]), strict=True
    ):
        part.partial_fit(
            X[indices], y[indices], sample_weight=weights[indices], solve=False
        )
    merged = parts[1].merge(parts[0])
    assert_allclose(merged.coef_, whole.coef_, atol=1e-9 * np.abs(whole.coef_).max())
    assert_allclose(merged.intercept_, whole.intercept_, atol=1e-9 * np.abs(y).max())
    assert_allclose(merged.lam_, whole.lam_, rtol=1e-9)


def test_weights_are_repetitions_with_folds():
    X, y = views(6, 6)
    weights = np.random.default_rng(2).integers(0, 3, len(X))
    weighted = OrthogonalAligner().fit(X, y, sample_weight=weights)
    repeated = OrthogonalAligner().fit(
        np.repeat(X, weights, axis=0), np.repeat(y, weights, axis=0)
    )
    assert_allclose(weighted.cv_loss_, repeated.cv_loss_, rtol=1e-8)
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)


def test_stream_may_be_solved_at_its_end():
    X, y = views(6, 6)
    stream = OrthogonalAligner(lam=0.5)
    for block in range(3):
        stream.partial_fit(X[block::4], y[block::4], solve=False)
    assert not hasattr(stream, "coef_")
    stream.partial_fit(X[3::4], y[3::4])
    assert_allclose(stream.coef_, OrthogonalAligner(lam=0.5).fit(X, y).coef_)


def test_state_does_not_grow_with_the_rows():
    sizes = [
        len(pickle.dumps(OrthogonalAligner().fit(*views(6, 6, n_rows))))
        for n_rows in (100, 2000)
    ]
    assert sizes[0] == sizes[1]


def test_chosen_bound_predicts_new_rows_better_than_either_end():
    X, y = views(6, 6, n_rows=400, seed=4)
    generator = np.random.default_rng(5)
    # Near a rotation, with noise: least squares on few rows follows the noise.
    y = X @ np.linalg.qr(generator.normal(size=(6, 6)))[0] * [1.3, 1, 1, 1, 1, 0.8]
    y += generator.normal(size=y.shape)
    few, many = slice(None, 25), slice(25, None)
    scores = {
        lam: OrthogonalAligner(lam=lam).fit(X[few], y[few]).score(X[many], y[many])
        for lam in (0, np.inf, "auto")
    }
    assert scores["auto"] > max(scores[0], scores[np.inf]) - 0.01
    assert scores["auto"] > min(scores[0], scores[np.inf])


def test_inverse_is_exact_for_a_rotation_onto_more_dimensions():
    X, y = views(5, 8)
    aligner = OrthogonalAligner(lam=0).fit(X, y)
    assert_allclose(aligner.inverse_transform(aligner.transform(X)), X, atol=1e-10)
    deviations = y - aligner.transform(aligner.mean_[None])
    expected = aligner.mean_ + deviations @ np.linalg.pinv(aligner.coef_).T
    assert_allclose(aligner.inverse_transform(y), expected, atol=1e-10)


@pytest.mark.parametrize(("lam", "shape"), [(0, (4, 6)), (0, (6, 4)), (0.5, (4, 6))])
def test_inverse_is_the_transposed_rotation_or_the_pseudo_inverse(lam, shape):
    X, y = views(*shape)
    aligner = OrthogonalAligner(lam=lam).fit(X, y)
    matrix = aligner.coef_.T
    if lam == 0 and shape[0] <= shape[1]:
        inverse = matrix.T / np.linalg.norm(matrix, 2) ** 2
    else:
        inverse = np.linalg.pinv(matrix)
        other = matrix.T / np.linalg.norm(matrix, 2) ** 2
        assert lam == 0 or np.abs(inverse - other).max() > 1e-2
    # Of all rows with the nearest image, that nearest to the mean.
    image_of_mean = aligner.mean_ @ matrix + aligner.intercept_
    expected = aligner.mean_ + (y - image_of_mean) @ inverse
    assert_allclose(aligner.inverse_transform(y), expected, atol=1e-10)


def test_dead_and_repeated_features_change_nothing_but_their_columns():
    X, y = views(5, 8)
    spoiled = np.column_stack([X, np.full(len(X), 3.0), X[:, 0]])
    plain = OrthogonalAligner(lam=np.inf).fit(X, y)
    for complete_null in (True, False):
        aligner = OrthogonalAligner(lam=np.inf, complete_null=complete_null)
        aligner.fit(spoiled, y)
        assert aligner.rank_ == 5
        assert_allclose(aligner.transform(spoiled), plain.transform(X), atol=1e-8)
        assert_allclose(aligner.orth_residual_, aligner.largest_residual_)


def test_directions_without_variance_are_turned_as_a_rotation_would():
    X, y = views(5, 8)
    spoiled = np.column_stack([X, np.full(len(X), 3.0)])
    aligner = OrthogonalAligner(lam=0, complete_null=True).fit(spoiled, y)
    gram = aligner.coef_.T @ aligner.coef_
    assert_allclose(gram / gram[0, 0], np.eye(6), atol=1e-10)
    for complete_null in (False, "auto"):
        lost = OrthogonalAligner(lam=0, complete_null=complete_null).fit(spoiled, y)
        assert_allclose(lost.coef_[:, 5], 0, atol=1e-12)
        assert_allclose(lost.loss_, aligner.loss_)


def test_fewer_rows_than_features():
    X, y = views(20, 30, n_rows=12)
    aligner = OrthogonalAligner(lam=np.inf).fit(X, y)
    assert aligner.rank_ == 11
    assert_allclose(aligner.transform(X), y, atol=1e-8)


def test_fitted_factor_lowers_the_loss():
    X, y = views(6, 6)
    plain = OrthogonalAligner(lam=0.3).fit(X, y)
    scaled = OrthogonalAligner(lam=0.3, scale=True).fit(X, y)
    assert plain.scale_ == 1
    assert scaled.loss_ < plain.loss_
    assert scaled.orth_residual_ <= 0.3 * (1 + 1e-6)


def test_without_intercept_the_origin_stays():
    X, y = views(5, 8)
    aligner = OrthogonalAligner(lam=np.inf, fit_intercept=False).fit(X, y)
    assert_allclose(aligner.coef_.T, np.linalg.lstsq(X, y)[0], atol=1e-8)
    assert_allclose(aligner.intercept_, 0)


def test_ambiguous_rotation_is_told():
    columns = hadamard(32).astype(float)
    X = columns[:, 1:5]
    # The second half of y is exactly uncorrelated with X.
    y = np.column_stack([X[:, :2] @ [[1, 2], [-1, 3]], columns[:, 9:11]])
    with pytest.warns(DegenerateDataWarning, match="rotation is not unique"):
        first = OrthogonalAligner(lam=0).fit(X, y)
    order = np.random.default_rng(0).permutation(32)
    with pytest.warns(DegenerateDataWarning, match="rotation is not unique"):
        second = OrthogonalAligner(lam=0).fit(X[order], y[order])
    assert_allclose(first.coef_, second.coef_, atol=1e-12)
    assert first.certified_
    assert residual(first.coef_.T / np.linalg.norm(first.coef_, 2)) < 1e-12


@pytest.mark.parametrize("shape", SHAPES)
def test_held_out_error_is_that_of_maps_fitted_without_the_fold(shape):
    X, y = views(*shape)
    # Groups of unequal mean: a fold's own mean is not that of the others.
    groups = np.sort(X[:, 0]).searchsorted(X[:, 0]) // 20
    aligner = OrthogonalAligner().fit(X, y, groups=groups)
    folds = row_folds(torch.from_numpy(X), 5, groups).numpy()
    total = OrthogonalAligner(lam=aligner.lam_).fit(X, y, groups=groups)
    errors = 0
    for fold in np.unique(folds):
        kept = folds != fold
        # The bound of the fold's own map with the multiplier that was chosen.
        bound = brentq(
            lambda lam, kept=kept: (
                OrthogonalAligner(lam=lam).fit(X[kept], y[kept]).multiplier_
                - total.multiplier_
            ),
            0.1 * aligner.lam_,
            min(
                3 * aligner.lam_,
                OrthogonalAligner(lam=np.inf).fit(X[kept], y[kept]).largest_residual_,
            ),
            xtol=1e-6,
        )
        without = OrthogonalAligner(lam=bound).fit(X[kept], y[kept])
        errors += ((without.transform(X[~kept]) - y[~kept]) ** 2).sum()
    errors /= ((y - y.mean(axis=0)) ** 2).sum()
    assert_allclose(aligner.cv_loss_.min(), errors, rtol=1e-3)


def test_rotation_onto_fewer_dimensions_is_neither_a_cut_nor_padded():
    X, y = unit_views(*views(24, 15, n_rows=1000))
    found = loss(OrthogonalAligner(lam=0).fit(X, y).coef_.T, X, y)
    padded = np.pad(y, ((0, 0), (0, 9)))
    main = np.linalg.svd(X, full_matrices=False)[2][:15].T
    others = [
        orthogonal_procrustes(X, padded)[0][:, :15],
        np.eye(24)[:, :15] @ orthogonal_procrustes(X[:, :15], y)[0],
        main @ orthogonal_procrustes(X @ main, y)[0],
    ]
    least_squares = loss(np.linalg.lstsq(X, y)[0], X, y)
    assert least_squares < found < min(loss(W, X, y) for W in others) - 0.01


@pytest.mark.parametrize("lam", [0.3, "auto"])
def test_target_that_is_a_rotation_is_met(lam):
    X, _ = views(6, 6)
    aligner = OrthogonalAligner(lam=lam).fit(X, 2 * X[:, ::-1])
    assert aligner.largest_residual_ < 1e-9
    assert aligner.certified_
    assert_allclose(aligner.coef_, 2 * np.eye(6)[::-1], atol=1e-10)


def test_one_row_gives_the_constant_map():
    X, y = views(5, 8, n_rows=1)
    with pytest.warns(DegenerateDataWarning, match="not vary"):
        aligner = OrthogonalAligner().fit(X, y)
    assert_allclose(aligner.transform(X), y)


@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_bounds_are_compared_down_to_multipliers_of_small_variances(noise):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(1060, 40)) * np.logspace(0, -3, 40)
    targets = rows @ generator.normal(size=(40, 40))
    X, y = rows[:60], targets[:60] + noise * generator.normal(size=(60, 40))
    aligner = OrthogonalAligner().fit(X, y)
    chosen = aligner.cv_loss_.argmin()
    # Neither least squares nor the largest multiplier that was tried is the best.
    assert 0 < chosen < len(aligner.cv_loss_) - 1
    least_squares = OrthogonalAligner(lam=np.inf).fit(X, y)
    tighter = OrthogonalAligner(lam=aligner.lam_path_[-1]).fit(X, y)
    error, *others = (
        1 - fitted.score(rows[60:], targets[60:])
        for fitted in (aligner, least_squares, tighter)
    )
    assert error < min(others)


def test_groups_share_a_fold():
    X, y = views(6, 6)
    groups = np.arange(len(X)) // 2
    one = OrthogonalAligner().fit(X, y, groups=np.zeros(len(X)))
    # All rows in one fold: none can be held out.
    assert one.cv_loss_ is None
    assert one.lam_ == 0
    assert OrthogonalAligner().fit(X, y, groups=groups).cv_loss_.min() > 0


def test_wrong_usage_raises():
    X, y = views(6, 6)
    fitted = OrthogonalAligner(lam=0).fit(X, y)
    with pytest.raises(ValueError, match="requires y"):
        OrthogonalAligner().fit(X, None)
    with pytest.raises(ValueError, match="different parameters cannot be merged"):
        fitted.merge(OrthogonalAligner(lam=1).fit(X, y))
    with pytest.raises(ValueError, match="different spaces cannot be merged"):
        fitted.merge(OrthogonalAligner(lam=0).fit(X[:, :4], y))
    with pytest.raises(ValueError, match="must be of class OrthogonalAligner"):
        fitted.merge(PermutationAligner())
    with pytest.raises(ValueError, match="inconsistent numbers"):
        OrthogonalAligner().fit(X, y, groups=[0, 1])
    with pytest.raises(ValueError, match="every row a group"):
        OrthogonalAligner().fit(X, y, groups=np.full(len(X), np.nan))
    for lams in ([], [np.nan], [-1, 2]):
        with pytest.raises(ValueError, match="one or more numbers of at least 0"):
            fitted.path(lams)
    with pytest.raises(ValueError, match="y has 3 columns"):
        fitted.score(X, y[:, :3])
    with pytest.raises(ValueError, match="at least one non-zero"):
        fitted.fit(X, y, sample_weight=np.zeros(len(X)))
    with pytest.raises(ValueError, match="call fit to start anew"):
        fitted.set_params(lam="auto").partial_fit(X, y)


def degenerate_views(kind):
    """Return views that leave a choice, or vary in few directions."""
    generator = np.random.default_rng(0)
    X = np.maximum(
        generator.normal(size=(300, 12)) @ generator.normal(size=(12, 12)), 0
    )
    y = np.maximum(X @ generator.normal(size=(12, 8)), 0)
    if kind == "constant targets":
        y[:, [2, 5]] = 4.0
    if kind == "constant and repeated inputs":
        X[:, 3], X[:, 4] = 1e3, X[:, 5]
    if kind == "low rank":
        y = X[:, :3] @ generator.normal(size=(3, 8))
    if kind == "fewer rows than columns":
        X, y = X[:9], y[:9]
    if kind == "equal singular values":
        X = hadamard(64)[:, 1:13].astype(float)
        y = X[:, :8] + 3 * hadamard(64)[:, 20:28]
    if kind == "no relation in some directions":
        X = hadamard(64)[:, 1:13].astype(float)
        y = np.column_stack([X[:, :4] @ generator.normal(size=(4, 4)), X[:, :4] ** 0])
        y = np.column_stack([y, hadamard(64)[:, 30:45]])
    return X, y


@pytest.mark.parametrize(
    "kind",
    [
        "full rank",
        "constant targets",
        "constant and repeated inputs",
        "low rank",
        "fewer rows than columns",
        "equal singular values",
        "no relation in some directions",
    ],
)
@pytest.mark.parametrize(
    "settings", [{"lam": 0}, {"lam": 0.8}, {"complete_null": True}]
)
@pytest.mark.filterwarnings("ignore::sktransform.exceptions.DegenerateDataWarning")
def test_any_order_and_split_gives_one_map_of_degenerate_views(kind, settings):
    X, y = degenerate_views(kind)
    whole = OrthogonalAligner(**settings).fit(X, y)
    backwards = OrthogonalAligner(**settings).fit(X[::-1], y[::-1])
    parts = []
    for block in range(3):
        part = OrthogonalAligner(**settings)
        parts.append(part.partial_fit(X[block::3], y[block::3]))
    trees = [
        parts[0].merge(parts[1]).merge(parts[2]),
        parts[2].merge(parts[0].merge(parts[1])),
    ]
    new = X + np.random.default_rng(1).normal(size=X.shape)
    size = np.abs(whole.transform(new)).max()
    for other in (backwards, *trees):
        assert_allclose(other.transform(new), whole.transform(new), atol=1e-7 * size)


def test_constant_targets_come_out_constant():
    X, y = degenerate_views("constant targets")
    for lam in (0, 1.0, np.inf, "auto"):
        images = OrthogonalAligner(lam=lam).fit(X, y).transform(3 * X - 5)
        assert_allclose(images[:, [2, 5]], 4.0, atol=1e-10)


@pytest.mark.parametrize("value", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("jitter", [0.0, 1e-16])
def test_constant_target_gives_a_constant_map(value, jitter):
    X, _ = views(5, 8)
    y = np.full((len(X), 3), value) * (1 + jitter * X[:, :1])
    with pytest.warns(DegenerateDataWarning, match="y does not vary"):
        aligner = OrthogonalAligner().fit(X, y)
    assert_allclose(aligner.transform(X), y, atol=1e-12 * value)
    assert aligner.certified_


def test_directions_never_seen_are_no_noise():
    generator = np.random.default_rng(0)
    rotation = np.linalg.qr(generator.normal(size=(128, 128)))[0]
    X = generator.normal(size=(2060, 128))
    y = X @ rotation
    for settings in ({}, {"complete_null": False}, {"lam": 0}):
        aligner = OrthogonalAligner(**settings).fit(X[:60], y[:60])
        misses = ((aligner.transform(X[60:]) - y[60:]) ** 2).sum(axis=1).mean()
        # What 59 of 128 directions cannot tell.
        assert misses / (y[60:] ** 2).sum(axis=1).mean() < 0.56


def test_completion_is_decided_on_the_folds():
    X, y = views(5, 8)
    X = np.column_stack([X, np.zeros(len(X))])
    # One fold has the only rows in which the last feature varies, and y follows it.
    groups = np.arange(len(X)) // 40
    X[groups == 0, 5] = np.random.default_rng(0).normal(size=40)
    errors = {
        complete_null: OrthogonalAligner(complete_null=complete_null)
        .fit(X, y, groups=groups)
        .cv_loss_.min()
        for complete_null in (True, False, "auto")
    }
    assert errors["auto"] == min(errors[True], errors[False])
    assert errors[True] != errors[False]


@pytest.mark.parametrize("seed", [0, 1, 4, 5])
def test_path_maps_null_directions_as_the_folds_chose(seed):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(200, 7))
    # One feature varies in one fold alone, another one nowhere.
    groups = np.arange(200) // 40
    X[groups > 0, 5], X[:, 6] = 0, 0
    y = X @ ortho_group(7, seed=seed).rvs() + 0.05 * generator.normal(size=(200, 7))
    aligner = OrthogonalAligner().fit(X, y, groups=groups)
    # A completed direction has an arbitrary sign, which is right for some seeds.
    assert aligner.null_completed_ == (seed != 0)
    assert_allclose(aligner.path([aligner.lam_]).coefs[0], aligner.coef_, atol=1e-3)
