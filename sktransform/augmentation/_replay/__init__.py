# SPDX-License-Identifier: BSD-3-Clause
"""Generators of rows, one for each class."""
