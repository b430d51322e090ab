# SPDX-License-Identifier: BSD-3-Clause
"""Retrieval metrics: whether rows of two embeddings find their partners."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import skew

from sktransform.metrics._nearness import nearest_masks, partner_ranks
from sktransform.metrics._views import (
    check_n_nearest,
    check_pair,
    check_same_width,
    check_search,
    check_targets,
    check_view,
    check_weights,
)
from sktransform.utils._sklearn import Interval, StrOptions, validate_params

_METRIC = {"metric": [StrOptions({"cosine", "euclidean"})]}
_K = {"k": [Interval(Integral, 1, None, closed="left")]}
_SEARCH = {"queries": ["array-like"], "gallery": ["array-like"], **_METRIC}
_PARTNERS = {"targets": ["array-like", None], "sample_weight": ["array-like", None]}
_PAIR = {"mapped": ["array-like"], "reference": ["array-like"], **_METRIC}


def _query_ranks(queries, gallery, metric, targets, sample_weight, k=1):
    """Return the rank of each query's partner, and the queries' weights."""
    queries, gallery, runtime = check_search(queries, gallery)
    check_n_nearest(k, gallery, "gallery")
    partners = check_targets(targets, queries, gallery)
    weights = check_weights(sample_weight, queries)
    return partner_ranks(queries, gallery, partners, metric, runtime), weights


@validate_params({**_SEARCH, **_K, **_PARTNERS}, prefer_skip_nested_validation=True)
def recall_at_k(
    queries: ArrayLike,
    gallery: ArrayLike,
    *,
    k: int = 1,
    metric: str = "cosine",
    targets: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Compute the share of queries whose partner is among their k nearest rows.

    With :math:`r_i` the rank of query i's partner among the rows of the gallery and
    :math:`w_i` the weight of the query, recall@k is :math:`\sum_i w_i [r_i \le k] /
    \sum_i w_i` [1]_.

    Parameters
    ----------
    queries : array-like or Tensor of shape (n_queries, n_features)
        The queries, for example rows mapped into the gallery's space. With a tensor the
        computation runs on the tensor's device.

    gallery : array-like or Tensor of shape (n_gallery, n_features)
        Rows that are searched.

    k : int, default=1
        Number of rows that a search returns, at most n_gallery.

    metric : {"cosine", "euclidean"}, default="cosine"
        A search returns the rows with the largest cosine (0 for rows of zeros) or with
        the smallest Euclidean distance.

    targets : array-like of int, shape (n_queries,), default=None
        Index of each query's partner in the gallery. None means that row i of the
        gallery is the partner of query i; the numbers of rows must then be equal.

    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries, not negative. None weighs every query 1.

    Returns
    -------
    float
        The share, from 0 to 1. Larger is better; chance is ``k / n_gallery``.

    Raises
    ------
    ValueError
        If the arrays differ in columns, if `targets` are not valid indices, or if k is
        more than the number of rows of the gallery.

    See Also
    --------
    mean_reciprocal_rank : Averages the reciprocal ranks.
    neighbor_overlap : Compares all rows that two searches return.

    Notes
    -----
    Ties count against the partner: a partner with an equal row in the gallery has at
    best rank 2, so mapping many rows to one point does not raise the value. Cosines or
    squared distances are tied if they agree up to rounding, to about 13 digits.

    The memory is that of the arrays in float64 and of one block of scores.

    References
    ----------
    .. [1] Jégou, H., Douze, M. and Schmid, C. (2011). Product quantization for nearest
       neighbor search. IEEE Transactions on Pattern Analysis and Machine Intelligence
       33(1), 117-128.

    Examples
    --------
    >>> from sktransform.metrics import recall_at_k
    >>> gallery = [[1, 0], [0, 1], [-1, 0]]
    >>> queries = [[2, 1], [1, 2], [-1, 2]]
    >>> round(recall_at_k(queries, gallery), 3)
    0.667
    >>> recall_at_k(queries, gallery, k=2)
    1.0
    """
    ranks, weights = _query_ranks(queries, gallery, metric, targets, sample_weight, k)
    return float(np.average(ranks <= k, weights=weights))


