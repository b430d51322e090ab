# SPDX-License-Identifier: BSD-3-Clause
"""Learned policies, asked through the estimators themselves."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sktransform.augmentation import (
    AugmentedClassifier,
    ConstrainedAugmenter,
    InvarianceAugmenter,
)
from sktransform.augmentation._policy import policy
from sktransform.augmentation._search import constants
from sktransform.augmentation._search.learn import candidate_ranges, search_rows
from sktransform.augmentation.transforms import (
    ClassMixup,
    GaussianNoise,
    MarginalSwap,
    Rotate,
    Shift,
)


def circle(n_rows, seed=0):
    """Return rows whose class is their distance from 0 in the first two columns."""
    X = np.random.default_rng(seed).normal(size=(n_rows, 3))
    return X, (X[:, 0] ** 2 + X[:, 1] ** 2 > 1.4).astype(int)


def test_candidates_are_the_ranges_and_what_did_not_shrink():
    ranges = np.array([1.0, 0.5, 0.0, 1.0])
    found = candidate_ranges(ranges)
    assert_array_equal(found["policy"], ranges)
    assert_array_equal(found["unshrunk"], [1, 0, 0, 1])
    # The same ranges twice are one candidate; ranges of 0 are none.
    assert list(candidate_ranges(np.ones(2))) == ["policy"]
    assert list(candidate_ranges(np.full(2, 0.5))) == ["policy"]
    assert candidate_ranges(np.zeros(2)) == {}


@pytest.mark.parametrize("z", [0.0, 1.0, 1e6])
def test_a_policy_is_accepted_by_what_the_estimator_gains(z, monkeypatch):
    monkeypatch.setattr(constants, "GAIN_Z", z)
    X, y = circle(90)
    turn, shift = Rotate([0, 1]), Shift([0], max_sd=2.0)
    augmenter = InvarianceAugmenter([turn, shift], bounds="none")
    model = AugmentedClassifier(SVC(), augmenter, random_state=0).fit(X, y)
    found = model.augmenter_
    losses = dict(found.acceptance_losses_)
    none = losses.pop("none")
    losses.pop("repeated")
    best = min(losses, key=losses.get)
    assert_allclose(found.acceptance_gain_, none - losses[best], atol=1e-12)
    accepted = found.acceptance_gain_ > z * found.acceptance_se_
    assert found.chosen_ == (best if accepted else "none")
    assert accepted == (z < 1e6)
    assert model.augmenter_.active_.any() == accepted


def test_neither_jobs_nor_batches_change_what_is_learned(monkeypatch, search_steps):
    search_steps(40)
    X, y = circle(80)
    forest = RandomForestClassifier(10)
    augmenter = InvarianceAugmenter([Rotate([0, 1]), GaussianNoise()])
    model = AugmentedClassifier(forest, augmenter, random_state=3).fit(X, y)
    monkeypatch.setattr(policy, "_BATCH_SIZE", 7)
    other = clone(model).set_params(augmenter__n_jobs=2)
    other.fit(X, y)
    assert other.augmenter_.acceptance_losses_ == model.augmenter_.acceptance_losses_
    assert_array_equal(other.augmenter_.excess_, model.augmenter_.excess_)
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_rows_to_learn_from_are_whole_groups(monkeypatch, search_steps):
    search_steps(20)
    monkeypatch.setattr(constants, "MAX_SEARCH_ROWS", 50)
    monkeypatch.setattr(constants, "GAIN_Z", 0.0)
    monkeypatch.setattr(constants, "TOLERANCE", 10.0)

    class Rows:
        groups = np.repeat(np.arange(30), 4)

        def __len__(self):
            return len(self.groups)

    kept = search_rows(Rows(), 50, 0)
    counts = np.bincount(Rows.groups[kept], minlength=30)
    assert sorted(set(counts)) == [0, 4]
    assert counts.sum() == 48
    X, y = circle(120)
    model = InvarianceAugmenter([Rotate([0, 1])], random_state=0)
    views = model.fit_transform(X, y, groups=Rows.groups)
    # The policy is learned from 48 rows, and augments half of the others too.
    assert model.chosen_ == "policy"
    others = np.setdiff1d(np.arange(120), kept)
    changed = (views != X).any(1)[others].mean()
    assert abs(changed - 0.5) < 4 * np.sqrt(0.5 * 0.5 / len(others))


@pytest.mark.parametrize("alpha", [2.0, None])
def test_a_requirement_on_numbers(alpha):
    X, _ = circle(150)
    y = np.hypot(X[:, 0], X[:, 1])
    augmenter = ConstrainedAugmenter(
        [Rotate([0, 1]), MarginalSwap([0])],
        alpha=alpha,
        epsilon=0.5,
        bounds="none",
        random_state=0,
    ).fit(X, y)
    # A turn leaves the number alone, an exchange of the first column does not.
    assert augmenter.dual_[1] > augmenter.dual_[0]
    assert augmenter.status_ == ["declared"] * 2
    assert augmenter.classes_ is None


@pytest.mark.parametrize("epsilon", ["auto", "relative", 0.3])
def test_what_a_requirement_is_measured_by(epsilon, search_steps):
    search_steps(20)
    X, y = circle(60)
    augmenter = ConstrainedAugmenter([Rotate([0, 2])], epsilon=epsilon).fit(X, y)
    if epsilon == "relative":
        assert augmenter.epsilon_ is None
    else:
        assert augmenter.epsilon_ > 0
        assert epsilon in ("auto", augmenter.epsilon_)
    assert augmenter.dual_path_.shape == (30, 1)
    assert (augmenter.dual_path_ >= 0).all()
    assert (augmenter.dual_path_ <= 5).all()


def test_averaging_is_switched_on_where_it_lowers_the_loss_and_off_where_not():
    X, y = circle(150)
    helps = InvarianceAugmenter([Rotate([0, 1])], learn=False, bounds="none")
    harms = InvarianceAugmenter([Shift([2], max_sd=5.0)], learn=False, bounds="none")
    for estimator, augmenter, labels, expected in (
        (DecisionTreeClassifier(random_state=0), helps, y, 8),
        (LogisticRegression(), harms, (X[:, 2] > 0).astype(int), 0),
    ):
        model = AugmentedClassifier(estimator, augmenter, tta="auto", random_state=0)
        assert model.fit(X, labels).tta_ == expected


def test_predictions_need_no_labels_of_what_mixes_classes():
    X, y = circle(60)
    augmenter = InvarianceAugmenter([ClassMixup()], learn=False)
    model = AugmentedClassifier(LogisticRegression(), augmenter, tta=4, random_state=0)
    model.fit(X, y)
    assert model.tta_ == 0
    assert_array_equal(model.predict_proba(X), model.estimator_.predict_proba(X))


def test_displays_take_what_was_fitted(search_steps):
    search_steps(40)
    pytest.importorskip("matplotlib")
    import matplotlib.pyplot as plt

    from sktransform.inspection import (
        AcceptanceDisplay,
        AugmentedExamplesDisplay,
        DualPathDisplay,
        ExcessDisplay,
    )

    X, y = circle(80)
    changes = [Rotate([0, 1]), Shift([0], max_sd=2.0)]
    shared = {"bounds": "none", "random_state": 0}
    selected = InvarianceAugmenter(changes, **shared).fit(X, y)
    excess = ExcessDisplay.from_estimator(selected)
    assert_array_equal(
        excess.curves_[0].get_ydata(), selected.excess_curve_["excess"][0]
    )
    drawn = [0 if line is None else line.get_xdata()[0] for line in excess.ranges_]
    assert_allclose(drawn, selected.range_)
    accepted = AcceptanceDisplay.from_estimator(selected)
    assert accepted.losses["repeated"] == selected.acceptance_losses_["repeated"]
    examples = AugmentedExamplesDisplay.from_estimator(selected, X[:3], random_state=0)
    assert examples.kind == "table"
    required = ConstrainedAugmenter(changes, **shared).fit(X, y)
    dual = DualPathDisplay.from_estimator(required)
    assert len(dual.lines_) == 2
    plt.close("all")
