# SPDX-License-Identifier: BSD-3-Clause
"""The examples run as a newcomer runs them."""

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest
from sklearn.model_selection import GridSearchCV

EXAMPLES = Path(__file__).parent.parent / "examples"

# Pages that train for 15 to 40 seconds of CPU time. `make docs` runs them at each change.
LONG = {
    "plot_constrain.py",
    "plot_few_labels.py",
    "plot_few_pairs.py",
    "plot_grid_search.py",
    "plot_latent.py",
}


def _run(script, *arguments, cwd):
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_quickstart_shows_a_table_saves_a_pipeline_and_draws(tmp_path):
    finished = _run("quickstart.py", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    sentences = ["stress of new rows", "predicts the same"]
    if hasattr(GridSearchCV, "set_callbacks"):  # its progress bar
        sentences.append("GridSearchCV")
    for sentence in sentences:
        assert sentence in finished.stdout
    assert (tmp_path / "quickstart.joblib").stat().st_size > 0
    picture = matplotlib.image.imread(tmp_path / "quickstart.png")
    assert picture.std() > 0


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            path.relative_to(EXAMPLES),
            marks=pytest.mark.slow if path.name in LONG else (),
            id=path.name,
        )
        for path in sorted(EXAMPLES.glob("*/plot_*.py"))
    ],
)
def test_gallery_example_runs(script, tmp_path):
    finished = _run(script, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    "script", sorted(EXAMPLES.glob("*/plot_*.py")), ids=lambda path: path.name
)
def test_gallery_example_needs_nothing_that_is_not_shipped(script):
    text = script.read_text(encoding="utf-8")
    found = [
        word
        for word in (
            "os.environ",
            "sys.argv",
            "except ImportError",
            "fetch_",
            "Skipped",
        )
        if word in text
    ]
    assert found == []


@pytest.mark.parametrize(
    "script", sorted(path.name for path in EXAMPLES.glob("benchmarks/[a-z]*.py"))
)
def test_benchmark_explains_itself(script, tmp_path):
    finished = _run(Path("benchmarks", script), "--help", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "--quick" in finished.stdout
