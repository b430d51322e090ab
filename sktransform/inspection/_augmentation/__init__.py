# SPDX-License-Identifier: BSD-3-Clause
"""Displays of what an augmenter has learned."""
