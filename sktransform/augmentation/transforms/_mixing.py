# SPDX-License-Identifier: BSD-3-Clause
"""Transformations that mix rows with training rows of any class or of one class."""

import itertools
from typing import Any

import numpy as np
import torch

from sktransform.augmentation._random import integers, uniform
from sktransform.augmentation._tabular.columns import CATEGORICAL, NUMERIC
from sktransform.augmentation.transforms._base import (
    Transformation,
    check_number,
    declaration,
)

# What is kept of the training rows: values of a marginal, and whole rows.
_MOST_QUANTILES = 256
_MOST_ROWS = 2048

# Numbers of one block of differences between rows.
_BLOCK_NUMBERS = 2**22

# Streams of a row's seed.
_WHICH, _WHETHER = 0, 1

_ALL_KINDS = (*NUMERIC, *CATEGORICAL)


@declaration
class MarginalSwap(Transformation):
    """Replace cells by cells of random training rows.

    A column keeps its marginal distribution and loses its dependence on other columns.
    Columns of a one-hot encoding are taken from one row. There is no inverse.

    Parameters
    ----------
    columns : object, default=None
        Columns of any kind, see :class:`Transformation`. None takes all of them.

    max_rate : float, default=None
        Largest probability with which each cell is replaced. None replaces all cells of
        the columns; there is then no continuous range: a policy uses the transformation
        or not.

    joint : bool, default=True
        Whether all columns are replaced together by those of one training row, so that
        they stay consistent with each other.

    See Also
    --------
    ClassCutMix : Replaces cells by cells of rows of the same class.

    Notes
    -----
    At most 256 quantiles of each column of the training rows are stored, or, for
    columns that are replaced together, at most 2,048 rows of these columns.

    References
    ----------
    .. [1] Bahri, D., Jiang, H., Tay, Y., Metzler, D. "SCARF: Self-supervised
       contrastive learning using random feature corruption", ICLR 2022.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import MarginalSwap
    >>> MarginalSwap(["city", "postcode"]).discrete
    True
    >>> MarginalSwap(max_rate=0.6, joint=False).discrete
    False
    """

    max_rate: Any = None
    joint: bool = True

    uses_seeds = True
    cell_kinds = _ALL_KINDS

    @property
    def n_states(self) -> int | None:
        """Number of states: 2 if `max_rate` is None, otherwise None (continuous)."""
        return 2 if self.max_rate is None else None

    @property
    def discrete(self) -> bool:
        """Whether all cells are replaced or none: True if `max_rate` is None."""
        return self.max_rate is None

    def _check(self):
        check_number(self, "max_rate", self.max_rate, most=1, among=(None,))

    def _fit(self, training, indices):
        units = training.columns.units(indices)
        if self.joint:
            units = np.zeros_like(units)
        cells = _cells(training, indices)
        if len(np.unique(units)) == len(units):
            pool = _marginals(cells)
        else:
            pool = cells[_spread(len(cells), _MOST_ROWS)]
        return {"units": units, "pool": pool}

    def _forward(self, X, P, reference, seeds, labels):
        units, pool = reference["units"], reference["pool"]
        n_units = int(units.max()) + 1 if len(units) else 0
        which = integers(seeds, n_units, len(pool), _WHICH)
        drawn = pool.gather(0, which[:, units])
        if self.max_rate is None:
            return drawn
        rate = self.max_rate * P.abs()
        replaced = uniform(seeds, n_units, _WHETHER) < rate
        return torch.where(replaced[:, units], drawn, X)

    def _describe(self, P):
        rate = 1.0 if self.max_rate is None else self.max_rate
        return {"rate": rate * P[:, 0].abs()}

    @classmethod
    def _variants(cls):
        return (cls(), cls(max_rate=0.6, joint=False))


class _ClassTransformation(Transformation):
    """Takes cells of training rows of the row's own class."""

    needs_labels = True
    uses_seeds = True
    cell_kinds = _ALL_KINDS

    def _fit_classes(self, training, indices):
        """Return rows in the order of their classes, and where each class begins."""
        labels = training.labels.cpu().numpy()
        counts = np.bincount(labels)
        share = max(1, _MOST_ROWS // max(1, np.count_nonzero(counts)))
        kept = [
            np.flatnonzero(labels == label)[_spread(count, share)]
            for label, count in enumerate(counts)
        ]
        counts = np.array([len(rows) for rows in kept], dtype=np.int64)
        cells = _cells(training, indices)
        order = np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)
        return {
            "partners": cells[order],
            "starts": np.concatenate([[0], counts.cumsum()[:-1]]).astype(np.int64),
            "counts": counts,
        }

    def _random_partners(self, reference, seeds, labels):
        """Return indices of partners, and which rows have a class to draw from."""
        starts, counts = _of_classes(reference, labels)
        which = integers(seeds, 1, counts.clamp(min=1)[:, None], _WHICH)[:, 0]
        return starts + which, counts > 0


