# SPDX-License-Identifier: BSD-3-Clause
"""The environment that comparisons are measured in, and how it is reported."""

import os
import re
from importlib import metadata


def version(package):
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def child_environment():
    """Return the environment of a measuring process: one thread, nothing spins."""
    environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE")
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        environment[f"{library}_NUM_THREADS"] = "1"
    # Where they are set they ask for kernels of another processor, which are slower.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(name, None)
    return environment


def without_folders(text):
    """Return a text with the folders taken off its paths."""
    return re.sub(r"[^=\s'\"]*/", "", text)
