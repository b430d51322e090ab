# SPDX-License-Identifier: BSD-3-Clause
"""Lambda path display: loss and retrieval over the bound of an aligner."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array, check_consistent_length

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import check_method, to_array
from sktransform.metrics._retrieval import recall_at_k

# Bounds that are drawn beside those that folds compared, and the least of them as a
# share of the largest.
_BOUNDS, _LEAST = 10, 1e-3


class LambdaPathDisplay:
    """Loss and retrieval of maps over the bound on the distance from a rotation.

    Create it with :meth:`from_estimator` or :meth:`from_path`.

    Parameters
    ----------
    lams : ndarray of shape (n_lams,)
        Bounds on the distance from a rotation, in ascending order.

    losses : dict of str to ndarray of shape (n_lams,)
        Losses along the path, by name.

    retrieval : ndarray of shape (n_lams,), default=None
        Retrieval score along the path, between 0 and 1.

    chosen : float, default=None
        The bound that was chosen.

    Attributes
    ----------
    losses_ : list of Line2D
        The losses.

    retrieval_ : Line2D or None
        The retrieval score, drawn on a second axis.

    chosen_ : Line2D or None
        The chosen bound.

    axes_ : ndarray of matplotlib Axes
        The axes of the losses, and of the retrieval score if there is one.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    SingularValueDisplay : Draws the singular values of the map for one bound.

    Examples
    --------
    >>> from sktransform.inspection import LambdaPathDisplay
    >>> display = LambdaPathDisplay.from_path([0, 1, 4], {"held out": [0.5, 0.3, 0.4]})
    >>> display.losses["held out"]
    array([0.5, 0.3, 0.4])
    """

    def __init__(
        self,
        lams: np.ndarray,
        losses: Mapping[str, np.ndarray],
        *,
        retrieval: np.ndarray | None = None,
        chosen: float | None = None,
    ) -> None:
        self.lams = lams
        self.losses = losses
        self.retrieval = retrieval
        self.chosen = chosen

    def plot(self, ax: Any = None, *, retrieval_name: str = "recall@1") -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        retrieval_name : str, default="recall@1"
            Name of the retrieval score.

        Returns
        -------
        LambdaPathDisplay
            The display itself; its attributes are the drawn artists.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(5.6, 3.8), layout="constrained")
        axes, self.figure_ = [ax], ax.figure
        self.losses_ = [
            self._draw(ax, index, values, name)
            for index, (name, values) in enumerate(self.losses.items())
        ]
        self.retrieval_ = self.chosen_ = None
        if self.retrieval is not None:
            axes.append(ax.twinx())
            self.retrieval_ = self._draw(
                axes[1], len(self.losses), self.retrieval, retrieval_name
            )
            color = self.retrieval_.get_color()
            axes[1].set_ylabel(retrieval_name, color=color)
            axes[1].tick_params(axis="y", colors=color)
        if self.chosen is not None:
            self.chosen_ = ax.axvline(
                self.chosen, color="0.3", linestyle="--", label="chosen"
            )
        # 0 is the rotation and belongs into the picture. The axis is linear up to a
        # power of ten, so that no other tick comes near it.
        least = self.lams[self.lams > 0].min(initial=self.lams.max(initial=0) or 1)
        ax.set_xscale("symlog", linthresh=10 ** np.ceil(np.log10(least)))
        ax.set_xlim(left=0)
        ax.set_xlabel(r"bound $\lambda$ (0: rotation)")
        ax.set_ylabel("loss, share of the target's variance")
        handles = [*self.losses_, self.retrieval_, self.chosen_]
        ax.legend(
            handles=[handle for handle in handles if handle is not None],
            fontsize="small",
            loc="lower center",
            bbox_to_anchor=(0.5, 1),  # above the axes, where no curve is
            ncols=3,
        )
        self.axes_ = np.array(axes, dtype=object)
        return self

    def _draw(self, ax, index, values, name):
        """Draw one curve in its own colour and marker."""
        color = class_style(index)[0]
        marker = "o^sDvP*X"[index % 8]
        known = np.isfinite(values)
        (line,) = ax.plot(
            self.lams[known],
            values[known],
            color=color,
            marker=marker,
            ms=4,
            label=name,
        )
        return line

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        lams: ArrayLike | None = None,
        k: int = 1,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw the path of a fitted aligner, and the scores of new rows along it.

        Parameters
        ----------
        estimator : estimator instance
            A fitted aligner with a method `path`, as
            :class:`sktransform.alignment.OrthogonalAligner` has. If the bound was
            chosen by cross-validation, the losses in `cv_loss_` are drawn too.

        X : array-like of shape (n_samples, n_features), default=None
            Rows of the first view that the aligner was not fitted to. Their loss and
            retrieval score are drawn; None draws neither.

        y : array-like of shape (n_samples, n_outputs), default=None
            The same rows in the other view.

        lams : array-like of shape (n_lams,), default=None
            Bounds to draw, at least 0. None uses the bounds in `lam_path_` and further
            bounds between 0 and the largest of them; if there is no `lam_path_`, it
            uses the default bounds of the method `path`.

        k : int, default=1
            The retrieval score is the recall@k by cosine: the share of mapped rows of X
            whose row of y is among their k nearest rows of y.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        LambdaPathDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no method `path`.

        ValueError
            If one of X and y is given without the other, or if they have different
            numbers of rows.
        """
        check_method(estimator, "path", cls.__name__)
        if (X is None) != (y is None):
            raise ValueError(
                "X and y are two views of the same rows, but one is None; give both."
            )
        compared = getattr(estimator, "lam_path_", None)
        is_compared = compared is not None and lams is None
        if is_compared:
            # A search by folds ends early, and tells of a few bounds alone.
            others = compared.max() * np.append(0, np.geomspace(_LEAST, 1, _BOUNDS))
            lams = np.union1d(compared, others)
        path = estimator.path(lams)
        losses = {"pairs": path.losses}
        if is_compared:
            held_out = np.full(len(lams), np.nan)
            held_out[np.searchsorted(lams, compared)] = estimator.cv_loss_
            losses["pairs, held out"] = held_out
        retrieval = None
        if X is not None:
            losses["new rows"], retrieval = _fates(path, X, y, k)
            plot_kw = {"retrieval_name": f"recall@{k} of new rows"} | plot_kw
        chosen = estimator.lam_ if np.isfinite(estimator.lam_) else None
        return cls.from_path(
            path.lams, losses, retrieval=retrieval, chosen=chosen, ax=ax, **plot_kw
        )

    @classmethod
    def from_path(
        cls,
        lams: ArrayLike,
        losses: Mapping[str, ArrayLike],
        *,
        retrieval: ArrayLike | None = None,
        chosen: float | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw given losses along a path.

        Parameters
        ----------
        lams : array-like of shape (n_lams,)
            Bounds, not negative and finite, in any order.

        losses : dict of str to array-like of shape (n_lams,)
            Losses along the path, by name. NaN is left out of a curve.

        retrieval : array-like of shape (n_lams,), default=None
            Retrieval score along the path.

        chosen : float, default=None
            The bound that was chosen.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        LambdaPathDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If bounds are negative or not finite, or if a curve does not have one value
            for each bound.
        """
        lams = to_array(lams).astype(float)
        if not np.all(np.isfinite(lams) & (lams >= 0)):
            raise ValueError(f"lams must be finite and not negative, got {lams}.")
        order = np.argsort(lams, kind="stable")

        def along(name, values):
            values = to_array(values).astype(float)
            if values.shape != lams.shape:
                raise ValueError(
                    f"{name} has shape {values.shape}, but there are {len(lams)} "
                    "bounds; give one value for each bound."
                )
            return values[order]

        display = cls(
            lams[order],
            {name: along(name, values) for name, values in losses.items()},
            retrieval=None if retrieval is None else along("retrieval", retrieval),
            chosen=chosen,
        )
        return display.plot(ax, **plot_kw)


def _fates(path, X, y, k):
    """Return losses of rows along a path, and how many find their partner."""
    X, y = (check_array(to_array(view), dtype=float) for view in (X, y))
    check_consistent_length(X, y)
    variance = y.var(axis=0).sum()
    losses, recalls = [], []
    for coef, intercept in zip(path.coefs, path.intercepts, strict=True):
        mapped = X @ coef.T + intercept
        losses.append(((mapped - y) ** 2).sum(axis=1).mean() / variance)
        recalls.append(recall_at_k(mapped, y, k=k))
    return losses, recalls
