# SPDX-License-Identifier: BSD-3-Clause
"""Metrics that compare pairwise distances before and after a map."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.utils import check_random_state

from sktransform.metrics._validation import check_pair
from sktransform.utils._sklearn import Interval, StrOptions, validate_params
from sktransform.utils._typing import RandomState

# Numbers gathered at once when pairs are sampled, 16 MB in float64.
_CHUNK_NUMBERS = 2**21

_PAIR_CONSTRAINTS = {
    "X": ["array-like"],
    "Y": ["array-like"],
    "metric": [StrOptions({"euclidean", "precomputed"})],
    "max_pairs": [Interval(Integral, 1, None, closed="left"), None],
    "random_state": ["random_state"],
}


def _pairwise_distances(X, Y, metric, max_pairs, random_state):
    """Return target distances, embedded distances and the number of all pairs.

    Both variants subtract rows in float64 and square afterwards, which stays right far
    from the origin, and which leaves equal distances equal.
    """
    # Only sampled rows are widened to float64: a sample of many rows is small.
    X, Y = check_pair(X, Y, metric, widen=False)
    n_pairs = len(X) * (len(X) - 1) // 2
    if max_pairs is not None and n_pairs > max_pairs:
        targets, embedded = _sampled_distances(X, Y, metric, max_pairs, random_state)
    else:
        is_matrix = metric == "precomputed"
        targets = X[np.triu_indices(len(X), 1)] if is_matrix else pdist(X)
        embedded = pdist(Y)
    return targets, embedded, n_pairs


def _sampled_distances(X, Y, metric, n_sampled, random_state):
    """Return both distances of pairs drawn uniformly, with replacement."""
    generator = check_random_state(random_state)
    targets, embedded = np.empty(n_sampled), np.empty(n_sampled)
    chunk = max(1, _CHUNK_NUMBERS // max(X.shape[1], Y.shape[1]))
    for start in range(0, n_sampled, chunk):
        size = min(chunk, n_sampled - start)
        first = generator.randint(len(X), size=size)
        second = generator.randint(len(X) - 1, size=size)
        # Skipping the first index leaves the other n - 1 equally likely.
        second += second >= first
        part = slice(start, start + size)
        if metric == "precomputed":
            targets[part] = X[first, second]
        else:
            targets[part] = _lengths(X, first, second)
        embedded[part] = _lengths(Y, first, second)
    return targets, embedded


def _lengths(rows, first, second):
    """Return the distances between rows of some indices and those of others."""
    return np.linalg.norm(rows[first].astype(np.float64) - rows[second], axis=1)


def _best_factor(targets, embedded):
    """Return the factor of the embedded distances with the least squared error."""
    power = embedded @ embedded
    return targets @ embedded / power if power > 0 else 1.0


@validate_params(
    {
        **_PAIR_CONSTRAINTS,
        "normalization": [StrOptions({"raw", "target", "kruskal"})],
        "scaled": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def stress(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    normalization: str = "target",
    scaled: bool = False,
    metric: str = "euclidean",
    max_pairs: int | None = 500_000,
    random_state: RandomState = 0,
) -> float:
    r"""Compute the stress of an embedding with respect to target distances.

    With :math:`\delta_{jk}` the target distance of rows j and k and
    :math:`\hat d_{jk}` their distance in the embedding, the stress sums
    :math:`(\delta_{jk} - \hat d_{jk})^2` over the pairs. Smaller is better.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
        The data, or with ``metric="precomputed"`` the symmetric matrix of target
        distances. May be a torch tensor on the CPU.

    Y : array-like of shape (n_samples, n_components)
        The embedding of the same rows. Its Euclidean distances are compared.

    normalization : {"raw", "target", "kruskal"}, default="target"
        What the sum of squared differences is divided by.

        - ``"target"``: the sum of the squared target distances; the square root of the
          quotient is returned. 0 is perfect, and 1 is the value if all rows are
          embedded in one point.
        - ``"kruskal"``: the sum of the squared embedded distances; the square root of
          the quotient is returned. This is Kruskal's stress-1 [1]_, which
          scikit-learn's :class:`~sklearn.manifold.MDS` reports as normalised stress.
        - ``"raw"``: 1; the value has squared units of the distances. With sampled pairs
          it is an estimate of the sum over all pairs.

    scaled : bool, default=False
        Whether the embedding is first multiplied by the factor of least stress, so that
        the scale of the embedding has no effect.

    metric : {"euclidean", "precomputed"}, default="euclidean"
        "euclidean" computes the target distances from the rows X; "precomputed" takes X
        as the matrix of target distances.

    max_pairs : int or None, default=500_000
        Largest number of pairs. If there are more, a random sample of this size is
        drawn with replacement from the pairs of distinct rows. None uses all pairs and
        holds their distances in memory.

    random_state : int, RandomState instance or None, default=0
        Seed of the sample of pairs.

    Returns
    -------
    float
        The stress.

    Raises
    ------
    ValueError
        If X and Y have different numbers of rows or fewer than two rows, if a
        precomputed matrix is not a valid matrix of distances, or if the sum to divide
        by is zero.

    See Also
    --------
    relative_error : The same comparison with absolute differences.
    spearman_distance_correlation : Compares the order of the distances alone.

    Notes
    -----
    The best factor for ``"raw"`` and ``"target"`` is :math:`\sum \delta \hat d / \sum
    \hat d^2`. For ``"kruskal"`` the denominator depends on the factor too, and the best
    factor is :math:`\sum \delta^2 / \sum \delta \hat d`. Both normalised stresses then
    have the same least value, :math:`\sqrt{1 - (\sum \delta \hat d)^2 / (\sum \delta^2
    \sum \hat d^2)}`.

    The memory is O(n_samples + max_pairs) in addition to the arrays.

    References
    ----------
    .. [1] Kruskal, J. B. (1964). Multidimensional scaling by optimizing goodness of
       fit to a nonmetric hypothesis. Psychometrika 29, 1-27.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sktransform.metrics import stress
    >>> X = load_iris().data
    >>> Y = PCA(2).fit_transform(X)
    >>> round(stress(X, Y), 3)
    0.042
    >>> round(stress(X, Y, scaled=True), 3)
    0.04
    """
    targets, embedded, n_pairs = _pairwise_distances(
        X, Y, metric, max_pairs, random_state
    )
    if scaled:
        embedded = embedded * _best_factor(targets, embedded)
    error = targets - embedded
    squared_error = error @ error
    if normalization == "raw":
        return float(squared_error * (n_pairs / len(targets)))
    # At its own best factor Kruskal's stress equals the one relative to the targets.
    if normalization == "target" or scaled:
        return float(np.sqrt(squared_error / _positive(targets @ targets, "target")))
    return float(np.sqrt(squared_error / _positive(embedded @ embedded, "embedded")))


@validate_params(_PAIR_CONSTRAINTS, prefer_skip_nested_validation=True)
def relative_error(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    metric: str = "euclidean",
    max_pairs: int | None = 500_000,
    random_state: RandomState = 0,
) -> float:
    r"""Compute the mean absolute error of embedded distances, relative to their mean.

    The value is :math:`\sum |\delta_{jk} - \hat d_{jk}| / \sum \delta_{jk}` over the
    pairs of rows, with :math:`\delta` the target distances and :math:`\hat d` the
    embedded ones: the reconstruction error of [1]_. Smaller is better.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
        The data, or with ``metric="precomputed"`` the symmetric matrix of target
        distances. May be a torch tensor on the CPU.

    Y : array-like of shape (n_samples, n_components)
        The embedding of the same rows. Its Euclidean distances are compared.

    metric : {"euclidean", "precomputed"}, default="euclidean"
        "euclidean" computes the target distances from the rows X; "precomputed" takes X
        as the matrix of target distances.

    max_pairs : int or None, default=500_000
        Largest number of pairs. If there are more, a random sample of this size is
        drawn with replacement from the pairs of distinct rows. None uses all pairs and
        holds their distances in memory.

    random_state : int, RandomState instance or None, default=0
        Seed of the sample of pairs.

    Returns
    -------
    float
        The relative error: 0 is perfect, and 1 is the value if all rows are embedded in
        one point.

    Raises
    ------
    ValueError
        If X and Y have different numbers of rows or fewer than two rows, if a
        precomputed matrix is not a valid matrix of distances, or if all target
        distances are zero.

    See Also
    --------
    stress : The same comparison with squared differences.

    References
    ----------
    .. [1] Bergh, E. (2025). Gaussian-weighted linear transformations for
       interpretable dimensionality reduction. arXiv:2504.17601.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sktransform.metrics import relative_error
    >>> X = load_iris().data
    >>> round(relative_error(X, PCA(2).fit_transform(X)), 3)
    0.028
    """
    targets, embedded, _ = _pairwise_distances(X, Y, metric, max_pairs, random_state)
    error = np.abs(targets - embedded).sum()
    return float(error / _positive(targets.sum(), "target"))


@validate_params(_PAIR_CONSTRAINTS, prefer_skip_nested_validation=True)
def spearman_distance_correlation(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    metric: str = "euclidean",
    max_pairs: int | None = 500_000,
    random_state: RandomState = 0,
) -> float:
    """Compute the rank correlation of target and embedded distances.

    Spearman's rank correlation over the pairs of rows measures whether the order of the
    distances is preserved, independently of scale.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_samples, n_samples)
        The data, or with ``metric="precomputed"`` the symmetric matrix of target
        distances. May be a torch tensor on the CPU.

    Y : array-like of shape (n_samples, n_components)
        The embedding of the same rows. Its Euclidean distances are compared.

    metric : {"euclidean", "precomputed"}, default="euclidean"
        "euclidean" computes the target distances from the rows X; "precomputed" takes X
        as the matrix of target distances.

    max_pairs : int or None, default=500_000
        Largest number of pairs. If there are more, a random sample of this size is
        drawn with replacement from the pairs of distinct rows. None uses all pairs and
        holds their distances in memory.

    random_state : int, RandomState instance or None, default=0
        Seed of the sample of pairs.

    Returns
    -------
    float
        The correlation, from -1 to 1. Larger is better.

    Raises
    ------
    ValueError
        If X and Y have different numbers of rows or fewer than two rows, if a
        precomputed matrix is not a valid matrix of distances, or if all target or all
        embedded distances are equal.

    See Also
    --------
    stress : Compares the distances themselves.
    trustworthiness : Compares neighbourhoods alone.

    References
    ----------
    .. [1] Spearman, C. (1904). The proof and measurement of association between two
       things. The American Journal of Psychology 15(1), 72-101.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sktransform.metrics import spearman_distance_correlation
    >>> X = load_iris().data
    >>> round(spearman_distance_correlation(X, PCA(2).fit_transform(X)), 3)
    0.996
    """
    targets, embedded, _ = _pairwise_distances(X, Y, metric, max_pairs, random_state)
    for distances, side in ((targets, "target"), (embedded, "embedded")):
        if np.ptp(distances) == 0:
            raise ValueError(
                f"All {side} distances are equal, so their rank correlation is not "
                "defined."
            )
    return float(spearmanr(targets, embedded).statistic)


def _positive(total, side):
    """Return a positive sum, or raise an error if it is 0."""
    if total == 0:
        raise ValueError(
            f"All {side} distances are zero, so errors relative to them are not "
            "defined."
        )
    return total
