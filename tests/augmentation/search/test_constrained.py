# SPDX-License-Identifier: BSD-3-Clause
"""Multipliers and policies of constraints, on problems with a known answer."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from sktransform.augmentation import (
    AugmentedClassifier,
    ConstrainedAugmenter,
    InvarianceAugmenter,
    InvarianceResampler,
)
from sktransform.augmentation._fitting import fit_augmenter
from sktransform.augmentation._policy import policy
from sktransform.augmentation._policy.policy import draw_transformations
from sktransform.augmentation._search import constants
from sktransform.augmentation._search.constrained import dual_step, policy_shares
from sktransform.augmentation.transforms import (
    ImageNoise,
    ImageTranslate,
    Rotate,
    Shift,
    SignFlip,
    Transformation,
)
from sktransform.datasets import make_invariance_problem

SHARED = {"bounds": "none", "random_state": 0}


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
    augmenter = ConstrainedAugmenter(turns, **SHARED)
    found = fit_augmenter(augmenter, *problem, None, None, owner=augmenter)[1]
    return augmenter, found


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
    assert_allclose(dual_step(dual, losses, 0.5, alpha, 0.1), [expected])
    # 0.05 more than the clean loss is the same bound as 0.5.
    losses[0] = 0.45
    assert_allclose(dual_step(dual, losses, "relative", alpha, 0.1), [expected])


def test_a_decaying_dual_ends_where_a_slack_of_its_own_would():
    # The loss of the best model falls as its price rises: here as 1 / (1 + price).
    alpha, bound, rate = 2.0, 0.2, 0.05
    leaking = torch.zeros(1, dtype=torch.float64)
    dual = slack = 0.0
    for _ in range(4000):
        losses = torch.cat([torch.zeros(1), 1 / (1 + leaking)])
        leaking = dual_step(leaking, losses, bound, alpha, rate)
        dual, slack = (
            max(0.0, dual + rate * (1 / (1 + dual) - bound - slack)),
            max(0.0, slack - rate * (alpha * slack - dual)),
        )
    assert_allclose(leaking[0], dual, rtol=1e-6)
    # The marginal price of the slack is the price of the requirement.
    assert_allclose(alpha * slack, dual, rtol=1e-6)
    assert_allclose(1 / (1 + dual), bound + slack, rtol=1e-6)


def test_same_seed_same_bits_whatever_the_batch(problem, monkeypatch, search_steps):
    X, y = problem
    turns = [Rotate([0, 1]), SignFlip([3]), Rotate([0, 2])]
    results = []
    search_steps(20)
    for batch_size in (4096, 7):
        monkeypatch.setattr(policy, "_BATCH_SIZE", batch_size)
        augmenter = ConstrainedAugmenter(turns, **SHARED)
        resampler = InvarianceResampler(augmenter, n_copies=2, random_state=0)
        results.append((augmenter.fit_transform(X, y), resampler.fit_resample(X, y)[0]))
    for other in results[1:]:
        assert_array_equal(other[0], results[0][0])
        assert_array_equal(other[1], results[0][1])


def test_transformations_join_each_other_by_their_price(fitted):
    augmenter, learned = fitted
    price = augmenter.dual_path_.mean(0)
    joining = learned.policy.joining
    assert_allclose(joining, price / (1 + price))
    on = draw_transformations(learned.policy, np.arange(40_000), 0, 0).on.mean(0)
    shares = price / price.sum()
    assert_allclose(on, shares + (1 - shares) * joining, atol=0.01)
    nothing = policy_shares(np.zeros((5, 2)))
    assert_array_equal(nothing["probabilities"], [0, 0])
    assert_array_equal(nothing["joining"], [0, 0])
    # Alone it has nobody to join.
    alone = replace(learned.policy, probabilities=np.array([0, 0, 1.0]))
    on = draw_transformations(alone, np.arange(50), 0, 0).on.mean(0)
    assert_allclose(on, [0, 0, 1])


def test_the_share_of_unchanged_rows_follows_the_multipliers(quick_search):
    X = np.random.default_rng(0).normal(size=(1000, 3))
    augmenter = ConstrainedAugmenter([Shift()], epsilon=0.01, random_state=0)
    copies = augmenter.fit_transform(X, (X[:, 0] > 0).astype(int))
    expected = 1 / (1 + augmenter.dual_path_.mean(0).sum())
    assert 0.05 < expected < 0.95
    clean = (copies == X).all(1).mean()
    assert abs(clean - expected) < 4 * np.sqrt(expected * (1 - expected) / len(X))


def test_degenerate_requirements_end_in_nothing(problem, search_steps):
    X, y = problem
    search_steps(27)
    for transformations, labels in (([], y), ([Shift()], np.zeros(len(y), int))):
        augmenter = ConstrainedAugmenter(transformations, **SHARED).fit(X, labels)
        assert augmenter.chosen_ == "none"
        assert not augmenter.active_.any()
        assert_array_equal(augmenter.fit_transform(X, labels), X)


def test_numbers_are_constrained_as_classes_are():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 4))
    y = np.hypot(X[:, 0], X[:, 1])
    augmenter = ConstrainedAugmenter([Rotate([0, 1]), Rotate([0, 2]), Same()], **SHARED)
    copies = augmenter.fit_transform(X, y)
    assert augmenter.dual_.argmax() == 1
    assert augmenter.dual_[2] == 0
    assert (copies != X).any()
    assert np.isfinite(copies).all()


def test_shifts_of_digits_cost_more_than_noise_and_are_borne_better_than_evenly(
    monkeypatch,
):
    monkeypatch.setattr(constants, "SHAPED_STEPS", 200)
    X, y = load_digits(return_X_y=True)
    X = X / 16
    shifts = [ImageTranslate(axis=axis, max_pixels=1.0) for axis in "xy"]
    moved, labels = X[300:], y[300:]
    for seed, shift in enumerate(shifts):
        mover = InvarianceAugmenter([shift], shape=(8, 8), learn=False).fit(X[:120])
        moved = mover.augment(moved, random_state=seed)
    required = [*shifts, ImageNoise(max_sd=0.1)]
    even = InvarianceAugmenter(required, learn=False, shape=(8, 8))
    constrain = ConstrainedAugmenter(required, shape=(8, 8))
    scores = []
    for augmenter in (even, constrain):
        model = AugmentedClassifier(SVC(C=3), augmenter, n_copies=8, random_state=0)
        scores.append(model.fit(X[:120], y[:120]).score(moved, labels))
    assert scores[1] > scores[0]
    dual = model.augmenter_.dual_
    assert dual[:2].min() > 1
    assert dual[2] < 0.1
