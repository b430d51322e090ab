# SPDX-License-Identifier: BSD-3-Clause
"""Learned data augmentation: policies of transformations that keep the labels."""

from sktransform.augmentation._augmented_classifier import AugmentedClassifier
from sktransform.augmentation._augmented_regressor import AugmentedRegressor
from sktransform.augmentation._constrained_augmenter import ConstrainedAugmenter
from sktransform.augmentation._invariance_augmenter import InvarianceAugmenter
from sktransform.augmentation._invariance_resampler import InvarianceResampler
from sktransform.augmentation._latent.augmenter import LatentAugmenter
from sktransform.augmentation._replay.estimator import ClassReplay

__all__ = [
    "AugmentedClassifier",
    "AugmentedRegressor",
    "ClassReplay",
    "ConstrainedAugmenter",
    "InvarianceAugmenter",
    "InvarianceResampler",
    "LatentAugmenter",
]
