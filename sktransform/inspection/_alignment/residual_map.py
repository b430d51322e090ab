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
    """The target's rows on its principal axes, coloured by how far their images miss.

    Create it with :meth:`from_estimator` or :meth:`from_predictions`.

    Parameters
    ----------
    positions : ndarray of shape (n_samples, 2)
        The target's rows on its first two principal axes.

    residuals : ndarray of shape (n_samples,)
        Distance of each row from its image, in units of the root mean squared distance
        of the target's rows from their mean: 1 is what a constant would miss by.

    shifts : ndarray of shape (n_samples, 2)
        From each row to its image, on the same axes.

    Attributes
    ----------
    points_ : PathCollection
        The rows.

    arrows_ : Quiver or None
        The shifts of some rows.

    colorbar_ : Colorbar
        The scale.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    SingularValueDisplay : Which directions a map stretches.

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
            Where to draw. None makes a new figure.

        n_arrows : int, default=40
            Rows, evenly spread over those given, that get an arrow to their image.

        **scatter_kw
            Keywords for the rows' `Axes.scatter`.

        Returns
        -------
        ResidualMapDisplay
            The display itself, with what was drawn as attributes.
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
            A fitted aligner. Of a
            :class:`sktransform.alignment.BackwardCompatibleAligner` the columns are
            compared that stand for those of y.

        X : array-like of shape (n_samples, n_features)
            Rows of the first view; new ones tell more.

        y : array-like of shape (n_samples, n_outputs)
            The same rows in the other view, of at least two columns.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

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
        """Compare rows that are mapped already with the target.

        Parameters
        ----------
        y : array-like of shape (n_samples, n_outputs)
            The target's rows, at least two, of at least two columns.

        mapped : array-like of shape (n_samples, n_outputs)
            Their images.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        ResidualMapDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the tables differ in shape, or have fewer than two rows or columns, or
            y does not vary.
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
                f"y has shape {y.shape} and its images {mapped.shape}; both must lie "
                "in one space."
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
