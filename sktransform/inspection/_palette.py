# SPDX-License-Identifier: BSD-3-Clause
"""Colours and markers that readers with any colour vision tell apart."""

# Okabe and Ito (2008), black and the pale yellow last.
_COLORS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#56B4E9",
    "#CC79A7",
    "#000000",
    "#F0E442",
)
_MARKERS = "o^sDvP*X"

# Classes that can be told apart, and entries of a legend below each other.
MOST_CLASSES = len(_COLORS) * len(_MARKERS)
_LEGEND_LINES = 18


def class_style(index):
    """Return the colour and the marker of a class.

    `marker`: a marker of matplotlib; a new one for every eight classes.

    Returned: color, marker.
    """
    color = _COLORS[index % len(_COLORS)]
    return color, _MARKERS[index // len(_COLORS) % len(_MARKERS)]


def class_legend(ax, n_classes, **legend_kw):
    """Draw the legend of classes beside the axes, in columns that fit.

    The legend; None for more classes than can be told apart.
    """
    if n_classes > MOST_CLASSES:
        return None
    style = {"fontsize": "small", "loc": "upper left", "bbox_to_anchor": (1, 1)}
    style["ncols"] = -(-n_classes // _LEGEND_LINES)
    return ax.legend(**style | legend_kw)
