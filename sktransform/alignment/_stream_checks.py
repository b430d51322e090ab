# SPDX-License-Identifier: BSD-3-Clause
"""Checks of what is added to an aligner: groups of rows, and other aligners."""

import numpy as np
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)


def checked_groups(X, groups):
    """Return the groups of rows as an array, one for each row of X.

    Parameters
    ----------
    X : array-like or Tensor of shape (n_samples, n_features)
        Rows.

    groups : array-like of shape (n_samples,) or None
        Labels of groups.

    Returns
    -------
    ndarray of shape (n_samples,) or None
        The labels; None as it is.

    Raises
    ------
    ValueError
        If there are more or fewer groups than rows, or one is missing.
    """
    if groups is None:
        return None
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    is_missing = (groups != groups) | np.equal(groups, None)
    if is_missing.any():
        raise ValueError(
            f"groups has {is_missing.sum()} missing values; give every row a group."
        )
    return groups


def check_mergeable(aligner, other, *, same_parameters=True):
    """Check that two aligners keep moments of the same views.

    Parameters
    ----------
    aligner : estimator
        An aligner with `moments_`, for each view with its mean.

    other : estimator
        What shall be merged with it.

    same_parameters : bool, default=True
        Whether parameters other than the device must agree.

    Raises
    ------
    ValueError
        If the other is of another class or of other views, or parameters differ.

    NotFittedError
        If one of them is not fitted.
    """
    check_is_fitted(aligner, "moments_")
    if type(other) is not type(aligner):
        name = type(aligner).__name__
        raise ValueError(f"other must be of class {name}, got {other!r}.")
    check_is_fitted(other, "moments_")
    mine, its = aligner.get_params(deep=False), other.get_params(deep=False)
    differing = sorted(
        name for name in mine if name != "device" and mine[name] != its[name]
    )
    if same_parameters and differing:
        raise ValueError(
            f"Aligners with other parameters cannot be merged ({differing}); fit both "
            "with the same."
        )
    widths = [
        tuple(one.moments_[name].shape[-1] for name in ("mean_x", "mean_y"))
        for one in (aligner, other)
    ]
    if widths[0] != widths[1]:
        raise ValueError(
            f"Aligners of other spaces cannot be merged: {widths[0]} and {widths[1]} "
            "features and outputs."
        )
    names = [getattr(one, "feature_names_in_", None) for one in (aligner, other)]
    is_named = all(name is not None for name in names)
    if is_named and not np.array_equal(*names):
        raise ValueError(
            "Aligners of other spaces cannot be merged: their features have other "
            "names, or the same in another order."
        )
