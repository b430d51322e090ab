# SPDX-License-Identifier: BSD-3-Clause
"""Augmentation policies: what is drawn, recorded, replayed and undone."""
