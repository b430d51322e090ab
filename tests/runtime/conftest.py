# SPDX-License-Identifier: BSD-3-Clause
"""Rows that several tests of training share."""

import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler


@pytest.fixture(scope="module")
def X():
    """Return the standardised rows of iris."""
    return StandardScaler().fit_transform(load_iris().data)
