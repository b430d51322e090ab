# SPDX-License-Identifier: BSD-3-Clause
"""Show or compress a table, map new rows too, and tell which columns did it."""

__all__ = []
