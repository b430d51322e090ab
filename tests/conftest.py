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


class FitRecorder:
    """A callback that counts what a fit reports, and stops it after a number of them.

    Parameters
    ----------
    stop_after : int, default=None
        The number of reports. None lets the fit run to its end.
    """

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.n_reports = 0

    def setup(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Count one iteration; the whole fit, which has no parent, is none."""
        self.n_reports += context.parent is not None
        return self.n_reports == self.stop_after


@pytest.fixture
def callbacks():
    """Return the module of scikit-learn's callbacks, which older releases lack."""
    return pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")


@pytest.fixture
def fit_recorder(callbacks):
    """Return the class FitRecorder."""
    return FitRecorder
