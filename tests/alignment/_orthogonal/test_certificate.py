# SPDX-License-Identifier: BSD-3-Clause
"""Losses of bounded maps beside an independent solver, and what is certified of them."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from sktransform.alignment import OrthogonalAligner
from sktransform.exceptions import DegenerateDataWarning


def random_views(seed, most=6):
    """Return views of any shape, rank and condition up to 1e12, of unit size."""
    generator = np.random.default_rng(seed)
    p, q = generator.integers(1, most + 1, 2)
    n = int(generator.integers(3, 60))
    X = generator.normal(size=(n, p))
    left, values, right = np.linalg.svd(X, full_matrices=False)
    values = values * np.logspace(0, -generator.uniform(0, 6), len(values))
    X = (left * values) @ right
    rank = int(generator.integers(1, min(p, q) + 1))
    factors = generator.normal(size=(p, rank)) @ generator.normal(size=(rank, q))
    if generator.random() < 0.5:  # the target depends on directions of small variance
        factors = right.T / values @ right @ factors
    y = X @ factors
    y /= np.sqrt((y**2).sum(axis=1).mean())
    if generator.random() < 0.8:
        noise = generator.normal(size=(n, q))
        y = y + 10 ** generator.uniform(-6, 0.5) * noise
    return X, y


def unit_views(X, y):
    """Return centred views of total variance 1 in the directions in which they vary."""
    views = []
    for view in (X, y):
        view = view - view.mean(axis=0)
        left, values, _ = np.linalg.svd(view, full_matrices=False)
        values = values[values > 1e-8 * values[0]]
        view = left[:, : len(values)] * values
        views.append(view / np.sqrt((view**2).sum(axis=1).mean()))
    return views


def fitted(X, y, **settings):
    """Return a fitted aligner; what the data leave open is not the subject here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)
        return OrthogonalAligner(**settings).fit(X, y)


@pytest.mark.parametrize(
    "seeds",
    [
        range(10),
        *(
            pytest.param(range(first, min(first + 25, 200)), marks=pytest.mark.slow)
            for first in range(10, 200, 25)
        ),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_loss_never_rises_with_the_bound_on_200_problems(seeds):
    n_uncertified = 0
    for seed in seeds:
        X, y = random_views(seed)
        largest = fitted(X, y, lam=np.inf).largest_residual_
        if largest < 1e-6:  # least squares is a rotation
            continue
        lams = [0, *np.geomspace(1e-3 * min(2, largest), 0.999 * largest, 4), np.inf]
        aligners = [fitted(X, y, lam=lam) for lam in lams]
        losses = np.array([aligner.loss_ for aligner in aligners])
        assert np.diff(losses).max() <= 1e-9, seed
        for lam, aligner in zip(lams, aligners, strict=True):
            assert aligner.orth_residual_ <= lam * (1 + 1e-9) + 1e-11, seed
            rank_y = np.linalg.matrix_rank(y - y.mean(axis=0), rtol=1e-7)
            if aligner.rank_ <= rank_y:
                # Next to singular maps rounding leaves a gap, which is told.
                assert aligner.duality_gap_ <= 1e-6, seed
                n_uncertified += not aligner.certified_
            if aligner.certified_:
                assert aligner.duality_gap_ <= 1e-7, seed
    # Of about 75 fits that have a convex problem.
    assert n_uncertified <= 2


def augmented_lagrangian(X, y, lam, start):
    """Return the least loss near a start under ``r(W) <= lam``, independently."""
    gram, cross, shape = X.T @ X / len(X), X.T @ y / len(X), start.shape
    # Shapes decide which Gram matrix is near the identity.
    is_wide = shape[0] <= shape[1]
    multiplier, weight, W = 0.0, 10.0, start

    def excess_of(W):
        gram = W @ W.T if is_wide else W.T @ W
        return gram - np.eye(len(gram))

    def objective(flat):
        W = flat.reshape(shape)
        excess = excess_of(W)
        violation = (excess**2).sum() - lam**2
        active = max(0.0, multiplier + weight * violation)
        value = ((gram @ W - 2 * cross) * W).sum()
        value += (active**2 - multiplier**2) / (2 * weight)
        pull = excess @ W if is_wide else W @ excess
        return value, (2 * (gram @ W - cross) + 4 * active * pull).ravel()

    for _ in range(12):
        options = {"maxiter": 3000, "ftol": 1e-16, "gtol": 1e-12}
        end = minimize(
            objective, W.ravel(), jac=True, method="L-BFGS-B", options=options
        )
        W = end.x.reshape(shape)
        violation = (excess_of(W) ** 2).sum() - lam**2
        multiplier = max(0.0, multiplier + weight * violation)
        weight = min(4 * weight, 1e5)
    # Exactly within the bound: singular values are moved towards 1.
    left, values, right = np.linalg.svd(W, full_matrices=False)
    excess = np.sqrt(((values**2 - 1) ** 2).sum())
    squares = 1 + (values**2 - 1) * min(1, lam / max(excess, 1e-300))
    W = (left * np.sqrt(squares)) @ right
    return ((gram @ W - 2 * cross) * W).sum() + (y**2).sum(axis=1).mean()


@pytest.mark.parametrize(
    "seeds",
    [
        range(1000, 1003),
        pytest.param(range(1003, 1060), marks=pytest.mark.slow),
    ],
)
def test_no_independent_solver_is_better(seeds):
    for seed in seeds:
        X, y = random_views(seed)
        generator = np.random.default_rng(seed)
        largest = fitted(X, y, lam=np.inf).largest_residual_
        for share in (0.05, 0.5):
            lam = share * min(largest, 3)
            aligner = fitted(X, y, lam=lam)
            unit_X, unit_y = unit_views(X, y)
            shape = unit_X.shape[1], unit_y.shape[1]
            ends = [
                augmented_lagrangian(unit_X, unit_y, lam, generator.normal(size=shape))
                for _ in range(6)
            ]
            assert aligner.loss_ <= min(ends) + 1e-8, seed


@pytest.mark.parametrize("seed", range(2000, 2005))
def test_no_other_factor_is_better(seed):
    X, y = unit_views(*random_views(seed))
    for lam in (0, 0.3):
        pair = fitted(X, y, lam=lam, scale=True)
        for factor in np.geomspace(0.3, 3, 7) * pair.scale_:
            other = fitted(factor * X, y, lam=lam, unit_scale=False)
            assert pair.loss_ <= other.loss_ + 1e-8
        if pair.rank_ <= y.shape[1]:
            assert pair.certified_


@pytest.mark.parametrize("lam", [3, 14, 27])
def test_sums_of_pixels_are_explained_within_any_bound(lam):
    X = load_digits().data
    y = X.reshape(-1, 4, 2, 4, 2).sum((2, 4)).reshape(-1, 16)
    y = y + np.random.default_rng(0).normal(size=(1797, 16))
    aligner = fitted(X, y, lam=lam)
    assert aligner.certified_
    # Measured by an independent solver: .00854 for 3, then close to least squares.
    assert aligner.loss_ <= (0.00854 if lam == 3 else 0.00719)
    assert aligner.loss_ >= 0.00718


def test_path_never_rises_where_the_target_is_explained_exactly():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 8)) @ generator.normal(size=(8, 12))
    X = X + 1e-3 * generator.normal(size=(300, 12))
    y = X @ generator.normal(size=(12, 5))
    path = OrthogonalAligner(lam=np.inf).fit(X, y).path()
    assert np.diff(path.losses).max() <= 1e-9
    assert path.losses[-1] <= 1e-12
    for share, most in ((0.9, 2e-2), (0.99, 2e-4), (1, 1e-12)):
        aligner = OrthogonalAligner(lam=share, relative=True).fit(X, y)
        assert aligner.loss_ <= most


