# SPDX-License-Identifier: BSD-3-Clause
"""Residual map: the error of a map between spaces, over the target space."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import to_array


class ResidualMapDisplay:
    """Rows of the target in two principal components, coloured by the error of a map.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    positions : ndarray of shape (n_samples, 2)
        The target's rows on its first two principal axes.

    residuals : ndarray of shape (n_samples,)
        Distance of each row from its prediction, in units of the root mean squared
        distance of the target's rows from their mean: 1 is the error of a constant
        prediction.

    shifts : ndarray of shape (n_samples, 2)
        Vectors from each row to its prediction, on the same axes.

    Attributes
    ----------
    points_ : PathCollection
        The rows.

    arrows_ : Quiver or None
        The shifts of some rows.

    colorbar_ : Colorbar
        The colorbar of the residuals.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    SingularValueDisplay : Draws how a map stretches directions.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import OrthogonalAligner
    >>> from sktransform.inspection import ResidualMapDisplay
    >>> X = np.random.default_rng(0).normal(size=(100, 4))
    >>> aligner = OrthogonalAligner(lam=0).fit(X, X[:, ::-1])
    >>> display = ResidualMapDisplay.from_estimator(aligner, X, X[:, ::-1])
    >>> bool(display.residuals.max() < 1e-10)
    True
    """

    def __init__(
        self, positions: np.ndarray, residuals: np.ndarray, shifts: np.ndarray
    ) -> None:
        self.positions = positions
        self.residuals = residuals
        self.shifts = shifts

    def plot(self, ax: Any = None, *, n_arrows: int = 40, **scatter_kw: Any) -> Self:
        """Draw the rows and the shifts of some of them.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        n_arrows : int, default=40
            Number of evenly spaced rows for which an arrow to the prediction is drawn.

        **scatter_kw
            Keywords for the rows' `Axes.scatter`.

        Returns
        -------
        ResidualMapDisplay
            The display itself; its attributes are the drawn artists.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(5.4, 4.4), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        style = {"s": 12, "linewidths": 0, "cmap": "cividis", "c": self.residuals}
        self.points_ = ax.scatter(*self.positions.T, **style | scatter_kw)
        self.arrows_ = None
        if n_arrows:
            n_arrows = min(n_arrows, len(self.positions))
            some = np.linspace(0, len(self.positions) - 1, n_arrows).astype(int)
            self.arrows_ = ax.quiver(
                *self.positions[some].T,
                *self.shifts[some].T,
                angles="xy",
                scale_units="xy",
                scale=1,
                width=0.004,
                color=class_style(3)[0],
                label="from a row to its image",
            )
            ax.legend(fontsize="small")
        self.colorbar_ = self.figure_.colorbar(
            self.points_, ax=ax, label="distance from the image (1: from the mean)"
        )
        ax.set_xlabel("first principal axis of the target")
        ax.set_ylabel("second principal axis")
        ax.set_aspect("equal", adjustable="datalim")
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Map rows with a fitted aligner and compare them with the target.

        Parameters
        ----------
        estimator : estimator instance
            A fitted aligner. For a
            :class:`sktransform.alignment.BackwardCompatibleAligner` only the columns
            that correspond to y are compared.

        X : array-like of shape (n_samples, n_features)
            Rows of the first view, preferably not training rows.

        y : array-like of shape (n_samples, n_outputs)
            The same rows in the other view, of at least two columns.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        ResidualMapDisplay
            The display, drawn.
        """
        mapped = to_array(estimator.transform(X))
        if hasattr(estimator, "pad"):  # old vectors have no further columns
            mapped = mapped[:, : to_array(y).shape[1]]
        return cls.from_predictions(y, mapped, ax=ax, **plot_kw)

    @classmethod
    def from_predictions(
        cls, y: ArrayLike, mapped: ArrayLike, *, ax: Any = None, **plot_kw: Any
    ) -> Self:
        """Compare given predictions with the target.

        Parameters
        ----------
        y : array-like of shape (n_samples, n_outputs)
            The target's rows, at least two, of at least two columns.

        mapped : array-like of shape (n_samples, n_outputs)
            Predictions of the rows of y.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        ResidualMapDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the arrays differ in shape, have fewer than two rows or columns, or if
            all rows of y are equal.
        """
        y = check_array(
            to_array(y),
            dtype=float,
            ensure_min_samples=2,
            ensure_min_features=2,
            input_name="y",
        )
        mapped = check_array(to_array(mapped), dtype=float, input_name="mapped")
        check_consistent_length(y, mapped)
        if y.shape != mapped.shape:
            raise ValueError(
                f"y has shape {y.shape} and mapped has shape {mapped.shape}, but both "
                "must have the same shape."
            )
        if np.all(y == y[0]):
            raise ValueError("All rows of y are equal; give rows that vary.")
        axes = PCA(2, svd_solver="full").fit(y)
        spread = np.sqrt(((y - y.mean(axis=0)) ** 2).sum(axis=1).mean())
        display = cls(
            axes.transform(y),
            np.linalg.norm(mapped - y, axis=1) / spread,
            (mapped - y) @ axes.components_.T,
        )
        return display.plot(ax, **plot_kw)
