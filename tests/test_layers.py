# SPDX-License-Identifier: BSD-3-Clause
"""Imports point down the layers, read from the import statements themselves."""

import ast
from pathlib import Path

import pytest

import sktransform

PACKAGE = Path(sktransform.__file__).parent

# From the ground up. What stands in one line never imports its neighbours.
LAYERS = (
    ("_version", "exceptions"),
    ("utils",),
    ("runtime", "nn"),
    ("base",),
    ("metrics", "datasets"),
    sktransform._FAMILIES,
    ("inspection", "distributed", "export"),
)
RANKS = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
FAMILIES = set(sktransform._FAMILIES)
TOP = set(LAYERS[-1])
PRIVATE_NAMES = "sktransform.utils._sklearn"


def _module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree):
    """Yield (imported module, imported name or None, name bound, node)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                yield alias.name, None, bound, node
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                bound = alias.asname or alias.name
                yield node.module or "", alias.name, bound, node


def _is_private(name):
    return name.startswith("_") and not name.startswith("__")


def _layer_fault(module, imported, name):
    """Return what is wrong with an import from the package, or None."""
    room = [*module.split("."), ""][1]
    if imported == "sktransform":
        # The root reads its own version; nobody else reads the root.
        return None if name == "__version__" and not room else "imports the root"
    target = imported.split(".")[1]
    if target not in RANKS:
        return f"{target} stands in no layer"
    if not room:
        return None if target == "_version" else "the root is lazy"
    if room not in RANKS:
        return f"{room} stands in no layer"
    if room == target:
        own_package = imported == f"sktransform.{room}" and module != imported
        return "imports its own package" if own_package and name[:1] != "_" else None
    if RANKS[target] > RANKS[room]:
        return f"{room} imports up, {target}"
    if RANKS[target] == RANKS[room]:
        return f"{room} imports sideways, {target}"
    if room in TOP and target in FAMILIES:
        return f"{room} knows estimators by their public attributes, not {target}"
    return None


def _private_faults(tree):
    """Yield every use of a private name of scikit-learn."""
    modules = set()
    for imported, name, bound, _ in _imports(tree):
        if imported.partition(".")[0] != "sklearn":
            continue
        modules.add(bound)
        if any(map(_is_private, (*imported.split("."), name or ""))):
            yield f"private name {imported}.{name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            owner = ast.unparse(node.value)
            first = owner.partition(".")[0]
            # Upper case is a class, whose protected names are for subclasses.
            if first in modules and owner.rpartition(".")[2].islower():
                yield f"private name {owner}.{node.attr}"


def _faults(module, source):
    """Return everything that is wrong with the imports of a module."""
    tree = ast.parse(source)
    faults = [] if module == PRIVATE_NAMES else list(_private_faults(tree))
    for imported, name, _, node in _imports(tree):
        if getattr(node, "level", 0):
            faults.append("relative import")
        elif imported.partition(".")[0] == "sktransform":
            faults.append(_layer_fault(module, imported, name))
    return [fault for fault in faults if fault]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=_module_name)
def test_imports_point_down(path):
    assert _faults(_module_name(path), path.read_text(encoding="utf-8")) == []


def test_every_room_stands_in_a_layer():
    rooms = {_module_name(path).split(".")[1] for path in PACKAGE.glob("*/*.py")}
    assert rooms <= set(RANKS)


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("utils._x", "from sktransform.runtime import Runtime", "up"),
        ("runtime._x", "import sktransform.base", "up"),
        ("nn._x", "def f():\n    from sktransform.base import A", "up"),
        ("base", "from sktransform.reduction._x import A", "up"),
        ("exceptions", "from sktransform.utils import x", "up"),
        ("reduction._x", "from sktransform.inspection import ADisplay", "up"),
        ("runtime._x", "from sktransform.nn import module", "sideways"),
        ("metrics._x", "from sktransform.datasets import load", "sideways"),
        ("export._x", "import sktransform.inspection._y as y", "sideways"),
        ("inspection._x", "from sktransform.reduction import A", "public attributes"),
        ("reduction._x", "import sktransform", "root"),
        ("reduction._x", "from sktransform import base", "root"),
        ("reduction._x", "from sktransform.reduction import A", "own package"),
        ("reduction._x", "from sktransform.attic import A", "no layer"),
        ("attic._x", "from sktransform.base import A", "no layer"),
        ("reduction._x", "from ._y import A", "relative"),
        ("reduction._x", "from . import _y", "relative"),
        ("base", "from sklearn.base import _fit_context", "private"),
        ("base", "from sklearn.utils._param_validation import Interval", "private"),
        ("base", "import sklearn.utils._tags", "private"),
        ("base", "import sklearn.utils\nsklearn.utils._tags.x()", "private"),
        ("base", "from sklearn import utils as u\nu._tags.x()", "private"),
    ],
)
def test_planted_violations_are_found(module, source, fault):
    (found,) = _faults(f"sktransform.{module}", source)
    assert fault in found


def test_two_families_never_meet(monkeypatch):
    monkeypatch.setitem(RANKS, "alignment", RANKS["reduction"])
    (found,) = _faults("sktransform.alignment._x", "import sktransform.reduction._y")
    assert "sideways" in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sktransform", "from sktransform._version import __version__"),
        ("sktransform.reduction", "from sktransform.reduction._x import A"),
        ("sktransform.reduction._x", "from sktransform.base import TorchTransformer"),
        ("sktransform.base", "from sklearn.base import BaseEstimator as B\nB._x"),
        (PRIVATE_NAMES, "from sklearn.base import _fit_context"),
    ],
)
def test_sound_imports_are_accepted(module, source):
    assert _faults(module, source) == []
