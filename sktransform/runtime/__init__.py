# SPDX-License-Identifier: BSD-3-Clause
"""Runtime: arrays become tensors on a device, and results become arrays again."""

from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import Runtime

__all__ = ["FitProgress", "Runtime"]
