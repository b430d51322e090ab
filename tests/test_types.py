# SPDX-License-Identifier: BSD-3-Clause
"""Public signatures are typed; what the types say, mypy checks in `make lint`."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import sktransform


def _public_objects():
    """Yield the address and the value of public classes and functions."""
    for module in pkgutil.walk_packages(sktransform.__path__, "sktransform."):
        if "._" in module.name:
            continue
        loaded = importlib.import_module(module.name)
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            is_warning = inspect.isclass(value) and issubclass(value, Warning)
            if not is_warning and (inspect.isclass(value) or inspect.isfunction(value)):
                yield f"{module.name}.{name}", value


def _functions(value):
    """Yield the name and the function of all that a user may call, inherited or not."""
    if inspect.isfunction(value):
        yield value.__name__, inspect.unwrap(value)
        return
    for cls in value.__mro__:
        if not cls.__module__.startswith("sktransform."):
            continue
        for name, member in vars(cls).items():
            # `available_if`, classmethods and properties keep the function inside.
            member = getattr(member, "fn", getattr(member, "__func__", member))
            member = getattr(member, "fget", member)
            is_called = not name.startswith("_") or name == "__init__"
            if is_called and inspect.isfunction(member):
                yield f"{cls.__name__}.{name}", inspect.unwrap(member)


def _untyped(function):
    """Return the names of parameters without a type, and "return" if it has none."""
    signature = inspect.signature(function)
    untyped = [
        name
        for name, parameter in signature.parameters.items()
        if name not in ("self", "cls") and parameter.annotation is parameter.empty
    ]
    if signature.return_annotation is signature.empty:
        untyped.append("return")
    return untyped


OBJECTS = dict(_public_objects())


@pytest.mark.parametrize("address", OBJECTS)
def test_public_signatures_are_typed(address):
    faults = {
        name: _untyped(function) for name, function in _functions(OBJECTS[address])
    }
    assert {name: missing for name, missing in faults.items() if missing} == {}


def test_a_parameter_without_a_type_is_found():
    def half(a: int, b, *, c=1):
        """Lack the types of two parameters and of the return value."""

    assert _untyped(half) == ["b", "c", "return"]


def test_type_checkers_are_told_that_there_are_types():
    assert (Path(sktransform.__file__).parent / "py.typed").exists()


def test_the_stub_of_the_lazy_root_names_what_the_root_names():
    text = Path(sktransform.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    for module in sktransform._MODULES:
        assert f"from sktransform import {module} as {module}\n" in text
    for family in sktransform._FAMILIES:
        assert f"from sktransform.{family} import *\n" in text
