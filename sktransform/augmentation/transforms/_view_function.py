# SPDX-License-Identifier: BSD-3-Clause
"""A transformation as a function of rows and a magnitude."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from sktransform.augmentation._tabular.dataset import TrainingRows
from sktransform.augmentation._tabular.encoder import TableEncoder
from sktransform.augmentation.transforms._base import Transformation


def view_function(
    transformation: Transformation,
    X: ArrayLike,
    *,
    shape: tuple[int, ...] | None = None,
    kinds: Mapping[str, Any] | None = None,
    bounds: str | tuple[Any, ...] = "train",
) -> Callable[..., Any]:
    """Return a transformation as a function of rows and a magnitude.

    :func:`~sktransform.metrics.invariance_score` and
    :func:`~sktransform.metrics.label_invariance_excess` take such a function.

    Parameters
    ----------
    transformation : Transformation
        The transformation, which must not need labels.

    X : array-like, data frame or Tensor of shape (n_samples, n_features)
        Training rows, from which statistics such as standard deviations are computed.

    shape : tuple of int, default=None
        Shape of a row that is an image or a series: ``(length,)`` or ``(length,
        channels)``, ``(height, width)`` or ``(height, width, channels)``. None for
        tables.

    kinds : dict, default=None
        Kinds of columns, by index or name, that cannot be inferred from the cells:
        "continuous", "integer", "categorical" or "boolean".

    bounds : {"train", "none"} or tuple of float, default="train"
        Allowed values of numeric columns: the range of the training rows, all numbers,
        or the range (lower, upper).

    Returns
    -------
    callable
        Function of rows in the container of X, a magnitude from 0 to 1, and a NumPy
        Generator. It returns all rows transformed with this magnitude, in the same
        container. A discrete transformation is applied at any magnitude above 0.

    Raises
    ------
    ValueError
        If the transformation needs labels, or its columns do not exist.

    See Also
    --------
    sktransform.metrics.invariance_score : Measures the invariance of a model.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.augmentation.transforms import Shift, view_function
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> shift = view_function(Shift([0], max_sd=0.5), X, bounds="none")
    >>> moved = shift(X, 1.0, np.random.default_rng(0))
    >>> bool(np.allclose(np.abs(moved[:, 0] - X[:, 0]), 0.5 * X[:, 0].std()))
    True
    """
    if transformation.needs_labels:
        raise ValueError(
            f"{transformation!r} mixes rows of one class and needs labels, but a view "
            "function gets none; give a transformation that needs no labels."
        )
    encoder = TableEncoder.from_table(X, kinds=kinds, bounds=bounds, shape=shape)
    training = TrainingRows(encoder.encode(X).cpu(), encoder.columns)
    bound = transformation.bind(encoder.columns, X)
    return _View(encoder, bound, bound.fit(training))


class _View:
    """A fitted transformation; it can be pickled, unlike a closure."""

    def __init__(self, encoder, transformation, reference):
        self.encoder = encoder
        self.transformation = transformation
        self.reference = reference

    def __call__(self, X, magnitude, random_state):
        """Return transformed rows at a magnitude."""
        rows = self.encoder.encode(X).cpu()
        generator = torch.Generator().manual_seed(int(random_state.integers(2**31)))
        P = self.transformation.sample(len(rows), 1.0, generator)
        if self.transformation.discrete:
            P = P * float(magnitude > 0)
        else:
            # In the direction that was drawn, so far.
            P = P * (magnitude / P.abs().amax(1, keepdim=True).clamp(min=1e-12))
        seeds = random_state.integers(np.iinfo(np.int64).max, size=len(rows))
        moved = self.transformation.forward(
            rows, P, self.reference, torch.from_numpy(seeds)
        )
        return self.encoder.decode(moved, X)
