# SPDX-License-Identifier: BSD-3-Clause
"""Acceptance display: losses of an estimator with and without augmentation."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from sktransform.inspection._palette import class_style

_NONE, _REPEATED = "none", "repeated"
_LABELS = {_NONE: "no augmentation", _REPEATED: "repeated rows (control)"}


class AcceptanceDisplay:
    """Held-out losses of an estimator with and without augmentation.

    Training on repeated, unchanged rows is the control: its gain is an effect of the
    number of rows on the estimator's regularisation, and not of augmentation. Create
    the display with :meth:`from_estimator` or :meth:`from_losses`.

    Parameters
    ----------
    losses : dict of str to float
        Mean held-out loss by name. "none" stands for no augmentation and "repeated" for
        the control.

    chosen : str
        The name of the policy in use.

    errors : dict of str to float, default=None
        Standard errors of the paired difference from "none", for the names for which
        they are known.

    Attributes
    ----------
    points_ : list of Line2D
        The losses, in the order of `losses`.

    intervals_ : dict of str to LineCollection
        Intervals of the difference from "none", drawn around the losses.

    none_ : Line2D
        Line at the loss without augmentation.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ExcessDisplay : Draws the transformations of the candidates.

    Examples
    --------
    >>> from sktransform.inspection import AcceptanceDisplay
    >>> losses = {"none": 0.20, "repeated": 0.21, "policy": 0.17, "unshrunk": 0.18}
    >>> display = AcceptanceDisplay.from_losses(
    ...     losses, "policy", errors={"policy": 0.01}
    ... )
    >>> print(f"{display.gain('policy'):.2f}")
    0.03
    """

    def __init__(
        self,
        losses: Mapping[str, float],
        chosen: str,
        *,
        errors: Mapping[str, float] | None = None,
    ) -> None:
        self.losses = losses
        self.chosen = chosen
        self.errors = errors

    def gain(self, name: str) -> float:
        """Return the decrease of the loss relative to no augmentation.

        Parameters
        ----------
        name : str
            A name in `losses`.

        Returns
        -------
        float
            ``losses["none"] - losses[name]``.
        """
        return self.losses[_NONE] - self.losses[name]

    def plot(self, ax: Any = None, *, z: float = 1.0) -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        z : float, default=1.0
            Half width of the intervals, in standard errors.

        Returns
        -------
        AcceptanceDisplay
            The display itself; its attributes are the drawn artists.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            size = (6.0, 1.1 + 0.42 * len(self.losses))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.none_ = ax.axvline(self.losses[_NONE], color="0.4", lw=0.9, linestyle=":")
        self.points_, self.intervals_ = [], {}
        for line, (name, loss) in enumerate(self.losses.items()):
            color = class_style(0 if name == self.chosen else 6)[0]
            error = (self.errors or {}).get(name)
            if error is not None:
                self.intervals_[name] = ax.hlines(
                    line, loss - z * error, loss + z * error, color=color, lw=1.5
                )
            self.points_ += ax.plot(
                loss,
                line,
                linestyle="",
                marker="o" if name == self.chosen else "s",
                color=color,
                markerfacecolor=color if name == self.chosen else "white",
                ms=8 if name == self.chosen else 6,
            )
        self._label(ax)
        return self

    def _label(self, ax):
        """Name the lines, and the choice among them."""
        labels = [
            _LABELS.get(name, name) + (" (chosen)" if name == self.chosen else "")
            for name in self.losses
        ]
        ax.set_yticks(np.arange(len(labels)), labels)
        ax.set_ylim(len(labels) - 0.5, -0.5)
        ax.margins(x=0.15)
        ax.locator_params(axis="x", nbins=5)
        ax.set_xlabel("mean held-out loss (lower is better)")
        ax.spines[["top", "right"]].set_visible(False)

    @classmethod
    def from_losses(
        cls,
        losses: Mapping[str, float],
        chosen: str,
        *,
        errors: Mapping[str, float] | None = None,
        ax: Any = None,
        **plot_kw: Any,
    ) -> Self:
        """Draw given losses.

        Parameters
        ----------
        losses : dict of str to float
            Mean held-out losses by name; "none" is required.

        chosen : str
            The name of the policy in use.

        errors : dict of str to float, default=None
            Standard errors of the paired difference from "none".

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        AcceptanceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `losses` has no "none" or no entry for `chosen`.
        """
        for name in (_NONE, chosen):
            if name not in losses:
                raise ValueError(
                    f"losses must have an entry {name!r}, got the entries "
                    f"{', '.join(map(repr, losses))}."
                )
        order = [name for name in (_NONE, _REPEATED) if name in losses]
        order += [name for name in losses if name not in _LABELS]
        losses = {name: float(losses[name]) for name in order}
        return cls(losses, chosen, errors=errors).plot(ax, **plot_kw)

    @classmethod
    def from_estimator(cls, augmenter: Any, *, ax: Any = None, **plot_kw: Any) -> Self:
        """Draw the acceptance test of a fitted augmenter.

        Parameters
        ----------
        augmenter : estimator instance
            A fitted augmenter with the attributes `acceptance_losses_`,
            `acceptance_gain_`, `acceptance_se_` and `chosen_`.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        AcceptanceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the augmenter has measured no losses.
        """
        losses = augmenter.acceptance_losses_
        if not losses:
            raise ValueError(
                "The augmenter has measured no loss, so there is nothing to draw: "
                "there was no candidate, or there were too few rows for "
                "cross-validation."
            )
        candidates = {n: v for n, v in losses.items() if n not in _LABELS}
        # The error that is kept is that of the candidate whose gain is kept: not always
        # the lowest one, where that gain was measured a second time.
        errors = {}
        if candidates:
            expected = losses["none"] - augmenter.acceptance_gain_
            asked = min(candidates, key=lambda name: abs(candidates[name] - expected))
            errors[asked] = float(augmenter.acceptance_se_)
        return cls.from_losses(
            losses, augmenter.chosen_, errors=errors, ax=ax, **plot_kw
        )