@validate_params({**_SEARCH, **_PARTNERS}, prefer_skip_nested_validation=True)
def mean_reciprocal_rank(
    queries: ArrayLike,
    gallery: ArrayLike,
    *,
    metric: str = "cosine",
    targets: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
) -> float:
    r"""Compute the mean reciprocal rank of the partners of queries.

    With :math:`r_i` the rank of query i's partner among the rows of the gallery and
    :math:`w_i` the weight of the query, the value is :math:`\sum_i w_i r_i^{-1} /
    \sum_i w_i` [1]_.

    Parameters
    ----------
    queries : array-like or Tensor of shape (n_queries, n_features)
        The queries, for example rows mapped into the gallery's space. With a tensor the
        computation runs on the tensor's device.

    gallery : array-like or Tensor of shape (n_gallery, n_features)
        Rows that are searched.

    metric : {"cosine", "euclidean"}, default="cosine"
        A search returns the rows with the largest cosine (0 for rows of zeros) or with
        the smallest Euclidean distance.

    targets : array-like of int, shape (n_queries,), default=None
        Index of each query's partner in the gallery. None means that row i of the
        gallery is the partner of query i; the numbers of rows must then be equal.

    sample_weight : array-like of shape (n_queries,), default=None
        Weights of the queries, not negative. None weighs every query 1.

    Returns
    -------
    float
        The mean reciprocal rank, above 0 and at most 1. Larger is better; the value by
        chance is the mean of 1, 1/2, ..., ``1 / n_gallery``.

    Raises
    ------
    ValueError
        If the arrays differ in columns, or if `targets` are not valid indices.

    See Also
    --------
    recall_at_k : Counts partners among the first k rows.

    Notes
    -----
    Ties count against the partner, see :func:`recall_at_k`.

    References
    ----------
    .. [1] Voorhees, E. M. (1999). The TREC-8 question answering track report. TREC-8,
       77-82.

    Examples
    --------
    >>> from sktransform.metrics import mean_reciprocal_rank
    >>> gallery = [[1, 0], [0, 1], [-1, 0]]
    >>> queries = [[2, 1], [1, 2], [-1, 2]]
    >>> round(mean_reciprocal_rank(queries, gallery), 3)
    0.833
    """
    ranks, weights = _query_ranks(queries, gallery, metric, targets, sample_weight)
    return float(np.average(1 / ranks, weights=weights))


@validate_params(
    {**_PAIR, **_K, "gallery": ["array-like", None]}, prefer_skip_nested_validation=True
)
def neighbor_overlap(
    mapped: ArrayLike,
    reference: ArrayLike,
    *,
    k: int = 10,
    gallery: ArrayLike | None = None,
    metric: str = "cosine",
) -> float:
    r"""Compute the overlap of searches with mapped vectors and with true vectors.

    With :math:`S_k(x)` the k rows of the gallery nearest to x, the value is the mean
    over the rows of :math:`|S_k(\hat y_i) \cap S_k(y_i)| / k` for the mapped vector
    :math:`\hat y_i` and the true one :math:`y_i` [1]_.

    Parameters
    ----------
    mapped : array-like or Tensor of shape (n_samples, n_features)
        Rows mapped into the space of the reference. With a tensor the computation runs
        on the tensor's device.

    reference : array-like or Tensor of shape (n_samples, n_features)
        The true vectors of the same rows.

    k : int, default=10
        Number of rows that a search returns, at most the number of rows of the gallery.

    gallery : array-like or Tensor of shape (n_gallery, n_features), default=None
        Rows that are searched. None stands for the reference, where a true vector finds
        itself too.

    metric : {"cosine", "euclidean"}, default="cosine"
        A search returns the rows with the largest cosine (0 for rows of zeros) or with
        the smallest Euclidean distance.

    Returns
    -------
    float
        The overlap, from 0 to 1. Larger is better. The value by chance is ``k /
        n_gallery``, or more if hubs are returned for all queries.

    Raises
    ------
    ValueError
        If the arrays differ in columns, or if k is more than the number of rows of the
        gallery.

    See Also
    --------
    recall_at_k : Counts only whether the partner is found.
    trustworthiness : Compares neighbours in spaces of different dimensions.

    Notes
    -----
    Ties, up to rounding, are broken by the order of the gallery.

    References
    ----------
    .. [1] Wendlandt, L., Kummerfeld, J. K. and Mihalcea, R. (2018). Factors influencing
       the surprising instability of word embeddings. NAACL-HLT 2018, 2092-2102.

    Examples
    --------
    >>> from sktransform.metrics import neighbor_overlap
    >>> reference = [[1, 0], [2, 1], [1, 2], [0, 1]]
    >>> mapped = [[1, 0], [1, 2], [2, 1], [0, 1]]
    >>> round(neighbor_overlap(mapped, reference, k=3), 3)
    0.833
    """
    mapped, reference, runtime = check_pair(mapped, reference)
    name = "reference" if gallery is None else "gallery"
    gallery = reference if gallery is None else check_view(gallery, "gallery")
    check_same_width(mapped, gallery, names=("mapped", name))
    check_n_nearest(k, gallery, name)
    found, wanted = (
        nearest_masks(rows, gallery, k, metric, runtime) for rows in (mapped, reference)
    )
    n_common = sum(
        (mask & true_mask).sum().item()
        for mask, true_mask in zip(found, wanted, strict=True)
    )
    return n_common / (k * len(mapped))


