# SPDX-License-Identifier: BSD-3-Clause
"""Where arrays become tensors and come back."""

from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import Runtime

__all__ = ["FitProgress", "Runtime"]
