# SPDX-License-Identifier: BSD-3-Clause
"""Maps that make one representation usable in the space of another."""

from sktransform.alignment._backfill import BackfillPlanner

__all__ = ["BackfillPlanner"]
