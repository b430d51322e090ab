# SPDX-License-Identifier: BSD-3-Clause
"""Dual path display: Lagrange multipliers over the steps of a training."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import to_array

_LINES = ("-", "--", "-.", ":")


class DualPathDisplay:
    """Lagrange multipliers of required invariances over the steps of training.

    A multiplier (dual variable) is the rate at which the loss on unchanged rows would
    fall if its constraint were relaxed. It rises while the constraint is violated and
    falls towards 0 while it is met. Create the display with :meth:`from_estimator` or
    :meth:`from_path`.

    Parameters
    ----------
    path : ndarray of shape (n_steps, n_transformations)
        The multipliers after each step.

    names : list of str of length n_transformations
        Names of the transformations.

    steps : ndarray of shape (n_steps,)
        Numbers of the steps.

    Attributes
    ----------
    lines_ : list of Line2D
        One line for each transformation, in descending order of the last value.

    order_ : ndarray of int
        Indices of the transformations in the order of `lines_`.

    legend_ : Legend
        Legend with the names.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ExcessDisplay : Draws held-out losses, which show which transformations keep labels.

    Examples
    --------
    >>> from sktransform.inspection import DualPathDisplay
    >>> path = [[0.1, 0.2], [0.1, 0.5], [0.0, 0.9]]
    >>> display = DualPathDisplay.from_path(path, ["shift", "rotation"])
    >>> [display.names[k] for k in display.order_]
    ['rotation', 'shift']
    """

    def __init__(self, path: Any, names: Sequence[str], steps: np.ndarray) -> None:
        self.path = path
        self.names = names
        self.steps = steps

    def plot(self, ax: Any = None) -> Self:
        """Draw a line for each transformation.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        DualPathDisplay
            The display itself; its attributes are the drawn artists.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(figsize=(6.8, 3.8), layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure
        self.order_ = np.argsort(-self.path[-1], kind="stable")
        self.lines_ = []
        for k in self.order_:
            self.lines_ += ax.plot(
                self.steps,
                self.path[:, k],
                color=class_style(k)[0],
                linestyle=_LINES[k // 8 % len(_LINES)],
                lw=1.5,
                label=f"{self.names[k]}  {self.path[-1, k]:.2f}",
            )
        ax.set_ylim(bottom=0)
        ax.set_xlim(self.steps[0], max(self.steps[-1], self.steps[0] + 1))
        ax.set_xlabel("training step")
        ax.set_ylabel("dual variable: price of the constraint")
        self.legend_ = ax.legend(
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            fontsize="small",
            frameon=False,
            title="last value",
        )
        return self

    @classmethod
    def from_path(
        cls,
        path: Any,
        names: Sequence[str] | None = None,
        *,
        steps: ArrayLike | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw given multipliers.

        Parameters
        ----------
        path : array-like of shape (n_steps, n_transformations)
            Multipliers after each step.

        names : sequence of str of length n_transformations, default=None
            Names of the transformations; None numbers them.

        steps : array-like of shape (n_steps,), default=None
            Numbers of the steps; None counts from 1.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        DualPathDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `path` is not two-dimensional with at least one step, or if `names` or
            `steps` have the wrong length.
        """
        path = to_array(path).astype(float)
        if path.ndim != 2 or not path.size:
            raise ValueError(
                f"path has shape {path.shape}; give at least one step, with a number "
                "for each transformation."
            )
        if names is None:
            names = [f"transformation {k}" for k in range(path.shape[1])]
        steps = np.arange(1, len(path) + 1) if steps is None else to_array(steps)
        if (len(steps), len(names)) != path.shape:
            raise ValueError(
                f"path has shape {path.shape}, but there are {len(steps)} steps and "
                f"{len(names)} names; give one step for each row of path and one name "
                "for each column."
            )
        return cls(path, list(names), steps).plot(ax)

    @classmethod
    def from_estimator(cls, augmenter: Any, *, ax: Any = None) -> Self:
        """Draw the path of a fitted augmenter.

        Parameters
        ----------
        augmenter : estimator instance
            A fitted :class:`~sktransform.augmentation.ConstrainedAugmenter`, which has
            the attributes `dual_path_` and `names_`.

        ax : matplotlib Axes, default=None
            Axes to draw on. None makes a new figure.

        Returns
        -------
        DualPathDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the augmenter has no path.
        """
        path = getattr(augmenter, "dual_path_", None)
        if path is None:
            raise ValueError(
                f"{type(augmenter).__name__} has no attribute dual_path_; fit a "
                "ConstrainedAugmenter."
            )
        return cls.from_path(path, augmenter.names_, ax=ax)
