# SPDX-License-Identifier: BSD-3-Clause
"""Displays: numbers as attributes, pictures by `plot`, which needs matplotlib."""

from sktransform.inspection._acceptance import AcceptanceDisplay
from sktransform.inspection._augmented_examples import AugmentedExamplesDisplay
from sktransform.inspection._biplot import BiplotDisplay
from sktransform.inspection._covariance_match import CovarianceMatchDisplay
from sktransform.inspection._dual_path import DualPathDisplay
from sktransform.inspection._embedding import EmbeddingDisplay
from sktransform.inspection._excess import ExcessDisplay
from sktransform.inspection._influence import InfluenceDisplay
from sktransform.inspection._lambda_path import LambdaPathDisplay
from sktransform.inspection._residual_map import ResidualMapDisplay
from sktransform.inspection._shepard import ShepardDisplay
from sktransform.inspection._singular_values import SingularValueDisplay

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
