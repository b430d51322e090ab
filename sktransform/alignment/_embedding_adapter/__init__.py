# SPDX-License-Identifier: BSD-3-Clause
"""Adapter of query vectors of a new embedding model to an old gallery."""
