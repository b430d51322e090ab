# SPDX-License-Identifier: BSD-3-Clause
"""Multipliers, chains and laws of requirements, on problems with a known answer."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from sktransform.augmentation import (
    AugmentedClassifier,
    InvarianceAugmenter,
    InvarianceResampler,
)
from sktransform.augmentation._policy.policy import draw_versions
from sktransform.augmentation._search.constrained import (
    ConstrainSettings,
    dual_step,
    law_shares,
)
from sktransform.augmentation._search.hard_sampling import HardDraws, accepts
from sktransform.augmentation._search.proxy import Probes
from sktransform.augmentation.transforms import (
    ImageNoise,
    ImageTranslate,
    Rotate,
    Shift,
    SignFlip,
    Transformation,
)
from sktransform.datasets import make_invariance_problem

SHARED = {"strategy": "constrain", "bounds": "none", "random_state": 0}


@dataclass(frozen=True, repr=False)
class Same(Transformation):
    """The identity, whatever its parameter."""

    def _forward(self, X, P, reference, seeds, labels):
        return X.clone()


@pytest.fixture(scope="module")
def problem():
    return make_invariance_problem(120, random_state=0)[:2]


@pytest.fixture(scope="module")
def fitted(problem):
    turns = [Same(), Rotate([0, 1]), Rotate([0, 2])]
    augmenter = InvarianceAugmenter(turns, law="mh", **SHARED)
    data = augmenter._fit(*problem, None, None, lambda: False)
    return augmenter, data


def test_what_costs_nothing_has_no_price_and_what_destroys_the_class_the_highest(
    fitted,
):
    augmenter, _ = fitted
    same, true, false = augmenter.dual_
    assert same == 0
    assert 0 < true < false
    # A price that is not capped has settled: it does not run away from the bound.
    thirds = augmenter.dual_path_.reshape(3, -1, 3).mean(1)
    assert thirds[0, 2] < thirds[2, 2] < 5
    assert_array_equal(augmenter.active_, [False, True, True])


@pytest.mark.parametrize(
    ("dual", "loss", "alpha", "expected"),
    [
        (1.0, 0.9, None, 1.0 + 0.1 * 0.4),
        (1.0, 0.9, 2.0, 1.0 + 0.1 * (0.4 - 0.5)),
        (0.01, 0.1, None, 0.0),
        (4.99, 3.0, None, 5.0),
    ],
    ids=["violated", "relaxed", "slack", "capped"],
)
def test_a_step_up_the_dual_is_that_of_the_paper(dual, loss, alpha, expected):
    dual, losses = torch.tensor([dual]).double(), torch.tensor([0.2, loss]).double()
    settings = ConstrainSettings(alpha=alpha, dual_rate=0.1)
    assert_allclose(dual_step(dual, losses, 0.5, settings), [expected])
    # 0.05 more than the clean loss is another way to say 0.5.
    losses[0] = 0.45
    assert_allclose(dual_step(dual, losses, "relative", settings), [expected])


def test_a_leaking_dual_ends_where_a_slack_of_its_own_would():
    # The loss of the best model falls as its price rises: here as 1 / (1 + price).
    alpha, bound, rate = 2.0, 0.2, 0.05
    settings = ConstrainSettings(alpha=alpha, dual_rate=rate)
    leaking = torch.zeros(1, dtype=torch.float64)
    dual = slack = 0.0
    for _ in range(4000):
        losses = torch.cat([torch.zeros(1), 1 / (1 + leaking)])
        leaking = dual_step(leaking, losses, bound, settings)
        dual, slack = (
            max(0.0, dual + rate * (1 / (1 + dual) - bound - slack)),
            max(0.0, slack - rate * (alpha * slack - dual)),
        )
    assert_allclose(leaking[0], dual, rtol=1e-6)
    # The marginal price of the slack is the price of the requirement.
    assert_allclose(alpha * slack, dual, rtol=1e-6)
    assert_allclose(1 / (1 + dual), bound + slack, rtol=1e-6)


def test_chains_end_in_draws_in_proportion_to_the_loss():
    generator = torch.Generator().manual_seed(0)
    losses = torch.tensor([0.5, 1.0, 2.5, 0.0])
    state = torch.randint(4, (60_000,), generator=generator)
    for _ in range(40):
        proposed = torch.randint(4, state.shape, generator=generator)
        uniform = torch.rand(len(state), generator=generator)
        accepted = accepts(losses[state], losses[proposed], uniform)
        state = torch.where(accepted, proposed, state)
    shares = torch.bincount(state, minlength=4) / len(state)
    assert_allclose(shares, losses / losses.sum(), atol=0.008)


def test_where_there_is_no_ratio_nothing_is_accepted():
    infinite = float("inf")
    loss = torch.tensor([0.0, 0.0, infinite, 1.0, 1.0])
    proposed = torch.tensor([0.0, 1.0, infinite, float("nan"), 0.0])
    accepted = accepts(loss, proposed, torch.zeros(5))
    assert accepted.tolist() == [False, True, False, False, False]


def _losses(fitted, chain_length, n_copies):
    """Return losses (n_copies, n) of versions drawn by chains of a length."""
    augmenter, data = fitted
    chains = HardDraws(Probes.from_state(augmenter.probe_), chain_length)
    law, units = augmenter._law, np.arange(len(data))
    draws = [chains.versions(data, law, units, 0, copy) for copy in range(n_copies)]
    return np.stack([chains._losses(data, law, draw, units) for draw in draws])


def test_hard_versions_have_the_mean_loss_of_draws_that_the_loss_weighs(fitted):
    even = _losses(fitted, 1, 200)
    expected = np.square(even).mean() / even.mean()
    # Row by row: it is a row's own draws that are weighed.
    expected = (np.square(even).sum(0) / even.sum(0)).mean()
    found = _losses(fitted, 24, 40)
    assert found.mean() > 1.5 * even.mean()
    assert_allclose(found.mean(), expected, rtol=0.06)


def test_a_chain_of_one_draw_is_the_law_itself(fitted):
    augmenter, data = fitted
    units = np.arange(len(data))
    chains = HardDraws(Probes.from_state(augmenter.probe_), 1)
    found = chains.versions(data, augmenter._law, units, 5, 3, clean_share=0.3)
    expected = draw_versions(augmenter._law, units, 5, 3, clean_share=0.3)
    assert_array_equal(found.on, expected.on)
    assert_array_equal(found.parameters, expected.parameters)
    assert_array_equal(found.seeds, expected.seeds)


def test_chains_keep_clean_rows_clean_and_groups_together(fitted):
    augmenter, data = fitted
    law = augmenter._law
    chains = HardDraws(Probes.from_state(augmenter.probe_), 6)
    groups = np.arange(len(data)) // 4
    start = draw_versions(law, groups, 0, 1, clean_share=0.5)
    found = chains.versions(data, law, groups, 0, 1, clean_share=0.5)
    assert_array_equal(found.on.any(1), start.on.any(1))
    assert (found.seeds != start.seeds).any()
    first = np.arange(len(data)) // 4 * 4
    assert_array_equal(found.parameters[1], found.parameters[1][first])
    assert_array_equal(found.on, found.on[first])


@pytest.mark.parametrize("law", ["uniform", "hard", "mh"])
def test_same_seed_same_bits_whatever_the_batch_and_the_jobs(problem, law):
    X, y = problem
    turns = [Rotate([0, 1]), SignFlip([3]), Rotate([0, 2])]
    results = []
    for settings in ({}, {"batch_size": 7}, {"n_jobs": 2}):
        augmenter = InvarianceAugmenter(
            turns, law=law, n_steps=30, **SHARED, **settings
        )
        resampler = InvarianceResampler(augmenter, n_copies=2, random_state=0)
        results.append((augmenter.fit_transform(X, y), resampler.fit_resample(X, y)[0]))
    for other in results[1:]:
        assert_array_equal(other[0], results[0][0])
        assert_array_equal(other[1], results[0][1])


def test_transformations_join_each_other_by_their_price(fitted):
    augmenter, _ = fitted
    price = augmenter.dual_path_.mean(0)
    law = augmenter._law
    assert_allclose(law.joining, price / (1 + price))
    on = draw_versions(law, np.arange(40_000), 0, 0).on.mean(0)
    shares = price / price.sum()
    assert_allclose(on, shares + (1 - shares) * law.joining, atol=0.01)
    nothing = law_shares(np.zeros((5, 2)))
    assert_array_equal(nothing["probabilities"], [0, 0])
    assert_array_equal(nothing["joining"], [0, 0])
    # Alone it has nobody to join.
    alone = replace(law, probabilities=np.array([0, 0, 1.0]))
    assert_allclose(draw_versions(alone, np.arange(50), 0, 0).on.mean(0), [0, 0, 1])


def test_duals_after_a_selection_only_report():
    X = np.random.default_rng(0).normal(size=(200, 3))
    y = (np.square(X[:, :2]).sum(1) > 1.4).astype(int)
    settings = {"bounds": "none", "random_state": 0}
    turns = [Rotate([0, 1]), Shift([0], max_sd=2.0)]
    plain = InvarianceAugmenter(turns, **settings).fit(X, y)
    told = InvarianceAugmenter(turns, report_duals=True, **settings).fit(X, y)
    assert not hasattr(plain, "dual_")
    assert told.dual_path_.shape == (330, 2)
    for name in ("range_", "active_", "excess_", "gate_gain_"):
        assert_array_equal(getattr(told, name), getattr(plain, name))
    assert_array_equal(told.fit_transform(X, y), plain.fit_transform(X, y))
    # What was rejected is not asked for.
    rejected = told.range_ == 0
    assert rejected.tolist() == [False, True]
    assert_array_equal(told.dual_path_[:, rejected], 0)
    assert_array_equal(np.isnan(told.acceptance_), rejected)
    assert_allclose(told.parameter_histogram_.sum(1), ~rejected)
    assert not hasattr(told.set_params(report_duals=False).fit(X, y), "dual_")


@pytest.mark.parametrize("law", ["hard", "mh"])
@pytest.mark.parametrize("settings", [{}, {"strategy": "constrain", "learn": False}])
def test_a_law_of_what_is_hard_needs_a_training(problem, law, settings):
    augmenter = InvarianceAugmenter([Rotate([0, 1])], law=law, **settings)
    with pytest.raises(ValueError, match=f"law='{law}' draws versions that"):
        augmenter.fit(*problem)


def test_chains_need_the_labels_of_the_training_rows(fitted, problem):
    with pytest.raises(ValueError, match="fit_transform and InvarianceResampler"):
        fitted[0].augment(problem[0])


@pytest.mark.parametrize("law", ["uniform", "mh"])
def test_degenerate_requirements_end_in_nothing(problem, law):
    X, y = problem
    for transformations, labels in (([], y), ([Shift()], np.zeros(len(y), int))):
        augmenter = InvarianceAugmenter(
            transformations, law=law, n_steps=40, **SHARED
        ).fit(X, labels)
        assert augmenter.chosen_ == "none"
        assert not augmenter.active_.any()
        assert_array_equal(augmenter.fit_transform(X, labels), X)


def test_numbers_are_constrained_as_classes_are():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 4))
    y = np.hypot(X[:, 0], X[:, 1])
    augmenter = InvarianceAugmenter(
        [Rotate([0, 1]), Rotate([0, 2]), Same()], law="mh", **SHARED
    )
    versions = augmenter.fit_transform(X, y)
    assert augmenter.dual_.argmax() == 1
    assert augmenter.dual_[2] == 0
    assert (versions != X).any()
    assert np.isfinite(versions).all()


def test_shifts_of_digits_cost_more_than_noise_and_are_borne_better_than_evenly():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    shifts = [ImageTranslate(axis=axis, max_pixels=1.0) for axis in "xy"]
    moved, labels = X[300:], y[300:]
    for seed, shift in enumerate(shifts):
        mover = InvarianceAugmenter([shift], shape=(8, 8), learn=False).fit(X[:120])
        moved = mover.augment(moved, random_state=seed)
    required = [*shifts, ImageNoise(max_sd=0.1)]
    shared = {"shape": (8, 8), "n_steps": 300}
    even = InvarianceAugmenter(required, learn=False, **shared)
    constrain = InvarianceAugmenter(required, strategy="constrain", **shared)
    scores = []
    for augmenter in (even, constrain):
        model = AugmentedClassifier(SVC(C=3), augmenter, n_copies=8, random_state=0)
        scores.append(model.fit(X[:120], y[:120]).score(moved, labels))
    assert scores[1] > scores[0]
    dual = model.augmenter_.dual_
    assert dual[:2].min() > 1
    assert dual[2] < 0.1