def test_low_rank_target_is_certified():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(400, 20)) * np.logspace(0, -3, 20)
    y = X[:, :3] @ generator.normal(size=(3, 20))
    y = y + 1e-7 * generator.normal(size=y.shape)
    losses = []
    for lam in (0.8, 1, 1.2, 1.5, 2, 3):
        aligner = fitted(X, y, lam=lam)
        assert aligner.certified_
        assert aligner.duality_gap_ <= 1e-8
        losses.append(aligner.loss_)
    assert np.diff(losses).max() <= 1e-9


@pytest.mark.parametrize("unit_scale", [True, False])
@pytest.mark.parametrize("shape", [(4, 6), (6, 4)])
def test_multiplier_is_the_slope_of_the_loss(shape, unit_scale):
    generator = np.random.default_rng(1)
    X = 3 * generator.normal(size=(200, shape[0]))
    y = X @ generator.normal(size=shape) + 2 * generator.normal(size=(200, shape[1]))
    settings = {"unit_scale": unit_scale}
    lam = 0.4 * OrthogonalAligner(lam=np.inf, **settings).fit(X, y).largest_residual_
    step = 1e-4 * lam
    low, middle, high = (
        OrthogonalAligner(lam=bound, **settings).fit(X, y)
        for bound in (lam - step, lam, lam + step)
    )
    slope = (high.loss_ - low.loss_) / (2 * step)
    assert_allclose(slope, -middle.multiplier_ * lam, rtol=1e-3)
    # In the same unit: the loss is above the bound by the gap.
    assert middle.duality_gap_ <= 1e-7


def test_cap_on_the_steps_is_told(monkeypatch):
    from sktransform.alignment._orthogonal import newton

    monkeypatch.setattr(newton, "_MOST_NEWTON_STEPS", 0)
    monkeypatch.setattr(newton, "_MOST_MULTIPLIERS", 1)
    X, y = random_views(3)
    generator = np.random.default_rng(0)
    X = generator.normal(size=(50, 6)) * np.logspace(0, -2, 6)
    y = X[:, ::-1][:, :4] + 0.1 * generator.normal(size=(50, 4))
    with pytest.warns(ConvergenceWarning, match="has not converged: its loss could be"):
        aligner = OrthogonalAligner(lam=0.5).fit(X, y)
    assert not aligner.certified_
