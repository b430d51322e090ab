# SPDX-License-Identifier: BSD-3-Clause
"""Displays of maps between two spaces."""
