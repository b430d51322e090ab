# SPDX-License-Identifier: BSD-3-Clause
"""Links and images of the README lead to files of the repository."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    local = [target for target in targets if "://" not in target]
    assert any(target.endswith(".png") for target in local)
    missing = [target for target in local if not (ROOT / target).exists()]
    assert missing == []
