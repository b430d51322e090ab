# SPDX-License-Identifier: BSD-3-Clause
"""Embedding display: scatter plot of a map with centres, arrows and ellipses."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_consistent_length

from sktransform.inspection._reduction.arrows import draw_arrows, draw_expansion
from sktransform.inspection._reduction.deferred import Deferred, deferred_explanations
from sktransform.inspection._reduction.interactive import write_html
from sktransform.inspection._reduction.points import draw_centers, draw_rows
from sktransform.inspection._tools import (
    check_components,
    check_map,
    check_numbers,
    check_target,
    feature_names,
    label_map,
    to_array,
)


class EmbeddingDisplay:
    """Scatter plot of an embedding, with centres, influence arrows and expansion.

    Create it with :meth:`from_estimator` or :meth:`from_embedding`. The arrays that are
    drawn are attributes.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, n_components)
        The embedded rows.

    target : ndarray of shape (n_samples,), default=None
        Classes or numbers that colour the rows.

    centers : ndarray of shape (n_charts, n_components), default=None
        Embedded centres of the charts.

    directions : ndarray of shape (n_features, n_components), default=None
        Mean movement of the rows in the embedding when a feature grows by one standard
        deviation.

    feature_names : sequence of str of length n_features, default=None
        Names of the features.

    ellipses : ndarray of shape (n_samples, n_components, n_components), default=None
        Shape matrices of the ellipses to which the map takes small balls around the
        rows.

    expansion : ndarray of shape (n_samples,), default=None
        Local expansion of the map at each row; NaN where it is unknown.

    distortion : ndarray of shape (n_samples,), default=None
        Stress of each row's distances.

    influence : ndarray of shape (n_samples, n_features), default=None
        Influence of each feature on each row.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    scatter_ : list of PathCollection
        The rows: one collection for each class, or one for all.

    centers_ : PathCollection or None
        The charts' centres.

    arrows_ : Quiver or None
        The arrows.

    texts_ : list of Text
        Names of the features at the arrows.

    ellipses_ : EllipseCollection or None
        The ellipses.

    ellipses_rows_ : ndarray of int or None
        Indices of the rows of the ellipses.

    ellipses_colorbar_ : Colorbar or None
        The colorbar of the expansion.

    legend_ : Legend or None
        The legend of the classes.

    colorbar_ : Colorbar or None
        The colorbar of a numeric target.

    See Also
    --------
    sktransform.reduction.GaussianWeightedLinearReducer : Computes embeddings.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sktransform.inspection import EmbeddingDisplay
    >>> from sktransform.reduction import GaussianWeightedLinearReducer
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X = StandardScaler().set_output(transform="pandas").fit_transform(X)
    >>> reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
    >>> display = EmbeddingDisplay.from_estimator(reducer, X, y, n_arrows=4)
    >>> display.embedding.shape
    (178, 2)
    """

    # These take long for many rows, and a plain picture needs none of them.
    directions = Deferred()
    distortion = Deferred()
    influence = Deferred()

    def __init__(
        self,
        embedding: np.ndarray,
        *,
        target: np.ndarray | None = None,
        centers: np.ndarray | None = None,
        directions: np.ndarray | None = None,
        feature_names: Sequence[str] | None = None,
        ellipses: np.ndarray | None = None,
        expansion: np.ndarray | None = None,
        distortion: np.ndarray | None = None,
        influence: np.ndarray | None = None,
    ) -> None:
        self.embedding = embedding
        self.target = target
        self.centers = centers
        self.directions = directions
        self.feature_names = feature_names
        self.ellipses = ellipses
        self.expansion = expansion
        self.distortion = distortion
        self.influence = influence

    def to_html(
        self,
        path: str | PathLike[str],
        *,
        components: tuple[int, int] = (0, 1),
        title: str = "Embedding",
    ) -> Path:
        """Write the embedding as one interactive HTML page, which needs no network.

        A tooltip shows the class, distortion and most influential features of a row; a
        click on the legend hides or shows a class. Needs plotly, which the extra
        "interactive" installs.

        Parameters
        ----------
        path : str or path-like
            File to write. Its size is about 5 MB, mostly for plotly.

        components : pair of int, default=(0, 1)
            The embedding's columns on the horizontal and the vertical axis.

        title : str, default="Embedding"
            Title of the page.

        Returns
        -------
        Path
            Path of the written file.
        """
        return write_html(
            path,
            self.embedding,
            target=self.target,
            centers=self.centers,
            distortion=self.distortion,
            influence=self.influence,
            feature_names=self.feature_names,
            components=check_components(components, self.embedding.shape[1]),
            title=title,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        components: tuple[int, int] = (0, 1),
        n_arrows: int = 0,
        n_ellipses: int = 0,
        scatter_kw: Mapping[str, Any] | None = None,
        centers_kw: Mapping[str, Any] | None = None,
        arrows_kw: Mapping[str, Any] | None = None,
        ellipses_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the embedding.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        components : pair of int, default=(0, 1)
            The embedding's columns on the horizontal and the vertical axis.

        n_arrows : int, default=0
            Number of influence arrows, for the features with the largest influence.

        n_ellipses : int, default=0
            Number of rows, spread over the embedding, at which an ellipse of the local
            expansion is drawn: the image of a small ball around the row, which is a
            circle where the map preserves distances. All ellipses are enlarged by the
            same factor.

        scatter_kw : dict, default=None
            Keywords for the rows' `Axes.scatter`.

        centers_kw : dict, default=None
            Keywords for the centres' `Axes.scatter`.

        arrows_kw : dict, default=None
            Keywords for the arrows' `Axes.quiver`.

        ellipses_kw : dict, default=None
            Keywords for the ellipses' `EllipseCollection`.

        Returns
        -------
        EmbeddingDisplay
            The display itself; its attributes are the drawn artists.

        Raises
        ------
        ValueError
            If a component does not exist, or if `n_arrows` or `n_ellipses` is above 0
            but the directions or the expansion are missing.
        """
        import matplotlib.pyplot as plt

        components = check_components(components, self.embedding.shape[1])
        check_numbers(n_arrows=n_arrows, n_ellipses=n_ellipses)
        if n_arrows and self.directions is None:
            raise ValueError(
                "Arrows need the features' directions, but directions is None; use "
                "from_estimator with an estimator that has a jacobian method."
            )
        if n_ellipses and self.ellipses is None:
            raise ValueError(
                "Ellipses need the expansion, but ellipses is None; use "
                "from_estimator with n_ellipses and an estimator that has an "
                "expansion method."
            )
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        points = self.embedding[:, components]
        self.scatter_, self.legend_, self.colorbar_ = draw_rows(
            ax, points, self.target, scatter_kw or {}
        )
        self.centers_ = None
        if self.centers is not None:
            shown = self.centers[:, components]
            self.centers_ = draw_centers(ax, shown, centers_kw or {})
        self.arrows_, self.texts_ = None, []
        if n_arrows:
            self.arrows_, self.texts_ = draw_arrows(
                ax,
                points,
                self.directions[:, components],
                self.feature_names,
                n_arrows,
                arrows_kw or {},
            )
        label_map(ax, components)
        drawn = None, None, None
        if n_ellipses:
            # The shadow of an ellipse on two of its components.
            shapes = self.ellipses[:, components][:, :, components]
            drawn = draw_expansion(
                ax, points, shapes, self.expansion, n_ellipses, ellipses_kw or {}
            )
        self.ellipses_, self.ellipses_colorbar_, self.ellipses_rows_ = drawn
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        n_arrows: int = 0,
        n_ellipses: int = 0,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Embed rows with a fitted estimator and draw them.

        The attributes `directions`, `distortion` and `influence`, which arrows and
        :meth:`to_html` need, are computed on first access; do not modify X before. For
        sparse X `distortion` and `influence` are None.

        Parameters
        ----------
        estimator : estimator instance
            A fitted transformer. If it has `embedded_centers_`, these are drawn. Arrows
            need its method `jacobian` and its attribute `feature_scale_`, ellipses its
            method `expansion`.

        X : array-like of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,), default=None
            Classes or numbers that colour the rows.

        n_arrows : int, default=0
            Number of influence arrows.

        n_ellipses : int, default=0
            Number of ellipses of expansion.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        EmbeddingDisplay
            The display, drawn.
        """
        embedding = check_map(estimator.transform(X))
        local = {}
        if n_ellipses and hasattr(estimator, "expansion"):
            found = estimator.expansion(X)
            local = {k: to_array(getattr(found, k)) for k in ("ellipses", "expansion")}
        display = cls(
            embedding,
            target=check_target(y, embedding),
            centers=getattr(estimator, "embedded_centers_", None),
            feature_names=feature_names(estimator),
            **local,
            **deferred_explanations(estimator, X),
        )
        return display.plot(ax, n_arrows=n_arrows, n_ellipses=n_ellipses, **plot_kw)

    @classmethod
    def from_embedding(
        cls,
        embedding: ArrayLike,
        y: ArrayLike | None = None,
        *,
        centers: np.ndarray | None = None,
        directions: np.ndarray | None = None,
        feature_names: Sequence[str] | None = None,
        ellipses: np.ndarray | None = None,
        expansion: np.ndarray | None = None,
        distortion: np.ndarray | None = None,
        influence: np.ndarray | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw a given embedding.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_components)
            The embedded rows, of at least two components.

        y : array-like of shape (n_samples,), default=None
            Classes or numbers that colour the rows.

        centers : ndarray of shape (n_charts, n_components), default=None
            Embedded centres of the charts.

        directions : ndarray of shape (n_features, n_components), default=None
            Mean movement of the rows when a feature grows by one standard deviation.

        feature_names : sequence of str of length n_features, default=None
            Names of the features.

        ellipses : ndarray of shape (n_samples, n_components, n_components), \
                default=None
            Shape matrices of the ellipses to which the map takes small balls around the
            rows.

        expansion : ndarray of shape (n_samples,), default=None
            Local expansion of the map at each row.

        distortion : ndarray of shape (n_samples,), default=None
            Stress of each row's distances.

        influence : ndarray of shape (n_samples, n_features), default=None
            Influence of each feature on each row.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        EmbeddingDisplay
            The display, drawn.
        """
        embedding = check_map(embedding)
        check_consistent_length(embedding, distortion, influence)
        if feature_names is None and directions is not None:
            feature_names = [f"x{index}" for index in range(len(directions))]
        elif feature_names is None and influence is not None:
            feature_names = [f"x{index}" for index in range(influence.shape[1])]
        return cls(
            embedding,
            target=check_target(y, embedding),
            centers=centers,
            directions=directions,
            feature_names=feature_names,
            ellipses=ellipses,
            expansion=expansion,
            distortion=distortion,
            influence=influence,
        ).plot(ax=ax, **plot_kw)
