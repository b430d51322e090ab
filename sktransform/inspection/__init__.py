# SPDX-License-Identifier: BSD-3-Clause
"""Displays: numbers as attributes, pictures by `plot`, which needs matplotlib."""

from sktransform.inspection._embedding import EmbeddingDisplay

__all__ = ["EmbeddingDisplay"]
