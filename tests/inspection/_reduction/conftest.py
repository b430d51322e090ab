# SPDX-License-Identifier: BSD-3-Clause
"""Tables and maps that several displays of reducers show."""

import pytest
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from sktransform.reduction import GaussianWeightedLinearReducer


@pytest.fixture(scope="module")
def wine():
    """Return the standardised wines as a data frame, and their classes."""
    X, y = load_wine(return_X_y=True, as_frame=True)
    return StandardScaler().set_output(transform="pandas").fit_transform(X), y


@pytest.fixture(scope="module")
def wine_rows():
    """Return the standardised wines as an array."""
    return StandardScaler().fit_transform(load_wine().data)


@pytest.fixture(scope="module")
def reducer(wine):
    """Return a map of the wines into three dimensions."""
    return GaussianWeightedLinearReducer(n_components=3, random_state=0).fit(wine[0])
