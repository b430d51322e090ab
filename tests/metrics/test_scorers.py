# SPDX-License-Identifier: BSD-3-Clause
import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from sktransform.alignment import EmbeddingAdapter
from sktransform.metrics import make_retrieval_scorer, recall_at_k


class Shrinking(TransformerMixin, BaseEstimator):
    """Maps rows as they are, but for those beyond a length."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.asarray(X) * self.factor


@pytest.fixture
def views():
    generator = np.random.default_rng(0)
    new = generator.normal(size=(90, 6))
    return new, new + generator.normal(size=new.shape)


def test_score_is_the_recall_among_the_rows_of_the_fold(views):
    new, old = views
    folds = KFold(3)
    scores = cross_val_score(
        Shrinking(), new, old, scoring=make_retrieval_scorer(k=2), cv=folds
    )
    expected = [recall_at_k(new[rows], old[rows], k=2) for _, rows in folds.split(new)]
    np.testing.assert_allclose(scores, expected)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_further_rows_of_the_gallery_are_searched_too(views, metric):
    new, old = views
    more = np.random.default_rng(1).normal(size=(500, 6))
    scorer = make_retrieval_scorer(gallery=more, metric=metric)
    expected = recall_at_k(
        new, np.vstack([old, more]), metric=metric, targets=np.arange(90)
    )
    assert scorer(Shrinking(), new, old) == expected
    assert expected < make_retrieval_scorer(metric=metric)(Shrinking(), new, old)
    again = pickle.loads(pickle.dumps(scorer))
    assert again(Shrinking(), new, old) == expected


def test_more_is_returned_than_there_is_finds_all(views):
    new, old = views
    assert make_retrieval_scorer(k=1000)(Shrinking(), new[:5], old[:5]) == 1


def test_search_chooses_what_finds_more_where_r2_chooses_what_shrinks():
    generator = np.random.default_rng(0)
    texts = generator.normal(size=(120, 40))
    new = texts @ generator.normal(size=(40, 30)) + generator.normal(size=(120, 30))
    old = texts @ generator.normal(size=(40, 30)) + generator.normal(size=(120, 30))
    grid = {"calibrate": [None, "covariance"]}
    chosen = {}
    for scoring in (None, make_retrieval_scorer()):
        search = GridSearchCV(EmbeddingAdapter(), grid, scoring=scoring, cv=3)
        chosen[scoring is None] = search.fit(new, old).best_params_["calibrate"]
    assert chosen == {True: None, False: "covariance"}


def test_wrong_usage_raises(views):
    new, old = views
    with pytest.raises(ValueError, match="'k' parameter"):
        make_retrieval_scorer(k=0)
    with pytest.raises(ValueError, match="'metric' parameter"):
        make_retrieval_scorer(metric="manhattan")
    with pytest.raises(ValueError, match="gallery"):
        make_retrieval_scorer(gallery=np.ones((4, 5)))(Shrinking(), new, old)
