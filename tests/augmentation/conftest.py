# SPDX-License-Identifier: BSD-3-Clause
"""Rows and settings that several tests of augmentation share."""

import numpy as np
import pytest

from sktransform.augmentation._search import constants


@pytest.fixture
def numbered():
    """Return rows whose first column is the row's number, twice 24 classes."""
    generator = np.random.default_rng(0)
    X = np.column_stack([np.arange(48.0), generator.normal(size=48)])
    return X, np.tile([0, 1], 24)


@pytest.fixture
def quick_search(monkeypatch):
    """Make searches short, where what they find is not asked."""
    monkeypatch.setattr(constants, "TABLE_STEPS", 5)
    monkeypatch.setattr(constants, "SHAPED_STEPS", 5)
    monkeypatch.setattr(constants, "MAX_ROUNDS", 2)


@pytest.fixture
def search_steps(monkeypatch):
    """Return a function that sets the number of steps of a table's networks."""
    return lambda n_steps: monkeypatch.setattr(constants, "TABLE_STEPS", n_steps)


@pytest.fixture
def any_excess(monkeypatch):
    """Let the range filter keep everything, so that the acceptance test has to ask."""
    monkeypatch.setattr(constants, "TOLERANCE", 10.0)
