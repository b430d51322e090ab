# SPDX-License-Identifier: BSD-3-Clause
"""Picture of a primal-dual training: multipliers step by step."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sktransform.inspection._palette import class_style
from sktransform.inspection._tools import to_array

_LINES = ("-", "--", "-.", ":")


class DualPathDisplay:
    """Dual variables of required invariances over the steps of training.

    A dual variable is the price of a constraint, in loss on unchanged rows. It rises
    while the constraint is violated and falls to 0 where it is met. Create it with
    :meth:`from_estimator` or :meth:`from_path`.

    Parameters
    ----------
    path : ndarray of shape (n_steps, n_transformations)
        The dual variables after each step.

    names : list of str of length n_transformations
        Names of the transformations.

    steps : ndarray of shape (n_steps,)
        What the steps are counted as.

    Attributes
    ----------
    lines_ : list of Line2D
        The paths, that of the largest last value first.

    order_ : ndarray of int
        The transformations in that order.

    legend_ : Legend
        Their names.

    ax_ : matplotlib Axes
        The axes.

    figure_ : matplotlib Figure
        The figure.

    See Also
    --------
    ExcessDisplay : Held-out losses, which tell true from false invariances.

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
            Where to draw. None makes a new figure.

        Returns
        -------
        DualPathDisplay
            The display itself, with what was drawn as attributes.
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
        """Draw a given path.

        Parameters
        ----------
        path : array-like of shape (n_steps, n_transformations)
            Dual variables after each step.

        names : sequence of str of length n_transformations, default=None
            Names of the transformations; None numbers them.

        steps : array-like of shape (n_steps,), default=None
            What the steps are counted as; None counts from 1.

        ax : matplotlib Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        DualPathDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the path is not two-dimensional with at least one step, or names and
            steps do not fit it.
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
                f"{len(names)} names; give one for each."
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
            Where to draw. None makes a new figure.

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
                f"{type(augmenter).__name__} has no dual path; fit a "
                "ConstrainedAugmenter."
            )
        return cls.from_path(path, augmenter.names_, ax=ax)
