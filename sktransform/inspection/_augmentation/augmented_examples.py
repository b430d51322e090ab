# SPDX-License-Identifier: BSD-3-Clause
"""Augmented examples display: rows and augmented copies of them."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from sktransform.inspection._palette import class_style
from sktransform.inspection._panels import panel_grid
from sktransform.inspection._tools import check_choice, to_array
from sktransform.utils._typing import RandomState

_KINDS = ("images", "series", "table")
_CHANGED, _PLAIN = "#DCEBF5", "white"  # a tint of the palette's blue
_MOST_COLUMNS = 10


class AugmentedExamplesDisplay:
    """Rows and augmented copies: images, series, or a table of the changed cells.

    Create it with :meth:`from_estimator` or :meth:`from_views`.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        The rows; an array of objects for a table of mixed columns.

    views : ndarray of shape (n_views, n_rows, n_features)
        Augmented copies of them.

    kind : {"images", "series", "table"}
        How rows and copies are drawn.

    shape : tuple of int, default=None
        Shape of one row: ``(height, width)`` or ``(height, width, channels)`` of an
        image, ``(length,)`` or ``(length, channels)`` of a series.

    feature_names : list of str of length n_features, default=None
        Names of the columns of a table.

    titles : list of str of length n_rows, default=None
        Title of each row.

    Attributes
    ----------
    images_ : list of AxesImage
        Images, row by row, the original first.

    lines_ : list of Line2D
        Lines of series, row by row, the original first.

    tables_ : list of Table
        Tables, one for each row.

    features_ : ndarray of int
        Columns that the tables show.

    axes_ : ndarray of matplotlib Axes
        The axes: one for each copy of each row, or one for each row of a table.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ExcessDisplay : Draws the learned ranges of the transformations.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.inspection import AugmentedExamplesDisplay
    >>> rows = np.random.default_rng(0).normal(size=(2, 3))
    >>> views = np.stack([rows, rows + [0, 0.5, 0]])
    >>> display = AugmentedExamplesDisplay.from_views(rows, views, kind="table")
    >>> display.changed().sum(axis=(1, 2))
    array([0, 2])
    """

    def __init__(
        self,
        rows: np.ndarray,
        views: np.ndarray,
        *,
        kind: str,
        shape: tuple[int, ...] | None = None,
        feature_names: Sequence[str] | None = None,
        titles: Sequence[str] | None = None,
    ) -> None:
        self.rows = rows
        self.views = views
        self.kind = kind
        self.shape = shape
        self.feature_names = feature_names
        self.titles = titles

    def changed(self) -> np.ndarray:
        """Return which cells of the copies differ from those of the rows.

        Returns
        -------
        ndarray of bool of shape (n_views, n_rows, n_features)
            True for changed cells; two missing values count as equal.
        """
        is_missing = (self.rows != self.rows) & (self.views != self.views)
        return np.asarray((self.views != self.rows) & ~is_missing, dtype=bool)

    def plot(self) -> Self:
        """Draw rows and copies in a new figure.

        Returns
        -------
        AugmentedExamplesDisplay
            The display itself; its attributes are the drawn artists.
        """
        self.images_, self.lines_, self.tables_ = [], [], []
        self.features_ = np.arange(self.rows.shape[1])
        if self.kind == "table":
            self._plot_tables()
            return self
        size = (0.95, 0.95) if self.kind == "images" else (1.7, 1.1)
        n_rows, n_shown = len(self.rows), 1 + len(self.views)
        self.figure_, self.axes_ = panel_grid(n_rows * n_shown, n_shown, size)
        for row in range(n_rows):
            shown = np.stack([self.rows[row], *self.views[:, row]])
            if self.kind == "images":
                self._draw_images(self.axes_[row], shown)
            else:
                self._draw_series(self.axes_[row], shown)
            if self.titles is not None:
                self.axes_[row, 0].set_ylabel(self.titles[row], fontsize=9)
        self.axes_[0, 0].set_title("original", fontsize=9)
        return self

    def _draw_images(self, axes, shown):
        """Draw an image and its copies on one scale of grey."""
        images = shown.reshape(-1, *self.shape).astype(float)
        if images.shape[3:] == (1,):
            images = images[..., 0]
        limits = {"vmin": np.nanmin(images), "vmax": np.nanmax(images)}
        if images.ndim == 4:  # colours are numbers from 0 to 1
            low, high = limits["vmin"], limits["vmax"]
            images, limits = (images - low) / ((high - low) or 1), {}
        for ax, image in zip(axes, images, strict=True):
            self.images_.append(ax.imshow(image, cmap="gray_r", **limits))
            ax.set_xticks([])
            ax.set_yticks([])

    def _draw_series(self, axes, shown):
        """Draw a series, and behind each copy the original series."""
        series = shown.reshape(-1, *self.shape).astype(float)
        series = series.reshape(len(series), self.shape[0], -1)
        low, high = np.nanmin(series), np.nanmax(series)
        for number, (ax, values) in enumerate(zip(axes, series, strict=True)):
            if number:
                ax.plot(series[0], color="0.75", lw=1)
            for channel, line in enumerate(values.T):
                color = class_style(channel)[0]
                self.lines_ += ax.plot(line, color=color, lw=1.2)
            ax.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low) + 1e-12)
            ax.set_xticks([])
            ax.set_yticks([])

    def _plot_tables(self):
        """Draw a table for each row, the cells that changed in colour."""
        changed = self.changed()
        if len(self.features_) > _MOST_COLUMNS:
            often = np.argsort(-changed.sum(axis=(0, 1)), kind="stable")
            self.features_ = np.sort(often[:_MOST_COLUMNS])
        n_rows, n_lines = len(self.rows), 2 + len(self.views)
        width = 1.3 + 1.05 * len(self.features_)
        self.figure_, axes = panel_grid(n_rows, 1, (width, 0.26 * n_lines))
        self.axes_ = axes[:, 0]
        names = self.feature_names or [f"x{column}" for column in self.features_]
        if self.feature_names is not None:
            names = [names[column] for column in self.features_]
        lines = ["original", *(f"copy {v + 1}" for v in range(len(self.views)))]
        for index, ax in enumerate(self.axes_):
            ax.set_axis_off()
            values = np.stack([self.rows[index], *self.views[:, index]])
            is_new = np.vstack([np.zeros_like(changed[:1, index]), changed[:, index]])
            table = ax.table(
                cellText=[[_text(v) for v in row[self.features_]] for row in values],
                cellColours=np.where(is_new, _CHANGED, _PLAIN)[:, self.features_],
                rowLabels=lines,
                colLabels=[_shortened(name) for name in names],
                bbox=(0, 0, 1, 1),
            )
            table.auto_set_font_size(False)
            table.set_fontsize(8)
            for (line, column), cell in table.get_celld().items():
                cell.set_edgecolor("0.8")
                if line and column >= 0 and is_new[line - 1, self.features_[column]]:
                    cell.set_text_props(weight="bold")
            if self.titles is not None:
                ax.set_title(self.titles[index], fontsize=9, loc="left")
            self.tables_.append(table)

    @classmethod
    def from_views(
        cls,
        rows: ArrayLike,
        views: Any,
        *,
        kind: str | None = None,
        shape: tuple[int, ...] | None = None,
        feature_names: Sequence[str] | None = None,
        titles: Sequence[str] | None = None,
    ) -> Self:
        """Draw given rows and copies of them.

        Parameters
        ----------
        rows : array-like or data frame of shape (n_rows, n_features)
            The rows.

        views : array-like of shape (n_views, n_rows, n_features), or a list of tables
            Augmented copies of them.

        kind : {"images", "series", "table"}, default=None
            How rows and copies are drawn. None draws a table if `shape` is None, series
            if `shape` has one number, and images if it has two or three.

        shape : tuple of int, default=None
            Shape of one row, see :class:`AugmentedExamplesDisplay`.

        feature_names : sequence of str of length n_features, default=None
            Names of the columns of a table. None uses the names of a data frame.

        titles : sequence of str of length n_rows, default=None
            Title of each row.

        Returns
        -------
        AugmentedExamplesDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the copies differ in shape from the rows, or if `shape` does not fit the
            rows.
        """
        if feature_names is None and hasattr(rows, "columns"):
            feature_names = [str(name) for name in rows.columns]
        rows = _table(rows)
        views = np.stack([_table(view) for view in views])
        if views.shape[1:] != rows.shape:
            raise ValueError(
                f"Each table of copies has shape {views.shape[1:]}, but rows has shape "
                f"{rows.shape}; give a copy of every row."
            )
        if shape is not None and np.prod(shape) != rows.shape[1]:
            raise ValueError(
                f"shape={tuple(shape)} does not fit rows of {rows.shape[1]} numbers."
            )
        if kind is None:
            kind = "table" if shape is None else _KINDS[len(shape) == 1]
        check_choice("kind", kind, _KINDS)
        if kind != "table" and shape is None:
            raise ValueError(
                f"kind={kind!r} needs the shape of a row, but shape is None."
            )
        if titles is not None:
            titles = [str(title) for title in titles]
        names = None if feature_names is None else list(feature_names)
        display = cls(
            rows, views, kind=kind, shape=shape, feature_names=names, titles=titles
        )
        return display.plot()

    @classmethod
    def from_estimator(
        cls,
        augmenter: Any,
        X: ArrayLike,
        *,
        n_views: int = 5,
        random_state: RandomState = None,
        titles: Sequence[str] | None = None,
        **view_kw: Any,
    ) -> Self:
        """Draw rows and copies of them from a fitted augmenter.

        Parameters
        ----------
        augmenter : estimator instance
            A fitted augmenter with the method `augment`. Its parameter `shape`, if it
            has one, is the shape of the rows.

        X : array-like or data frame of shape (n_rows, n_features)
            A few rows.

        n_views : int, default=5
            Copies of each row.

        random_state : int, RandomState instance or None, default=None
            Seed of the copies.

        titles : sequence of str of length n_rows, default=None
            Title of each row.

        **view_kw
            Further keywords of :meth:`from_views`.

        Returns
        -------
        AugmentedExamplesDisplay
            The display, drawn.
        """
        seeds = check_random_state(random_state).randint(2**31 - 1, size=n_views)
        views = [augmenter.augment(X, random_state=int(seed)) for seed in seeds]
        view_kw.setdefault("shape", getattr(augmenter, "shape", None))
        return cls.from_views(X, views, titles=titles, **view_kw)


def _table(rows):
    """Return rows of any container as an array, of objects for mixed columns."""
    if hasattr(rows, "to_numpy"):
        rows = rows.to_numpy()
    rows = to_array(rows)
    if rows.ndim != 2:
        raise ValueError(f"rows must be two-dimensional, got {rows.ndim} dimensions.")
    return rows


def _text(value):
    """Return the text of a cell of a table."""
    if isinstance(value, float | np.floating):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return _shortened(str(value))


def _shortened(text):
    """Return a text that fits into a cell."""
    return text if len(text) <= 14 else text[:13] + "…"
