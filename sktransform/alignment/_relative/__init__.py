# SPDX-License-Identifier: BSD-3-Clause
"""Rows as their similarities to anchors."""
