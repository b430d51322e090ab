# SPDX-License-Identifier: BSD-3-Clause
"""Metrics of embeddings, of retrieval between two spaces, and of invariance."""

from sktransform.metrics._distances import (
    relative_error,
    spearman_distance_correlation,
    stress,
)
from sktransform.metrics._invariance import (
    invariance_score,
    label_invariance_excess,
)
from sktransform.metrics._neighbors import continuity, trustworthiness
from sktransform.metrics._retrieval import (
    foscttm,
    hubness,
    mean_reciprocal_rank,
    neighbor_overlap,
    recall_at_k,
)
from sktransform.metrics._scorers import make_retrieval_scorer
from sktransform.metrics._similarity import linear_cka, procrustes_distance

__all__ = [
    "continuity",
    "foscttm",
    "hubness",
    "invariance_score",
    "label_invariance_excess",
    "linear_cka",
    "make_retrieval_scorer",
    "mean_reciprocal_rank",
    "neighbor_overlap",
    "procrustes_distance",
    "recall_at_k",
    "relative_error",
    "spearman_distance_correlation",
    "stress",
    "trustworthiness",
]
