# SPDX-License-Identifier: BSD-3-Clause
"""
Islands in census data
======================

Five numeric columns of the Adult census: age, years of education, hours of work, and
gains and losses of capital, which are zero for most people. The file is not part of
scikit-learn. Set the environment variable ``SKTRANSFORM_ADULT`` to the path of
``adult.data``, 32,561 rows without a header, to run the example; otherwise it says so.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from sktransform.inspection import EmbeddingDisplay, InfluenceDisplay
from sktransform.reduction import GaussianWeightedLinearReducer

# Places of the columns in the file; gains and losses enter by their logarithm.
COLUMNS = {
    0: "age",
    4: "education years",
    10: "capital gain",
    11: "capital loss",
    12: "hours per week",
    14: "income",
}


def load(path):
    """Return 3,000 people's columns, standardised, and their raw columns."""
    people = pd.read_csv(path, header=None, usecols=list(COLUMNS))
    people = people.rename(columns=COLUMNS).sample(3000, random_state=0)
    X = people.drop(columns="income").astype(float)
    capital = ["capital gain", "capital loss"]
    X[capital] = np.log1p(X[capital])
    return StandardScaler().set_output(transform="pandas").fit_transform(X), people


# %%
# The map has three parts: most people, those with gains, and those with losses.
# Nobody has both, and people of the islands earn more.


def show_islands(reducer, X, people):
    """Draw the map, and tell who lives where."""
    gains, losses = people["capital gain"] > 0, people["capital loss"] > 0
    island = np.select([gains, losses], ["gain", "loss"], "neither")
    is_rich = people["income"].str.strip() == ">50K"
    print(f"people with both {np.sum(gains & losses)}")
    for name in ("gain", "loss", "neither"):
        share, rich = np.mean(island == name), is_rich[island == name].mean()
        print(f"{name}: {share:.1%} of people, {rich:.0%} of them earn over 50K")
    EmbeddingDisplay.from_estimator(reducer, X, island, n_ellipses=14)
    InfluenceDisplay.from_estimator(reducer, X, island)


# %%
# Capital matters as much as age by the plain derivative. Among neighbours it does not
# differ: it tells which part of the map a person is in, and nothing within it.


def show_influence(reducer, X):
    """Print the influence in every direction, and along the data."""
    plain = reducer.influence(X).mean(axis=0)
    tangent = reducer.influence(X, tangent=True).mean(axis=0)
    for column, everywhere, along in zip(X.columns, plain, tangent, strict=True):
        print(f"{column:15} {everywhere:.2f}, along the data {along:.2f}")


path = os.environ.get("SKTRANSFORM_ADULT")
if path:
    X, people = load(path)
    reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
    print(f"stress {reducer.stress_:.3f}")
    show_islands(reducer, X, people)
    show_influence(reducer, X)
    plt.show()
else:
    print("Skipped: SKTRANSFORM_ADULT does not name the file.")
