# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the contract on the state of an estimator, and on global state."""

import copy
import importlib.util
import pickle
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from sktransform.utils._contract_tools import (
    assert_keeps_state,
    assert_same,
    fit,
    outcome,
    rowwise,
    starting_anew,
    table,
    target,
)

_NOT_FINITE = "NaN|infinity"


def check_pickle(name, estimator):
    """Check that a pickle gives the same results."""
    X = table()
    loaded = pickle.loads(pickle.dumps(fit(estimator, X)))
    assert_same(outcome(loaded, X), outcome(estimator, X), "after pickle")


def check_joblib_memory_map(name, estimator):
    """Check that a memory map of joblib gives the same results and can be refitted."""
    X = table()
    with tempfile.TemporaryDirectory() as folder:
        joblib.dump(fit(estimator, X), path := Path(folder) / "estimator.joblib")
        loaded = joblib.load(path, mmap_mode="r")
        expected = outcome(estimator, X)
        assert_same(outcome(loaded, X), expected, "memory-mapped")
        again = fit(starting_anew(loaded), X)
        assert_same(outcome(again, X), expected, "fitted again")


def check_skops(name, estimator):
    """Check that a skops file gives the same results, with no other type to trust."""
    if importlib.util.find_spec("skops") is None:
        raise SkipTest("skops is not installed")
    from skops.io import dumps, get_untrusted_types, loads

    X = table()
    data = dumps(fit(estimator, X))
    known = _known_types(estimator)
    untrusted = get_untrusted_types(data=data)
    foreign = [t for t in untrusted if t not in known and not t.startswith("numpy.")]
    assert not foreign, f"the file holds {foreign}"
    Z = outcome(loads(data, trusted=untrusted), X)
    assert_same(Z, outcome(estimator, X), "after skops")


def _known_types(estimator):
    """Return the names of an estimator's type and of its parameters and parts.

    What the user gives as a parameter is the user's to trust, inside a list as well.
    """
    held = [estimator, *estimator.get_params(deep=False).values()]
    held += [
        each for value in held if isinstance(value, list | tuple) for each in value
    ]
    inside = [v for v in vars(estimator).values() if isinstance(v, BaseEstimator)]
    names = {f"{type(v).__module__}.{type(v).__qualname__}" for v in held}
    return names.union(*map(_known_types, inside))


def check_state_is_numpy(name, estimator):
    """Check that the fitted state is made of arrays, numbers and strings alone.

    An estimator inside another one is state too: of the same package it is looked
    into, and one of the user's own is the user's affair.
    """

    def is_plain(value):
        if isinstance(value, BaseEstimator):
            return not _is_own(value, estimator) or not _foreign(value)
        if isinstance(value, dict):
            return all(map(is_plain, (*value, *value.values())))
        if isinstance(value, list | tuple):
            return all(map(is_plain, value))
        if isinstance(value, np.ndarray):
            return value.dtype.kind != "O" or all(map(is_plain, value.flat))
        return value is None or isinstance(value, bool | int | float | str | np.generic)

    def _foreign(fitted):
        state, params = vars(fitted), fitted.get_params(deep=False)
        return [key for key in state if key not in params and not is_plain(state[key])]

    foreign = _foreign(fit(estimator, table()))
    assert not foreign, f"{foreign} hold more than arrays, numbers and strings"


def _is_own(value, estimator):
    """Tell whether an estimator is of the same package as another one."""
    packages = (type(own).__module__.partition(".")[0] for own in (value, estimator))
    return len(set(packages)) == 1


def check_nan_and_infinity(name, estimator):
    """Check that NaN and infinity give a clear ValueError and change nothing.

    NaN is refused unless the tags say that it is allowed.
    """
    fit(estimator, table())
    refused = [np.inf, -np.inf]
    if not get_tags(estimator).input_tags.allow_nan:
        refused.append(np.nan)
    for value in refused:
        # Another width, so that a count of features kept from a failed fit shows.
        wide = table(n_features=7)
        y = target(estimator, wide)
        wide[3, 1] = value
        assert_keeps_state(
            estimator,
            lambda X=wide, y=y: fit(estimator, X, y=y),
            f"fit with {value}",
            match=_NOT_FINITE,
        )
        for method, rows in rowwise(estimator, table()):
            bad = rows.copy()
            bad[3, 0] = value
            what = f"{method.__name__} with {value}"
            assert_keeps_state(
                estimator, lambda m=method, X=bad: m(X), what, match=_NOT_FINITE
            )


