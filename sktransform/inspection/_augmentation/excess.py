# SPDX-License-Identifier: BSD-3-Clause
"""Excess display: excess loss by magnitude, and learned ranges."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sktransform.inspection._palette import class_style
from sktransform.inspection._panels import hide_unused, panel_grid
from sktransform.inspection._tools import to_array

_CURVE, _RANGE = class_style(0)[0], class_style(3)[0]


class ExcessDisplay:
    """Excess loss on held-out rows by magnitude, with a panel for each transformation.

    The excess loss is the mean loss on transformed rows minus the mean loss on
    unchanged rows. It is 0 up to the magnitude at which a transformation begins to
    change labels. A dashed line is the learned range. Create the display with
    :meth:`from_estimator` or :meth:`from_curves`.

    Parameters
    ----------
    magnitudes : ndarray of shape (n_magnitudes,)
        Magnitudes from 0, no change, to 1, the full range.

    excess : ndarray of shape (n_transformations, n_magnitudes)
        Mean loss on transformed rows minus the mean loss on unchanged rows.

    standard_errors : ndarray of shape (n_transformations, n_magnitudes), default=None
        Standard errors of the excess.

    names : list of str of length n_transformations, default=None
        Names of the transformations; None leaves the panels without titles.

    ranges : ndarray of shape (n_transformations,), default=None
        Learned ranges, 0 for rejected transformations.

    status : list of str of length n_transformations, default=None
        Status of each transformation, such as "kept" or "shrunk", for the titles.

    tolerance : float, default=None
        The allowed excess loss.

    Attributes
    ----------
    curves_ : list of Line2D
        The curves.

    bands_ : list of PolyCollection
        The intervals of the curves; empty without standard errors.

    ranges_ : list of (Line2D or None)
        The learned ranges; None where a transformation was rejected.

    axes_ : ndarray of matplotlib Axes
        The axes in use, one for each transformation.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    AcceptanceDisplay : Draws whether an estimator improves.
    sktransform.metrics.label_invariance_excess : Computes the excess for any model.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransform.inspection import ExcessDisplay
    >>> from sktransform.metrics import label_invariance_excess
    >>> X = np.random.default_rng(0).normal(size=(300, 2))
    >>> y = X[:, 0] > 0
    >>> def shift(X, magnitude, random_state):
    ...     return X + [2 * magnitude, 0]
    >>> magnitudes = np.linspace(0, 1, 5)
    >>> excess, error = label_invariance_excess(
    ...     LogisticRegression(), X, y, shift, magnitudes=magnitudes, cv=3
    ... )
    >>> display = ExcessDisplay.from_curves(magnitudes, excess, error, names=["shift"])
    >>> len(display.curves_)
    1
    """

    def __init__(
        self,
        magnitudes: np.ndarray,
        excess: np.ndarray,
        *,
        standard_errors: np.ndarray | None = None,
        names: Sequence[str] | None = None,
        ranges: np.ndarray | None = None,
        status: Sequence[str] | None = None,
        tolerance: float | None = None,
    ) -> None:
        self.magnitudes = magnitudes
        self.excess = excess
        self.standard_errors = standard_errors
        self.names = names
        self.ranges = ranges
        self.status = status
        self.tolerance = tolerance

    def plot(self, *, n_columns: int = 4, z: float = 1.96) -> Self:
        """Draw the curves in a new figure with a common scale.

        Parameters
        ----------
        n_columns : int, default=4
            Number of panels in a row of the figure.

        z : float, default=1.96
            Half width of the intervals, in standard errors.

        Returns
        -------
        ExcessDisplay
            The display itself; its attributes are the drawn artists.
        """
        self.figure_, axes = panel_grid(
            len(self.excess), n_columns, (2.6, 2.1), sharex=True, sharey=True
        )
        self.axes_ = axes.flat[: len(self.excess)]
        self.curves_, self.bands_, self.ranges_ = [], [], []
        for index, ax in enumerate(self.axes_):
            self._draw(ax, index, z)
        hide_unused(axes, len(self.excess))
        self.figure_.supxlabel("magnitude, share of the declared range", fontsize=10)
        self.figure_.supylabel("excess of the held-out loss", fontsize=10)
        return self

    def _draw(self, ax, index, z):
        """Draw the curve of one transformation."""
        values = self.excess[index]
        known = np.isfinite(values)
        x, values = self.magnitudes[known], values[known]
        ax.axhline(0, color="0.3", lw=0.8)
        if self.tolerance is not None:
            ax.axhline(self.tolerance, color="0.3", lw=0.8, linestyle=":")
        if self.standard_errors is not None:
            half = z * self.standard_errors[index][known]
            if len(x) == 1:  # all or nothing: a band of no width would not show
                ax.errorbar(x, values, half, color=_CURVE, alpha=0.5, lw=2)
            band = ax.fill_between(
                x, values - half, values + half, color=_CURVE, alpha=0.25, lw=0
            )
            self.bands_.append(band)
        self.curves_ += ax.plot(x, values, color=_CURVE, marker="o", ms=3)
        ax.set_xlim(-0.03, 1.04)
        reach = None if self.ranges is None else self.ranges[index]
        name = "" if self.names is None else self.names[index]
        self.ranges_.append(None)
        if reach is not None and reach > 0:
            self.ranges_[-1] = ax.axvline(reach, color=_RANGE, linestyle="--", lw=1.2)
            found = "learned range" if self.status is None else self.status[index]
            note = f"{name}\n{found} {reach:.2g}"
        else:
            note = name if reach is None else f"{name}\nrejected"
        ax.set_title(note, fontsize=8)
        ax.tick_params(labelsize=8)

    @classmethod
    def from_curves(
        cls,
        magnitudes: ArrayLike,
        excess: ArrayLike,
        standard_errors: ArrayLike | None = None,
        *,
        names: Sequence[str] | None = None,
        ranges: ArrayLike | None = None,
        status: Sequence[str] | None = None,
        tolerance: float | None = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw given curves.

        Parameters
        ----------
        magnitudes : array-like of shape (n_magnitudes,)
            Magnitudes from 0 to 1.

        excess : array-like of shape (n_transformations, n_magnitudes)
            Excess loss; the shape may be (n_magnitudes,) for a single transformation.
            Values that are not finite are not drawn.

        standard_errors : array-like of the shape of `excess`, default=None
            Standard errors of the excess.

        names : sequence of str of length n_transformations, default=None
            Names of the transformations.

        ranges : array-like of shape (n_transformations,), default=None
            Learned ranges.

        status : sequence of str of length n_transformations, default=None
            Status of each transformation.

        tolerance : float, default=None
            The allowed excess loss.

        **plot_kw
            Keywords of :meth:`plot`.

        Returns
        -------
        ExcessDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the arrays have inconsistent shapes.
        """
        magnitudes = to_array(magnitudes).astype(float)
        excess = np.atleast_2d(to_array(excess).astype(float))
        if excess.shape[1:] != magnitudes.shape:
            raise ValueError(
                f"excess has shape {excess.shape}, but magnitudes has "
                f"{len(magnitudes)} entries; give one row for each transformation and "
                "one column for each magnitude."
            )
        if standard_errors is not None:
            standard_errors = np.atleast_2d(to_array(standard_errors).astype(float))
            if standard_errors.shape != excess.shape:
                raise ValueError(
                    f"standard_errors has shape {standard_errors.shape}, but "
                    f"excess has shape {excess.shape}; both shapes must be equal."
                )
        if ranges is not None:
            ranges = np.atleast_1d(to_array(ranges).astype(float))
        for what, values in (("names", names), ("ranges", ranges), ("status", status)):
            if values is not None and len(values) != len(excess):
                raise ValueError(
                    f"{what} has {len(values)} entries, but there are {len(excess)} "
                    "transformations; give one entry for each transformation."
                )
        display = cls(
            magnitudes,
            excess,
            standard_errors=standard_errors,
            names=None if names is None else list(names),
            ranges=ranges,
            status=None if status is None else list(status),
            tolerance=tolerance,
        )
        return display.plot(**plot_kw)

    @classmethod
    def from_estimator(cls, augmenter: Any, **plot_kw: Any) -> Self:
        """Draw the curves that a fitted augmenter has measured.

        Parameters
        ----------
        augmenter : estimator instance
            A fitted augmenter with the attributes `excess_curve_`, `names_`, `range_`
            and `status_`.

        **plot_kw
            Keywords of :meth:`plot`.

        Returns
        -------
        ExcessDisplay
            The display, drawn.
        """
        curve = augmenter.excess_curve_
        return cls.from_curves(
            curve["magnitude"],
            curve["excess"],
            curve["se"],
            names=augmenter.names_,
            ranges=augmenter.range_,
            status=augmenter.status_,
            tolerance=curve["tolerance"],
            **plot_kw,
        )
