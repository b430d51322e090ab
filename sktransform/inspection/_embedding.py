# SPDX-License-Identifier: BSD-3-Clause
"""The picture of an embedding."""

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_array, check_consistent_length

from sktransform.inspection._palette import class_style

# Share of the picture's half width that the longest arrow takes.
_LONGEST_ARROW = 0.8

# Angle in radians between arrows below which their names would overlap.
_NAMES_APART = 0.25


class EmbeddingDisplay:
    """Scatter plot of an embedding, with charts' centres and influence arrows.

    Create it with :meth:`from_estimator` or :meth:`from_embedding`; what is drawn is
    kept as arrays.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, n_components)
        The embedded rows.

    target : ndarray of shape (n_samples,), default=None
        Classes or numbers that colour the rows.

    centers : ndarray of shape (n_charts, n_components), default=None
        Embedded centres of the charts.

    directions : ndarray of shape (n_features, n_components), default=None
        How the embedding moves, in the mean over rows, when a feature grows by one
        standard deviation.

    feature_names : sequence of str of length n_features, default=None
        Names of the features that directions belong to.

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
        The arrows' names.

    legend_ : Legend or None
        The legend of the classes.

    colorbar_ : Colorbar or None
        The scale of a numeric target.

    See Also
    --------
    sktransform.reduction.GaussianWeightedLinearReducer : Makes embeddings.

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

    def __init__(
        self,
        embedding,
        *,
        target=None,
        centers=None,
        directions=None,
        feature_names=None,
    ):
        self.embedding = embedding
        self.target = target
        self.centers = centers
        self.directions = directions
        self.feature_names = feature_names

    def plot(
        self,
        ax=None,
        *,
        components=(0, 1),
        n_arrows=0,
        scatter_kw=None,
        centers_kw=None,
        arrows_kw=None,
    ):
        """Draw the embedding.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        components : pair of int, default=(0, 1)
            The embedding's columns on the horizontal and the vertical axis.

        n_arrows : int, default=0
            Number of influence arrows: those of the features that move rows most.

        scatter_kw : dict, default=None
            Keywords for the rows' `Axes.scatter`.

        centers_kw : dict, default=None
            Keywords for the centres' `Axes.scatter`.

        arrows_kw : dict, default=None
            Keywords for the arrows' `Axes.quiver`.

        Returns
        -------
        EmbeddingDisplay
            The display itself, with what was drawn as attributes.

        Raises
        ------
        ValueError
            If a component does not exist, or arrows are asked for without directions.
        """
        import matplotlib.pyplot as plt

        components = list(components)
        n_columns = self.embedding.shape[1]
        if len(components) != 2 or not all(0 <= c < n_columns for c in components):
            raise ValueError(
                f"components={tuple(components)} must be two of the embedding's "
                f"columns, 0 to {n_columns - 1}."
            )
        if n_arrows and self.directions is None:
            raise ValueError(
                "Arrows need the features' directions: use from_estimator with an "
                "estimator that has a jacobian method."
            )
        if ax is None:
            _, ax = plt.subplots(layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self._draw_rows(self.embedding[:, components], scatter_kw or {})
        self._draw_centers(components, centers_kw or {})
        self._draw_arrows(components, n_arrows, arrows_kw or {})
        ax.set_xlabel(f"component {components[0]}")
        ax.set_ylabel(f"component {components[1]}")
        # One unit is the same length on both axes: distances are what is shown.
        ax.set_aspect("equal", adjustable="datalim")
        return self

    def _draw_rows(self, points, keywords):
        """Draw the rows, coloured by the target."""
        keywords = {"s": 12, "linewidths": 0, "alpha": 0.8, **keywords}
        self.legend_, self.colorbar_ = None, None
        if self.target is None:
            color, _ = class_style(0)
            self.scatter_ = [self.ax_.scatter(*points.T, **{"color": color} | keywords)]
        elif _is_numeric_target(self.target):
            keywords = {"c": self.target, "cmap": "viridis", **keywords}
            self.scatter_ = [self.ax_.scatter(*points.T, **keywords)]
            self.colorbar_ = self.figure_.colorbar(self.scatter_[0], ax=self.ax_)
        else:
            self.scatter_ = []
            for index, label in enumerate(np.unique(self.target)):
                color, marker = class_style(index)
                style = {"color": color, "marker": marker, "label": str(label)}
                rows = points[self.target == label]
                self.scatter_.append(self.ax_.scatter(*rows.T, **style | keywords))
            self.legend_ = self.ax_.legend(
                fontsize="small",
                markerscale=1.5,
                loc="upper left",
                bbox_to_anchor=(1, 1),
            )

    def _draw_centers(self, components, keywords):
        """Draw the charts' centres."""
        self.centers_ = None
        if self.centers is not None:
            style = {"s": 36, "facecolors": "none", "edgecolors": "black"}
            self.centers_ = self.ax_.scatter(
                *self.centers[:, components].T, **style | keywords
            )

    def _draw_arrows(self, components, n_arrows, keywords):
        """Draw the longest directions from the middle of the rows."""
        self.arrows_, self.texts_ = None, []
        if not n_arrows:
            return
        directions = self.directions[:, components]
        lengths = np.linalg.norm(directions, axis=1)
        longest = np.argsort(-lengths, kind="stable")[:n_arrows]
        points = self.embedding[:, components]
        middle = points.mean(axis=0)
        reach = np.abs(points - middle).max()
        arrows = directions[longest] * (
            _LONGEST_ARROW * reach / max(lengths.max(), np.finfo(float).tiny)
        )
        style = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.005}
        origins = np.broadcast_to(middle, arrows.shape)
        self.arrows_ = self.ax_.quiver(*origins.T, *arrows.T, **style | keywords)
        angles = np.arctan2(*arrows.T)
        for place, (feature, arrow) in enumerate(zip(longest, arrows, strict=True)):
            # A name moves outwards past those of earlier arrows of its direction.
            crowd = np.sum(np.abs(angles[:place] - angles[place]) < _NAMES_APART)
            self.texts_.append(
                self.ax_.annotate(
                    str(self.feature_names[feature]),
                    middle + arrow * (1.05 + 0.15 * crowd),
                    ha="left" if arrow[0] >= 0 else "right",
                    va="center",
                    fontsize="small",
                    bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1},
                )
            )

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, n_arrows=0, ax=None, **plot_kw):
        """Embed rows with a fitted estimator and draw them.

        Parameters
        ----------
        estimator : estimator instance
            A fitted transformer. Its `embedded_centers_` are drawn if it has them;
            arrows need its `jacobian` and `feature_scale_`.

        X : array-like of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,), default=None
            Classes or numbers that colour the rows.

        n_arrows : int, default=0
            Number of influence arrows.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        EmbeddingDisplay
            The display, drawn.
        """
        directions = None
        if hasattr(estimator, "jacobian"):
            jacobian = _to_array(estimator.jacobian(X)).mean(axis=0)
            directions = jacobian.T * estimator.feature_scale_[:, None]
        return cls.from_embedding(
            estimator.transform(X),
            y,
            centers=getattr(estimator, "embedded_centers_", None),
            directions=directions,
            feature_names=_feature_names(estimator),
            n_arrows=n_arrows,
            ax=ax,
            **plot_kw,
        )

    @classmethod
    def from_embedding(
        cls,
        embedding,
        y=None,
        *,
        centers=None,
        directions=None,
        feature_names=None,
        ax=None,
        **plot_kw,
    ):
        """Draw rows that are embedded already.

        Parameters
        ----------
        embedding : array-like of shape (n_samples, n_components)
            The embedded rows, of at least two components.

        y : array-like of shape (n_samples,), default=None
            Classes or numbers that colour the rows.

        centers : ndarray of shape (n_charts, n_components), default=None
            Embedded centres of the charts.

        directions : ndarray of shape (n_features, n_components), default=None
            Mean movement for a standard deviation of each feature.

        feature_names : sequence of str of length n_features, default=None
            Names of the features.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        EmbeddingDisplay
            The display, drawn.
        """
        embedding = check_array(_to_array(embedding), input_name="embedding")
        if embedding.shape[1] < 2:
            raise ValueError(
                "An embedding of one component cannot be drawn as a map; use at least "
                "two components."
            )
        if y is not None:
            y = column_or_1d(_to_array(y))
            check_consistent_length(embedding, y)
        if directions is not None and feature_names is None:
            feature_names = [f"x{index}" for index in range(len(directions))]
        display = cls(
            embedding,
            target=y,
            centers=centers,
            directions=directions,
            feature_names=feature_names,
        )
        return display.plot(ax=ax, **plot_kw)


def _to_array(values):
    """Return values of any container or device as a NumPy array."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _is_numeric_target(target):
    """Tell whether a target is a quantity rather than a set of classes."""
    return type_of_target(target).startswith("continuous")


def _feature_names(estimator):
    """Return the names of the features that an estimator has seen."""
    if hasattr(estimator, "feature_names_in_"):
        return list(estimator.feature_names_in_)
    return [f"x{index}" for index in range(estimator.n_features_in_)]
