# SPDX-License-Identifier: BSD-3-Clause
"""Shepard display: embedded distances against distances of the data."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from sklearn.utils import check_array, check_consistent_length, check_random_state

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import check_choice, to_array
from sktransform.utils._typing import RandomState
from sktransform.utils._validation import check_distances

# Groups of equally many pairs of which the median is drawn.
_MEDIANS = 20


class ShepardDisplay:
    """Shepard diagram: embedded against original distances, and distortion of rows.

    Create it with :meth:`from_estimator` or :meth:`from_embedding`.

    Parameters
    ----------
    distances : ndarray of shape (n_pairs,)
        Distances of pairs of rows.

    embedded_distances : ndarray of shape (n_pairs,)
        Distances of the same pairs in the embedding.

    embedding : ndarray of shape (n_samples, n_components), default=None
        The embedding, on which the distortion is drawn.

    distortion : ndarray of shape (n_samples,), default=None
        Stress of each row's distances.

    Attributes
    ----------
    pairs_ : QuadMesh or PathCollection
        The pairs.

    identity_ : Line2D
        Line of equal distances.

    medians_ : Line2D
        Medians of the embedded distances in bins with equal numbers of pairs.

    distortion_ : BarContainer or PathCollection or None
        The histogram or the map of the distortion.

    colorbars_ : list of Colorbar
        The colorbars.

    axes_ : ndarray of matplotlib Axes
        The axes, one or two.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    sktransform.metrics.stress : Summarises the same comparison in one number.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sktransform.inspection import ShepardDisplay
    >>> from sktransform.reduction import GaussianWeightedLinearReducer
    >>> X = StandardScaler().fit_transform(load_wine().data)
    >>> reducer = GaussianWeightedLinearReducer(random_state=0).fit(X)
    >>> display = ShepardDisplay.from_estimator(reducer, X)
    >>> display.distances.shape
    (15753,)
    """

    def __init__(
        self,
        distances: np.ndarray,
        embedded_distances: np.ndarray,
        *,
        embedding: np.ndarray | None = None,
        distortion: np.ndarray | None = None,
    ) -> None:
        self.distances = distances
        self.embedded_distances = embedded_distances
        self.embedding = embedding
        self.distortion = distortion

    def plot(
        self,
        ax: Any = None,
        *,
        kind: str = "histogram",
        distortion: str | None = "map",
        pairs_kw: Mapping[str, Any] | None = None,
        distortion_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib Axes or pair of them, default=None
            Axes to draw on; a pair if the distortion is drawn. None makes a new figure.

        kind : {"histogram", "scatter"}, default="histogram"
            Whether pairs are drawn as a two-dimensional histogram or as points.

        distortion : {"map", "histogram"} or None, default="map"
            How the distortion of rows is drawn: on the embedding or as a histogram;
            None does not draw it. An embedding of one component always gets a
            histogram.

        pairs_kw : dict, default=None
            Keywords for the pairs' `Axes.hist2d` or `Axes.scatter`.

        distortion_kw : dict, default=None
            Keywords for the distortion's `Axes.scatter` or `Axes.hist`.

        Returns
        -------
        ShepardDisplay
            The display itself; its attributes are the drawn artists.

        Raises
        ------
        ValueError
            If `kind` or `distortion` has an invalid value, or `ax` has the wrong number
            of axes.
        """
        import matplotlib.pyplot as plt

        check_choice("kind", kind, ("histogram", "scatter"))
        check_choice("distortion", distortion, ("map", "histogram", None))
        n_axes = 1 if distortion is None or self.distortion is None else 2
        if ax is None:
            _, ax = plt.subplots(
                1, n_axes, figsize=(5 * n_axes, 4.2), layout="constrained"
            )
        self.axes_ = np.atleast_1d(np.asarray(ax, dtype=object))
        if len(self.axes_) != n_axes:
            raise ValueError(f"ax must have {n_axes} axes, got {len(self.axes_)} axes.")
        self.figure_ = self.axes_[0].figure
        self.colorbars_, self.distortion_ = [], None
        self._draw_pairs(self.axes_[0], kind, pairs_kw or {})
        if n_axes == 2:
            is_map = distortion == "map" and self.embedding.shape[1] > 1
            draw = self._draw_map if is_map else self._draw_histogram
            draw(self.axes_[1], distortion_kw or {})
        return self

    def _draw_pairs(self, ax, kind, keywords):
        """Draw the pairs, the line on which they should lie, and where they do."""
        pairs = self.distances, self.embedded_distances
        if kind == "histogram":
            style = {"bins": 60, "cmin": 1, "cmap": "Greys", "norm": "log"}
            *_, self.pairs_ = ax.hist2d(*pairs, **style | keywords)
            self.colorbars_.append(
                self.figure_.colorbar(self.pairs_, ax=ax, label="pairs")
            )
        else:
            style = {"s": 4, "color": "0.4", "linewidths": 0, "alpha": 0.2}
            self.pairs_ = ax.scatter(*pairs, **style | keywords)
        reach = [0, max(np.max(values) for values in pairs)]
        blue, orange = class_style(0)[0], class_style(1)[0]
        (self.identity_,) = ax.plot(
            reach, reach, color=blue, linestyle="--", label="distance kept"
        )
        groups = np.array_split(np.argsort(self.distances, kind="stable"), _MEDIANS)
        medians = [
            [np.median(values[group]) for values in pairs]
            for group in groups
            if len(group)
        ]
        (self.medians_,) = ax.plot(
            *np.transpose(medians), color=orange, marker="o", ms=4, label="median"
        )
        ax.set_xlabel("distance in the data")
        ax.set_ylabel("distance in the embedding")
        ax.legend(loc="upper left", fontsize="small")

    def _draw_map(self, ax, keywords):
        """Draw the rows where the map puts them, coloured by their distortion."""
        style = {"s": 12, "linewidths": 0, "cmap": "cividis", "c": self.distortion}
        self.distortion_ = ax.scatter(*self.embedding[:, :2].T, **style | keywords)
        self.colorbars_.append(
            self.figure_.colorbar(self.distortion_, ax=ax, label="distortion")
        )
        ax.set_xlabel("component 0")
        ax.set_ylabel("component 1")
        ax.set_aspect("equal", adjustable="datalim")

    def _draw_histogram(self, ax, keywords):
        """Draw how many rows have which distortion."""
        style = {"bins": 30, "color": class_style(0)[0]}
        *_, self.distortion_ = ax.hist(self.distortion, **style | keywords)
        ax.set_xlabel("distortion")
        ax.set_ylabel("rows")

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        *,
        distances: ArrayLike | None = None,
        n_pairs: int = 50_000,
        random_state: RandomState = 0,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Embed rows with a fitted estimator and compare the distances.

        Parameters
        ----------
        estimator : estimator instance
            A fitted transformer. If it has a method `distortion` and `distances` is
            None, this method computes the distortion of the rows.

        X : array-like of shape (n_samples, n_features)
            At least two rows.

        distances : array-like of shape (n_samples, n_samples), default=None
            Target distances, such as geodesic ones. None uses Euclidean distances.

        n_pairs : int, default=50_000
            Largest number of pairs; if there are more, a random sample is drawn.

        random_state : int, RandomState instance or None, default=0
            Seed of the sample.

        ax : matplotlib Axes or pair of them, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        ShepardDisplay
            The display, drawn.
        """
        distortion = None
        if distances is None and hasattr(estimator, "distortion"):
            distortion = to_array(estimator.distortion(X))
        return cls.from_embedding(
            X,
            estimator.transform(X),
            distances=distances,
            distortion_of_rows=distortion,
            n_pairs=n_pairs,
            random_state=random_state,
            ax=ax,
            **plot_kw,
        )

    @classmethod
    def from_embedding(
        cls,
        X: ArrayLike,
        embedding: ArrayLike,
        *,
        distances: ArrayLike | None = None,
        distortion_of_rows: ArrayLike | None = None,
        n_pairs: int = 50_000,
        random_state: RandomState = 0,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Compare the distances of given rows and a given embedding.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least two rows.

        embedding : array-like of shape (n_samples, n_components)
            The embedded rows.

        distances : array-like of shape (n_samples, n_samples), default=None
            Target distances. None uses Euclidean distances.

        distortion_of_rows : array-like of shape (n_samples,), default=None
            Stress of each row's distances. None computes it if `distances` is given.

        n_pairs : int, default=50_000
            Largest number of pairs; if there are more, a random sample is drawn.

        random_state : int, RandomState instance or None, default=0
            Seed of the sample.

        ax : matplotlib Axes or pair of them, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        ShepardDisplay
            The display, drawn.
        """
        X = check_array(to_array(X), dtype=float, ensure_min_samples=2)
        embedding = check_array(to_array(embedding), input_name="embedding")
        check_consistent_length(X, embedding)
        if distortion_of_rows is not None:
            distortion_of_rows = np.asarray(distortion_of_rows)
            check_consistent_length(X, distortion_of_rows)
        first, second = _pairs(len(X), n_pairs, random_state)
        if distances is None:
            kept = np.linalg.norm(X[first] - X[second], axis=1)
        else:
            distances = check_distances(distances, "distances", n_rows=len(X))
            kept = distances[first, second]
            if distortion_of_rows is None:
                distortion_of_rows = _distortion(distances, embedding)
        display = cls(
            kept,
            np.linalg.norm(embedding[first] - embedding[second], axis=1),
            embedding=embedding,
            distortion=distortion_of_rows,
        )
        return display.plot(ax=ax, **plot_kw)


def _distortion(distances, embedding):
    """Return the stress of each row's distances to all rows; 0 if there are none."""
    errors = distances - cdist(embedding, embedding)
    power = np.square(distances).sum(axis=1)
    return np.sqrt(np.square(errors).sum(axis=1) / power.clip(np.finfo(float).tiny))


def _pairs(n_rows, n_pairs, random_state):
    """Return the two indices of every pair, or of pairs drawn with replacement."""
    if n_rows * (n_rows - 1) // 2 <= n_pairs:
        return np.triu_indices(n_rows, 1)
    generator = check_random_state(random_state)
    first = generator.randint(n_rows, size=n_pairs)
    second = generator.randint(n_rows - 1, size=n_pairs)
    # Skipping the first index leaves the other rows equally likely.
    return first, second + (second >= first)
