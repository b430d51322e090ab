# SPDX-License-Identifier: BSD-3-Clause
"""Moments of pairs of rows, by folds, and what is solved from them alone."""
