# SPDX-License-Identifier: BSD-3-Clause
"""How well an embedding keeps the distances and the neighbours of its data."""

from sktransform.metrics._distances import (
    relative_error,
    spearman_distance_correlation,
    stress,
)
from sktransform.metrics._neighbors import continuity, trustworthiness

__all__ = [
    "continuity",
    "relative_error",
    "spearman_distance_correlation",
    "stress",
    "trustworthiness",
]
