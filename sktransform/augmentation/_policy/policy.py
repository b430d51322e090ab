# SPDX-License-Identifier: BSD-3-Clause
"""A law of augmentation: which transformations, how far, how often, and its draws."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from sktransform.augmentation._random import row_seeds, stream_seed, torch_stream

# Expected number of further transformations of a version, beside the one drawn.
_FURTHER = 0.5


@dataclass(frozen=True)
class Law:
    """Transformations with what each knows of the training rows.

    Parameters
    ----------
    transformations : tuple of Transformation
        All of them, in the order in which they act.

    references : list of dict of Tensor
        What `fit` of each returned for the training rows.

    ranges : ndarray of shape (K,)
        Learned ranges from 0, which switches off, to 1.

    probabilities : ndarray of shape (K,)
        How often each is the one that is drawn; sums to 1 over those switched on.

    magnitudes : ndarray of shape (K, n_bins) or None
        Relative frequencies of magnitudes within the range, for a law that is not
        uniform.

    joining : ndarray of shape (K,) or None
        Probability with which each acts beside the one that is drawn. None shares
        out half of another transformation as `probabilities` do.
    """

    transformations: tuple
    references: list
    ranges: np.ndarray
    probabilities: np.ndarray
    magnitudes: np.ndarray | None = None
    joining: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        transformations,
        training_rows,
        ranges=None,
        probabilities=None,
        joining=None,
    ):
        """Return the law fitted to training rows; uniform over what has a range."""
        n_transformations = len(transformations)
        if ranges is None:
            ranges = np.ones(n_transformations)
        active = np.asarray(ranges) > 0
        if probabilities is None:
            probabilities = active / max(active.sum(), 1)
        references = [t.fit(training_rows) for t in transformations]
        return cls(
            transformations,
            references,
            np.asarray(ranges),
            probabilities,
            joining=joining,
        )

    @property
    def further(self):
        """Probability that each of the active acts beside the one that is drawn."""
        active = self.active
        if self.joining is not None:
            return self.joining[active]
        shares = self.probabilities[active] * len(active)
        return _FURTHER * shares / max(len(active) - 1, 1)

    @property
    def active(self):
        """Places of the transformations that are switched on."""
        return np.flatnonzero((self.ranges > 0) & (self.probabilities > 0))

    def with_ranges(self, ranges, probabilities=None):
        """Return the same law with other ranges, uniform unless said otherwise."""
        on = np.asarray(ranges) > 0
        if probabilities is None:
            probabilities = on / max(on.sum(), 1)
        return replace(self, ranges=np.asarray(ranges), probabilities=probabilities)

    def without_labels(self):
        """Return the law without transformations that need the rows' labels."""
        needed = np.array([t.needs_labels for t in self.transformations], dtype=bool)
        kept = np.where(needed, 0.0, self.probabilities)
        total = kept.sum()
        return replace(self, probabilities=kept / total if total > 0 else kept)


@dataclass(frozen=True)
class Draw:
    """What happens to each of m rows: switched on or off, parameters, seeds.

    Parameters
    ----------
    on : ndarray of bool of shape (m, K)
        Which transformations act.

    parameters : list of ndarray of shape (m, q)
        Normalised parameters of each transformation, 0 where it does not act.

    seeds : ndarray of int64 of shape (m, K)
        Row seeds, one for each transformation.
    """

    on: np.ndarray
    parameters: list
    seeds: np.ndarray

    def __getitem__(self, rows):
        return Draw(self.on[rows], [p[rows] for p in self.parameters], self.seeds[rows])

    def replaced(self, chosen, other):
        """Return these draws, and for the chosen rows those of the other."""
        return Draw(
            np.where(chosen[:, None], other.on, self.on),
            [
                np.where(chosen[:, None], theirs, own)
                for own, theirs in zip(self.parameters, other.parameters, strict=True)
            ],
            np.where(chosen[:, None], other.seeds, self.seeds),
        )

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


