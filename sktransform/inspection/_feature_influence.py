# SPDX-License-Identifier: BSD-3-Clause
"""Where in a map each column has its influence."""

import numpy as np

from sktransform.inspection._tools import (
    check_components,
    check_map,
    check_method,
    feature_names,
    label_map,
    to_array,
)


class FeatureInfluenceDisplay:
    """The map once for each leading feature, coloured by that feature's influence.

    All pictures share one scale, so that they can be compared. Create it with
    :meth:`from_estimator`.

    Parameters
    ----------
    embedding : ndarray of shape (n_samples, n_components)
        The embedded rows.

    influence : ndarray of shape (n_samples, n_features)
        How strongly each feature moves each row.

    feature_names : sequence of str of length n_features
        Names of the features.

    Attributes
    ----------
    features_ : ndarray of int
        The features drawn, the most influential first.

    scatter_ : list of PathCollection
        The rows, one collection for each feature.

    colorbar_ : Colorbar
        The common scale.

    axes_ : ndarray of matplotlib Axes
        The axes in use, one for each feature.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    InfluenceDisplay : The same numbers as bars and as a heat map.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sktransform.inspection import FeatureInfluenceDisplay
    >>> from sktransform.reduction import GaussianWeightedLinearReducer
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X = StandardScaler().set_output(transform="pandas").fit_transform(X)
    >>> reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
    >>> display = FeatureInfluenceDisplay.from_estimator(reducer, X, n_features=4)
    >>> len(display.scatter_)
    4
    """

    def __init__(self, embedding, influence, feature_names):
        self.embedding = embedding
        self.influence = influence
        self.feature_names = feature_names

    def plot(self, *, n_features=6, n_columns=3, components=(0, 1), scatter_kw=None):
        """Draw the maps in a new figure.

        Parameters
        ----------
        n_features : int, default=6
            Most features drawn, those of the largest mean influence.

        n_columns : int, default=3
            Maps beside each other.

        components : pair of int, default=(0, 1)
            The embedding's columns on the horizontal and the vertical axis.

        scatter_kw : dict, default=None
            Keywords for `Axes.scatter`.

        Returns
        -------
        FeatureInfluenceDisplay
            The display itself, with what was drawn as attributes.

        Raises
        ------
        ValueError
            If a component does not exist.
        """
        import matplotlib.pyplot as plt

        components = check_components(components, self.embedding.shape[1])
        order = np.argsort(-self.influence.mean(axis=0), kind="stable")
        self.features_ = order[:n_features]
        n_columns = min(n_columns, len(self.features_))
        n_lines = -(-len(self.features_) // n_columns)
        self.figure_, axes = plt.subplots(
            n_lines,
            n_columns,
            figsize=(1 + 2.6 * n_columns, 0.4 + 2.4 * n_lines),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for ax in axes.flat[len(self.features_) :]:
            ax.set_axis_off()
        self.axes_ = axes.flat[: len(self.features_)]
        # The brightest hundredth does not set the scale.
        top = np.quantile(self.influence[:, self.features_], 0.99)
        style = {"s": 8, "linewidths": 0, "cmap": "cividis", "vmin": 0}
        style["vmax"] = max(top, np.finfo(float).tiny)
        self.scatter_ = []
        for ax, feature in zip(self.axes_, self.features_, strict=True):
            colors = {"c": self.influence[:, feature]}
            points = self.embedding[:, components].T
            self.scatter_.append(
                ax.scatter(*points, **style | colors | (scatter_kw or {}))
            )
            ax.set_title(str(self.feature_names[feature]), fontsize="medium")
            label_map(ax, components, adjustable="box")
            ax.label_outer()
        self.colorbar_ = self.figure_.colorbar(
            self.scatter_[0], ax=axes, label="influence", extend="max"
        )
        return self

    @classmethod
    def from_estimator(cls, estimator, X, **plot_kw):
        """Embed rows with a fitted estimator, ask for its influence and draw it.

        Parameters
        ----------
        estimator : estimator instance
            A fitted transformer with the method `influence`.

        X : array-like of shape (n_samples, n_features)
            The rows.

        **plot_kw
            Keywords of :meth:`plot`.

        Returns
        -------
        FeatureInfluenceDisplay
            The display, drawn.
        """
        check_method(estimator, "influence", cls.__name__)
        embedding = check_map(estimator.transform(X))
        influence = to_array(estimator.influence(X))
        display = cls(embedding, influence, feature_names(estimator))
        return display.plot(**plot_kw)
