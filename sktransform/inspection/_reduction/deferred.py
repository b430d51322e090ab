# SPDX-License-Identifier: BSD-3-Clause
"""Deferred explanations: functions that compute them for rows when needed."""

import copy
from functools import partial

from scipy.sparse import issparse

from sktransform.inspection._tools import to_array


class Deferred:
    """An attribute that may be given as a function, called when it is first read.

    The function takes nothing; its result replaces it.
    """

    def __set_name__(self, owner, name):
        self._name = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        values = vars(instance)
        if callable(values[self._name]):
            values[self._name] = values[self._name]()
        return values[self._name]

    def __set__(self, instance, value):
        vars(instance)[self._name] = value


def deferred_explanations(estimator, X):
    """Return functions that ask an estimator about rows.

    Returned: the functions of no argument, under "directions", "distortion" and
    "influence", as far as the estimator has these methods. The last two would need the
    whole of a sparse table, made dense, and are left out for one.

    `estimator`: a fitted estimator, which may be fitted anew before it is asked: the
      functions hold its present state.

    Shapes: X (n_samples, n_features).
    """
    present = copy.copy(estimator)
    functions = {}
    if hasattr(estimator, "jacobian"):
        functions["directions"] = partial(_directions, present, X)
    for name in () if issparse(X) else ("distortion", "influence"):
        if hasattr(estimator, name):
            functions[name] = partial(_answer, present, name, X)
    return functions


def _directions(estimator, X):
    """Return the mean movement for a standard deviation of each feature."""
    jacobian = to_array(estimator.jacobian(X)).mean(axis=0)
    return jacobian.T * estimator.feature_scale_[:, None]


def _answer(estimator, method, X):
    """Return the result of a method for rows, as an array."""
    return to_array(getattr(estimator, method)(X))