@validate_params({**_SEARCH, **_K}, prefer_skip_nested_validation=True)
def hubness(
    queries: ArrayLike, gallery: ArrayLike, *, k: int = 10, metric: str = "cosine"
) -> float:
    r"""Compute the skewness of how often searches return the rows of a gallery.

    With :math:`N_k(j)` the number of queries that have row j among their k nearest
    rows, the value is the skewness of these numbers over the gallery [1]_,

    .. math::
        \frac{\mathrm{E}(N_k - \mu)^3}{\sigma^3},

    with :math:`\mu` and :math:`\sigma` their mean and standard deviation. It is large
    if a few rows, the hubs, are returned for very many queries.

    Parameters
    ----------
    queries : array-like or Tensor of shape (n_queries, n_features)
        The queries. With a tensor the computation runs on the tensor's device. A query
        that is a row of the gallery finds itself.

    gallery : array-like or Tensor of shape (n_gallery, n_features)
        Rows that are searched.

    k : int, default=10
        Number of rows that a search returns, at most n_gallery.

    metric : {"cosine", "euclidean"}, default="cosine"
        A search returns the rows with the largest cosine (0 for rows of zeros) or with
        the smallest Euclidean distance.

    Returns
    -------
    float
        The skewness, a number without bounds: above 0 if there are hubs, 0 if all rows
        are returned equally often.

    Raises
    ------
    ValueError
        If the arrays differ in columns, or if k is more than the number of rows of the
        gallery.

    See Also
    --------
    recall_at_k : Recall, which is low if queries return hubs.

    Notes
    -----
    Values for different galleries or different k are not comparable. Ties, up to
    rounding, are broken by the order of the gallery.

    References
    ----------
    .. [1] Radovanović, M., Nanopoulos, A. and Ivanović, M. (2010). Hubs in space:
       popular nearest neighbors in high-dimensional data. Journal of Machine Learning
       Research 11, 2487-2531.

    Examples
    --------
    >>> from sktransform.metrics import hubness
    >>> gallery = [[1, 1], [1, -1], [-1, -1], [-1, 1]]
    >>> hubness(gallery, gallery, k=1)
    0.0
    >>> round(hubness([[1, 2], [2, 1], [3, 1], [1, -1]], gallery, k=1), 3)
    0.816
    """
    queries, gallery, runtime = check_search(queries, gallery)
    check_n_nearest(k, gallery, "gallery")
    masks = nearest_masks(queries, gallery, k, metric, runtime)
    counts = sum(mask.sum(0) for mask in masks).cpu().numpy()
    return float(skew(counts)) if np.ptp(counts) > 0 else 0.0


@validate_params(_PAIR, prefer_skip_nested_validation=True)
def foscttm(
    mapped: ArrayLike, reference: ArrayLike, *, metric: str = "euclidean"
) -> float:
    r"""Compute the fraction of samples closer than the true match (FOSCTTM).

    For row i of one array it is the fraction of the rows of the other array, without
    row i, that are closer to it than its partner, row i of the other array. The mean is
    taken over all rows and both directions [1]_: with :math:`r_i` and :math:`r'_i` the
    ranks of the partners,

    .. math::
        \frac{1}{2n} \sum_{i=1}^n \frac{(r_i - 1) + (r'_i - 1)}{n - 1}.

    Parameters
    ----------
    mapped : array-like or Tensor of shape (n_samples, n_features)
        Rows mapped into the space of the reference. With a tensor the computation runs
        on the tensor's device.

    reference : array-like or Tensor of shape (n_samples, n_features)
        The true partners of the same rows.

    metric : {"cosine", "euclidean"}, default="euclidean"
        Rows are closer with a smaller Euclidean distance, or with a larger cosine (0
        for rows of zeros).

    Returns
    -------
    float
        The fraction, from 0 to 1. Smaller is better: 0 is perfect, and 0.5 is the value
        by chance.

    Raises
    ------
    ValueError
        If the arrays differ in shape, or have fewer than two rows.

    See Also
    --------
    mean_reciprocal_rank : Gives the first ranks the largest weight, in one direction.

    Notes
    -----
    Ties, up to rounding, count against the partner: a map of all rows to one point has
    a value above chance level.

    References
    ----------
    .. [1] Liu, J., Huang, Y., Singh, R., Vert, J.-P. and Noble, W. S. (2019). Jointly
       embedding multiple single-cell omics measurements. WABI 2019, LIPIcs 143, 10.

    Examples
    --------
    >>> from sktransform.metrics import foscttm
    >>> reference = [[0.0], [1.0], [2.0]]
    >>> foscttm([[0.1], [1.1], [2.1]], reference)
    0.0
    >>> round(foscttm([[2.0], [1.0], [0.0]], reference), 3)
    0.667
    """
    mapped, reference, runtime = check_pair(mapped, reference, min_samples=2)
    partners = np.arange(len(mapped))
    ranks = [
        partner_ranks(*views, partners, metric, runtime)
        for views in ((mapped, reference), (reference, mapped))
    ]
    return float((np.mean(ranks) - 1) / (len(mapped) - 1))
