# SPDX-License-Identifier: BSD-3-Clause
"""Discovery finds what the families' `__all__` names, and nothing else."""

import sys
from types import ModuleType

import pytest
from sklearn.base import BaseEstimator

import sktransform
from sktransform.utils import discovery


class _Estimator(BaseEstimator):
    pass


class _Helper:
    pass


@pytest.fixture
def planted(monkeypatch):
    """Replace the modules that discovery imports by name."""

    def plant(**families):
        for name, public in families.items():
            module = ModuleType(f"sktransform.{name}")
            vars(module).update(public, __all__=list(public))
            monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(discovery, "_packages", lambda: list(families))

    return plant


def test_estimators_are_those_of_the_families():
    families = {
        name: getattr(sktransform, family)
        for family in sktransform._FAMILIES
        for name in getattr(sktransform, family).__all__
        for family in [family]
        # A family may offer functions and declarations beside its estimators.
        if hasattr(getattr(getattr(sktransform, family), name), "get_params")
    }
    found = discovery.all_estimators()
    assert [name for name, _ in found] == sorted(families)
    for name, value in found:
        assert value is getattr(families[name], name)
        assert issubclass(value, BaseEstimator)


def test_an_estimator_of_a_family_is_found_and_a_helper_is_not(planted):
    planted(reduction={"Zed": _Estimator, "Any": _Estimator, "helper": _Helper})
    expected = [("Any", _Estimator), ("Zed", _Estimator)]
    assert discovery.all_estimators() == expected


def test_displays_are_found_by_their_names(planted):
    planted(inspection={"BDisplay": _Helper, "ADisplay": _Helper, "measure": len})
    assert [name for name, _ in discovery.all_displays()] == ["ADisplay", "BDisplay"]


def test_there_may_be_no_displays(planted):
    planted(reduction={"Any": _Estimator})
    assert discovery.all_displays() == []
