# SPDX-License-Identifier: BSD-3-Clause
"""Links and images of the project's pages lead to files of the repository."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _local_targets(page):
    """Return the files that the links of a Markdown page lead to."""
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    return [target for target in targets if "://" not in target]


def test_links_of_the_readme_lead_somewhere():
    targets = _local_targets("README.md")
    assert any(target.endswith(".png") for target in targets)
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "RELEASING.md"])
def test_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(
        r"`((?:\.ci|\.github|doc|examples|sktransform|tests)/[\w./-]+)`", text
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
