# SPDX-License-Identifier: BSD-3-Clause
"""Show or compress a table, map new rows too, and tell which columns did it."""

from sktransform.reduction._gaussian_weighted.reducer import (
    GaussianWeightedLinearReducer,
)

__all__ = ["GaussianWeightedLinearReducer"]
