# SPDX-License-Identifier: BSD-3-Clause
"""Draws that several tests of aligners share."""

import numpy as np
import pytest


@pytest.fixture
def normal():
    """Return a function that draws arrays of normal numbers, all of one stream."""
    generator = np.random.default_rng(0)
    return lambda *shape: generator.normal(size=shape)
