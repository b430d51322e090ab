# SPDX-License-Identifier: BSD-3-Clause
"""The root is lazy, and what is public is what `__all__` says."""

import importlib
import inspect
import pkgutil
import subprocess
import sys
import types

import pytest

import sktransform
from sktransform.utils.discovery import all_estimators

MODULES = [
    module.name
    for module in pkgutil.walk_packages(sktransform.__path__, "sktransform.")
    if "._" not in module.name
]


@pytest.mark.parametrize("heavy", ["numpy", "sklearn", "torch"])
def test_the_root_loads_nothing_heavy(heavy):
    program = f"import sys, sktransform; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("name", sktransform.__all__)
def test_names_of_the_root_resolve(name):
    assert getattr(sktransform, name) is not None
    assert name in dir(sktransform)


def test_the_root_names_every_public_module_beside_it():
    optional = {"distributed", "export"}
    beside = {name.split(".")[1] for name in MODULES} - optional
    assert beside <= set(sktransform.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_names_of_a_module_resolve_and_are_sorted(name):
    public = getattr(importlib.import_module(name), "__all__", [])
    assert list(public) == sorted(set(public))
    for item in public:
        assert hasattr(sys.modules[name], item)
        assert not item.startswith("_")


@pytest.mark.parametrize("name", MODULES)
def test_nothing_public_is_left_out(name):
    module = importlib.import_module(name)
    is_package = hasattr(module, "__path__")
    defined = {
        item
        for item, value in vars(module).items()
        if not item.startswith("_")
        and not isinstance(value, types.ModuleType)
        # A package's namespace is public; a module's is what it defines.
        and (is_package or getattr(value, "__module__", None) == name)
    }
    assert defined <= set(getattr(module, "__all__", ()))


@pytest.mark.parametrize(("name", "cls"), all_estimators())
def test_estimators_are_found_from_the_root(name, cls):
    namespace = {}
    exec(f"from sktransform import {name}", namespace)
    assert namespace[name] is cls


@pytest.mark.parametrize(("name", "cls"), all_estimators())
def test_an_estimator_lives_in_a_private_file_of_its_family(name, cls):
    family, _, file = cls.__module__.removeprefix("sktransform.").partition(".")
    assert family in sktransform._FAMILIES
    assert file.startswith("_")
    public = [
        other for _, other in all_estimators() if other.__module__ == cls.__module__
    ]
    assert public == [cls], "one public estimator a file"


def test_families_are_the_packages_with_estimators():
    families = {cls.__module__.split(".")[1] for _, cls in all_estimators()}
    assert families <= set(sktransform._FAMILIES)


@pytest.mark.parametrize("name", ["Reducer", "_hidden"])
def test_an_unknown_name_raises(name):
    message = f"module 'sktransform' has no attribute '{name}'"
    with pytest.raises(AttributeError, match=message):
        getattr(sktransform, name)


def test_the_version_is_a_string():
    assert inspect.isroutine(sktransform.__getattr__)
    assert isinstance(sktransform.__version__, str)
