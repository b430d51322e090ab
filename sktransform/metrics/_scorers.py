# SPDX-License-Identifier: BSD-3-Clause
"""Retrieval scorers for cross-validation of aligners."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sktransform.metrics._retrieval import recall_at_k
from sktransform.metrics._views import check_same_width, check_view
from sktransform.utils._sklearn import Interval, StrOptions, validate_params


class _RetrievalScorer:
    """Recall of a fitted aligner's rows, in a gallery of their targets and more."""

    def __init__(self, k, gallery, metric):
        self.k = k
        self.gallery = gallery
        self.metric = metric

    def __call__(self, estimator, X, y, sample_weight=None):
        """Return recall@k of the mapped rows of X among those of y and the gallery."""
        queries, targets = estimator.transform(X), check_view(y, "y")
        gallery = targets
        if self.gallery is not None:
            more = check_view(self.gallery, "gallery")
            check_same_width(targets, more, names=("y", "gallery"))
            gallery = np.concatenate([targets, more])
        return recall_at_k(
            queries,
            gallery,
            k=min(self.k, len(gallery)),
            metric=self.metric,
            targets=np.arange(len(targets)),
            sample_weight=sample_weight,
        )

    def __repr__(self):
        gallery = "" if self.gallery is None else f", gallery={len(self.gallery)} rows"
        return f"make_retrieval_scorer(k={self.k}{gallery}, metric={self.metric!r})"


@validate_params(
    {
        "k": [Interval(Integral, 1, None, closed="left")],
        "gallery": ["array-like", None],
        "metric": [StrOptions({"cosine", "euclidean"})],
    },
    prefer_skip_nested_validation=True,
)
def make_retrieval_scorer(
    *, k: int = 1, gallery: ArrayLike | None = None, metric: str = "cosine"
) -> Callable[..., Any]:
    """Make a scorer that returns the recall@k of mapped rows.

    Use it as ``scoring`` of `GridSearchCV` or `cross_val_score` of an aligner. An
    aligner's default score, R2, prefers maps that shrink, and shrunk rows find fewer of
    their targets. The scored rows search in a gallery of their own targets [1]_.

    Parameters
    ----------
    k : int, default=1
        Number of rows that a search returns. In a smaller gallery all rows are
        returned.

    gallery : array-like of shape (n_gallery, n_outputs), default=None
        Further rows of the gallery, which are not targets of any query, so that the
        gallery has a realistic size. They should not include rows of `y`. With None the
        gallery consists of the targets alone, whose number depends on the
        cross-validation split.

    metric : {"cosine", "euclidean"}, default="cosine"
        Similarity by which the gallery is searched.

    Returns
    -------
    callable
        ``scorer(estimator, X, y, sample_weight=None)``, which returns a recall from 0
        to 1; larger is better.

    Raises
    ------
    ValueError
        If a parameter has an invalid value. The scorer raises an error if gallery and
        targets differ in columns.

    See Also
    --------
    recall_at_k : The metric of the scorer.

    Notes
    -----
    A target with an equal row in the gallery is never first, see :func:`recall_at_k`.

    References
    ----------
    .. [1] Jégou, H., Douze, M. and Schmid, C. (2011). Product quantization for nearest
       neighbor search. IEEE Transactions on Pattern Analysis and Machine Intelligence
       33(1), 117-128.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from sktransform.alignment import EmbeddingAdapter
    >>> from sktransform.metrics import make_retrieval_scorer
    >>> rng = np.random.default_rng(0)
    >>> new = rng.normal(size=(150, 8))
    >>> old = new @ rng.normal(size=(8, 10)) + 0.3 * rng.normal(size=(150, 10))
    >>> scorer = make_retrieval_scorer(k=1)
    >>> found = cross_val_score(EmbeddingAdapter(), new, old, scoring=scorer, cv=3)
    >>> bool(found.min() > 0.8)
    True
    """
    return _RetrievalScorer(k, gallery, metric)
