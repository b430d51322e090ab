# SPDX-License-Identifier: BSD-3-Clause
"""Training rows with their labels, and what becomes of them when copies are added."""

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch
from sklearn.base import clone

from sktransform.augmentation._policy.policy import Draw, Law, apply_draw, draw_versions
from sktransform.augmentation._random import COPIES, ESTIMATOR, stream_seed
from sktransform.augmentation._search.target import Target
from sktransform.augmentation._tabular.columns import ColumnTable
from sktransform.augmentation._tabular.dataset import TrainingRows


@dataclass(frozen=True)
class LabelledRows:
    """Rows as tensors, their labels, and the way back to the caller's container.

    Parameters
    ----------
    rows : Tensor of shape (n, d)
        The rows in input units, in the caller's precision.

    columns : ColumnTable
        What is known of the columns.

    decode : callable
        Takes rows and the numbers of their sources in the caller's table, returns
        them in the caller's container.

    numbers : ndarray of int of shape (n,)
        Numbers of the rows in the caller's table.

    y : ndarray of shape (n,) or (n, n_outputs), or None
        Labels as an estimator takes them.

    target : Target or None
        The labels as a probe takes them.

    classes : ndarray or None
        All classes, sorted; None for numbers.

    sample_weight : ndarray of shape (n,) or None
        Weights of the rows.

    groups : ndarray of shape (n,) or None
        Rows of one group stay in one fold.

    passes_weights : bool
        Whether an estimator's `fit` is given the weights.
    """

    rows: torch.Tensor
    columns: ColumnTable
    decode: object
    numbers: np.ndarray
    y: np.ndarray | None = None
    target: Target | None = None
    classes: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None
    passes_weights: bool = True

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, chosen):
        """Return some of the rows; what is known of the columns stays."""

        def of(array):
            return None if array is None else array[chosen]

        target = self.target
        if target is not None:
            target = replace(
                target, values=target.values[chosen], weights=target.weights[chosen]
            )
        return replace(
            self,
            rows=self.rows[chosen],
            numbers=self.numbers[chosen],
            y=of(self.y),
            target=target,
            sample_weight=of(self.sample_weight),
            groups=of(self.groups),
        )

    @property
    def labels(self):
        """Codes of classes for transformations that need them, or None."""
        return None if self.target is None else self.target.labels

    @property
    def codes(self):
        """Codes of classes, or numbers, as an array."""
        return self.target.values.numpy()

    def training_rows(self):
        """Return what a transformation learns from these rows."""
        columns = self.columns.refitted(self.rows.numpy())
        return TrainingRows(self.rows, columns, self.labels)

    def law(self, transformations, ranges=None, probabilities=None, joining=None):
        """Return a law fitted to these rows."""
        training_rows = self.training_rows()
        law = Law.of(transformations, training_rows, ranges, probabilities, joining)
        return law if self.labels is not None else law.without_labels()


def n_copies_for(n_rows, n_copies):
    """Return the number of copies; "auto" is fewer for more rows, from 8 to 2."""
    if n_copies == "auto":
        return int(np.clip(2400 // max(n_rows, 1), 2, 8))
    return n_copies


def check_copies(n_copies):
    """Raise ValueError unless a number of copies is a whole number above 0."""
    if not isinstance(n_copies, Integral) or n_copies < 1:
        raise ValueError(f"n_copies={n_copies!r} must be a whole number, 1 or more.")


def draw_copies(law, units, n_copies, root, *key, clean_share=0.0):
    """Return the draws of copies of rows, one copy after the other."""
    draws = [
        draw_versions(law, units, root, COPIES, *key, c, clean_share=clean_share)
        for c in range(n_copies)
    ]
    return Draw.concatenate(draws)


def grown_rows(data, law, n_copies, root, *key, draw_groups=None, chains=None):
    """Return originals, then copies, and the number of each one's source.

    Parameters
    ----------
    data : LabelledRows
        The rows.

    law : Law
        What happens to the copies. A law that does nothing repeats the rows.

    n_copies : int
        Copies of each row.

    root : int
        Root seed.

    *key : int
        Key of the stream.

    draw_groups : ndarray of shape (n,) or None, default=None
        Rows of one group share their draw. None draws for each row.

    chains : HardDraws or None, default=None
        Draws hard versions more often. None draws as the law does.

    Returns
    -------
    rows : Tensor of shape (n (1 + n_copies), d)
        The rows.

    sources : ndarray of shape (n (1 + n_copies),)
        Row numbers.
    """
    numbers = np.arange(len(data))
    sources = np.tile(numbers, 1 + n_copies)
    if n_copies == 0:
        return data.rows, sources
    copies = sources[len(data) :]
    rows = data.rows[copies]
    if len(law.active):
        units = numbers if draw_groups is None else draw_groups
        if chains is None:
            draw = draw_copies(law, units, n_copies, root, *key)
        else:
            draw = chains.copies(data, law, units, n_copies, root, *key)
        labels = None if data.labels is None else data.labels[copies]
        rows = apply_draw(law, rows, draw, labels)
    return torch.cat([data.rows, rows]), sources


def seeded_clone(estimator, root, *key):
    """Return a clone whose parts without a seed of their own are given one.

    The same root and key give the same seeds.
    """
    estimator = clone(estimator)
    parameters = estimator.get_params(deep=True)
    seeds = {
        name: stream_seed(root, ESTIMATOR, *key, number)
        for number, name in enumerate(sorted(parameters))
        if name.rpartition("__")[2] == "random_state" and parameters[name] is None
    }
    return estimator.set_params(**seeds)


def fit_grown(estimator, data, rows, sources):
    """Fit an estimator on rows and the labels and weights of their sources."""
    params = {}
    if data.sample_weight is not None and data.passes_weights:
        params["sample_weight"] = data.sample_weight[sources]
    X = data.decode(rows, data.numbers[sources])
    return estimator.fit(X, data.y[sources], **params)
