# SPDX-License-Identifier: BSD-3-Clause
"""Reducers whose map is a Gaussian-weighted mixture of affine maps."""
