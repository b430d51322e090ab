# SPDX-License-Identifier: BSD-3-Clause
"""Range filter: invariances that are found, and the traps of a selection."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from sktransform.augmentation import (
    AugmentedClassifier,
    ConstrainedAugmenter,
    InvarianceAugmenter,
    transforms,
)
from sktransform.augmentation._search import acceptance
from sktransform.augmentation._search.range_filter import (
    FilterRound,
    chosen_round,
    filter_problem,
)
from sktransform.augmentation._tabular.dataset import (
    LabelledRows,
    weighted_mean,
    with_labels,
)
from sktransform.augmentation.transforms import (
    ColumnTable,
    GaussianNoise,
    MarginalSwap,
    Permute,
    Rotate,
    Shift,
    SignFlip,
    Transformation,
)
from sktransform.datasets import make_invariance_problem


def declared():
    """Return the ten transformations of the invariance problem."""
    return [
        getattr(transforms, one["kind"])(**one["parameters"])
        for one in make_invariance_problem(1)[2]
    ]


@pytest.fixture(scope="module")
def learned():
    X, y, _ = make_invariance_problem(120, random_state=10)
    augmenter = InvarianceAugmenter(declared(), bounds="none", random_state=0)
    return augmenter.fit(X, y)


def test_false_exchanges_are_dropped_and_true_changes_kept(learned):
    assert learned.status_[7] == learned.status_[8] == "rejected"
    assert (learned.range_[:5] > 0).sum() >= 4
    assert roc_auc_score([0] * 5 + [1] * 5, learned.excess_) > 0.9


def test_the_chosen_round_is_within_one_standard_error_of_the_best(learned):
    losses = [one["clean_loss"] for one in learned.rounds_]
    assert learned.clean_loss_ in losses
    # A Brier score of two classes lies in [0, 2]: its error is below 1 / sqrt(n).
    assert learned.clean_loss_ <= min(losses) + 1 / np.sqrt(120)


def test_the_excess_grows_with_the_magnitude_of_a_false_shift(learned):
    curve = learned.excess_curve_
    assert curve["magnitude"][-1] == 1.0
    shift = curve["excess"][6]
    assert shift[-1] > shift[0]
    # All or nothing: no other magnitude than 1.
    assert np.isnan(curve["excess"][7, :-1]).all()
    assert np.isfinite(curve["excess"][7, -1])


def test_repeated_rows_are_reported_and_never_chosen(learned):
    assert {"none", "repeated"} < set(learned.acceptance_losses_)
    assert learned.chosen_ in {"none", "policy", "unshrunk"}


@dataclass(frozen=True, repr=False)
class Nothing(Transformation):
    """The identity, whatever its parameter."""

    def _forward(self, X, P, reference, seeds, labels):
        return X.clone()


def test_the_identity_has_no_excess_and_is_kept():
    X, y, _ = make_invariance_problem(90, random_state=0)
    augmenter = InvarianceAugmenter([Nothing()], random_state=0).fit(X, y)
    assert augmenter.status_ == ["kept"]
    assert_allclose(augmenter.excess_, 0, atol=1e-7)
    assert_allclose(augmenter.excess_curve_["excess"], 0, atol=1e-7)


def _one_class_in_a_fold(X, y):
    return X, np.r_[1, np.zeros(len(y) - 1, int)], [Shift()]


def _constant_column(X, y):
    X = X.copy()
    X[:, 0] = 2.0
    return X, y, [Shift([0]), GaussianNoise([0, 1])]


DEGENERATE = {
    "no transformation": lambda X, y: (X, y, []),
    "a single one": lambda X, y: (X, y, [Shift([0])]),
    "one row of a class": _one_class_in_a_fold,
    "one class": lambda X, y: (X, np.zeros(len(y), int), [Shift()]),
    "a constant column": _constant_column,
    "discrete ones alone": lambda X, y: (X, y, [SignFlip([0]), Permute([0, 1])]),
    "two rows": lambda X, y: (X[:2], np.array([0, 1]), [Shift()]),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_tables_end_in_a_valid_policy_or_in_none(case, search_steps):
    search_steps(20)
    X, y, _ = make_invariance_problem(40, random_state=0)
    X, y, transformations = DEGENERATE[case](X, y)
    augmenter = InvarianceAugmenter(transformations, random_state=0)
    augmenter.fit(X, y)
    assert np.isfinite(augmenter.augment(X, 2, random_state=0)).all()
    assert len(augmenter.status_) == len(transformations)
    assert ((augmenter.range_ >= 0) & (augmenter.range_ <= 1)).all()
    assert (augmenter.chosen_ == "none") == (not augmenter.active_.any())


def test_noise_for_labels_makes_held_out_rows_no_harder():
    X, _, _ = make_invariance_problem(120, random_state=0)
    y = np.random.default_rng(0).integers(2, size=120)
    augmenter = InvarianceAugmenter(declared(), bounds="none", random_state=0)
    augmenter.fit(X, y)
    error = 1 / np.sqrt(120)
    assert augmenter.clean_loss_ <= augmenter.clean_loss_none_ + error


def test_numbers_are_scored_by_their_squared_error():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 4))
    y = np.hypot(X[:, 0], X[:, 1])
    augmenter = InvarianceAugmenter(
        [Rotate([0, 1]), MarginalSwap([2, 3]), MarginalSwap([0])],
        bounds="none",
        random_state=0,
    ).fit(X, y)
    assert augmenter.status_[2] == "rejected"
    assert (augmenter.range_[:2] > 0).all()
    assert augmenter.chosen_ != "none"


def unweighted(losses):
    return weighted_mean(losses, np.ones(losses.shape[-1]))


def test_the_most_shrunk_round_as_good_as_the_best_is_chosen():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=400)
    noise = (noise - noise.mean()) / noise.std(ddof=1)  # standard error .05
    rounds = [
        FilterRound(mean + noise, None, None, None, None)
        for mean in (0.30, 0.20, 0.24, 0.27)
    ]
    assert chosen_round(rounds, unweighted) == 2


@pytest.mark.parametrize(
    ("n_rows", "shape", "n_groups", "n_folds"),
    [
        (199, None, None, [6, 8]),
        (200, None, None, [3, 4]),
        (150, (2, 5), None, [3, 4]),
        (150, None, 4, [4, 4]),
    ],
)
def test_small_tables_have_more_folds(n_rows, shape, n_groups, n_folds):
    X, y, _ = make_invariance_problem(n_rows, random_state=0)
    groups = None if n_groups is None else np.arange(n_rows) % n_groups
    columns = ColumnTable.from_arrays(X, shape=shape)
    rows = LabelledRows(torch.from_numpy(X), columns, None, np.arange(n_rows))
    dataset = with_labels(rows, y, True, None, groups, None)
    problem = filter_problem(dataset, [Nothing().bind(columns)], 0)
    asked = acceptance._acceptance_folds(dataset, 0)
    assert [len(problem.folds), len(asked)] == n_folds


def test_two_groups_are_too_few_to_learn_from():
    X, y, _ = make_invariance_problem(60, random_state=0)
    augmenter = InvarianceAugmenter([Nothing()], random_state=0)
    augmenter.fit(X, y, groups=np.arange(60) % 2)
    assert augmenter.chosen_ == "none"
    assert augmenter.rounds_ == []


def test_a_requirement_is_weighed_by_what_it_costs():
    X, y, _ = make_invariance_problem(300, random_state=0)
    turns = [Rotate([0, 1]), Rotate([0, 2]), Nothing()]
    augmenter = ConstrainedAugmenter(
        turns, epsilon=0.2, bounds="none", random_state=0
    ).fit(X, y)
    # Only the second turn destroys the class, so it is the dearest.
    assert augmenter.dual_.argmax() == 1
    assert augmenter.dual_path_.shape[1] == 3
    shares = augmenter.dual_path_.mean(0)
    assert_allclose(augmenter.policy_["probabilities"], shares / shares.sum())


def test_a_loose_requirement_costs_nothing_and_a_relaxed_one_less():
    X, y, _ = make_invariance_problem(120, random_state=0)
    shared = {"bounds": "none", "random_state": 0}
    turn = [Rotate([0, 2])]
    loose = ConstrainedAugmenter(turn, epsilon=50.0, **shared).fit(X, y)
    assert loose.dual_.sum() == 0
    assert loose.chosen_ == "none"
    strict = ConstrainedAugmenter(turn, epsilon=0.1, alpha=None, **shared).fit(X, y)
    relaxed = ConstrainedAugmenter(turn, epsilon=0.1, alpha=0.5, **shared).fit(X, y)
    assert 0 < relaxed.dual_[0] < strict.dual_[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_random_labels_end_in_none():
    n_accepted = 0
    for seed in range(4):
        X, _, _ = make_invariance_problem(120, random_state=seed)
        skewed = np.exp(X[:, :6] + np.random.default_rng(seed).normal(size=(120, 6)))
        for rows, share, known in ((X, 0.5, True), (skewed, 0.24, False)):
            y = (np.random.default_rng(100 + seed).random(120) < share).astype(int)
            for estimator in (
                LogisticRegression(),
                RandomForestClassifier(60),
                SVC(C=3),
                MLPClassifier(64, max_iter=100),
            ):
                augmenter = InvarianceAugmenter(declared() if known else "default")
                model = AugmentedClassifier(estimator, augmenter, random_state=seed)
                with np.errstate(all="ignore"):
                    model.fit(rows, y)
                n_accepted += model.augmenter_.chosen_ != "none"
    assert n_accepted <= 2
