# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the package's contract, beyond scikit-learn's checks.

They apply to transformers, and to predictors, whose predictions then take the role of
transformed rows.

An estimator with `inverse_transform` declares its contract by the class attribute
``_inverse_contract``, which is ``"exact"`` or ``"least_squares"``. scikit-learn's tags
declare whether `fit` requires a target.
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
    """Run every check of the contract on clones of one estimator.

    Parameters
    ----------
    estimator : estimator instance
        The transformer or predictor to check; it is not changed.

    Raises
    ------
    AssertionError
        If a check fails; the message names the first failing check.

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
        The transformers or predictors to check.

    expected_failed_checks : callable, default=None
        Function that takes an estimator and returns a dict from names of checks to
        reasons. These checks are marked as strict expected failures: the test fails if
        such a check passes.

    Returns
    -------
    pytest.MarkDecorator
        Decorator of a test with the arguments `estimator` and `check`, which calls
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
            raise ValueError(
                f"expected_failed_checks names unknown checks: {sorted(unknown)}."
            )
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
