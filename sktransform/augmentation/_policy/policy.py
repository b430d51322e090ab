# SPDX-License-Identifier: BSD-3-Clause
"""Augmentation policy: transformations, their ranges and probabilities, and its draws.

Terms: an augmented copy is a row after the transformations that were drawn for it; a
draw says, for each of m rows, which transformations act and by which parameters.
"""

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
import torch

from sktransform.augmentation._random import (
    COPIES,
    row_seeds,
    stream_seed,
    torch_stream,
)
from sktransform.augmentation._tabular.dataset import TrainingRows
from sktransform.augmentation.transforms._base import from_record, to_record

# Expected number of transformations of a copy beside the one that is always drawn.
_FURTHER = 0.5

# Probability that `fit_transform` leaves a training row unchanged: rows are unchanged
# at prediction, so that half of those to learn from are like them.
P_CLEAN = 0.5

# Rows transformed at once. It bounds the memory and does not change the result.
_BATCH_SIZE = 4096


@dataclass(frozen=True)
class Policy:
    """K transformations in the order in which they act, fitted to training rows.

    `references` hold what each learned of the rows; `ranges` (K,) are from 0, off, to
    1, as declared; `probabilities` (K,) say how often each is the one that is drawn;
    `joining` (K,) is the probability of acting beside the drawn one, None for an even
    share of half a transformation.
    """

    transformations: tuple
    references: list
    ranges: np.ndarray
    probabilities: np.ndarray
    joining: np.ndarray | None = None

    @property
    def active(self):
        """Indices of the transformations that are switched on."""
        return np.flatnonzero((self.ranges > 0) & (self.probabilities > 0))

    @property
    def joining_probabilities(self):
        """Probability of each active transformation beside the one that is drawn."""
        active = self.active
        if self.joining is not None:
            return self.joining[active]
        shares = self.probabilities[active] * len(active)
        return _FURTHER * shares / max(len(active) - 1, 1)

    def without_labels(self):
        """Return the policy without transformations that need the rows' labels."""
        needed = np.array([t.needs_labels for t in self.transformations], dtype=bool)
        kept = np.where(needed, 0.0, self.probabilities)
        total = kept.sum()
        return replace(self, probabilities=kept / total if total > 0 else kept)

    def to_state(self, columns):
        """Return the policy as records and arrays, fit to be a fitted attribute."""
        return {
            "records": [to_record(t) for t in self.transformations],
            "references": self.references,
            "ranges": self.ranges,
            "probabilities": self.probabilities,
            "joining": self.joining,
            "columns": columns.to_state(),
        }

    @classmethod
    def from_state(cls, state):
        """Return the policy that `to_state` described."""
        return cls(
            tuple(from_record(record) for record in state["records"]),
            state["references"],
            state["ranges"],
            state["probabilities"],
            state["joining"],
        )


def fit_policy(dataset, transformations, ranges=None, probabilities=None, joining=None):
    """Return a policy fitted to labelled rows, uniform over what has a range."""
    columns = dataset.columns.refitted(dataset.rows.numpy())
    training = TrainingRows(dataset.rows, columns, dataset.labels)
    references = [t.fit(training) for t in transformations]
    ranges = np.ones(len(references)) if ranges is None else np.asarray(ranges)
    if probabilities is None:
        probabilities = (ranges > 0) / max((ranges > 0).sum(), 1)
    policy = Policy(transformations, references, ranges, probabilities, joining)
    return policy if dataset.labels is not None else policy.without_labels()


@dataclass(frozen=True)
class Draw:
    """What happens to each of m rows.

    `on` (m, K) says which transformations act, `parameters` holds an array (m, q) for
    each, 0 where it does not act, and `seeds` (m, K) the int64 seeds of the rows.
    """

    on: np.ndarray
    parameters: list
    seeds: np.ndarray

    def __getitem__(self, rows):
        return Draw(self.on[rows], [p[rows] for p in self.parameters], self.seeds[rows])

    @classmethod
    def concatenate(cls, draws):
        """Return draws one below the other."""
        return cls(
            np.concatenate([draw.on for draw in draws]),
            [
                np.concatenate(p)
                for p in zip(*(d.parameters for d in draws), strict=True)
            ],
            np.concatenate([draw.seeds for draw in draws]),
        )


