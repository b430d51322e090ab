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


def class_style(index):
    """Return the colour and the marker of a class.

    Parameters
    ----------
    index : int
        Place of the class in their order.

    Returns
    -------
    color : str
        A hexadecimal colour.

    marker : str
        A marker of matplotlib; a new one for every eight classes.
    """
    color = _COLORS[index % len(_COLORS)]
    return color, _MARKERS[index // len(_COLORS) % len(_MARKERS)]
