# SPDX-License-Identifier: BSD-3-Clause
"""Reduction: maps of tables to few dimensions, with an inverse and an explanation."""

from sktransform.reduction._gaussian_weighted.neighbor_reducer import (
    GaussianWeightedNeighborReducer,
)
from sktransform.reduction._gaussian_weighted.reducer import (
    GaussianWeightedLinearReducer,
)

__all__ = ["GaussianWeightedLinearReducer", "GaussianWeightedNeighborReducer"]
