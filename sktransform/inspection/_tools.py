# SPDX-License-Identifier: BSD-3-Clause
"""Checks and labels that several displays share."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_scalar, column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_array, check_consistent_length


def to_array(values):
    """Return values of any container or device as a NumPy array."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def is_numeric_target(target):
    """Tell whether a target is a quantity rather than a set of classes."""
    return type_of_target(target).startswith("continuous")


def feature_names(estimator):
    """Return the names of the features that an estimator has seen."""
    if hasattr(estimator, "feature_names_in_"):
        return list(estimator.feature_names_in_)
    return [f"x{index}" for index in range(estimator.n_features_in_)]


def check_map(embedding):
    """Return an embedding that can be drawn as a map, as an array."""
    embedding = check_array(to_array(embedding), input_name="embedding")
    if embedding.shape[1] < 2:
        raise ValueError(
            "An embedding of one component cannot be drawn as a map; use at least "
            "two components."
        )
    return embedding


def check_components(components, n_columns):
    """Return two columns of an embedding, as a list."""
    components = list(components)
    if len(components) != 2 or not all(0 <= c < n_columns for c in components):
        raise ValueError(
            "components must be two column indices of the embedding, from 0 to "
            f"{n_columns - 1}, got {tuple(components)}."
        )
    return components


def check_target(y, rows):
    """Return a target of as many entries as there are rows, or None."""
    if y is None:
        return None
    y = column_or_1d(to_array(y))
    check_consistent_length(rows, y)
    if y.dtype.kind == "f" and np.isnan(y).any():
        raise ValueError("Input y contains NaN; leave out these rows.")
    try:
        np.unique(y)
    except TypeError as error:
        kinds = ", ".join(sorted({type(label).__name__ for label in y}))
        raise TypeError(
            f"The classes in y must have one type, but there are {kinds}; give rows "
            "without a class their own class name."
        ) from error
    return y


def check_numbers(**values):
    """Raise an error if one of the values is not a non-negative integer."""
    for name, value in values.items():
        check_scalar(value, name, Integral, min_val=0)


def check_method(estimator, method, display):
    """Raise an error if an estimator does not have a method."""
    if not hasattr(estimator, method):
        raise TypeError(
            f"{display} needs an estimator with the method {method}, but "
            f"{type(estimator).__name__} has none."
        )


def check_choice(name, value, choices):
    """Raise an error if a value is none of the choices."""
    if value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"{name}={value!r} must be one of {listed}.")


def label_map(ax, components, adjustable="datalim"):
    """Label the axes of a map, one unit as long on both: distances are shown."""
    ax.set_xlabel(f"component {components[0]}")
    ax.set_ylabel(f"component {components[1]}")
    ax.set_aspect("equal", adjustable=adjustable)