@declaration
class ClassMixup(_ClassTransformation):
    """Average a row with another row of its class (mixup).

    The result is ``(1 - u) x + u partner`` with a weight *u* of at most `max_weight`.
    Cells that are not averaged, categories and values that make up at least 15 % of a
    column, are taken from the partner with probability *u*. There is no inverse.

    Parameters
    ----------
    columns : object, default=None
        Columns of any kind, see :class:`Transformation`. None takes all of them.

    max_weight : float, default=0.5
        The largest weight of the partner.

    n_neighbors : int, default=None
        Number of nearest training rows of the class from which the partner is drawn, by
        the Euclidean distance of standardised numeric columns. None draws from all rows
        of the class, including the row itself.

    See Also
    --------
    ClassCutMix : Replaces cells by cells of the partner.

    Notes
    -----
    At most 2,048 training rows are stored, evenly over classes. Rows of a class without
    training rows are not changed. To apply a record again, the labels are needed.

    References
    ----------
    .. [1] Zhang, H., Cisse, M., Dauphin, Y. N., Lopez-Paz, D. "mixup: Beyond empirical
       risk minimization", ICLR 2018.
    .. [2] Chawla, N. V., Bowyer, K. W., Hall, L. O., Kegelmeyer, W. P. "SMOTE:
       Synthetic minority over-sampling technique", Journal of Artificial Intelligence
       Research 16, 2002: the variant with neighbours.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ClassMixup
    >>> ClassMixup(n_neighbors=5).needs_labels
    True
    """

    max_weight: float = 0.5
    n_neighbors: Any = None

    def _check(self):
        check_number(self, "max_weight", self.max_weight, most=1)
        if isinstance(self.n_neighbors, float):
            raise ValueError(
                "n_neighbors of ClassMixup must be an integer or None, got "
                f"{self.n_neighbors!r}."
            )
        check_number(self, "n_neighbors", self.n_neighbors, among=(None,))

    def _fit(self, training, indices):
        columns = training.columns
        coded = set(columns.of_kinds(CATEGORICAL))
        averaged = np.array([j not in coded for j in indices], dtype=bool)
        sd = columns.sd[indices]
        return {
            **self._fit_classes(training, indices),
            "units": columns.units(indices),
            "averaged": averaged,
            "atoms_of_column": columns.atoms[:, indices],
            "mean": columns.mean[indices],
            # Columns without spread and codes do not count in distances.
            "weights": np.where(averaged & (sd > 0), 1 / np.where(sd > 0, sd, 1), 0),
        }

    def _forward(self, X, P, reference, seeds, labels):
        if self.n_neighbors is None:
            indices, found = self._random_partners(reference, seeds, labels)
        else:
            indices, found = self._near_partners(X, reference, seeds, labels)
        partner = reference["partners"][
            indices.clamp(max=len(reference["partners"]) - 1)
        ]
        weight = self.max_weight * P.abs()
        mixed = X + weight.to(X.dtype) * (partner - X)
        units = reference["units"]
        drawn = uniform(seeds, int(units.max()) + 1 if len(units) else 0, _WHETHER)
        whole = torch.where((drawn < weight)[:, units], partner, X)
        averaged = reference["averaged"].expand_as(X)
        for values in reference["atoms_of_column"]:
            averaged = averaged & (values != X) & (values != partner)
        return torch.where(found[:, None], torch.where(averaged, mixed, whole), X)

    def _near_partners(self, X, reference, seeds, labels):
        """Return indices of one of the nearest rows of the class, the row left out."""
        indices = torch.zeros(len(X), dtype=torch.int64, device=X.device)
        found = torch.zeros(len(X), dtype=torch.bool, device=X.device)
        mean, weights = reference["mean"], reference["weights"]
        scaled = torch.nan_to_num((X - mean) * weights)
        partners = torch.nan_to_num((reference["partners"] - mean) * weights)
        for label in labels.unique().tolist():
            if label >= len(reference["counts"]):
                continue
            start = int(reference["starts"][label])
            pool = partners[start : start + int(reference["counts"][label])]
            rows = (labels == label).nonzero()[:, 0]
            if len(pool) == 0:
                continue
            near, usable = _nearest(scaled[rows], pool, int(self.n_neighbors))
            which = integers(seeds[rows], 1, usable.clamp(min=1)[:, None], _WHICH)
            indices[rows] = start + near.gather(1, which)[:, 0]
            found[rows] = usable > 0
        return indices, found

    def _describe(self, P):
        return {"weight": self.max_weight * P[:, 0].abs()}

    @classmethod
    def _variants(cls):
        return (cls(), cls(n_neighbors=5))


