# SPDX-License-Identifier: BSD-3-Clause
"""Names of scikit-learn that are private or missing in some releases.

Third-party estimators need some names that are not public yet. If scikit-learn moves
one, only this file has to change. Callbacks exist from scikit-learn 1.9 on: with
earlier releases an estimator has no `set_callbacks` and its fit reports nothing.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import _fit_context
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
)
from sklearn.utils._param_validation import (
    validate_params as _validate_params,
)
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
)

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand for scikit-learn's mixin of that name where there are no callbacks."""


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_feature_names",
    "check_n_features",
    "check_params",
    "check_sample_weight",
    "fit_context",
    "init_callback_context",
    "safe_indexing",
    "validate_params",
]

# Decorators leave the types of what they decorate as they are.
_Function = TypeVar("_Function", bound=Callable[..., Any])

check_feature_names = _check_feature_names
check_n_features = _check_n_features
safe_indexing = _safe_indexing


def check_sample_weight(sample_weight, X, **settings):
    """Return one weight for each row of X; weights that are all zero are an error."""
    weights = _check_sample_weight(sample_weight, X, **settings)
    # scikit-learn says so itself from 1.9 on.
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def check_params(estimator):
    """Raise an error for a parameter that an estimator's constraints do not allow."""
    estimator._validate_params()


def validate_params(
    constraints: dict, *, prefer_skip_nested_validation: bool
) -> Callable[[_Function], _Function]:
    """Return scikit-learn's decorator that checks the arguments of a function."""
    return _validate_params(
        constraints, prefer_skip_nested_validation=prefer_skip_nested_validation
    )


def fit_context(
    *, prefer_skip_nested_validation: bool
) -> Callable[[_Function], _Function]:
    """Run a fit method in scikit-learn's context, and undo it if it fails.

    scikit-learn's own decorator validates the parameters and tears callbacks down. This
    decorator also restores the earlier state of the estimator after any exception,
    including KeyboardInterrupt, so that no estimator is partly refitted. Fitted arrays
    must therefore be replaced, never modified in place.
    """

    def decorator(fit_method):
        fit_in_context = _fit_context(
            prefer_skip_nested_validation=prefer_skip_nested_validation
        )(fit_method)

        @functools.wraps(fit_method)
        def wrapper(estimator, *args, **kwargs):
            state = vars(estimator).copy()
            try:
                return fit_in_context(estimator, *args, **kwargs)
            except BaseException:
                vars(estimator).clear()
                vars(estimator).update(state)
                raise

        return wrapper

    return decorator


def init_callback_context(estimator, max_subtasks):
    """Return the callback context of a running fit, or None without callbacks."""
    if not hasattr(estimator, "_init_callback_context"):
        return None
    return estimator._init_callback_context(max_subtasks=max_subtasks)
