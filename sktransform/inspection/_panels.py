# SPDX-License-Identifier: BSD-3-Clause
"""Figures of many small panels."""

import numpy as np


def panel_grid(n_panels, n_columns, panel_size, **subplots_kw):
    """Return a new figure with room for so many panels.

    `panel_size`: width and height of a panel in inches.
    `axes`: all its axes, shape (n_lines, n_columns).

    Returned: figure, axes.
    """
    import matplotlib.pyplot as plt

    n_columns = max(1, min(n_columns, n_panels))
    n_lines = max(1, -(-n_panels // n_columns))
    width, height = panel_size
    return plt.subplots(
        n_lines,
        n_columns,
        figsize=(0.4 + width * n_columns, 0.6 + height * n_lines),
        layout="constrained",
        squeeze=False,
        **subplots_kw,
    )


def hide_unused(axes, n_panels):
    """Hide the axes after the last panel, and label those that then end a column."""
    for index in range(n_panels, axes.size):
        line, column = np.unravel_index(index, axes.shape)
        axes[line, column].set_axis_off()
        if line:
            axes[line - 1, column].tick_params(labelbottom=True)
