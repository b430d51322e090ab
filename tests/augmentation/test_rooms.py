# SPDX-License-Identifier: BSD-3-Clause
"""Imports inside the family go one way through its rooms, without a cycle of files."""

import ast
from pathlib import Path

import pytest

import sktransform.augmentation

FAMILY = "sktransform.augmentation"
FOLDER = Path(sktransform.augmentation.__file__).parent
# From the ground up; estimators, in whatever file, are above all of them.
ROOMS = ("_random", "_tabular", "transforms", "_policy", "_search")


def imports(source):
    """Return the modules of the family that a file imports, without the family."""
    nodes = ast.walk(ast.parse(source))
    found = {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module}
    return {m.removeprefix(f"{FAMILY}.") for m in found if m.startswith(f"{FAMILY}.")}


def rank(module):
    room = module.partition(".")[0]
    return ROOMS.index(room) if room in ROOMS else len(ROOMS)


def faults(module, source):
    return [other for other in imports(source) if rank(other) > rank(module)]


FILES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path.read_text("utf-8")
    for path in FOLDER.rglob("*.py")
    if path.name != "__init__.py"
}


@pytest.mark.parametrize("module", sorted(FILES))
def test_imports_point_down(module):
    assert faults(module, FILES[module]) == []


def test_a_planted_violation_is_found():
    source = f"from {FAMILY}._search.learn import learn_policy"
    assert faults("_tabular.columns", source) == ["_search.learn"]
    assert faults("_fitting", source) == []


def test_no_files_need_each_other():
    graph = {module: imports(source) & set(FILES) for module, source in FILES.items()}
    while graph:
        free = {module for module, needs in graph.items() if not needs}
        assert free, f"a cycle among {sorted(graph)}"
        graph = {m: needs - free for m, needs in graph.items() if m not in free}


def test_folders_are_small_enough_to_be_read():
    folders = {path.parent for path in FOLDER.rglob("*.py")}
    assert max(len(list(folder.glob("*.py"))) for folder in folders) <= 14
