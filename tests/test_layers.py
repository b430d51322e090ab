# SPDX-License-Identifier: BSD-3-Clause
"""Imports and calls through `self` follow the layers, read from the source."""

import ast
from collections import Counter
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

# Inside a family, from the ground up. A room is a file or a folder; rooms in one line
# never import each other, files of one folder may.
ROOMS = {
    "reduction._gaussian_weighted": (
        ("anchors", "decoder", "gradients", "rows", "tangent"),
        ("mixture", "problem", "reservoir", "sparse_gradients"),
        ("solvers",),
        ("base",),
        ("explanation",),
        ("neighbor_reducer", "reducer"),
    ),
    "alignment": (
        ("_degenerate",),
        ("_moments",),
        ("_base",),
        (
            "_embedding_adapter",
            "_givens",
            "_local_affine",
            "_orthogonal",
            "_permutation",
            "_relative",
            "_unpaired",
        ),
        ("_backward_compatible",),
    ),
    "augmentation": (
        ("_random",),
        ("_tabular",),
        ("transforms",),
        ("_policy",),
        ("_search",),
        ("_fitting", "_latent", "_replay"),
        ("_base",),
        ("_constrained_augmenter", "_invariance_augmenter"),
        ("_augmented", "_invariance_resampler"),
        ("_augmented_classifier", "_augmented_regressor"),
    ),
}

# Files of one folder that a reader can keep in mind.
MOST_FILES = 14

# What scikit-learn itself calls: methods that any estimator has, not hidden hooks.
PROTOCOL = {"fit", "fit_transform", "inverse_transform", "predict", "transform"}


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
        # The root reads its own version; nothing else reads the root.
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


def _room(module):
    """Return the family of a file, and its room in it, or None and None."""
    for family in ROOMS:
        start = f"sktransform.{family}."
        if module.startswith(start):
            return family, module.removeprefix(start).partition(".")[0]
    return None, None


def _room_fault(module, imported):
    """Return what is wrong with an import inside a family, or None."""
    family, room = _room(module)
    target_family, target = _room(imported)
    if family is None or family != target_family or room == target:
        return None
    ranks = {r: rank for rank, rooms in enumerate(ROOMS[family]) for r in rooms}
    if not {room, target} <= set(ranks):
        return f"{({room, target} - set(ranks)).pop()} is no known room of {family}"
    if ranks[target] >= ranks[room]:
        direction = "up" if ranks[target] > ranks[room] else "sideways"
        return f"room {room} imports {direction}, {target}"
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
            faults.append(_room_fault(module, imported))
    return [fault for fault in faults if fault]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=_module_name)
def test_imports_point_down(path):
    assert _faults(_module_name(path), path.read_text(encoding="utf-8")) == []


def _first_cycle(graph):
    """Return the nodes that are left when those without needs are taken away."""
    graph = {node: set(needs) & set(graph) for node, needs in graph.items()}
    while graph:
        free = {node for node, needs in graph.items() if not needs}
        if not free:
            return sorted(graph)
        graph = {n: needs - free for n, needs in graph.items() if n not in free}
    return []


def _sources():
    """Return the source of each file of the package, by the module's name."""
    paths = PACKAGE.rglob("*.py")
    return {_module_name(path): path.read_text(encoding="utf-8") for path in paths}


