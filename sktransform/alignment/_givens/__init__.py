# SPDX-License-Identifier: BSD-3-Clause
"""Rotations as sweeps of plane rotations."""