def check_failed_fit(name, estimator):
    """Check that a fit that fails leaves a fitted estimator as it was."""
    fit(estimator, table())
    wide = table(50, 7, seed=1)
    bad_rows = {"no rows": wide[:0], "three axes": wide[:, :, None], "words": [["a"]]}
    for what, rows in bad_rows.items():
        y = target(estimator, wide)
        assert_keeps_state(estimator, lambda X=rows, y=y: fit(estimator, X, y=y), what)
    if has_fit_parameter(estimator, "sample_weight"):
        assert_keeps_state(
            estimator,
            lambda: fit(estimator, wide, sample_weight=np.ones(len(wide) + 1)),
            "sample_weight of another length",
        )
    for key, value in estimator.get_params(deep=False).items():
        estimator.set_params(**{key: object()})
        assert_keeps_state(
            estimator, lambda: fit(estimator, wide), f"a bad {key}", Exception
        )
        estimator.set_params(**{key: value})


def check_failed_fit_keeps_names(name, estimator):
    """Check that a fit that fails leaves the column names of the fit before."""
    if importlib.util.find_spec("pandas") is None:
        raise SkipTest("pandas is not installed")
    from pandas import DataFrame

    X = table()
    y = target(estimator, X)
    fit(estimator, DataFrame(X, columns=list("abcdef")), y=y)
    X[3, 1] = np.inf
    renamed = DataFrame(X, columns=list("uvwxyz"))
    assert_keeps_state(
        estimator, lambda: fit(estimator, renamed, y=y), "other names and infinity"
    )


class _Interrupter:
    """A callback that interrupts a fit at its n-th call."""

    def __init__(self, n_calls):
        self.remaining = self.n_calls = n_calls

    def __getstate__(self):
        # The count is not part of the estimator whose state is compared.
        return {}

    def setup(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Count a call, and interrupt the fit at the last one."""
        self.remaining -= 1
        if self.remaining == 0:
            raise KeyboardInterrupt("by a callback")

    on_fit_task_end = on_fit_task_begin


def check_interrupted_fit(name, estimator):
    """Check that an interrupted fit leaves a fitted estimator as it was."""
    if not hasattr(estimator, "set_callbacks"):
        raise SkipTest("the estimator takes no callbacks")
    wide, estimator = table(50, 7, seed=1), starting_anew(estimator)
    counter = _Interrupter(sys.maxsize)
    fit(clone(estimator).set_callbacks(counter), wide)
    n_calls = counter.n_calls - counter.remaining
    assert n_calls > 0, "callbacks are taken and never called"
    fit(estimator, table())
    for call in sorted({1, (n_calls + 1) // 2, n_calls}):
        estimator.set_callbacks(_Interrupter(call))
        what = f"interrupted at call {call} of {n_calls}"
        assert_keeps_state(
            estimator, lambda: fit(estimator, wide), what, KeyboardInterrupt
        )


def check_input_is_untouched(name, estimator):
    """Check that neither the rows, nor the target, nor the weights are written to."""
    for dtype in (np.float64, np.float32):
        X = table().astype(dtype)
        inputs = {"X": X, "y": target(estimator, X)}
        if has_fit_parameter(estimator, "sample_weight"):
            inputs["sample_weight"] = np.linspace(1, 2, len(X)).astype(dtype)
        copies = copy.deepcopy(inputs)
        fit(estimator, **inputs)
        for method, rows in rowwise(estimator, X):
            kept = rows.copy()
            method(rows)
            assert_same(rows, kept, f"input of {method.__name__}")
        for key in inputs:
            assert joblib.hash(inputs[key]) == joblib.hash(copies[key]), (
                f"{key} changed"
            )
