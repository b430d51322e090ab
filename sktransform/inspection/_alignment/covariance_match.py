# SPDX-License-Identifier: BSD-3-Clause
"""Covariance match display: variances of mapped queries beside the gallery's."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import check_method, to_array

# Variances of single axes jump: of what jumps no dash could be told from another.
_CURVES = {"gallery": "--", "queries, regression": "-", "queries, matched": "-"}


class CovarianceMatchDisplay:
    """Variance of a gallery and of mapped queries along the gallery's principal axes.

    Least squares shrinks queries, by different factors in different directions, and
    shrunk queries retrieve mainly hubs of the gallery. After covariance matching the
    variances of the queries are those of the gallery. Create the display with
    :meth:`from_estimator` or :meth:`from_views`.

    Parameters
    ----------
    variances : dict of str to ndarray of shape (n_axes,)
        Variances along the gallery's principal axes: of the "gallery", of the mapped
        queries ("queries, regression") and, if given, of the matched queries ("queries,
        matched").

    Attributes
    ----------
    curves_ : list of Line2D
        The variances, as shares of the gallery's total variance.

    ratios_ : list of Line2D
        Ratios of the queries' variances to those of the gallery.

    axes_ : ndarray of matplotlib Axes
        The two axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    sktransform.metrics.hubness : Measures whether few rows are found by many queries.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.inspection import CovarianceMatchDisplay
    >>> gallery = np.random.default_rng(0).normal(size=(100, 3))
    >>> display = CovarianceMatchDisplay.from_views(gallery, gallery / 2, gallery)
    >>> display.ratio("queries, regression").round(2)
    array([0.25, 0.25, 0.25])
    """

    def __init__(self, variances: Mapping[str, np.ndarray]) -> None:
        self.variances = variances

    def ratio(self, name: str) -> np.ndarray:
        """Return the ratio of the variances of a view to those of the gallery.

        Parameters
        ----------
        name : str
            A name in `variances`.

        Returns
        -------
        ndarray of shape (n_axes,)
            The ratios, one for each principal axis.
        """
        return self.variances[name] / self.variances["gallery"]

    def plot(self, ax: Any = None) -> Self:
        """Draw the variances, and their ratios to those of the gallery.

        Parameters
        ----------
        ax : pair of matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        CovarianceMatchDisplay
            The display itself; its attributes are the drawn artists.

        Raises
        ------
        ValueError
            If ax is not a pair.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        self.axes_ = np.atleast_1d(np.asarray(ax, dtype=object))
        if len(self.axes_) != 2:
            raise ValueError(f"ax must be a pair of axes, got {len(self.axes_)} axes.")
        self.figure_ = self.axes_[0].figure
        total = self.variances["gallery"].sum()
        shares = {name: values / total for name, values in self.variances.items()}
        self.curves_ = self._draw(self.axes_[0], shares)
        ratios = {name: self.ratio(name) for name in self.variances}
        self.ratios_ = self._draw(self.axes_[1], ratios)[1:]
        self.axes_[0].set_yscale("log")
        self.axes_[0].set_ylabel("share of the gallery's variance")
        self.axes_[1].set_ylabel("ratio to the gallery's variance")
        self.axes_[1].set_ylim(bottom=0)
        self.axes_[0].legend(fontsize="small")
        return self

    def _draw(self, ax, curves):
        """Draw curves over the index of the axis, the widest first."""
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        ax.set_xlabel("principal axis of the gallery")
        lines = []
        for index, (name, style) in enumerate(_CURVES.items()):
            if name in curves:
                indices = np.arange(1, len(curves[name]) + 1)
                color = class_style(index)[0]
                look = {"color": color, "linestyle": style, "linewidth": 1}
                lines += ax.plot(indices, curves[name], label=name, **look)
        return lines

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        n_axes: int | None = None,
        ax: Any = None,
    ) -> Self:
        """Map rows with a fitted adapter, without and with its calibration.

        Parameters
        ----------
        estimator : estimator instance
            A fitted adapter with a method `regress`, such as
            :class:`sktransform.alignment.EmbeddingAdapter` fitted with
            ``store_moments=True``.

        X : array-like of shape (n_queries, n_features)
            Rows of the first view, at least two. They should not be training rows,
            whose predictions vary too much.

        y : array-like of shape (n_gallery, n_outputs)
            Rows of the gallery, not necessarily the rows of X.

        n_axes : int, default=None
            Number of principal axes of the gallery. None uses all axes with positive
            variance.

        ax : pair of matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        CovarianceMatchDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no method `regress`.
        """
        check_method(estimator, "regress", cls.__name__)
        views = estimator.regress(X), estimator.transform(X)
        return cls.from_views(y, *views, n_axes=n_axes, ax=ax)

    @classmethod
    def from_views(
        cls,
        gallery: ArrayLike,
        queries: ArrayLike,
        matched: ArrayLike | None = None,
        *,
        n_axes: int | None = None,
        ax: Any = None,
    ) -> Self:
        """Compare the variances of given rows of one space.

        Parameters
        ----------
        gallery : array-like of shape (n_gallery, n_features)
            Rows that are searched, at least two.

        queries : array-like of shape (n_queries, n_features)
            Rows mapped into the gallery's space by a regression.

        matched : array-like of shape (n_queries, n_features), default=None
            The same rows after covariance matching.

        n_axes : int, default=None
            Number of principal axes of the gallery. None uses all axes with positive
            variance.

        ax : pair of matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        CovarianceMatchDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the views have different numbers of columns, or if all rows of the
            gallery are equal.
        """
        views = dict(zip(_CURVES, (gallery, queries, matched), strict=True))
        views = {
            name: check_array(to_array(v), dtype=float, ensure_min_samples=2)
            for name, v in views.items()
            if v is not None
        }
        widths = {name: view.shape[1] for name, view in views.items()}
        if len(set(widths.values())) > 1:
            raise ValueError(
                "All views must have the same number of columns, but the numbers of "
                f"columns are {widths}."
            )
        covariance = np.atleast_2d(np.cov(views["gallery"].T, ddof=0))
        values, vectors = np.linalg.eigh(covariance)
        n_varying = int(np.sum(values > 1e-10 * values.sum()))
        if n_varying == 0:
            raise ValueError("All rows of gallery are equal; give rows that vary.")
        axes = vectors.T[::-1][: min(n_axes or n_varying, n_varying)]
        display = cls({name: np.var(v @ axes.T, axis=0) for name, v in views.items()})
        return display.plot(ax)
