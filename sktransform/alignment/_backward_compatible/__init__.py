# SPDX-License-Identifier: BSD-3-Clause
"""Backward-compatible alignment, and the planning of a backfill."""
