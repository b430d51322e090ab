# SPDX-License-Identifier: BSD-3-Clause
"""Torch modules and criteria: no estimator, no NumPy."""
