# SPDX-License-Identifier: BSD-3-Clause
"""Changes of rows that leave a task alone, learned, and more rows made by them."""

from sktransform.augmentation._augmented_classifier import AugmentedClassifier
from sktransform.augmentation._augmented_regressor import AugmentedRegressor
from sktransform.augmentation._cells import Mask, Permute
from sktransform.augmentation._class_replay import ClassReplay
from sktransform.augmentation._columns import ColumnTable
from sktransform.augmentation._defaults import default_transformations
from sktransform.augmentation._images import (
    ImageFlip,
    ImageQuarterTurn,
    ImageRoll,
    ImageRotate,
    ImageShear,
    ImageTranslate,
    ImageZoom,
)
from sktransform.augmentation._invariance_augmenter import InvarianceAugmenter
from sktransform.augmentation._invariance_resampler import InvarianceResampler
from sktransform.augmentation._latent_augmenter import LatentAugmenter
from sktransform.augmentation._mixing import ClassCutMix, ClassMixup, MarginalSwap
from sktransform.augmentation._pixels import (
    ImageBrightness,
    ImageContrast,
    ImageNoise,
)
from sktransform.augmentation._quantiles import QuantileJitter
from sktransform.augmentation._random_fields import RandomField
from sktransform.augmentation._rows import (
    GaussianNoise,
    Rotate,
    Scale,
    Shift,
    SignFlip,
)
from sktransform.augmentation._series import (
    SeriesCrop,
    SeriesJitter,
    SeriesPadShift,
    SeriesRoll,
    SmoothWarp,
)
from sktransform.augmentation._training_rows import TrainingRows
from sktransform.augmentation._transformation import Transformation
from sktransform.augmentation._view_function import view_function

__all__ = [
    "AugmentedClassifier",
    "AugmentedRegressor",
    "ClassCutMix",
    "ClassMixup",
    "ClassReplay",
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
    "InvarianceAugmenter",
    "InvarianceResampler",
    "LatentAugmenter",
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
