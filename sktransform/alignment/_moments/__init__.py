# SPDX-License-Identifier: BSD-3-Clause
"""Moments of pairs of rows, by folds, and regressions from moments alone."""
