# SPDX-License-Identifier: BSD-3-Clause
"""Write the page of the public interface from each module's ``__all__``."""

import importlib
import inspect

import sktransform

_INTRODUCTION = """\
API reference
=============

Every public name, by module. What is not listed here may change without notice.
"""

_FURTHER_MODULES = (
    "augmentation.transforms",
    "metrics",
    "datasets",
    "inspection",
    "base",
    "utils.discovery",
    "utils.estimator_checks",
    "exceptions",
)


def write_api(path):
    """Write the page to path, unless it already says the same.

    An unchanged file keeps its time stamp, so that Sphinx does not read it again.
    """
    names = (*sktransform._FAMILIES, *_FURTHER_MODULES)
    modules = [importlib.import_module(f"sktransform.{name}") for name in names]
    sections = [_section(module) for module in modules if _public_names(module)]
    text = "\n".join([_INTRODUCTION, *sections])
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _public_names(module):
    """Return the names of a module's public classes and functions."""
    return [
        name
        for name in getattr(module, "__all__", ())
        if inspect.isclass(getattr(module, name))
        or inspect.isfunction(getattr(module, name))
    ]


def _section(module):
    """Return the section of one module: its first sentence and a table of names."""
    summary = inspect.getdoc(module).partition("\n\n")[0]
    names = "\n".join(f"   {name}" for name in _public_names(module))
    title = module.__name__
    return f"""\
{title}
{"-" * len(title)}

{summary}

.. currentmodule:: {title}

.. autosummary::
   :toctree: .
   :nosignatures:

{names}
"""
