# SPDX-License-Identifier: BSD-3-Clause
"""The points of a map: its rows, coloured by a target, and its centres."""

import numpy as np

from sktransform.inspection._palette import class_legend, class_style
from sktransform.inspection._tools import is_numeric_target


def draw_rows(ax, points, target, keywords):
    """Draw the rows, coloured by the target.

    Returned: collections, legend, colorbar.

    `collections`: the rows: one collection for each class, or one for all.
    `legend`: the legend of the classes, if they can be told apart.
    `colorbar`: the scale of a numeric target.

    Shapes: points (n_samples, 2), target (n_samples,).
    """
    keywords = {"s": 12, "linewidths": 0, "alpha": 0.8, **keywords}
    if target is None:
        color, _ = class_style(0)
        return [ax.scatter(*points.T, **{"color": color} | keywords)], None, None
    if is_numeric_target(target):
        rows = ax.scatter(*points.T, **{"c": target, "cmap": "viridis"} | keywords)
        return [rows], None, ax.figure.colorbar(rows, ax=ax, label="target")
    collections, classes = [], np.unique(target)
    for index, label in enumerate(classes):
        color, marker = class_style(index)
        style = {"color": color, "marker": marker, "label": str(label)}
        rows = points[target == label]
        collections.append(ax.scatter(*rows.T, **style | keywords))
    return collections, class_legend(ax, len(classes), markerscale=1.5), None


def draw_centers(ax, points, keywords):
    """Draw centres of shape (n_charts, 2) as open circles, and return them."""
    style = {"s": 36, "facecolors": "none", "edgecolors": "black"}
    return ax.scatter(*points.T, **style | keywords)
