# SPDX-License-Identifier: BSD-3-Clause
"""Displays of embeddings and of the maps that make them."""