def _classes(sources):
    """Return the classes of sources, bases first: (module, name) to their nodes.

    A node is a class of the same bases without methods, for the order of resolution,
    and the methods' syntax trees by name.
    """
    trees = {module: ast.parse(source) for module, source in sources.items()}
    defined, bound = {}, {}
    for module, tree in trees.items():
        bound[module] = {b: (i, name) for i, name, b, _ in _imports(tree)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                defined[module, node.name] = node
                bound[module][node.name] = module, node.name
    classes = {}

    def build(address):
        if address not in classes:
            module, node = address[0], defined[address]
            names = (ast.unparse(base) for base in node.bases)
            found = (bound[module].get(name) for name in names)
            bases = [build(base)[0] for base in found if base in defined]
            methods = {m.name: m for m in node.body if isinstance(m, ast.FunctionDef)}
            copied = type(node.name, tuple(bases), {"address": address})
            classes[address] = copied, methods
        return classes[address]

    for address in defined:
        build(address)
    return classes


def _own_calls(method):
    """Yield the names of the methods that a method calls on its own object."""
    arguments = method.args.posonlyargs + method.args.args
    own = arguments[0].arg if arguments else None
    for node in ast.walk(method):
        function = getattr(node, "func", None)
        if isinstance(function, ast.Attribute) and ast.unparse(function.value) == own:
            yield function.attr


def _hierarchy_calls(classes, address):
    """Return the graph of files whose methods call each other on one object."""
    order = [cls.address for cls in classes[address][0].__mro__[:-1]]
    graph = {module: set() for module, _ in order}
    for definer in order:
        for method in classes[definer][1].values():
            for name in set(_own_calls(method)) - PROTOCOL:
                owner = next((a for a in order if name in classes[a][1]), definer)
                graph[definer[0]] |= {owner[0]} - {definer[0]}
    return graph


def _call_cycles(sources):
    """Return the files of each class hierarchy that call each other in a circle."""
    classes = _classes(sources)
    cycles = {a: _first_cycle(_hierarchy_calls(classes, a)) for a in classes}
    return {address: cycle for address, cycle in cycles.items() if cycle}


def test_no_hierarchy_of_classes_calls_in_circles():
    assert _call_cycles(_sources()) == {}


BASE = """
class Base:
    def transform(self, X):
        return self._mapped(X)

    def _checked(self, X):
        return X
"""


@pytest.mark.parametrize(
    ("base", "derived", "is_cycle"),
    [
        # The base calls a hook of its subclass, which calls back.
        (BASE, "def _mapped(self, X):\n        return self._checked(X)", True),
        # The same, through a name that the first argument has.
        (BASE, "def _mapped(me, X):\n        return me._checked(X)", True),
        # A hook that calls nothing of the base.
        (BASE, "def _mapped(self, X):\n        return X", False),
        # A subclass that calls its base alone.
        (BASE, "def fit(self, X):\n        return self._checked(X)", False),
        # A mixin that calls scikit-learn's protocol.
        (
            BASE.replace("self._mapped(X)", "self.fit(X)"),
            "def fit(self, X):\n        return self._checked(X)",
            False,
        ),
    ],
)
def test_planted_circles_of_calls_are_found(base, derived, is_cycle):
    sources = {
        "sktransform._one": base,
        "sktransform._two": "from sktransform._one import Base\n\n\n"
        f"class Derived(Base):\n    {derived}\n",
    }
    found = _call_cycles(sources)
    assert (("sktransform._two", "Derived") in found) is is_cycle
    if is_cycle:
        assert found["sktransform._two", "Derived"] == [*sources]


def _fitted_attributes(method):
    """Yield the fitted attributes, such as `coef_`, that a method sets on self."""
    for node in ast.walk(method):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            is_fitted = node.attr.endswith("_") and not node.attr.startswith("_")
            if is_fitted and ast.unparse(node.value) == "self":
                yield node.attr


def _written_twice(sources):
    """Return the fitted attributes of each class that several of its files set."""
    classes, found = _classes(sources), {}
    for address in classes:
        files = {}
        for definer in (cls.address for cls in classes[address][0].__mro__[:-1]):
            for method in classes[definer][1].values():
                for name in _fitted_attributes(method):
                    files.setdefault(name, set()).add(definer[0])
        twice = sorted(name for name, where in files.items() if len(where) > 1)
        if twice:
            found[address] = twice
    return found


def test_a_fitted_attribute_is_set_in_one_file():
    assert _written_twice(_sources()) == {}
    planted = {
        "one": "class Base:\n    def fit(self, X):\n        self.mean_ = X",
        "two": "from one import Base\n\nclass Derived(Base):\n"
        "    def refit(self, X):\n        self.mean_, self.coef_ = X, X",
    }
    assert _written_twice(planted) == {("two", "Derived"): ["mean_"]}


def _foreign_members(source):
    """Return the private members of other objects that a file reads.

    A file may use those that it defines itself, of objects of its own classes.
    """
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {node.attr for node in nodes if isinstance(node.ctx, ast.Store)}
    return {
        ast.unparse(node)
        for node in nodes
        if _is_private(node.attr)
        and node.attr not in own
        # What scikit-learn merges from class to class.
        and node.attr != "_parameter_constraints"
        and ast.unparse(node.value) not in {"self", "cls", "super()"}
    }


def test_no_file_reads_private_members_of_other_objects():
    sources = _sources()
    found = {module: _foreign_members(source) for module, source in sources.items()}
    assert {m for m, members in found.items() if members} <= {PRIVATE_NAMES}
    assert _foreign_members("def f(other):\n    return other._moments") == {
        "other._moments"
    }


def test_no_files_need_each_other():
    sources = _sources()
    needs = {
        module: {
            module
            for imported, name, _, _ in _imports(ast.parse(source))
            for module in (imported, f"{imported}.{name}")
        }
        - {module}
        for module, source in sources.items()
    }
    assert _first_cycle(needs) == []
    needs["sktransform.base"].add("sktransform.alignment._base")
    assert "sktransform.base" in _first_cycle(needs)


def _crowded(paths):
    """Return the folders that hold too many Python files."""
    counts = Counter(path.parent.name for path in paths)
    return {folder for folder, n_files in counts.items() if n_files > MOST_FILES}


def test_folders_are_small_enough_to_be_read():
    assert _crowded(PACKAGE.rglob("*.py")) == set()
    assert _crowded(Path(f"room/file{i}.py") for i in range(15)) == {"room"}
    assert _crowded(Path(f"room/file{i}.py") for i in range(14)) == set()


@pytest.mark.parametrize("family", ROOMS)
def test_every_file_of_a_family_stands_in_a_room(family):
    folder = PACKAGE.joinpath(*family.split("."))
    rooms = {path.stem for path in folder.iterdir() if path.suffix == ".py"}
    rooms |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert rooms - {"__init__"} == {room for line in ROOMS[family] for room in line}


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
        ("alignment._base", "from sktransform.alignment._givens.a import A", "up"),
        ("alignment._moments.x", "import sktransform.alignment._base", "up"),
        (
            "alignment._orthogonal.x",
            "from sktransform.alignment._givens.a import A",
            "sideways",
        ),
        (
            "alignment._attic",
            "from sktransform.alignment._base import A",
            "no known room",
        ),
        (
            "augmentation._tabular.x",
            "from sktransform.augmentation._search.learn import f",
            "up",
        ),
        (
            "augmentation._latent.x",
            "import sktransform.augmentation._replay.y",
            "sideways",
        ),
        (
            "reduction._gaussian_weighted.rows",
            "import sktransform.reduction._gaussian_weighted.solvers.x",
            "up",
        ),
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
        ("sktransform.alignment._unpaired.x", "import sktransform.alignment._base"),
        ("sktransform.alignment._moments.x", "import sktransform.alignment._moments.y"),
        (PRIVATE_NAMES, "from sklearn.base import _fit_context"),
    ],
)
def test_sound_imports_are_accepted(module, source):
    assert _faults(module, source) == []
