# SPDX-License-Identifier: BSD-3-Clause
"""Changes of rows that leave a task alone, learned, and more rows made by them."""

from sktransform.augmentation._cells import Mask, Permute
from sktransform.augmentation._columns import ColumnTable
from sktransform.augmentation._mixing import ClassCutMix, ClassMixup, MarginalSwap
from sktransform.augmentation._quantiles import QuantileJitter
from sktransform.augmentation._rows import (
    GaussianNoise,
    Rotate,
    Scale,
    Shift,
    SignFlip,
)
from sktransform.augmentation._training_rows import TrainingRows
from sktransform.augmentation._transformation import Transformation

__all__ = [
    "ClassCutMix",
    "ClassMixup",
    "ColumnTable",
    "GaussianNoise",
    "MarginalSwap",
    "Mask",
    "Permute",
    "QuantileJitter",
    "Rotate",
    "Scale",
    "Shift",
    "SignFlip",
    "TrainingRows",
    "Transformation",
]
