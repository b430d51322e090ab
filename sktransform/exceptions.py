# SPDX-License-Identifier: BSD-3-Clause
"""Warnings of the package."""

__all__ = ["DegenerateDataWarning"]


class DegenerateDataWarning(UserWarning):
    """The data hold less than was asked of them, and a smaller answer was given.

    For example fewer distinct rows than charts, or rows that are all equal. The
    message says what was reduced.
    """
