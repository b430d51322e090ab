# SPDX-License-Identifier: BSD-3-Clause
"""Numbers that belong to a row's seed: well spread, and the same in any batch."""

import numpy as np
import pytest
import torch
from scipy import stats

from sktransform.augmentation._random import integers, normal, uniform

SEEDS = torch.arange(400) - 200


def test_uniform_numbers():
    drawn = uniform(SEEDS, 300).numpy()
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 0.01
    # Neither along a row nor between rows of neighbouring seeds.
    assert abs(np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(drawn[1:].ravel(), drawn[:-1].ravel())[0, 1]) < 0.01
    assert len(np.unique(drawn)) == drawn.size


def test_normal_numbers():
    drawn = normal(SEEDS, 301).numpy()
    assert drawn.shape == (400, 301)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    half = drawn[:, :150].ravel(), drawn[:, 151:].ravel()
    assert abs(np.corrcoef(*half)[0, 1]) < 0.015, "the two of a pair are independent"
    assert abs(np.corrcoef(*np.abs(half))[0, 1]) < 0.015
    assert np.isfinite(drawn).all()


def test_integers_reach_every_number_and_no_other():
    drawn = integers(SEEDS, 50, 7).numpy()
    counts = np.bincount(drawn.ravel(), minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts).pvalue > 0.01
    high = torch.arange(1, 401)[:, None]
    drawn = integers(SEEDS, 200, high)
    assert (drawn >= 0).all()
    assert (drawn < high).all()


@pytest.mark.parametrize("draw", [uniform, normal])
def test_streams_are_independent_and_batches_do_not_matter(draw):
    first, second = draw(SEEDS, 200), draw(SEEDS, 200, 1)
    assert abs(np.corrcoef(first.numpy().ravel(), second.numpy().ravel())[0, 1]) < 0.015
    for rows in (slice(0, 1), slice(13, 20), slice(399, 400)):
        assert torch.equal(draw(SEEDS[rows], 200), first[rows])
    extreme = torch.tensor([-(2**63), 2**63 - 1])
    assert torch.isfinite(draw(extreme, 5)).all()
