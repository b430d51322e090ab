# SPDX-License-Identifier: BSD-3-Clause
"""Biplot display: rows and features as one chart of a mixture maps them."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sktransform.inspection._palette import class_legend, class_style
from sktransform.inspection._reduction.arrows import draw_arrows
from sktransform.inspection._tools import (
    check_components,
    check_map,
    check_method,
    check_numbers,
    check_target,
    feature_names,
    is_numeric_target,
    label_map,
    to_array,
)

# Share of the chart's largest weight below which a row is not drawn: there the chart
# does not speak of it.
_LEAST_SHARE = 0.1


class BiplotDisplay:
    """Biplot of one chart: rows mapped by the chart, and arrows of the features.

    A biplot draws rows and features of a linear map in one figure. Each chart of a
    mixture has its own biplot. The opacity of a row is the weight of the chart at the
    row, relative to the largest weight. Create the display with :meth:`from_estimator`.

    Parameters
    ----------
    points : ndarray of shape (n_samples, n_components)
        Rows mapped by the affine map of the chart.

    weights : ndarray of shape (n_samples,)
        Weight of the chart at each row, from 0 to 1.

    directions : ndarray of shape (n_features, n_components)
        Movement of a row by the chart's map when a feature grows by one standard
        deviation.

    feature_names : sequence of str of length n_features
        Names of the features.

    chart : int
        Index of the chart.

    target : ndarray of shape (n_samples,), default=None
        Classes or numbers that colour the rows.

    Attributes
    ----------
    rows_ : ndarray of int
        The rows drawn: those with at least a tenth of the chart's largest weight.

    scatter_ : list of PathCollection
        The rows: one collection for each class, or one for all.

    arrows_ : Quiver
        The arrows.

    texts_ : list of Text
        Names of the features at the arrows.

    legend_ : Legend or None
        The legend of the classes.

    colorbar_ : Colorbar or None
        The colorbar of a numeric target.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    EmbeddingDisplay : Draws the embedding by the whole mixture.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sktransform.inspection import BiplotDisplay
    >>> from sktransform.reduction import GaussianWeightedLinearReducer
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X = StandardScaler().set_output(transform="pandas").fit_transform(X)
    >>> reducer = GaussianWeightedLinearReducer(n_gaussians=5, random_state=0).fit(X)
    >>> display = BiplotDisplay.from_estimator(reducer, X, y, chart=2)
    >>> display.directions.shape
    (13, 2)
    """

    def __init__(
        self,
        points: np.ndarray,
        weights: np.ndarray,
        directions: np.ndarray,
        feature_names: Sequence[str],
        *,
        chart: int,
        target: np.ndarray | None = None,
    ) -> None:
        self.points = points
        self.weights = weights
        self.directions = directions
        self.feature_names = feature_names
        self.chart = chart
        self.target = target

    def plot(
        self,
        ax: Any = None,
        *,
        components: tuple[int, int] = (0, 1),
        n_arrows: int = 6,
        scatter_kw: Mapping[str, Any] | None = None,
        arrows_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the biplot.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        components : pair of int, default=(0, 1)
            The embedding's columns on the horizontal and the vertical axis.

        n_arrows : int, default=6
            Number of arrows, for the features with the largest movement.

        scatter_kw : dict, default=None
            Keywords for the rows' `Axes.scatter`.

        arrows_kw : dict, default=None
            Keywords for the arrows' `Axes.quiver`.

        Returns
        -------
        BiplotDisplay
            The display itself; its attributes are the drawn artists.

        Raises
        ------
        ValueError
            If a component does not exist.
        """
        import matplotlib.pyplot as plt

        components = check_components(components, self.points.shape[1])
        check_numbers(n_arrows=n_arrows)
        self.rows_ = np.flatnonzero(self.weights >= _LEAST_SHARE * self.weights.max())
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        points = self.points[np.ix_(self.rows_, components)]
        self._draw_rows(points, scatter_kw or {})
        self.arrows_, self.texts_ = draw_arrows(
            ax,
            points,
            self.directions[:, components],
            self.feature_names,
            n_arrows,
            arrows_kw or {},
        )
        label_map(ax, components)
        ax.set_title(f"chart {self.chart}")
        return self

    def _draw_rows(self, points, keywords):
        """Draw the rows, the more opaque the more they follow the chart."""
        keywords = {"s": 14, "linewidths": 0, **keywords}
        weights = self.weights[self.rows_] / self.weights.max()
        self.scatter_, self.legend_, self.colorbar_ = [], None, None
        if self.target is None:
            style = {"color": class_style(0)[0], "alpha": weights}
            self.scatter_.append(self.ax_.scatter(*points.T, **style | keywords))
            return
        target = self.target[self.rows_]
        if is_numeric_target(self.target):
            style = {"c": target, "cmap": "viridis", "alpha": weights}
            self.scatter_.append(self.ax_.scatter(*points.T, **style | keywords))
            self.colorbar_ = self.figure_.colorbar(
                self.scatter_[0], ax=self.ax_, label="target"
            )
            self.colorbar_.solids.set(alpha=1)
            return
        handles = []
        for index, label in enumerate(np.unique(self.target)):
            rows = target == label
            if not rows.any():
                continue
            color, marker = class_style(index)
            style = {"color": color, "marker": marker, "alpha": weights[rows]}
            self.scatter_.append(self.ax_.scatter(*points[rows].T, **style | keywords))
            # Not the rows' own: a legend's colours are opaque.
            style = {"color": color, "marker": marker, "linestyle": ""}
            handles += self.ax_.plot([], [], **style, label=str(label))
        self.legend_ = class_legend(self.ax_, len(handles), handles=handles)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        chart: int | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw the biplot of one chart of a fitted mixture of linear maps.

        Parameters
        ----------
        estimator : estimator instance
            A fitted mixture with `centers_`, `components_`, `offsets_`,
            `feature_scale_` and the method `chart_weights`.

        X : array-like of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,), default=None
            Classes or numbers that colour the rows.

        chart : int, default=None
            Index of the chart. None uses the chart that has the largest weight at the
            most rows.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        BiplotDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is no such chart.
        """
        check_method(estimator, "chart_weights", cls.__name__)
        weights = to_array(estimator.chart_weights(X))
        if chart is None:
            chart = int(np.bincount(weights.argmax(axis=1)).argmax())
        if not 0 <= chart < weights.shape[1]:
            raise ValueError(
                f"chart must be from 0 to {weights.shape[1] - 1}, got {chart}."
            )
        linear = estimator.components_[chart]
        rows = to_array(X) - estimator.centers_[chart]
        return cls(
            check_map(estimator.offsets_[chart] + rows @ linear.T),
            weights[:, chart],
            linear.T * estimator.feature_scale_[:, None],
            feature_names(estimator),
            chart=chart,
            target=check_target(y, weights),
        ).plot(ax=ax, **plot_kw)