def draw_versions(law, units, root, *key, clean_share=0.0):
    """Draw what happens to rows, before any of them is touched.

    Parameters
    ----------
    law : Law
        The law.

    units : ndarray of int of shape (n,)
        Rows of one number share their draw; all differ for draws of rows.

    root : int
        Root seed.

    *key : int
        Key of the stream.

    clean_share : float, default=0.0
        Probability that a unit is left as it is.

    Returns
    -------
    Draw
        The draws, a row for each of `units`.
    """
    numbers, places = np.unique(units, return_inverse=True)
    n_units, n_all = len(numbers), len(law.transformations)
    active = law.active
    on = np.zeros((n_units, n_all), dtype=bool)
    generator = torch_stream(root, *key)
    uniform = torch.rand(n_units, 2 + n_all, generator=generator, dtype=torch.float64)
    uniform = uniform.numpy()
    if len(active):
        edges = np.cumsum(law.probabilities[active])
        first = np.searchsorted(edges / edges[-1], uniform[:, 0], side="right")
        on[np.arange(n_units), active[np.minimum(first, len(active) - 1)]] = True
        if len(active) > 1:
            on[:, active] |= uniform[:, 2:][:, active] < law.further
        on[uniform[:, 1] < clean_share] = False
    base = row_seeds(stream_seed(root, *key), numbers)
    seeds = np.array([row_seeds(k + 1, base) for k in range(n_all)], np.int64)
    parameters = []
    for k in range(n_all):
        drawn = _draw_parameters(law, k, n_units, root, *key)
        parameters.append(np.where(on[:, [k]], drawn, 0.0))
    return Draw(on, parameters, seeds.reshape(n_all, n_units).T)[places]


def _draw_parameters(law, place, n_rows, root, *key):
    """Return normalised parameters (n_rows, q) of one transformation, in float64."""
    transformation = law.transformations[place]
    generator = torch_stream(root, *key, 1 + place)
    scale = float(law.ranges[place])
    drawn = transformation.sample(n_rows, scale, generator).to(torch.float64)
    if law.magnitudes is None or transformation.discrete or scale == 0:
        return drawn.numpy()
    # Keep each draw's direction, and take its length from the learned histogram.
    length = transformation.magnitude(drawn).clamp(min=1e-12)
    histogram = torch.as_tensor(law.magnitudes[place] + 1e-12)
    bins = torch.multinomial(histogram, n_rows, True, generator=generator)
    within = torch.rand(n_rows, generator=generator, dtype=torch.float64)
    wanted = scale * (bins + within) / len(histogram)
    return (drawn * (wanted / length)[:, None]).numpy()


def apply_draw(law, rows, draw, labels=None, batch_size=4096, return_exact=False):
    """Return rows changed as drawn, transformation by transformation.

    Parameters
    ----------
    law : Law
        The law.

    rows : Tensor of shape (m, d)
        The rows; they are not written to.

    draw : Draw
        What happens to each.

    labels : Tensor of shape (m,) or None, default=None
        The rows' labels, for transformations that need them.

    batch_size : int, default=4096
        Rows handled at once. It does not change the result.

    return_exact : bool, default=False
        Whether to return also which applications can be undone exactly.

    Returns
    -------
    rows : Tensor of shape (m, d)
        The changed rows.

    exact : ndarray of bool of shape (m, K)
        False where a transformation acted that its inverse does not undo. Only if
        `return_exact`.
    """
    changed = rows.clone()
    exact = np.ones(draw.on.shape, dtype=bool)
    for place, transformation in enumerate(law.transformations):
        for chosen in _batches(np.flatnonzero(draw.on[:, place]), batch_size):
            index = torch.from_numpy(chosen)
            changed[index], undone = transformation.forward(
                changed[index],
                torch.from_numpy(draw.parameters[place][chosen]),
                law.references[place],
                torch.from_numpy(draw.seeds[chosen, place]),
                None if labels is None else labels[index],
                return_exact=True,
            )
            exact[chosen, place] = undone.numpy()
    return (changed, exact) if return_exact else changed


def undo_draw(law, rows, draw):
    """Return changed rows as they were, the last transformation undone first.

    Parameters
    ----------
    law : Law
        The law.

    rows : Tensor of shape (m, d)
        What `apply_draw` returned.

    draw : Draw
        What it was given.

    Returns
    -------
    Tensor of shape (m, d)
        The rows before, as well as the inverses give them.
    """
    restored = rows.clone()
    for place in reversed(range(len(law.transformations))):
        chosen = np.flatnonzero(draw.on[:, place])
        if len(chosen):
            index = torch.from_numpy(chosen)
            restored[index] = law.transformations[place].inverse(
                restored[index],
                torch.from_numpy(draw.parameters[place][chosen]),
                law.references[place],
                torch.from_numpy(draw.seeds[chosen, place]),
            )
    return restored


def _batches(rows, batch_size):
    """Return the rows in parts of at most so many."""
    return [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
