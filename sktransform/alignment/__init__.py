# SPDX-License-Identifier: BSD-3-Clause
"""Maps that make one representation usable in the space of another."""

from sktransform.alignment._backward_compatible.aligner import BackwardCompatibleAligner
from sktransform.alignment._backward_compatible.backfill import BackfillPlanner
from sktransform.alignment._embedding_adapter.adapter import EmbeddingAdapter
from sktransform.alignment._givens.aligner import GivensAligner
from sktransform.alignment._givens.angles import givens_angles, givens_rotation
from sktransform.alignment._local_affine.aligner import GaussianWeightedAligner
from sktransform.alignment._orthogonal.aligner import OrthogonalAligner
from sktransform.alignment._permutation import PermutationAligner
from sktransform.alignment._relative.encoder import RelativeEncoder
from sktransform.alignment._unpaired.aligner import UnpairedAligner

__all__ = [
    "BackfillPlanner",
    "BackwardCompatibleAligner",
    "EmbeddingAdapter",
    "GaussianWeightedAligner",
    "GivensAligner",
    "OrthogonalAligner",
    "PermutationAligner",
    "RelativeEncoder",
    "UnpairedAligner",
    "givens_angles",
    "givens_rotation",
]
