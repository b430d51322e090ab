# SPDX-License-Identifier: BSD-3-Clause
"""Maps that make one representation usable in the space of another."""

from sktransform.alignment._backfill import BackfillPlanner
from sktransform.alignment._backward_compatible import BackwardCompatibleAligner
from sktransform.alignment._embedding_adapter import EmbeddingAdapter
from sktransform.alignment._gaussian_weighted import GaussianWeightedAligner
from sktransform.alignment._givens import GivensAligner
from sktransform.alignment._givens_angles import givens_angles, givens_rotation
from sktransform.alignment._orthogonal import OrthogonalAligner
from sktransform.alignment._permutation import PermutationAligner
from sktransform.alignment._relative import RelativeEncoder
from sktransform.alignment._transfer import transfer_bilinear, transfer_operator
from sktransform.alignment._unpaired import UnpairedAligner

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
    "transfer_bilinear",
    "transfer_operator",
]
