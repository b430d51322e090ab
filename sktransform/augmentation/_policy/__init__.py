# SPDX-License-Identifier: BSD-3-Clause
"""Augmentation policies: draws, their record, replay and inverse."""
