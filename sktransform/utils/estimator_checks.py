# SPDX-License-Identifier: BSD-3-Clause
"""The package's own contract, beyond scikit-learn's checks, for any transformer.

Of predictors it asks the same, where a method is there: predictions of rows stand for
transformed rows.

An estimator declares what the checks cannot see: the class attribute
``_inverse_contract`` is ``"exact"`` or ``"least_squares"`` where there is an
`inverse_transform`, and scikit-learn's tags say whether `fit` requires a target.
"""

import functools
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any
from unittest import SkipTest

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, SkipTestWarning

from sktransform.exceptions import DegenerateDataWarning, UnreliableAlignmentWarning
from sktransform.utils import _contract_results, _contract_state

__all__ = ["CONTRACT_CHECKS", "check_transformer", "parametrize_with_contract"]

#: The checks, functions of an estimator's name and an unfitted instance.
CONTRACT_CHECKS = tuple(
    value
    for module in (_contract_results, _contract_state)
    for name, value in vars(module).items()
    if name.startswith("check_")
)


def check_transformer(estimator: Any) -> None:
    """Run every check of the contract on clones of one transformer.

    Parameters
    ----------
    estimator : estimator instance
        The transformer to check; it is not changed.

    Raises
    ------
    AssertionError
        At the first check that fails, with the check's name.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sktransform.utils.estimator_checks import check_transformer
    >>> check_transformer(StandardScaler())
    Traceback (most recent call last):
    ...
    AssertionError: StandardScaler fails ...
    """
    for check in CONTRACT_CHECKS:
        try:
            _run(check, estimator)
        except SkipTest as reason:
            warnings.warn(f"{check.__name__}: {reason}", SkipTestWarning, stacklevel=2)


def parametrize_with_contract(
    estimators: Iterable[Any],
    *,
    expected_failed_checks: Callable[..., Any] | None = None,
) -> Any:
    """Parametrize a pytest test with every check of the contract.

    Parameters
    ----------
    estimators : list of estimator instance
        The transformers to check.

    expected_failed_checks : callable, default=None
        Takes an estimator and returns a dict of check name to reason. Such a check is
        marked as a strict expected failure: once it passes, the test fails.

    Returns
    -------
    pytest.MarkDecorator
        Gives a test the arguments `estimator` and `check`, to call
        ``check(estimator)``.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from sktransform.utils.estimator_checks import parametrize_with_contract
    >>> @parametrize_with_contract([PCA(n_components=2)])
    ... def test_contract(estimator, check):
    ...     check(estimator)
    """
    import pytest

    names = {check.__name__ for check in CONTRACT_CHECKS}
    cases = []
    for estimator in estimators:
        expected = expected_failed_checks(estimator) if expected_failed_checks else {}
        if unknown := set(expected) - names:
            raise ValueError(f"Not checks of the contract: {sorted(unknown)}.")
        label = re.sub(r"\s", "", repr(estimator))
        for check in CONTRACT_CHECKS:
            reason = expected.get(check.__name__)
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            run, name = functools.partial(_run, check), f"{label}-{check.__name__}"
            cases.append(pytest.param(estimator, run, marks=marks, id=name))
    return pytest.mark.parametrize(("estimator", "check"), cases)


def _run(check, estimator):
    """Run one check on a seeded clone; a failure says which check and estimator."""
    name, seeded = type(estimator).__name__, clone(estimator)
    if "random_state" in seeded.get_params(deep=False):
        seeded.set_params(random_state=0)
    with warnings.catch_warnings():
        # Small tables and short fits are what the checks are made of.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", DegenerateDataWarning)
        warnings.simplefilter("ignore", UnreliableAlignmentWarning)
        try:
            check(name, seeded)
        except SkipTest:
            raise
        except Exception as error:
            raise AssertionError(f"{name} fails {check.__name__}: {error}") from error
