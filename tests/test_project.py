# SPDX-License-Identifier: BSD-3-Clause
"""Files of the project that must agree with each other do."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]

# The repositories of the linters' hooks, by the name of the linter's package.
HOOKS = {
    "codespell-project/codespell": "codespell",
    "astral-sh/ruff-pre-commit": "ruff",
    "numpy/numpydoc": "numpydoc",
    "pre-commit/mirrors-mypy": "mypy",
}


def _pins(name):
    """Return the exact versions that a requirements file asks for, by package."""
    text = (ROOT / ".ci" / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def _lower_bounds(*extras):
    """Return the lower bounds of dependencies and of extras, by package."""
    bounds = {}
    todo = list(PROJECT["dependencies"])
    for extra in extras:
        todo += PROJECT["optional-dependencies"][extra]
    while todo:
        requirement = Requirement(todo.pop())
        if requirement.name == "sktransform":
            for extra in requirement.extras:
                todo += PROJECT["optional-dependencies"][extra]
            continue
        (bound,) = [part for part in requirement.specifier if part.operator == ">="]
        bounds[requirement.name.lower()] = Version(bound.version)
    return bounds


def _steps(workflow):
    """Yield the steps of all jobs of a workflow."""
    for job in yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values():
        yield from job["steps"]


def test_lowest_versions_are_the_lower_bounds():
    pins = {name: Version(version) for name, version in _pins("lowest.txt").items()}
    bounds = _lower_bounds("test")
    assert {name: pins.get(name) for name in bounds} == bounds
    # What nobody asks for by name is held back for a reason that the file states.
    assert set(pins) - set(bounds) == {"pyparsing"}


def test_pre_commit_runs_the_linters_of_make_lint():
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    revisions = {
        HOOKS[name]: repository["rev"].removeprefix("v")
        for repository in yaml.safe_load(text)["repos"]
        if (name := repository["repo"].removeprefix("https://github.com/")) in HOOKS
    }
    assert revisions == _pins("lint.txt")


def test_the_workflow_lints_as_make_lint_does():
    (jobs,) = [
        yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
        for path in WORKFLOWS
        if path.name == "tests.yml"
    ]
    install, *checks = [step["run"] for step in jobs["lint"]["steps"] if "run" in step]
    assert "--requirement .ci/lint.txt" in install
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    lines = [line.strip() for line in recipe.splitlines()]
    assert checks == [line.replace("$(BIN)/", "").replace("$$", "$") for line in lines]


def test_no_other_file_asks_for_linters():
    required = _lower_bounds("test", "plot")
    assert not {"ruff", "codespell", "mypy"} & set(required)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(workflow):
    used = [step["uses"] for step in _steps(workflow) if "uses" in step]
    assert used
    assert [
        name for name in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", name)
    ] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_grant_nothing_by_default(workflow):
    loaded = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert loaded["permissions"] == {}


def test_each_supported_python_is_tested():
    supported = [
        line.rpartition(" ")[2]
        for line in PROJECT["classifiers"]
        if re.search(r"Python :: 3\.\d+$", line)
    ]
    text = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["jobs"]["newest"]["strategy"]["matrix"]["python"] == (
        supported
    )
    assert PROJECT["requires-python"] == f">={supported[0]}"


def test_extras_are_documented():
    text = (ROOT / "doc" / "install.rst").read_text(encoding="utf-8")
    assert re.findall(r"^   \* - ``(\w+)``$", text, re.MULTILINE) == sorted(
        PROJECT["optional-dependencies"]
    )
