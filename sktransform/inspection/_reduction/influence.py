# SPDX-License-Identifier: BSD-3-Clause
"""Influence display: the influence of features, as means, per row or on the map."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from sktransform.inspection._palette import MOST_CLASSES, class_style
from sktransform.inspection._panels import hide_unused, panel_grid
from sktransform.inspection._tools import (
    check_choice,
    check_components,
    check_map,
    check_method,
    check_target,
    feature_names,
    is_numeric_target,
    label_map,
    to_array,
)

_KINDS = ("bar", "heatmap", "both", "map")

# Maps beside each other, and inches that one takes.
_MAP_COLUMNS = 3
_MAP_SIZE = (2.8, 2.4)

# Classes beside each other in the legend, and inches that a line of them takes.
_LEGEND_COLUMNS = 3
_LEGEND_LINE = 0.22

# Classes above which names and gaps would cover the heat map.
_MOST_NAMED = 12

# Share of the rows below which the name of a class may be wider than its rows.
_CROWDED_SHARE = 0.15


class InfluenceDisplay:
    """Influence of the features: as means, for each row, or on the embedding.

    Bars show the mean influence over rows and a heat map the influence at each row.
    With ``kind="map"`` the embedding is drawn once for each leading feature, with rows
    coloured by the influence of that feature. Create the display with
    :meth:`from_estimator`.

    Parameters
    ----------
    influence : ndarray of shape (n_samples, n_features)
        Influence of each feature on each row.

    feature_names : sequence of str of length n_features
        Names of the features.

    target : ndarray of shape (n_samples,), default=None
        Classes or numbers by which rows are ordered in the heat map.

    embedding : ndarray of shape (n_samples, n_components), default=None
        The embedding, needed for ``kind="map"``.

    Attributes
    ----------
    global_influence : ndarray of shape (n_features,)
        Mean of the influence over rows.

    features_ : ndarray of int
        The features drawn, the most influential first.

    rows_ : ndarray of int or None
        The rows in the heat map's order.

    bars_ : BarContainer or None
        The bars.

    class_means_ : list of Line2D
        Mean influence in each class, drawn on the bars.

    heatmap_ : AxesImage or None
        The heat map: features down, rows to the right.

    scatter_ : list of PathCollection
        The rows on the map, one collection for each feature, all on one scale.

    colorbar_ : Colorbar or None
        The colorbar of the heat map, or of the maps.

    legend_ : Legend or None
        The legend of the classes.

    axes_ : ndarray of matplotlib Axes
        The axes: one or two, or one for each map.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    EmbeddingDisplay : Draws the embedding with arrows of the leading features.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sktransform.inspection import InfluenceDisplay
    >>> from sktransform.reduction import GaussianWeightedLinearReducer
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X = StandardScaler().set_output(transform="pandas").fit_transform(X)
    >>> reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
    >>> display = InfluenceDisplay.from_estimator(reducer, X, y)
    >>> display.global_influence.shape
    (13,)
    >>> on_map = InfluenceDisplay.from_estimator(reducer, X, kind="map", n_features=4)
    >>> len(on_map.scatter_)
    4
    """

    def __init__(
        self,
        influence: np.ndarray,
        feature_names: Sequence[str],
        *,
        target: np.ndarray | None = None,
        embedding: np.ndarray | None = None,
    ) -> None:
        self.influence = influence
        self.feature_names = feature_names
        self.target = target
        self.embedding = embedding

    @property
    def global_influence(self) -> np.ndarray:
        """Mean of the influence over rows, shape (n_features,)."""
        return self.influence.mean(axis=0)

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "both",
        n_features: int | None = None,
        components: tuple[int, int] = (0, 1),
        bar_kw: Mapping[str, Any] | None = None,
        image_kw: Mapping[str, Any] | None = None,
        scatter_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the influence.

        Parameters
        ----------
        ax : matplotlib Axes or pair of them, default=None
            Axes to draw on; a pair for ``kind="both"``. None makes a new figure.
            ``kind="map"`` always makes a new figure.

        kind : {"bar", "heatmap", "both", "map"}, default="both"
            What to draw.

        n_features : int, default=None
            Largest number of features, those with the largest mean influence. None
            draws 15 features, or 6 maps.

        components : pair of int, default=(0, 1)
            The embedding's columns on the horizontal and the vertical axis of a map.

        bar_kw : dict, default=None
            Keywords for `Axes.barh`.

        image_kw : dict, default=None
            Keywords for the heat map's `Axes.imshow`.

        scatter_kw : dict, default=None
            Keywords for the map's `Axes.scatter`.

        Returns
        -------
        InfluenceDisplay
            The display itself; its attributes are the drawn artists.

        Raises
        ------
        ValueError
            If `kind` has an invalid value, if `ax` has the wrong number of axes, or if
            a component does not exist.
        """
        import matplotlib.pyplot as plt

        check_choice("kind", kind, _KINDS)
        if n_features is None:
            n_features = 6 if kind == "map" else 15
        order = np.argsort(-self.global_influence, kind="stable")
        self.features_ = order[:n_features]
        self.bars_, self.class_means_, self.legend_ = None, [], None
        self.heatmap_, self.colorbar_, self.rows_ = None, None, None
        self.scatter_ = []
        if kind == "map":
            self._draw_maps(components, scatter_kw or {})
            return self
        n_axes = 2 if kind == "both" else 1
        if ax is None:
            height = 1.6 + 0.24 * len(self.features_)
            if kind != "heatmap":
                height += _LEGEND_LINE * (len(self._classes()) // _LEGEND_COLUMNS)
            size = (4 + 3.5 * (n_axes - 1), height)
            _, ax = plt.subplots(
                1, n_axes, figsize=size, sharey=True, layout="constrained"
            )
        self.axes_ = np.atleast_1d(np.asarray(ax, dtype=object))
        if len(self.axes_) != n_axes:
            raise ValueError(
                f"kind={kind!r} needs {n_axes} axes, but ax has {len(self.axes_)}."
            )
        self.figure_ = self.axes_[0].figure
        if kind != "heatmap":
            self._draw_bars(self.axes_[0], bar_kw or {})
        if kind != "bar":
            self._draw_heatmap(self.axes_[-1], image_kw or {})
        names = self._names()
        self.axes_[0].set_yticks(range(len(names)), names)
        self.axes_[0].set_ylim(len(names) - 0.5, -0.5)
        return self

    def _names(self):
        """Return the names of the features drawn."""
        return [str(self.feature_names[index]) for index in self.features_]

    def _scale(self, shown):
        """Return colours of influences; the brightest hundredth does not set them."""
        top = max(np.quantile(shown, 0.99), np.finfo(float).tiny)
        return {"cmap": "cividis", "vmin": 0, "vmax": top}

    def _draw_maps(self, components, keywords):
        """Draw the map once for each feature, coloured by its influence."""
        if self.embedding is None:
            raise ValueError(
                "kind='map' needs the embedded rows, but embedding is None; use "
                "from_estimator, or give embedding."
            )
        components = check_components(components, self.embedding.shape[1])
        n_maps = len(self.features_)
        self.figure_, axes = panel_grid(
            n_maps, _MAP_COLUMNS, _MAP_SIZE, sharex=True, sharey=True
        )
        hide_unused(axes, n_maps)
        self.axes_ = axes.flat[:n_maps]
        scale = self._scale(self.influence[:, self.features_])
        style = {"s": 8, "linewidths": 0} | scale
        points = self.embedding[:, components].T
        for ax, feature, name in zip(
            self.axes_, self.features_, self._names(), strict=True
        ):
            colors = {"c": self.influence[:, feature]}
            self.scatter_.append(ax.scatter(*points, **style | colors | keywords))
            ax.set_title(name, fontsize="medium")
            label_map(ax, components, adjustable="box")
            ax.label_outer()
        self.colorbar_ = self.figure_.colorbar(
            self.scatter_[0], ax=axes, label="influence", extend="max"
        )

    def _classes(self):
        """Return the classes of the target, none if they cannot be told apart."""
        if self.target is None or is_numeric_target(self.target):
            return []
        classes = list(np.unique(self.target))
        return classes if len(classes) <= MOST_CLASSES else []

    def _draw_bars(self, ax, keywords):
        """Draw the mean over rows, and over those of each class."""
        heights = np.arange(len(self.features_))
        self.bars_ = ax.barh(
            heights,
            self.global_influence[self.features_],
            **{"color": "0.8", "height": 0.75} | keywords,
        )
        for index, label in enumerate(self._classes()):
            color, _ = class_style(index)
            means = self.influence[self.target == label].mean(axis=0)
            # As many shapes as colours: the dots of classes lie close together.
            _, marker = class_style(8 * index)
            style = {"color": color, "marker": marker, "linestyle": "", "ms": 5}
            self.class_means_ += ax.plot(
                means[self.features_], heights, **style, label=str(label)
            )
        if self.class_means_:
            self.legend_ = ax.legend(
                fontsize="small",
                loc="lower left",
                bbox_to_anchor=(0, 1),
                ncols=min(_LEGEND_COLUMNS, len(self.class_means_)),
                columnspacing=1,
                handletextpad=0.2,
            )
        ax.set_xlabel("mean influence")

    def _draw_heatmap(self, ax, keywords):
        """Draw the rows, ordered by target and then by what moves them."""
        self.rows_ = self._row_order()
        shown = self.influence[np.ix_(self.rows_, self.features_)].T
        style = {"aspect": "auto", "interpolation": "nearest"} | self._scale(shown)
        self.heatmap_ = ax.imshow(shown, **style | keywords)
        self.colorbar_ = self.figure_.colorbar(
            self.heatmap_, ax=ax, label="influence", extend="max"
        )
        classes = self._classes()
        if 0 < len(classes) <= _MOST_NAMED:
            sizes = [np.sum(self.target == label) for label in classes]
            edges = np.cumsum(sizes)
            for edge in edges[:-1]:
                ax.axvline(edge - 0.5, color="white", linewidth=1.5)
            # Names of small classes would overlap on one line.
            is_crowded = min(sizes) < _CROWDED_SHARE * len(self.rows_)
            names = [
                "\n" * (index % 2 * is_crowded) + str(name)
                for index, name in enumerate(classes)
            ]
            ax.set_xticks(edges - np.array(sizes) / 2 - 0.5, names)
        order = "rows" if self.target is None else "rows by target"
        ax.set_xlabel("rows by class" if classes else order)

    def _row_order(self):
        """Return rows by target, and within it along the influences' main direction."""
        centered = self.influence - self.global_influence
        along = centered @ np.linalg.eigh(centered.T @ centered)[1][:, -1]
        return np.lexsort((along,) if self.target is None else (along, self.target))

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        ax: Any = None,
        kind: str = "both",
        **plot_kw: Any,
    ) -> Self:
        """Compute the influence with a fitted estimator and draw it.

        Parameters
        ----------
        estimator : estimator instance
            A fitted transformer with the method `influence`.

        X : array-like of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,), default=None
            Classes or numbers that order the rows.

        ax : matplotlib Axes or pair of them, default=None
            Axes to draw on. None makes a new figure.

        kind : {"bar", "heatmap", "both", "map"}, default="both"
            What to draw; see :meth:`plot`.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        InfluenceDisplay
            The display, drawn.
        """
        check_method(estimator, "influence", cls.__name__)
        influence = check_array(to_array(estimator.influence(X)))
        y = check_target(y, influence)
        embedding = check_map(estimator.transform(X)) if kind == "map" else None
        display = cls(
            influence, feature_names(estimator), target=y, embedding=embedding
        )
        return display.plot(ax=ax, kind=kind, **plot_kw)
