# SPDX-License-Identifier: BSD-3-Clause
"""Displays: numbers as attributes, pictures by `plot`, which needs matplotlib."""

from sktransform.inspection._biplot import BiplotDisplay
from sktransform.inspection._embedding import EmbeddingDisplay
from sktransform.inspection._feature_influence import FeatureInfluenceDisplay
from sktransform.inspection._influence import InfluenceDisplay
from sktransform.inspection._shepard import ShepardDisplay

__all__ = [
    "BiplotDisplay",
    "EmbeddingDisplay",
    "FeatureInfluenceDisplay",
    "InfluenceDisplay",
    "ShepardDisplay",
]
