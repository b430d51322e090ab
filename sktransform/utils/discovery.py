# SPDX-License-Identifier: BSD-3-Clause
"""Discovery of estimators, displays and functions, for tests and documentation."""

import importlib
import inspect
import pkgutil
from pathlib import Path

from sklearn.base import BaseEstimator

__all__ = ["all_displays", "all_estimators"]

_PACKAGE = __name__.partition(".")[0]


def all_estimators() -> list[tuple[str, type]]:
    """Return every public estimator of the package.

    A family is a package whose ``__all__`` names estimators; nothing else has to be
    registered for an estimator to be found.

    Returns
    -------
    list of tuple of (str, type)
        Name and class of each estimator, sorted by name.

    Examples
    --------
    >>> from sktransform.utils.discovery import all_estimators
    >>> isinstance(all_estimators(), list)
    True
    """
    estimators = {
        name: value
        for family in _packages()
        for name, value in _public(importlib.import_module(f"{_PACKAGE}.{family}"))
        if inspect.isclass(value) and issubclass(value, BaseEstimator)
    }
    return sorted(estimators.items())


def all_displays() -> list[tuple[str, type]]:
    """Return every public Display of the package.

    Returns
    -------
    list of tuple of (str, type)
        Name and class of each Display, sorted by name; empty if matplotlib is not
        installed.

    Examples
    --------
    >>> from sktransform.utils.discovery import all_displays
    >>> all(name.endswith("Display") for name, _ in all_displays())
    True
    """
    if "inspection" not in _packages():
        return []
    inspection = importlib.import_module(f"{_PACKAGE}.inspection")
    return sorted(
        (name, value) for name, value in _public(inspection) if name.endswith("Display")
    )


def _packages():
    """Return the names of the public packages beside this one."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent.parent)])
    return [m.name for m in modules if m.ispkg and not m.name.startswith("_")]


def _public(module):
    """Return (name, value) of a module's public names."""
    return [(name, getattr(module, name)) for name in getattr(module, "__all__", ())]
