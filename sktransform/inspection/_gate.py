# SPDX-License-Identifier: BSD-3-Clause
"""Whether an estimator gains by augmentation, beside what must not be left out."""

import numpy as np

from sktransform.inspection._palette import class_style

_NONE, _REPEATED = "none", "repeated"
_LABELS = {_NONE: "no augmentation", _REPEATED: "repeated rows (control)"}


class GateDisplay:
    """Held-out losses with and without augmentation, and which was chosen.

    Rows that are merely repeated are the control: what they bring is an effect of more
    rows on the estimator's own regularisation, and not of augmentation. Create it with
    :meth:`from_estimator` or :meth:`from_losses`.

    Parameters
    ----------
    losses : dict of str to float
        Mean held-out loss by name. "none" stands for no augmentation and "repeated" for
        the control.

    chosen : str
        The name of the choice.

    errors : dict of str to float, default=None
        Standard errors of the paired difference from "none", of those that are known.

    Attributes
    ----------
    points_ : list of Line2D
        The losses, in the order of `losses`.

    intervals_ : dict of str to LineCollection
        Intervals of the difference from "none", around the losses.

    none_ : Line2D
        The loss without augmentation, as a line across the picture.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    LearnedRangeDisplay : What the candidates consist of.

    Examples
    --------
    >>> from sktransform.inspection import GateDisplay
    >>> losses = {"none": 0.20, "repeated": 0.21, "law": 0.17, "unshrunk": 0.18}
    >>> display = GateDisplay.from_losses(losses, "law", errors={"law": 0.01})
    >>> print(f"{display.gain('law'):.2f}")
    0.03
    """

    def __init__(self, losses, chosen, *, errors=None):
        self.losses = losses
        self.chosen = chosen
        self.errors = errors

    def gain(self, name):
        """Return by how much a loss is below that without augmentation.

        Parameters
        ----------
        name : str
            A name in `losses`.

        Returns
        -------
        float
            The gain; negative if there is a loss.
        """
        return self.losses[_NONE] - self.losses[name]

    def plot(self, ax=None, *, z=1.0):
        """Draw the losses below each other.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        z : float, default=1.0
            Half width of the intervals, in standard errors.

        Returns
        -------
        GateDisplay
            The display itself, with what was drawn as attributes.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            size = (6.0, 1.1 + 0.42 * len(self.losses))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.none_ = ax.axvline(self.losses[_NONE], color="0.4", lw=0.9, linestyle=":")
        self.points_, self.intervals_ = [], {}
        for place, (name, loss) in enumerate(self.losses.items()):
            color = class_style(0 if name == self.chosen else 6)[0]
            error = (self.errors or {}).get(name)
            if error is not None:
                self.intervals_[name] = ax.hlines(
                    place, loss - z * error, loss + z * error, color=color, lw=1.5
                )
            self.points_ += ax.plot(
                loss,
                place,
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
        ax.set_xlabel("mean held-out loss (less is better)")
        ax.spines[["top", "right"]].set_visible(False)

    @classmethod
    def from_losses(cls, losses, chosen, *, errors=None, ax=None, **plot_kw):
        """Draw losses that are known already.

        Parameters
        ----------
        losses : dict of str to float
            Mean held-out losses, that of "none" among them.

        chosen : str
            The name of the choice.

        errors : dict of str to float, default=None
            Standard errors of the paired difference from "none".

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        GateDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the loss without augmentation, or that of the choice, is missing.
        """
        for name in (_NONE, chosen):
            if name not in losses:
                raise ValueError(
                    f"losses has no {name!r}, only {', '.join(map(repr, losses))}."
                )
        order = [name for name in (_NONE, _REPEATED) if name in losses]
        order += [name for name in losses if name not in _LABELS]
        losses = {name: float(losses[name]) for name in order}
        return cls(losses, chosen, errors=errors).plot(ax, **plot_kw)

    @classmethod
    def from_estimator(cls, augmenter, *, ax=None, **plot_kw):
        """Draw what the gate of a fitted augmenter has found.

        Parameters
        ----------
        augmenter : estimator instance
            A fitted augmenter with the attributes `gate_losses_`, `gate_se_` and
            `chosen_`.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        **plot_kw
            Further keywords of :meth:`plot`.

        Returns
        -------
        GateDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there was nothing to compare, and no loss was measured.
        """
        losses = augmenter.gate_losses_
        if not losses:
            raise ValueError(
                "The gate has measured no loss: there was no candidate, or there were "
                "too few rows for folds."
            )
        candidates = {n: v for n, v in losses.items() if n not in _LABELS}
        # The error that is kept is that of the candidate whose gain is kept: not always
        # the lowest one, where that gain was measured a second time.
        errors = {}
        if candidates:
            expected = losses["none"] - augmenter.gate_gain_
            asked = min(candidates, key=lambda name: abs(candidates[name] - expected))
            errors[asked] = float(augmenter.gate_se_)
        return cls.from_losses(
            losses, augmenter.chosen_, errors=errors, ax=ax, **plot_kw
        )
