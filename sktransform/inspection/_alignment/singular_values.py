# SPDX-License-Identifier: BSD-3-Clause
"""Singular value display: the distance of a linear map from a rotation."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array, check_is_fitted

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import to_array


class SingularValueDisplay:
    """Singular values of a linear map, and the bound on their distance from 1.

    A singular value of 1 preserves the length of its direction; a value of 0 means that
    the direction is lost. Create the display with :meth:`from_estimator` or
    :meth:`from_singular_values`.

    Parameters
    ----------
    singular_values : ndarray of shape (n_values,)
        Singular values between spaces of total variance 1, the largest first.

    lam : float, default=None
        Bound on ``sqrt(sum (s_i^2 - 1)^2)``.

    Attributes
    ----------
    spectrum_ : Line2D
        The singular values.

    rotation_ : Line2D
        Line at the value 1.

    bands_ : list of PolyCollection
        Two ranges of values that the bound allows: for one singular value if all others
        are 1, and for all singular values if they are equally far from 1. Empty without
        a finite bound above 0.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    LambdaPathDisplay : Draws the loss over the bound.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import OrthogonalAligner
    >>> from sktransform.inspection import SingularValueDisplay
    >>> X = np.random.default_rng(0).normal(size=(100, 4))
    >>> aligner = OrthogonalAligner(lam=0.5).fit(X, X * [3, 1, 1, 1])
    >>> SingularValueDisplay.from_estimator(aligner).singular_values.shape
    (4,)
    """

    def __init__(
        self, singular_values: np.ndarray, *, lam: float | None = None
    ) -> None:
        self.singular_values = singular_values
        self.lam = lam

    def plot(self, ax: Any = None, **line_kw: Any) -> Self:
        """Draw the singular values in descending order.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **line_kw
            Keywords for the spectrum's `Axes.plot`.

        Returns
        -------
        SingularValueDisplay
            The display itself; its attributes are the drawn artists.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            _, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        indices = np.arange(1, len(self.singular_values) + 1)
        color, marker = class_style(0)
        self.bands_ = [self._draw_band(indices, *band) for band in self._bands()]
        self.rotation_ = ax.axhline(1, color="0.3", linestyle="--", label="rotation")
        style = {"color": color, "marker": marker, "ms": 3, "label": "fitted map"}
        (self.spectrum_,) = ax.plot(indices, self.singular_values, **style | line_kw)
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        ax.set_xlabel("index, the largest first")
        ax.set_ylabel("singular value")
        ax.legend(fontsize="small")
        return self

    def _bands(self):
        """Return how far one squared value may be from 1, opacity and meaning."""
        if not self.lam or not np.isfinite(self.lam):
            return []
        even = self.lam / np.sqrt(len(self.singular_values))
        return [(self.lam, 0.15, "one value alone"), (even, 0.4, "all values alike")]

    def _draw_band(self, indices, reach, alpha, label):
        """Draw where singular values lie whose square is within a reach of 1."""
        edges = np.sqrt(np.maximum([1 - reach, 1 + reach], 0))
        return self.ax_.fill_between(
            [indices[0], indices[-1]],
            *edges,
            color=class_style(1)[0],
            alpha=alpha,
            linewidth=0,
            label=f"$\\lambda$ = {self.lam:.3g}, {label}",
        )

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **line_kw: Any) -> Self:
        """Draw the singular values of a fitted aligner.

        Parameters
        ----------
        estimator : estimator instance
            A fitted aligner. Its `singular_values_` and `lam_` are drawn if it has
            them. Otherwise the singular values of `coef_` are drawn, divided by their
            root mean square.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **line_kw
            Keywords for the spectrum's `Axes.plot`.

        Returns
        -------
        SingularValueDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator's map is not affine.
        """
        check_is_fitted(estimator)
        values = getattr(estimator, "singular_values_", None)
        has_kernels = getattr(estimator, "kernel_coef_", None) is not None
        if has_kernels or (values is None and not hasattr(estimator, "coef_")):
            raise TypeError(
                f"{cls.__name__} needs an affine map, but the map of the fitted "
                f"{type(estimator).__name__} is not affine."
            )
        if values is None:
            values = np.linalg.svd(to_array(estimator.coef_), compute_uv=False)
            values = values / np.sqrt(np.mean(values**2))
        lam = getattr(estimator, "lam_", None)
        return cls.from_singular_values(values, lam=lam, ax=ax, **line_kw)

    @classmethod
    def from_singular_values(
        cls,
        singular_values: ArrayLike,
        *,
        lam: float | None = None,
        ax: Any = None,
        **line_kw: Any,
    ) -> Self:
        """Draw given singular values.

        Parameters
        ----------
        singular_values : array-like of shape (n_values,)
            Values, not negative, in any order.

        lam : float, default=None
            Bound on ``sqrt(sum (s_i^2 - 1)^2)``.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **line_kw
            Keywords for the spectrum's `Axes.plot`.

        Returns
        -------
        SingularValueDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the values are not a one-dimensional array of numbers of at least 0.
        """
        values = check_array(
            to_array(singular_values), ensure_2d=False, input_name="singular_values"
        )
        if values.ndim != 1 or values.min() < 0:
            raise ValueError(
                "singular_values must be a one-dimensional array of numbers of at "
                f"least 0, got shape {values.shape} with minimum {values.min()}."
            )
        return cls(np.sort(values)[::-1], lam=lam).plot(ax, **line_kw)
