# SPDX-License-Identifier: BSD-3-Clause
"""What every test runs under."""

import os

# Read once, when torch loads: waiting threads that spin starve the working ones.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")
# Read once, when SciPy loads: without it scikit-learn skips one of its checks.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import pytest
import torch


@pytest.fixture(autouse=True)
def torch_settings_are_kept():
    """Fail a test after which torch has another thread count or default dtype."""
    before = torch.get_num_threads(), torch.get_default_dtype()
    yield
    after = torch.get_num_threads(), torch.get_default_dtype()
    assert after == before, f"torch's settings were {before} and are {after}"
