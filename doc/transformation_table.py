# SPDX-License-Identifier: BSD-3-Clause
"""Write the table of what each transformation supports, from the classes themselves."""

import inspect

import torch

from sktransform.augmentation.transforms._base import Transformation, registered

_HEADER = """\
.. list-table::
   :header-rows: 1
   :widths: 28 18 12 18 24

   * - Transformation
     - Parameters recorded
     - Replay
     - Inverse
     - Cells it may touch
"""

# Tables first, then pictures and series; a further file's come last.
_FILES = ("_numeric", "_cells", "_mixing", "_image_geometry", "_image_intensity")

_INVERSES = {
    "exact": "exact",
    "seeded": "exact given the seed",
    "lossy": "lossy",
    None: "none",
}


def write_table(path):
    """Write the table to path, unless it already says the same."""
    text = "\n".join([_HEADER, *map(_row, variants())])
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def variants():
    """Return declarations of the package that show each support once, by name."""
    classes = [
        cls
        for cls in registered().values()
        if cls.__module__.startswith("sktransform.") and cls is not Transformation
    ]
    classes.sort(key=_place)
    return [variant for cls in classes for variant in cls._variants()]


def _place(cls):
    """Return what puts classes in order: their file, and their line in it."""
    file = cls.__module__.rpartition(".")[2]
    rank = _FILES.index(file) if file in _FILES else len(_FILES)
    return rank, file, inspect.getsourcelines(cls)[1]


def _row(variant):
    """Return the line of one declaration."""
    cells = [
        f":class:`{_shown(variant)} <{type(variant).__name__}>`",
        _recorded(variant),
        _replay(variant),
        _INVERSES[variant.inverse_contract],
        _touched(variant),
    ]
    return "   * - " + "\n     - ".join(cells) + "\n"


def _shown(variant):
    """Return the declaration in short; columns go without saying."""
    shown = repr(variant).replace("columns=(0, 1)", "").replace("'", "")
    return shown.removesuffix("()")


def _recorded(variant):
    """Return the names of natural parameters, and the seed where rows draw."""
    names = list(variant.describe(torch.zeros(1, variant.n_parameters)))
    recorded = [name.replace("_", " ") for name in names]
    return ", ".join([*recorded, "seed"] if variant.uses_seeds else recorded)


def _replay(variant):
    """Return what brings the same rows back."""
    if not variant.replay:
        return "no"
    return "with labels" if variant.needs_labels else "yes"


def _touched(variant):
    """Return the kinds of columns and what is left alone in them."""
    kinds = "numeric" if len(variant.cell_kinds) == 2 else "any"
    if variant.keeps_atoms:
        kinds += ", but no frequent values"
    if variant.makes_missing:
        kinds += ", makes cells missing"
    return kinds + (", none missing" if variant.mixes_columns else "")
