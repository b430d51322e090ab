# SPDX-License-Identifier: BSD-3-Clause
"""Rows and maps that several tests of the reducers share."""

import numpy as np
import pytest

from sktransform.reduction import GaussianWeightedLinearReducer


@pytest.fixture(scope="module")
def blobs():
    """Return 180 rows about six centres, 30 of each in turn."""
    generator = np.random.default_rng(0)
    centers = generator.normal(size=(6, 5)) * 4
    return centers.repeat(30, axis=0) + generator.normal(size=(180, 5))


@pytest.fixture(scope="module")
def reducer(blobs):
    """Return a map of the blobs."""
    return GaussianWeightedLinearReducer(random_state=0).fit(blobs)


@pytest.fixture(scope="module")
def rows():
    """Return 600 rows whose six columns mix four."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(600, 4)) @ generator.normal(size=(4, 6))
