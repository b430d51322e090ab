# SPDX-License-Identifier: BSD-3-Clause
"""Acceptance test: clear gains, second partitions, calibrated scores."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import softmax

from sktransform.augmentation import (
    InvarianceAugmenter,
)
from sktransform.augmentation._search import acceptance
from sktransform.augmentation._search.acceptance import calibrated_brier
from sktransform.augmentation._search.proxy import (
    ProxyClassifier,
)
from sktransform.augmentation._tabular.dataset import (
    LabelledRows,
    Target,
)
from sktransform.augmentation.transforms import (
    ColumnTable,
    Transformation,
)
from sktransform.datasets import make_invariance_problem


@pytest.mark.parametrize(
    ("n_rows", "gains", "chosen"),
    [
        (400, [0.25], "policy"),
        (400, [-0.1], "none"),
        (400, [0.15, 0.15], "policy"),
        (400, [0.09, 0.15], "policy"),
        (400, [0.15, -0.15], "none"),
        (100, [-0.1], "none"),
        (100, [0.25, 0.15], "policy"),
        (100, [0.25, -0.15], "none"),
    ],
)
def test_a_gain_that_is_not_clear_is_measured_on_other_folds(
    n_rows, gains, chosen, monkeypatch
):
    noise = np.random.default_rng(0).normal(size=n_rows)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    noise *= 0.1 * np.sqrt(n_rows)  # standard error .1
    asked = []

    def losses(estimator, dataset, transformations, policies, n_jobs, root, *key):
        gain = gains[len(asked)]
        asked.append(list(policies))
        known = {"none": 5.0, "repeated": 4.0, "policy": 5.0 - gain + noise}
        found = {name: np.zeros(n_rows) + known[name] for name in policies}
        return found, np.ones(n_rows, dtype=bool)

    monkeypatch.setattr(acceptance, "partition_losses", losses)
    X = torch.zeros(n_rows, 1)
    target = Target.from_labels(X.numpy(), False)
    data = LabelledRows(X, ColumnTable.from_arrays(X), None, None, target=target)
    candidates = {"policy": np.ones(1)}
    result = acceptance.run_acceptance_test(None, data, [None], candidates, 8, None, 0)
    assert result.chosen == chosen
    first = ["none", "repeated", "policy"]
    assert asked == [first, ["none", "policy"]][: len(gains)]
    assert_allclose([result.gain, result.error], [np.mean(gains), 0.1], atol=1e-12)
    # Each loss is as far from that of the rows alone as was measured.
    away = [result.losses["none"] - result.losses[name] for name in first]
    assert_allclose(away, [0, 1, np.mean(gains)], atol=1e-12)


@dataclass(frozen=True, repr=False)
class Unmoved(Transformation):
    """The identity, whatever its parameter."""

    def _forward(self, X, P, reference, seeds, labels):
        return X.clone()


def weights_seen(augmenter, X, y, sample_weight):
    """Return the weights that the proxy of the acceptance test was trained with."""
    seen = []
    fit = ProxyClassifier.fit

    def spy(self, X, y, sample_weight=None):
        seen.append(sample_weight)
        return fit(self, X, y, sample_weight)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProxyClassifier, "fit", spy)
        augmenter.fit(X, y, sample_weight=sample_weight)
    return seen


def test_the_proxy_of_the_acceptance_test_trains_with_the_weights(quick_search):
    X, y, _ = make_invariance_problem(60, random_state=0)
    weights = np.where(X[:, 0] > 0, 2.0, 0.5)
    augmenter = InvarianceAugmenter([Unmoved()], random_state=0)
    seen = weights_seen(augmenter, X, y, weights)
    assert seen
    assert all(set(np.unique(own)) == {0.5, 2.0} for own in seen)


def test_a_change_of_confidence_neither_wins_nor_loses():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(200, 3))
    codes = np.array([generator.choice(3, p=softmax(row)) for row in scores])
    weights = np.ones(200)
    expected = calibrated_brier(scores, codes, weights)
    offsets = np.array([3.0, 0.0, -2.0])
    for changed in (scores * 100, scores / 100, scores + offsets):
        found = calibrated_brier(changed, codes, weights)
        assert_allclose(found.mean(), expected.mean(), rtol=2e-2)


def test_scores_that_say_nothing_cost_what_the_frequencies_cost():
    generator = np.random.default_rng(0)
    codes = (generator.random(4000) < 0.24).astype(int)
    scores = 50 * generator.normal(size=(4000, 2))
    share = codes.mean()
    found = calibrated_brier(scores, codes, np.ones(4000)).mean()
    assert_allclose(found, 2 * share * (1 - share), rtol=5e-3)
