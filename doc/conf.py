# SPDX-License-Identifier: BSD-3-Clause
"""How Sphinx builds the documentation."""

import os
import re
import sys
from pathlib import Path

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE))

from api_reference import write_api  # noqa: E402
from transformation_table import write_table  # noqa: E402

from sktransform import __version__  # noqa: E402

project = "sktransform"
author = "The sktransform developers"
copyright = author
version = release = __version__

extensions = [
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["benchmarks/*", "whats_new/fragments", "_build", "_templates"]
templates_path = ["_templates"]

# The pages of the interface follow each package's __all__.
write_api(_HERE / "modules" / "generated" / "api.rst")
# So does what each transformation supports.
write_table(_HERE / "modules" / "generated" / "transformation_table.rst")
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

# Inventories of other projects come from the network; a build without it must pass.
if os.environ.get("SKTRANSFORM_DOC_ONLINE"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "numpy": ("https://numpy.org/doc/stable", None),
        "python": ("https://docs.python.org/3", None),
        "scipy": ("https://docs.scipy.org/doc/scipy", None),
        "sklearn": ("https://scikit-learn.org/stable", None),
    }

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"plot_\w+\.py$",
    # Only the galleries' own scripts are pages; the others are run from a shell.
    "ignore_pattern": r"^(?!.*plot_\w+\.py$)",
    "backreferences_dir": None,
    "download_all_examples": False,
    "show_memory": False,
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib",),
}

html_theme = "pydata_sphinx_theme"
html_title = f"sktransform {version}"
html_static_path = ["_static"]
html_css_files = ["cards.css"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}

_ROUTING_METHOD = re.compile(r"set_\w+_request$")


def _skip_member(app, what, name, obj, skip, options):
    """Leave out what scikit-learn's metadata routing adds to every estimator."""
    return True if _ROUTING_METHOD.match(name) else None


def setup(app):
    app.connect("autodoc-skip-member", _skip_member)
