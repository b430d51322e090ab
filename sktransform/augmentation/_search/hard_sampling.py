# SPDX-License-Identifier: BSD-3-Clause
"""Draws by Metropolis and Hastings, likelier where a probe's loss is large.

The proposal ignores the state, so that it cancels from the acceptance ratio: an
independence sampler whose density is that of the proposals times the loss.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sktransform.augmentation._policy.policy import Draw, apply_draw, draw_versions
from sktransform.augmentation._random import (
    CHAIN,
    COPIES,
    HARD,
    row_seeds,
    stream_seed,
    torch_stream,
)
from sktransform.augmentation._search.proxy import ProbeFeatures, Probes

N_BINS = 16
# Versions judged at once: fixed, so that results depend on no setting.
_CHUNK = 2048


def accepts(loss, proposed, uniform):
    """Return which proposals are accepted, with probability min(1, proposed / loss).

    Parameters
    ----------
    loss : Tensor of shape (n,)
        Losses at the states, not negative.

    proposed : Tensor of shape (n,)
        Losses at the proposals. Where there is no ratio, nothing is accepted.

    uniform : Tensor of shape (n,)
        Numbers that are uniform in [0, 1).

    Returns
    -------
    Tensor of bool, shape (n,)
        Which are accepted.
    """
    ratio = (proposed / loss.clamp(min=1e-12)).nan_to_num(nan=0.0)
    return uniform < ratio.clamp(0, 1)


class TrainingChains:
    """Draws of each transformation alone for the rows of a batch.

    Parameters
    ----------
    law : Law
        The transformations and their ranges; those without a range are left out.

    features : ProbeFeatures
        Rows as the probe sees them.

    target : Target
        The labels.

    chain_length : int
        Draws that a chain compares, the first one counted.

    root : int
        Root seed.
    """

    def __init__(self, law, features, target, chain_length, root):
        self.law, self.features, self.target = law, features, target
        self.chain_length, self.root = chain_length, root
        self.generator = torch_stream(root, CHAIN)
        self.places = np.flatnonzero(law.ranges > 0)
        n_all = len(law.transformations)
        self.histogram = np.zeros((n_all, N_BINS))
        self.n_accepted, self.n_proposed = np.zeros(n_all), np.zeros(n_all)
        self._count = 0

    def draw(self, probes, rows, values):
        """Return features (n_places b, p) of the rows after the chains."""
        found = [self.features(rows[:0])]
        for place in self.places:
            versions, magnitude, loss = self._propose(probes, place, rows, values)
            for _ in range(self.chain_length - 1):
                other, its_magnitude, its_loss = self._propose(
                    probes, place, rows, values
                )
                uniform = torch.rand(len(rows), generator=self.generator)
                accepted = accepts(loss, its_loss, uniform)
                versions = torch.where(accepted[:, None], other, versions)
                magnitude = torch.where(accepted, its_magnitude, magnitude)
                loss = torch.where(accepted, its_loss, loss)
                self.n_accepted[place] += int(accepted.sum())
                self.n_proposed[place] += len(rows)
            self._record(place, magnitude)
            found.append(versions)
        return torch.cat(found)

    @property
    def acceptance(self):
        """Share of the proposals that were accepted, NaN where there were none."""
        with np.errstate(invalid="ignore"):
            return self.n_accepted / self.n_proposed

    @property
    def frequencies(self):
        """Relative frequencies (K, N_BINS) of magnitudes within the range."""
        return self.histogram / np.maximum(self.histogram.sum(1, keepdims=True), 1)

    def _propose(self, probes, place, rows, values):
        """Return features, magnitudes and losses of one fresh draw for each row."""
        transformation, scale = self.law.transformations[place], self.law.ranges[place]
        drawn = transformation.sample(len(rows), float(scale), self.generator)
        self._count += 1
        base = stream_seed(self.root, CHAIN, int(place), self._count)
        versions = self.features(
            transformation.forward(
                rows,
                drawn,
                self.law.references[place],
                torch.from_numpy(row_seeds(base, np.arange(len(rows)))),
                values if self.target.is_classes else None,
            )
        )
        losses = self.target.training_loss(probes.one(0, versions), values)
        magnitude = transformation.magnitude(drawn)
        if not transformation.discrete:
            magnitude = magnitude / scale
        return versions, magnitude, losses

    def _record(self, place, magnitude):
        bins = (magnitude.double() * N_BINS).long().clamp(max=N_BINS - 1)
        self.histogram[place] += np.bincount(bins.numpy(), minlength=N_BINS)


@dataclass(frozen=True)
class HardDraws:
    """Draws of whole versions, of all their transformations, from a law.

    Parameters
    ----------
    probes : Probes
        A single trained probe, whose loss says what is hard.

    chain_length : int
        Draws that a chain compares, the first one counted.
    """

    probes: Probes
    chain_length: int

    def versions(self, data, law, units, root, *key, clean_share=0.0):
        """Return draws for rows as `draw_versions` does, the hard ones more often.

        Parameters
        ----------
        data : LabelledRows
            The rows and their labels.

        law : Law
            What the chains propose.

        units : ndarray of int of shape (n,)
            Rows of one number share their draw, and its loss is the mean of theirs.

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
        draw = draw_versions(law, units, root, *key, clean_share=clean_share)
        places = np.unique(units, return_inverse=True)[1]
        # What is left as it is stays so: it is a share, not the end of a chain.
        changed = torch.from_numpy(draw.on.any(1))
        loss = self._losses(data, law, draw, places)
        for step in range(1, self.chain_length):
            other = draw_versions(law, units, root, HARD, *key, step)
            its_loss = self._losses(data, law, other, places)
            # The draws' own streams end in numbers from 1 on.
            generator = torch_stream(root, HARD, *key, step, 0)
            uniform = torch.rand(places.max() + 1, generator=generator)[places]
            accepted = accepts(loss, its_loss, uniform) & changed
            loss = torch.where(accepted, its_loss, loss)
            draw = draw.replaced(accepted.numpy(), other)
        return draw

    def copies(self, data, law, units, n_copies, root, *key):
        """Return the draws of copies of rows, one copy after the other."""
        return Draw.concatenate(
            [
                self.versions(data, law, units, root, COPIES, *key, copy)
                for copy in range(n_copies)
            ]
        )

    def _losses(self, data, law, draw, places):
        """Return for each row the mean loss of the rows that share its draw."""
        features, target = ProbeFeatures(data.columns), data.target
        rows = apply_draw(law, data.rows.float(), draw, data.labels)
        losses = [
            target.training_loss(
                self.probes.one(0, features(rows[start : start + _CHUNK])),
                target.values[start : start + _CHUNK],
            )
            for start in range(0, len(rows), _CHUNK)
        ]
        total = np.bincount(places, torch.cat(losses).double().numpy())
        return torch.from_numpy((total / np.bincount(places))[places])
