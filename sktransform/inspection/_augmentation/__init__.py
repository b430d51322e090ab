# SPDX-License-Identifier: BSD-3-Clause
"""Displays of learned policies."""
