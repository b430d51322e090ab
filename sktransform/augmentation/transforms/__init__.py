# SPDX-License-Identifier: BSD-3-Clause
"""Transformations of tables, images and series, with a magnitude and a record."""

from sktransform.augmentation._tabular.columns import ColumnTable
from sktransform.augmentation._tabular.dataset import TrainingRows
from sktransform.augmentation.transforms._base import Transformation
from sktransform.augmentation.transforms._cells import Mask, Permute
from sktransform.augmentation.transforms._defaults import default_transformations
from sktransform.augmentation.transforms._image_geometry import (
    ImageFlip,
    ImageQuarterTurn,
    ImageRoll,
    ImageRotate,
    ImageShear,
    ImageTranslate,
    ImageZoom,
)
from sktransform.augmentation.transforms._image_intensity import (
    ImageBrightness,
    ImageContrast,
    ImageNoise,
)
from sktransform.augmentation.transforms._mixing import (
    ClassCutMix,
    ClassMixup,
    MarginalSwap,
)
from sktransform.augmentation.transforms._numeric import (
    GaussianNoise,
    QuantileJitter,
    Rotate,
    Scale,
    Shift,
    SignFlip,
)
from sktransform.augmentation.transforms._random_field import RandomField
from sktransform.augmentation.transforms._series import (
    SeriesCrop,
    SeriesJitter,
    SeriesPadShift,
    SeriesRoll,
    SmoothWarp,
)
from sktransform.augmentation.transforms._view_function import view_function

__all__ = [
    "ClassCutMix",
    "ClassMixup",
    "ColumnTable",
    "GaussianNoise",
    "ImageBrightness",
    "ImageContrast",
    "ImageFlip",
    "ImageNoise",
    "ImageQuarterTurn",
    "ImageRoll",
    "ImageRotate",
    "ImageShear",
    "ImageTranslate",
    "ImageZoom",
    "MarginalSwap",
    "Mask",
    "Permute",
    "QuantileJitter",
    "RandomField",
    "Rotate",
    "Scale",
    "SeriesCrop",
    "SeriesJitter",
    "SeriesPadShift",
    "SeriesRoll",
    "Shift",
    "SignFlip",
    "SmoothWarp",
    "TrainingRows",
    "Transformation",
    "default_transformations",
    "view_function",
]
