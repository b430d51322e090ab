# SPDX-License-Identifier: BSD-3-Clause
"""What all tests of displays run under."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def figures_are_closed():
    """Close what a test has drawn."""
    yield
    plt.close("all")
