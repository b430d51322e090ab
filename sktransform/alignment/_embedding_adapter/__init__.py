# SPDX-License-Identifier: BSD-3-Clause
"""Queries of a new embedding model for a gallery of an old one."""
