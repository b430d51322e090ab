# SPDX-License-Identifier: BSD-3-Clause
"""Rows that several tests of augmentation share."""

import numpy as np
import pytest


@pytest.fixture
def numbered():
    """Return rows whose first column is the row's number, twice 24 classes."""
    generator = np.random.default_rng(0)
    X = np.column_stack([np.arange(48.0), generator.normal(size=48)])
    return X, np.tile([0, 1], 24)
