# SPDX-License-Identifier: BSD-3-Clause
"""Warnings of the package."""

__all__ = [
    "DegenerateDataWarning",
    "DisconnectedGraphWarning",
    "UnreliableAlignmentWarning",
]


class DegenerateDataWarning(UserWarning):
    """The data do not determine the full result, and a reduced result is returned.

    Examples are fewer distinct rows than charts, and rows that are all equal. The
    message states what was reduced.
    """


class DisconnectedGraphWarning(UserWarning):
    """The graph of nearest neighbours has several components, which were connected.

    The shortest possible edges between the components were added. The message states
    the number of components.
    """


class UnreliableAlignmentWarning(UserWarning):
    """The fitted map between two spaces may be wrong.

    Independent candidate maps disagree, the mapped rows fit the other space hardly
    better than under mirrored maps, the recall of held-out pairs is low, or held-out
    predictions are unrelated to their targets. The message states the measured value.
    """
