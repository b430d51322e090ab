# SPDX-License-Identifier: BSD-3-Clause
"""Metrics that compare neighbourhoods before and after a map."""

from numbers import Integral

from numpy.typing import ArrayLike
from sklearn import manifold

from sktransform.metrics._validation import check_pair
from sktransform.utils._sklearn import Interval, validate_params

_CONSTRAINTS = {
    "X": ["array-like"],
    "Y": ["array-like"],
    "n_neighbors": [Interval(Integral, 1, None, closed="left")],
}


def _trustworthiness(X, Y, n_neighbors):
    """Return scikit-learn's value, for centred rows.

    It finds neighbours by expanding the square of the distance, which loses digits far
    from the origin.
    """
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    return float(manifold.trustworthiness(X, Y, n_neighbors=n_neighbors))


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def trustworthiness(X: ArrayLike, Y: ArrayLike, *, n_neighbors: int = 15) -> float:
    """Measure how many neighbours in the embedding are neighbours in the data.

    Rows that are neighbours in the embedding but not in the data are penalised by their
    rank in the data [1]_. The value is low if the map places distant rows close
    together.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The data. May be a torch tensor on the CPU.

    Y : array-like of shape (n_samples, n_components)
        The embedding of the same rows.

    n_neighbors : int, default=15
        Number of neighbours, less than half the number of rows.

    Returns
    -------
    float
        The trustworthiness, from 0 to 1. Larger is better; chance is near 0.5.

    Raises
    ------
    ValueError
        If X and Y have different numbers of rows, or if `n_neighbors` is not less than
        half the number of rows.

    See Also
    --------
    continuity : The other direction, low where the map tears.

    Notes
    -----
    Memory is O(n_samples^2). Take a random sample of rows of large data.

    References
    ----------
    .. [1] Venna, J. and Kaski, S. (2001). Neighborhood preservation in nonlinear
       projection methods: an experimental study. ICANN 2001, 485-491.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sktransform.metrics import trustworthiness
    >>> X = load_iris().data
    >>> round(trustworthiness(X, PCA(2).fit_transform(X)), 3)
    0.986
    """
    X, Y = check_pair(X, Y)
    return _trustworthiness(X, Y, n_neighbors)


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def continuity(X: ArrayLike, Y: ArrayLike, *, n_neighbors: int = 15) -> float:
    """Measure how many neighbours in the data are neighbours in the embedding.

    Rows that are neighbours in the data but not in the embedding are penalised by their
    rank in the embedding [1]_. The value is low if the map separates close rows.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The data. May be a torch tensor on the CPU.

    Y : array-like of shape (n_samples, n_components)
        The embedding of the same rows.

    n_neighbors : int, default=15
        Number of neighbours, less than half the number of rows.

    Returns
    -------
    float
        The continuity, from 0 to 1. Larger is better; chance is near 0.5.

    Raises
    ------
    ValueError
        If X and Y have different numbers of rows, or if `n_neighbors` is not less than
        half the number of rows.

    See Also
    --------
    trustworthiness : Penalises neighbours in the embedding that are far in the data.

    Notes
    -----
    The continuity is the trustworthiness with data and embedding exchanged. Memory is
    O(n_samples^2).

    References
    ----------
    .. [1] Venna, J. and Kaski, S. (2001). Neighborhood preservation in nonlinear
       projection methods: an experimental study. ICANN 2001, 485-491.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sktransform.metrics import continuity
    >>> X = load_iris().data
    >>> round(continuity(X, PCA(2).fit_transform(X)), 3)
    0.993
    """
    X, Y = check_pair(X, Y)
    return _trustworthiness(Y, X, n_neighbors)
