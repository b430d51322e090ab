# SPDX-License-Identifier: BSD-3-Clause
"""Learned transformations of data as scikit-learn estimators, computing on torch.

The root is lazy: importing it loads neither torch nor scikit-learn. A family module
is loaded when it is first asked for, and an estimator's name finds its family.
"""

import importlib

from sktransform._version import __version__

_FAMILIES = ("alignment", "augmentation", "reduction")
_MODULES = (
    *_FAMILIES,
    "base",
    "datasets",
    "exceptions",
    "inspection",
    "metrics",
    "nn",
    "runtime",
    "utils",
)

__all__ = ["__version__", *_MODULES]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"sktransform.{name}")
    if not name.startswith("_"):
        for family in _FAMILIES:
            module = importlib.import_module(f"sktransform.{family}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module 'sktransform' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
