# SPDX-License-Identifier: BSD-3-Clause
"""How much of each declared range a law of augmentation has kept."""

import numpy as np

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import to_array

_COLORS = {
    "kept": class_style(2)[0],
    "inconclusive": class_style(4)[0],
    "shrunk": class_style(1)[0],
    "rejected": class_style(3)[0],
    "declared": class_style(0)[0],
}
_HATCHES = {"kept": "", "inconclusive": "..", "shrunk": "//"}


class LearnedRangeDisplay:
    """Learned ranges of transformations as shares of the declared ones.

    Create it with :meth:`from_estimator` or :meth:`from_ranges`.

    Parameters
    ----------
    names : list of str of length n_transformations
        Names of the transformations.

    ranges : ndarray of shape (n_transformations,)
        Learned ranges, from 0 for rejected to 1 for the whole declared range.

    status : list of str of length n_transformations
        What became of each: "kept", "inconclusive" (neither rejected nor shown to be
        harmless), "shrunk", "rejected", or "declared" where nothing was selected.

    Attributes
    ----------
    declared_ : BarContainer
        The declared ranges.

    learned_ : BarContainer
        The learned ones.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ExcessDisplay : The losses from which the ranges were learned.

    Examples
    --------
    >>> from sktransform.inspection import LearnedRangeDisplay
    >>> names = ["shift", "rotation", "flip"]
    >>> display = LearnedRangeDisplay.from_ranges(names, [1.0, 0.25, 0.0])
    >>> display.status
    ['kept', 'shrunk', 'rejected']
    """

    def __init__(self, names, ranges, status):
        self.names = names
        self.ranges = ranges
        self.status = status

    def plot(self, ax=None):
        """Draw a bar for each transformation.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        LearnedRangeDisplay
            The display itself, with what was drawn as attributes.
        """
        import matplotlib.pyplot as plt

        places = np.arange(len(self.names))
        if ax is None:
            size = (7.2, 1.0 + 0.32 * len(places))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.declared_ = ax.barh(
            places, np.ones(len(places)), color="0.95", edgecolor="0.6", height=0.7
        )
        self.learned_ = ax.barh(
            places,
            self.ranges,
            color=[_COLORS[s] for s in self.status],
            hatch=[_HATCHES.get(s, "") for s in self.status],
            edgecolor="white",
            height=0.7,
        )
        for place, status in zip(places, self.status, strict=True):
            ax.text(1.02, place, status, va="center", fontsize="small")
        ax.set_yticks(places, self.names)
        ax.invert_yaxis()
        ax.set_xlim(0, 1.32)
        ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
        ax.set_xlabel("learned range, share of the declared one")
        ax.spines[["top", "right"]].set_visible(False)
        return self

    @classmethod
    def from_ranges(cls, names, ranges, status=None, *, ax=None):
        """Draw ranges that are known already.

        Parameters
        ----------
        names : sequence of str of length n_transformations
            Names of the transformations.

        ranges : array-like of shape (n_transformations,)
            Learned ranges, from 0 to 1.

        status : sequence of str of length n_transformations, default=None
            What became of each. None takes "rejected" for 0, "kept" for 1, and
            "shrunk" between them.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        LearnedRangeDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the numbers of names, ranges and states differ, a range is not from 0 to
            1, or a state is unknown.
        """
        ranges = to_array(ranges).astype(float)
        if not ((ranges >= 0) & (ranges <= 1)).all():
            raise ValueError("ranges must be from 0 to 1, shares of the declared ones.")
        if status is None:
            status = [
                "rejected" if reach == 0 else "kept" if reach == 1 else "shrunk"
                for reach in ranges
            ]
        if unknown := sorted(set(status) - set(_COLORS)):
            raise ValueError(
                f"status has {unknown}; known are {', '.join(map(repr, _COLORS))}."
            )
        if not len(names) == len(ranges) == len(status):
            raise ValueError(
                f"{len(names)} names, {len(ranges)} ranges and {len(status)} states "
                "were given; give one of each for each transformation."
            )
        return cls(list(names), ranges, list(status)).plot(ax)

    @classmethod
    def from_estimator(cls, augmenter, *, ax=None):
        """Draw the ranges that a fitted augmenter has learned.

        Parameters
        ----------
        augmenter : estimator instance
            A fitted augmenter with the attributes `names_`, `range_` and `status_`.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        LearnedRangeDisplay
            The display, drawn.
        """
        return cls.from_ranges(
            augmenter.names_, augmenter.range_, augmenter.status_, ax=ax
        )
