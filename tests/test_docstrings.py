# SPDX-License-Identifier: BSD-3-Clause
"""What is public is documented, and the documentation says what the code does."""

import ast
import importlib
import inspect
import pkgutil
import re

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

import sktransform
from sktransform.utils.discovery import all_estimators

# Not asked: extended summaries, See Also and named return values where there is
# nothing to say; Examples have a test of their own below.
NOT_ASKED = {"ES01", "EX01", "GL01", "RT02", "RT03", "SA01", "SA04", "SS06", "YD01"}

# What users call has an example; bases and machinery have none to give.
WITH_EXAMPLES = {*sktransform._FAMILIES, "datasets", "inspection", "metrics"}

# How scikit-learn documents an argument that is there for the sake of the interface.
IGNORED = {"None", "Ignored"}

INVERSES = {"exact": r"\bexact", "least_squares": r"\bleast[- ]squares"}


def _public_modules():
    """Yield every module whose dotted name has no private part."""
    for module in pkgutil.walk_packages(sktransform.__path__, "sktransform."):
        if "._" not in module.name:
            yield importlib.import_module(module.name)


def _public_objects():
    """Yield the address and the value of public classes and functions."""
    for module in _public_modules():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield f"{module.__name__}.{name}", value


def _public_methods(cls):
    """Yield the name and the function of the class's own public methods."""
    for name, value in vars(cls).items():
        # `available_if` and classmethods keep the function inside.
        function = getattr(value, "fn", getattr(value, "__func__", value))
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, inspect.unwrap(function)


OBJECTS = dict(_public_objects())
METHODS = {
    f"{address}.{name}": method
    for address, value in OBJECTS.items()
    if inspect.isclass(value)
    for name, method in _public_methods(value)
}
DOCUMENTED = {**OBJECTS, **METHODS}


def _default_faults(value):
    """Return the parameters whose documented default is not the real one."""
    documented = {
        parameter.name: parameter.type
        for parameter in get_doc_object(value)["Parameters"]
        if parameter.type not in IGNORED
    }
    faults = []
    for name, parameter in inspect.signature(value).parameters.items():
        stated = re.search(r"default=(.+)$", documented.get(name, ""))
        is_optional = parameter.default is not parameter.empty
        if name not in documented or not (stated or is_optional):
            continue
        if not (stated and is_optional and _is_same(stated[1], parameter.default)):
            real = repr(parameter.default) if is_optional else "none"
            faults.append(f"{name}: {documented[name]!r}, in code {real}")
    return faults


def _is_same(stated, default):
    try:
        value = ast.literal_eval(stated)
    except (SyntaxError, ValueError):
        return stated in {str(default), repr(default)}
    return type(value) is type(default) and value == default


@pytest.mark.parametrize("address", DOCUMENTED)
def test_docstring_is_numpydoc_and_matches_the_signature(address):
    faults = validate(address)["errors"]
    assert [fault for fault in faults if fault[0] not in NOT_ASKED] == []


@pytest.mark.parametrize("address", DOCUMENTED)
def test_documented_defaults_are_the_real_ones(address):
    value = DOCUMENTED[address]
    if inspect.isclass(value) and issubclass(value, Warning):
        return  # it has no signature
    assert _default_faults(value) == []


@pytest.mark.parametrize("address", OBJECTS)
def test_what_users_call_has_an_example(address):
    if address.split(".")[1] in WITH_EXAMPLES:
        assert ">>>" in "\n".join(get_doc_object(OBJECTS[address])["Examples"])


@pytest.mark.parametrize(("name", "cls"), all_estimators())
def test_an_inverse_states_its_contract(name, cls):
    contract = getattr(cls, "_inverse_contract", None)
    inverse = inspect.getattr_static(cls, "inverse_transform", None)
    if inverse is None:
        assert contract is None
        return
    assert contract in INVERSES, f"_inverse_contract is {contract!r}"
    text = inspect.getdoc(getattr(inverse, "fn", inverse))
    assert re.search(INVERSES[contract], text), f"the docstring never says {contract}"


def _wrong(a, b=25, c="x", *, d=None):
    """Plant faults.

    Parameters
    ----------
    a : int, default=3
        It has none.

    b : float, default=0.25
        It is another.

    c : str, default="x"
        Right.

    d : int
        It is not said.
    """


def test_planted_defaults_are_found():
    assert [fault.partition(":")[0] for fault in _default_faults(_wrong)] == [
        "a",
        "b",
        "d",
    ]


@pytest.mark.parametrize(
    ("stated", "default", "same"),
    [
        ("1", 1, True),
        ("1", True, False),
        ("1", 1.0, False),
        ('"auto"', "auto", True),
        ("auto", "auto", True),
        ("None", None, True),
        ("1e-4", 0.0001, True),
    ],
)
def test_defaults_are_compared_by_value_and_type(stated, default, same):
    assert _is_same(stated, default) is same
