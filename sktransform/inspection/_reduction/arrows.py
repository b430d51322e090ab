# SPDX-License-Identifier: BSD-3-Clause
"""Named arrows from one point, and ellipses at points of a map."""

import numpy as np
from sklearn.cluster import KMeans

# Share of the picture's half width that the longest arrow takes.
_LONGEST_ARROW = 0.8

# Height of a name, as a share of the picture's half width.
_NAME_HEIGHT = 0.1

# Half axis of a large ellipse, as a share of the gap between two of them.
_FILLED_GAP = 0.55


def draw_arrows(ax, points, directions, names, n_arrows, keywords):
    """Draw the longest directions from the middle of points, with their names.

    Returned: arrows, texts.

    `points`: the rows, which set the middle and the arrows' common length.

    Shapes: points (n_samples, 2), directions (n_features, 2).
    """
    lengths = np.linalg.norm(directions, axis=1)
    longest = np.argsort(-lengths, kind="stable")[:n_arrows]
    middle = points.mean(axis=0)
    reach = np.abs(points - middle).max()
    arrows = directions[longest] * (
        _LONGEST_ARROW * reach / max(lengths.max(), np.finfo(float).tiny)
    )
    style = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.005}
    origins = np.broadcast_to(middle, arrows.shape)
    quiver = ax.quiver(*origins.T, *arrows.T, **style | keywords)
    style = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
    texts = [
        ax.annotate(
            str(names[feature]),
            middle + position,
            ha="left" if arrow[0] >= 0 else "right",
            va="center",
            fontsize="small",
            bbox=style,
        )
        for feature, arrow, position in zip(
            longest, arrows, _name_positions(arrows, _NAME_HEIGHT * reach), strict=True
        )
    ]
    return quiver, texts


def _name_positions(arrows, height):
    """Return positions of names at the arrows' ends, clear of those before them."""
    positions = 1.05 * arrows
    for index, (position, arrow) in enumerate(zip(positions, arrows, strict=True)):
        away = height if arrow[1] >= 0 else -height
        same_side = np.signbit(arrows[:index, 0]) == np.signbit(arrow[0])
        taken = positions[:index, 1][same_side]
        while np.any(np.abs(taken - position[1]) < abs(away)):
            nearest = taken[np.abs(taken - position[1]).argmin()]
            position[1] = nearest + 1.001 * away
    return positions


def spread_rows(points, n_rows):
    """Return indices of rows spread over a map: nearest to the centres of clusters."""
    n_rows = min(n_rows, len(np.unique(points, axis=0)))
    centers = KMeans(n_rows, n_init=1, random_state=0).fit(points).cluster_centers_
    squared = ((centers[:, None] - points) ** 2).sum(axis=2)
    return np.unique(squared.argmin(axis=1))


def draw_expansion(ax, points, shapes, expansion, n_ellipses, keywords):
    """Draw ellipses at rows spread over a map, where the expansion is known.

    Returned: ellipses, colorbar, rows.

    `rows`: the rows that the ellipses belong to.

    Shapes: points (n_samples, 2), shapes (n_samples, 2, 2), expansion (n_samples,).
    """
    known = np.flatnonzero(np.isfinite(expansion) & (expansion > 0))
    if not len(known):
        raise ValueError(
            "The expansion is not positive and finite at any row, so there is no "
            "ellipse to draw."
        )
    rows = known[spread_rows(points[known], n_ellipses)]
    drawn = draw_ellipses(ax, points[rows], shapes[rows], expansion[rows], keywords)
    return *drawn, rows


def draw_ellipses(ax, points, shapes, expansion, keywords):
    """Draw ellipses at points, all enlarged by one factor, coloured by expansion.

    Returned: ellipses, colorbar.

    `shapes`: shape matrices: half axes are roots of the eigenvalues.
    `expansion`: positive numbers, drawn on a logarithmic scale around 1.

    Shapes: points (n_ellipses, 2), shapes (n_ellipses, 2, 2), expansion (n_ellipses,).
    """
    from matplotlib.collections import EllipseCollection
    from matplotlib.colors import LogNorm

    values, vectors = np.linalg.eigh(shapes)
    half_axes = np.sqrt(np.maximum(values, 0))
    squared = ((points[:, None] - points) ** 2).sum(axis=2)
    np.fill_diagonal(squared, np.inf)
    gap = np.median(np.sqrt(squared.min(axis=1)))
    gap = gap if np.isfinite(gap) else np.ptp(ax.get_xlim()) / 5
    large = np.quantile(half_axes[:, 1], 0.9)
    factor = _FILLED_GAP * gap / max(large, np.finfo(float).tiny)
    # One row that is squeezed to a line does not set the scale.
    limit = max(1.1, np.exp(np.quantile(np.abs(np.log(expansion)), 0.9)))
    style = {"cmap": "PuOr_r", "edgecolors": "black", "linewidths": 0.8, "zorder": 3}
    style["alpha"] = 0.8
    ellipses = EllipseCollection(
        2 * factor * half_axes[:, 1],
        2 * factor * half_axes[:, 0],
        np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1])),
        units="xy",
        offsets=points,
        offset_transform=ax.transData,
        **style | {"norm": LogNorm(1 / limit, limit)} | keywords,
    )
    ellipses.set_array(expansion)
    ax.add_collection(ellipses)
    # A collection of ellipses does not widen the axes by itself.
    reach = factor * half_axes[:, 1:]
    ax.update_datalim(np.concatenate([points - reach, points + reach]))
    ax.autoscale_view()
    colorbar = ax.figure.colorbar(
        ellipses, ax=ax, label="expansion", shrink=0.8, extend="both"
    )
    ticks = [1 / limit, 1, limit]
    colorbar.set_ticks(ticks, labels=[f"{tick:.2f}" for tick in ticks], minor=False)
    colorbar.minorticks_off()
    return ellipses, colorbar