def draw_transformations(policy, units, root, *key, clean_share=0.0):
    """Return the draws (n,) of rows; rows of one unit number share theirs.

    A unit is left unchanged with the probability `clean_share`.
    """
    numbers, indices = np.unique(units, return_inverse=True)
    n_units, n_all = len(numbers), len(policy.transformations)
    active = policy.active
    on = np.zeros((n_units, n_all), dtype=bool)
    generator = torch_stream(root, *key)
    uniform = torch.rand(n_units, 2 + n_all, generator=generator, dtype=torch.float64)
    uniform = uniform.numpy()
    if len(active):
        edges = np.cumsum(policy.probabilities[active])
        first = np.searchsorted(edges / edges[-1], uniform[:, 0], side="right")
        on[np.arange(n_units), active[np.minimum(first, len(active) - 1)]] = True
        if len(active) > 1:
            on[:, active] |= uniform[:, 2:][:, active] < policy.joining_probabilities
        on[uniform[:, 1] < clean_share] = False
    base = row_seeds(stream_seed(root, *key), numbers)
    seeds = np.array([row_seeds(k + 1, base) for k in range(n_all)], np.int64)
    parameters = []
    for k, (transformation, scale) in enumerate(
        zip(policy.transformations, policy.ranges, strict=True)
    ):
        stream = torch_stream(root, *key, 1 + k)
        drawn = transformation.sample(n_units, float(scale), stream).double().numpy()
        parameters.append(np.where(on[:, [k]], drawn, 0.0))
    return Draw(on, parameters, seeds.reshape(n_all, n_units).T)[indices]


def draw_copies(policy, units, n_copies, root, *key):
    """Return the draws of `n_copies` copies of rows, one copy after the other."""
    return Draw.concatenate(
        [
            draw_transformations(policy, units, root, COPIES, *key, copy)
            for copy in range(n_copies)
        ]
    )


def apply_draw(policy, rows, draw, labels=None, return_exact=False):
    """Return rows (m, d) changed as drawn, transformation by transformation.

    With `return_exact` also an array of bool (m, K): False where a transformation
    acted that its inverse does not undo.
    """
    changed = rows.clone()
    exact = np.ones(draw.on.shape, dtype=bool)
    for k, transformation in enumerate(policy.transformations):
        acting = np.flatnonzero(draw.on[:, k])
        for start in range(0, len(acting), _BATCH_SIZE):
            chosen = acting[start : start + _BATCH_SIZE]
            index = torch.from_numpy(chosen)
            changed[index], invertible = transformation.forward(
                changed[index],
                torch.from_numpy(draw.parameters[k][chosen]),
                policy.references[k],
                torch.from_numpy(draw.seeds[chosen, k]),
                None if labels is None else labels[index],
                return_exact=True,
            )
            exact[chosen, k] = invertible.numpy()
    return (changed, exact) if return_exact else changed


def undo_draw(policy, rows, draw):
    """Return changed rows (m, d) as they were, the last transformation undone first."""
    restored = rows.clone()
    for k in reversed(range(len(policy.transformations))):
        chosen = np.flatnonzero(draw.on[:, k])
        if len(chosen):
            index = torch.from_numpy(chosen)
            restored[index] = policy.transformations[k].inverse(
                restored[index],
                torch.from_numpy(draw.parameters[k][chosen]),
                policy.references[k],
                torch.from_numpy(draw.seeds[chosen, k]),
            )
    return restored


def n_copies_for(n_rows, n_copies):
    """Return the number of copies; "auto" is fewer for more rows, from 8 to 2."""
    if n_copies == "auto":
        return int(np.clip(2400 // max(n_rows, 1), 2, 8))
    return n_copies


def check_copies(n_copies):
    """Raise ValueError unless a number of copies is a whole number above 0."""
    if not isinstance(n_copies, Integral) or n_copies < 1:
        raise ValueError(
            f"n_copies must be an integer of at least 1, got {n_copies!r}."
        )


def augmented_rows(dataset, policy, n_copies, root, *key):
    """Return the rows followed by their augmented copies, and their sources.

    Rows are a tensor (n (1 + n_copies), d), sources their row indices. A policy that
    does nothing repeats the rows.
    """
    indices = np.arange(len(dataset))
    sources = np.tile(indices, 1 + n_copies)
    if n_copies == 0:
        return dataset.rows, sources
    copies = sources[len(dataset) :]
    rows = dataset.rows[copies]
    if len(policy.active):
        draw = draw_copies(policy, indices, n_copies, root, *key)
        labels = None if dataset.labels is None else dataset.labels[copies]
        rows = apply_draw(policy, rows, draw, labels)
    return torch.cat([dataset.rows, rows]), sources
