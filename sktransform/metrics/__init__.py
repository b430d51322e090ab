# SPDX-License-Identifier: BSD-3-Clause
"""How well an embedding keeps distances and neighbours, and how well two agree."""

from sktransform.metrics._distances import (
    relative_error,
    spearman_distance_correlation,
    stress,
)
from sktransform.metrics._neighbors import continuity, trustworthiness
from sktransform.metrics._retrieval import (
    foscttm,
    hubness,
    mean_reciprocal_rank,
    neighbor_overlap,
    recall_at_k,
)
from sktransform.metrics._similarity import linear_cka, procrustes_distance

__all__ = [
    "continuity",
    "foscttm",
    "hubness",
    "linear_cka",
    "mean_reciprocal_rank",
    "neighbor_overlap",
    "procrustes_distance",
    "recall_at_k",
    "relative_error",
    "spearman_distance_correlation",
    "stress",
    "trustworthiness",
]