@declaration
class ClassCutMix(_ClassTransformation):
    """Replace some cells by cells of another row of the class (cutmix).

    There is no inverse.

    Parameters
    ----------
    columns : object, default=None
        Columns of any kind, see :class:`Transformation`, or groups of columns that are
        replaced together. None selects all columns, each replaced separately; columns
        of a one-hot encoding are always replaced together.

    max_rate : float, default=0.5
        Largest probability with which each column or group is replaced.

    See Also
    --------
    MarginalSwap : Replaces cells by cells of rows of any class.

    Notes
    -----
    At most 2,048 training rows are stored, evenly over classes. Rows of a class without
    training rows are not changed. To apply a record again, the labels are needed.

    References
    ----------
    .. [1] Yun, S., Han, D., Oh, S. J., Chun, S., Choe, J., Yoo, Y. "CutMix:
       Regularization strategy to train strong classifiers with localizable features",
       ICCV 2019.

    Examples
    --------
    >>> from sktransform.augmentation.transforms import ClassCutMix
    >>> ClassCutMix([("x", "y"), "z"], max_rate=0.3)
    ClassCutMix(columns=(('x', 'y'), 'z'), max_rate=0.3)
    """

    max_rate: float = 0.5

    def _check(self):
        check_number(self, "max_rate", self.max_rate, most=1)

    @property
    def _touched(self):
        groups = [g if isinstance(g, tuple) else (g,) for g in self.columns]
        return tuple(itertools.chain.from_iterable(groups))

    def _fit(self, training, indices):
        if any(isinstance(group, tuple) for group in self.columns):
            lengths = [len(g) if isinstance(g, tuple) else 1 for g in self.columns]
            units = np.repeat(np.arange(len(lengths)), lengths)
            for block in training.columns.blocks:
                inside = np.isin(indices, block)
                units[inside] = units[inside].min(initial=len(lengths))
        else:
            units = training.columns.units(indices)
        return {**self._fit_classes(training, indices), "units": units}

    def _forward(self, X, P, reference, seeds, labels):
        indices, found = self._random_partners(reference, seeds, labels)
        partner = reference["partners"][
            indices.clamp(max=len(reference["partners"]) - 1)
        ]
        units = reference["units"]
        drawn = uniform(seeds, int(units.max()) + 1 if len(units) else 0, _WHETHER)
        taken = (drawn < self.max_rate * P.abs())[:, units] & found[:, None]
        return torch.where(taken, partner, X)

    def _describe(self, P):
        return {"rate": self.max_rate * P[:, 0].abs()}


def _cells(training, indices):
    """Return the training rows' touched cells as an array."""
    return training.rows[:, torch.as_tensor(indices)].cpu().numpy()


def _spread(count, most):
    """Return at most so many indices, evenly spaced over all."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def _marginals(cells):
    """Return values of each column with its distribution, none of them missing."""
    n_kept = min(len(cells), _MOST_QUANTILES)
    pool = np.empty((n_kept, cells.shape[1]), dtype=cells.dtype)
    for column, values in enumerate(cells.T):
        present = np.sort(values[~np.isnan(values)])
        if len(present) == 0:
            pool[:, column] = np.nan
            continue
        # The middle of each of n equal parts: values that were seen, categories too.
        levels = (np.arange(n_kept) + 0.5) / n_kept * len(present)
        pool[:, column] = present[levels.astype(np.int64)]
    return pool


def _of_classes(reference, labels):
    """Return where the rows' classes begin and how many rows they have."""
    known = labels < len(reference["counts"])
    codes = torch.where(known, labels, 0)
    counts = torch.where(known, reference["counts"][codes], 0)
    return reference["starts"][codes], counts


def _nearest(rows, pool, n_neighbors):
    """Return the nearest other rows of a pool, and how many of them there are.

    Differences, not products: a row's distances then never depend on its neighbours
    in the batch, and the row itself is at exactly 0.
    """
    count = min(n_neighbors, len(pool))
    step = max(1, _BLOCK_NUMBERS // pool.numel())
    indices, usable = [], []
    for block in rows.split(step):
        squared = (block[:, None] - pool).square_().sum(2)
        squared = squared.masked_fill_(squared <= 1e-14, torch.inf)
        near, order = squared.topk(count, largest=False)
        indices.append(order)
        usable.append(torch.isfinite(near).sum(1))
    return torch.cat(indices), torch.cat(usable)
