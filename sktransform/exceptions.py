# SPDX-License-Identifier: BSD-3-Clause
"""Warnings of the package."""

__all__ = [
    "DegenerateDataWarning",
    "DisconnectedGraphWarning",
    "UnreliableAlignmentWarning",
]


class DegenerateDataWarning(UserWarning):
    """The data hold less than was asked of them, and a smaller answer was given.

    For example fewer distinct rows than charts, or rows that are all equal. The
    message says what was reduced.
    """


class DisconnectedGraphWarning(UserWarning):
    """The graph of nearest neighbours fell into parts, which were connected.

    Paths from one part to another lead over added edges, the shortest there are. The
    message says how many parts there were.
    """


class UnreliableAlignmentWarning(UserWarning):
    """A map between spaces was found without enough evidence that it is right.

    Maps that were found apart disagree, or known pairs that were held out do not find
    each other. The message says how many do.
    """
