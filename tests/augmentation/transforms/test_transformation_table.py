# SPDX-License-Identifier: BSD-3-Clause
"""The table of supports in the guide says what the classes do."""

import importlib.util
from pathlib import Path

import pytest
import torch

import sktransform.augmentation.transforms as family
from sktransform.augmentation.transforms import Transformation

SCRIPT = Path(__file__).parents[3] / "doc" / "transformation_table.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("transformation_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _public():
    values = (getattr(family, name) for name in family.__all__)
    return {
        value
        for value in values
        if isinstance(value, type)
        and issubclass(value, Transformation)
        and value is not Transformation
    }


def _lines(script, path):
    """Return the cells of each line of the table by its first word."""
    script.write_table(path)
    entries = path.read_text(encoding="utf-8").split("\n   * - ")[2:]
    return [entry.strip().split("\n     - ") for entry in entries]


def test_every_public_transformation_has_its_line(script, tmp_path):
    assert {type(variant) for variant in script.variants()} == _public()
    lines = _lines(script, tmp_path / "table.rst")
    assert len(lines) == len(script.variants())
    assert all(len(cells) == 5 for cells in lines)


def test_the_lines_say_what_the_classes_do(script, tmp_path):
    lines = _lines(script, tmp_path / "table.rst")
    for cells, variant in zip(lines, script.variants(), strict=True):
        name, recorded, replay, inverse, touched = cells
        assert f"<{type(variant).__name__}>" in name
        for parameter in variant.describe(torch.zeros(1, variant.n_parameters)):
            assert parameter.replace("_", " ") in recorded
        assert ("seed" in recorded) == variant.uses_seeds
        assert ("labels" in replay) == variant.needs_labels
        assert ("exact" in inverse) == (variant.inverse_contract in ("exact", "seeded"))
        assert (inverse == "none") == (variant.inverse_contract is None)
        assert ("none missing" in touched) == variant.mixes_columns
        assert touched.startswith("any") == (
            {"categorical", "boolean"} <= set(variant.cell_kinds)
        )


def test_tables_come_before_images_and_series(script):
    names = [type(variant).__name__ for variant in script.variants()]
    assert names[0] == "Shift"
    assert names.index("ClassCutMix") < names.index("ImageTranslate")
    assert names.index("RandomField") < names.index("SeriesRoll")


def test_an_unchanged_table_is_not_written_again(script, tmp_path):
    path = tmp_path / "generated" / "table.rst"
    script.write_table(path)
    before = path.stat().st_mtime_ns
    script.write_table(path)
    assert path.stat().st_mtime_ns == before
