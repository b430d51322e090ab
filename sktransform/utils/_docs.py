# SPDX-License-Identifier: BSD-3-Clause
"""Shared parameter descriptions, filled into docstrings when a class is created.

An entry is the description of one parameter without its last full stop, so that the
source of a docstring reads ``%(n_jobs)s.`` and passes the same checks as plain text.
"""

import inspect
import re
from typing import TypeVar

_Documented = TypeVar("_Documented")

_ENTRY = re.compile(r"^( *)%\((\w+)\)s", re.MULTILINE)

DESCRIPTIONS = {
    "X": "Rows",
    "X_train": "Training rows",
    "device": (
        'Device, such as "cpu" or "cuda:1". "auto" uses the device of input tensors;\n'
        "for other inputs it uses CUDA if available, else the CPU"
    ),
    "feature_names_in": (
        "Names of features seen during `fit`, if they are all strings"
    ),
    "groups": (
        "Group of each row. Rows of one group are never split between training and\n"
        "held-out rows"
    ),
    "n_features_in": "Number of features seen during `fit`",
    "n_jobs": (
        "Number of parallel jobs, see :class:`joblib.Parallel`. It does not change\n"
        "the result"
    ),
    "random_state": "Seed of all random draws",
    "sample_weight": ("Weights of the rows, not negative. None weighs every row 1"),
    "seed": "Seed of the fit, derived from `random_state`",
    "shape": (
        "Shape of a row that is an image or a series: ``(length,)`` or ``(length,\n"
        "channels)``, ``(height, width)`` or ``(height, width, channels)``. None for\n"
        "tables"
    ),
}


def fill_doc(documented: _Documented) -> _Documented:
    """Return a class or a function whose docstrings have their shared entries filled.

    Of a class the methods that it defines are filled as well. An entry that does not
    exist raises KeyError when the module is imported.
    """
    _fill(documented)
    if inspect.isclass(documented):
        for value in vars(documented).values():
            # `available_if` and classmethods keep the function inside.
            function = getattr(value, "fn", getattr(value, "__func__", value))
            if inspect.isfunction(function):
                _fill(function)
    return documented


def _fill(documented):
    """Fill the docstring of one object, in place."""
    if documented.__doc__ and "%(" in documented.__doc__:
        documented.__doc__ = _ENTRY.sub(_description, documented.__doc__)


def _description(entry):
    """Return the lines of an entry, indented as it was."""
    indent, name = entry.groups()
    return indent + DESCRIPTIONS[name].replace("\n", "\n" + indent)
