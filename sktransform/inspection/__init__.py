# SPDX-License-Identifier: BSD-3-Clause
"""Displays of fitted estimators, whose method `plot` needs matplotlib."""

from sktransform.inspection._alignment.covariance_match import CovarianceMatchDisplay
from sktransform.inspection._alignment.lambda_path import LambdaPathDisplay
from sktransform.inspection._alignment.residual_map import ResidualMapDisplay
from sktransform.inspection._alignment.singular_values import SingularValueDisplay
from sktransform.inspection._augmentation.acceptance import AcceptanceDisplay
from sktransform.inspection._augmentation.augmented_examples import (
    AugmentedExamplesDisplay,
)
from sktransform.inspection._augmentation.dual_path import DualPathDisplay
from sktransform.inspection._augmentation.excess import ExcessDisplay
from sktransform.inspection._reduction.biplot import BiplotDisplay
from sktransform.inspection._reduction.embedding import EmbeddingDisplay
from sktransform.inspection._reduction.influence import InfluenceDisplay
from sktransform.inspection._reduction.shepard import ShepardDisplay

__all__ = [
    "AcceptanceDisplay",
    "AugmentedExamplesDisplay",
    "BiplotDisplay",
    "CovarianceMatchDisplay",
    "DualPathDisplay",
    "EmbeddingDisplay",
    "ExcessDisplay",
    "InfluenceDisplay",
    "LambdaPathDisplay",
    "ResidualMapDisplay",
    "ShepardDisplay",
    "SingularValueDisplay",
]
