# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sktransform.alignment import (
    EmbeddingAdapter,
    OrthogonalAligner,
    PermutationAligner,
)

MERGEABLE = [
    OrthogonalAligner(),
    EmbeddingAdapter(store_moments=True),
    PermutationAligner(),
]


def _named(names):
    return pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=names)


@pytest.mark.parametrize("aligner", MERGEABLE)
def test_columns_of_other_names_are_not_merged(aligner):
    X = _named(["a", "b", "c"])
    y = X.to_numpy() @ np.random.default_rng(1).normal(size=(3, 4))
    one = clone(aligner).fit(X, y)
    for names in (["c", "b", "a"], ["a", "b", "d"]):
        with pytest.raises(ValueError, match="same columns in the same order"):
            one.merge(clone(aligner).fit(_named(names), y))
    assert_array_equal(one.merge(one).feature_names_in_, X.columns)
    # Rows without names are taken as `transform` takes them.
    one.merge(clone(aligner).fit(X.to_numpy(), y))


@pytest.mark.parametrize("aligner", MERGEABLE)
def test_only_fitted_aligners_of_one_class_are_merged(aligner):
    X = np.random.default_rng(0).normal(size=(30, 3))
    one = clone(aligner).fit(X, X)
    with pytest.raises(NotFittedError):
        one.merge(clone(aligner))
    for other in MERGEABLE:
        if type(other) is not type(aligner):
            with pytest.raises(ValueError, match="must be of class"):
                one.merge(other)
