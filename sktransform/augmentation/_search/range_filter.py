# SPDX-License-Identifier: BSD-3-Clause
"""The elastic filter: what costs too much on held-out rows shrinks until it does not.

One model is trained on all active transformations at once. How much each of them costs
that same model, on the same held-out rows, is a paired difference and needs few rows.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from sktransform.augmentation._random import (
    CURVE,
    VERSIONS,
    row_seeds,
    stream_seed,
    torch_stream,
)
from sktransform.augmentation._search.proxy import train_probes
from sktransform.augmentation._search.target import weighted_mean

# Versions of each row by each transformation in a pool, if memory allows.
_POOLED = 4
_POOL_NUMBERS = 2**27
# Magnitudes at which the excess is reported.
CURVE_MAGNITUDES = (0.125, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class FilterSettings:
    """What the filter is told.

    Parameters
    ----------
    n_rounds : int
        Most rounds.

    tolerance : float
        Excess loss that is allowed.

    z : float
        Standard errors by which an excess must differ from 0 to count.

    smallest_range : float
        A range that would fall below it is given up.

    n_steps : int
        Steps of a training.

    n_hidden : int
        Width of the probes.

    paired : bool
        Whether rounds are compared by the standard error of their differences.
    """

    n_rounds: int = 6
    tolerance: float = 0.03
    z: float = 1.0
    smallest_range: float = 0.12
    n_steps: int = 220
    n_hidden: int = 48
    paired: bool = False


@dataclass(frozen=True)
class Measured:
    """One round: held-out losses of rows, and of their versions.

    Parameters
    ----------
    clean : ndarray of shape (n,)
        Losses of the rows.

    active : ndarray of int
        The transformations of this round.

    ranges : ndarray of shape (K,)
        Their ranges.

    excess : ndarray of shape (n_active,)
        Mean loss of the versions less that of the rows.

    error : ndarray of shape (n_active,)
        Standard errors of the excess.
    """

    clean: np.ndarray
    active: np.ndarray
    ranges: np.ndarray
    excess: np.ndarray
    error: np.ndarray


class FilterProblem:
    """Rows, folds and laws that all rounds share.

    Parameters
    ----------
    rows : Tensor of shape (n, d)
        The rows in float32.

    target : Target
        Their labels.

    laws : list of Law
        The law fitted to the training rows of each fold.

    folds : list of (ndarray, ndarray)
        Rows to train on, and rows held out.

    features : callable
        Takes rows of shape (..., d), returns what probes see, (..., p).

    settings : FilterSettings
        What the filter is told.

    root : int
        Root seed.

    groups : ndarray of shape (n,) or None, default=None
        Rows of one group are not independent of each other.
    """

    def __init__(
        self, rows, target, laws, folds, features, settings, root, groups=None
    ):
        self.rows, self.target, self.laws = rows, target, laws
        self.groups = groups
        self.folds = [tuple(map(torch.from_numpy, fold)) for fold in folds]
        self.features, self.settings, self.root = features, settings, root
        self.clean_features = features(rows)
        self._is_shared = [
            all(same_reference(references[0], other) for other in references[1:])
            for references in zip(*(law.references for law in laws), strict=True)
        ]

    def train(self, pools):
        """Return probes of all folds, trained on rows and pools of versions."""
        return train_probes(
            self.clean_features,
            self.target,
            [train for train, _ in self.folds],
            pools,
            root=self.root,
            n_steps=self.settings.n_steps,
            n_hidden=self.settings.n_hidden,
        )

    def held_out(self, probes, rows_of_fold):
        """Return losses of all rows, each by the probe that has not seen it.

        Parameters
        ----------
        probes : Probes
            One for each fold.

        rows_of_fold : callable
            Takes the number of a fold and its held-out row numbers, returns features
            of shape (..., n_held_out, p).

        Returns
        -------
        ndarray of shape (..., n)
            The losses; the leading axes are those of the features.
        """
        losses = None
        for fold, (_, held_out) in enumerate(self.folds):
            outputs = probes.one(fold, rows_of_fold(fold, held_out))
            values = self.target.values[held_out]
            values = values.expand(*outputs.shape[: outputs.ndim - 2], *values.shape)
            own = self.target.measured_loss(outputs, values).numpy()
            if losses is None:
                losses = np.zeros((*own.shape[:-1], len(self.rows)))
            losses[..., held_out.numpy()] = own
        return losses

    def clean_losses(self, probes):
        """Return held-out losses of the rows as they are."""
        return self.held_out(probes, lambda _, rows: self.clean_features[rows])

    def pools(self, active, ranges, round_number):
        """Return versions of all rows, (n_active, M, n, p), for each fold.

        What learns nothing from the training rows gives every fold the same versions,
        which are then made once.
        """
        size = len(active) * self.clean_features.numel()
        n_versions = int(np.clip(_POOL_NUMBERS // max(size, 1), 1, _POOLED))
        shared, parts = {}, []
        for law in self.laws:
            pool = []
            for place in active:
                if place in shared:
                    pool.append(shared[place])
                    continue
                key = VERSIONS, round_number, int(place)
                versions = self.versions(
                    law, place, self.rows, ranges[place], n_versions, key
                )
                if self._is_shared[place]:
                    shared[place] = versions
                pool.append(versions)
            parts.append(pool)
            if all(self._is_shared[place] for place in active):
                break
        return [torch.stack(pool) for pool in parts]

    def versions(self, law, place, rows, scale, n_versions, key, labels=None):
        """Return features (M, n, p) of M versions of rows by one transformation."""
        n_rows = len(rows)
        generator = torch_stream(self.root, *key)
        transformation = law.transformations[place]
        drawn = transformation.sample(n_versions * n_rows, float(scale), generator)
        return self.forward(law, place, rows, drawn, key, labels)

    def forward(self, law, place, rows, parameters, key, labels=None):
        """Return features (M, n, p) of rows changed by the parameters (M n, q)."""
        n_versions = len(parameters) // len(rows)
        seeds = row_seeds(stream_seed(self.root, *key), np.arange(len(parameters)))
        labels = self.target.labels if labels is None else labels
        changed = law.transformations[place].forward(
            rows.repeat(n_versions, 1),
            parameters,
            law.references[place],
            torch.from_numpy(seeds),
            None if labels is None else labels.repeat(n_versions),
        )
        return self.features(changed.view(n_versions, *rows.shape))

    def measure(self, probes, pools, active, ranges):
        """Return what one round found, from the versions of the pools."""
        clean = self.clean_losses(probes)

        def versions(fold, rows):
            return pools[fold if len(pools) > 1 else 0][:, :, rows]

        losses = self.held_out(probes, versions).mean(1)
        excess, error = self.mean(losses - clean)
        return Measured(clean, active, ranges, excess, error)

    def mean(self, losses):
        """Return mean and standard error of losses of the rows, over the last axis."""
        weights = self.target.weights.numpy().astype(np.float64)
        return weighted_mean(losses, weights, self.groups)

    def curve(self, probes, active):
        """Return excess and standard error (K, n_magnitudes) at full declared ranges.

        Discrete transformations are all or nothing: NaN but at magnitude 1.
        """
        n_all = len(self.laws[0].transformations)
        shape = n_all, len(CURVE_MAGNITUDES)
        excess, error = np.full(shape, np.nan), np.full(shape, np.nan)
        clean = self.clean_losses(probes)
        for place in active:
            discrete = self.laws[0].transformations[place].discrete
            for m, magnitude in enumerate(CURVE_MAGNITUDES):
                if discrete and magnitude < 1:
                    continue
                losses = self._losses_at(probes, int(place), m, magnitude)
                excess[place, m], error[place, m] = self.mean(losses - clean)
        return excess, error

    def _losses_at(self, probes, place, number, magnitude):
        """Return held-out losses of the rows, all changed to one magnitude."""
        key = CURVE, place, number

        def versions(fold, rows):
            law = self.laws[fold]
            transformation = law.transformations[place]
            generator = torch_stream(self.root, *key, fold)
            drawn = transformation.sample(len(rows), 1.0, generator)
            if not transformation.discrete:
                length = drawn.abs().amax(1, keepdim=True).clamp(min=1e-12)
                drawn = drawn / length * magnitude
            labels = self.target.labels
            labels = None if labels is None else labels[rows]
            return self.forward(law, place, self.rows[rows], drawn, key, labels)

        return self.held_out(probes, versions).mean(0)


def same_reference(first, second):
    """Tell whether two references hold the same values."""
    return first.keys() == second.keys() and all(
        np.array_equal(
            first[name], second[name], equal_nan=first[name].dtype.kind == "f"
        )
        for name in first
    )


def _shrunk(problem, measured):
    """Return active transformations and ranges after the worse half has shrunk.

    Returns None if nothing costs too much.
    """
    settings, excess = problem.settings, measured.excess
    bad = (excess > settings.tolerance) & (excess > settings.z * measured.error)
    if not bad.any():
        return None
    ranges, n_shrunk = measured.ranges.copy(), math.ceil(bad.sum() / 2)
    worst = sorted(np.flatnonzero(bad), key=lambda i: -excess[i])[:n_shrunk]
    for place in measured.active[worst]:
        half = ranges[place] / 2
        is_discrete = problem.laws[0].transformations[place].discrete
        given_up = is_discrete or half < settings.smallest_range
        ranges[place] = 0.0 if given_up else half
    return measured.active[ranges[measured.active] > 0], ranges


def run_filter(problem, on_round):
    """Return the rounds, the losses without versions, and the curve of round 1.

    Parameters
    ----------
    problem : FilterProblem
        Rows, folds and laws.

    on_round : callable
        Called after each round; the filter stops early if it returns True.

    Returns
    -------
    rounds : list of Measured
        What each round found, in order.

    clean_none : ndarray of shape (n,)
        Held-out losses of probes trained without versions.

    curve : tuple of ndarray
        Excess and its standard error by magnitude.
    """
    n_all = len(problem.laws[0].transformations)
    clean_none = problem.clean_losses(problem.train(None))
    active, ranges = np.arange(n_all), np.ones(n_all)
    rounds, curve = [], None
    for number in range(problem.settings.n_rounds):
        pools = problem.pools(active, ranges, number)
        probes = problem.train(pools)
        measured = problem.measure(probes, pools, active, ranges)
        rounds.append(measured)
        curve = curve or problem.curve(probes, active)
        stopped, shrunk = on_round(), _shrunk(problem, measured)
        if stopped or shrunk is None:
            break
        active, ranges = shrunk
        if not len(active):
            break
    return rounds, clean_none, curve


def chosen_round(rounds, mean, paired):
    """Return the number of the most shrunk round that is as good as the best.

    Parameters
    ----------
    rounds : list of Measured
        What each round found.

    mean : callable
        Takes losses of the rows, returns their mean and its standard error.

    paired : bool
        Whether a round counts as good by the standard error of its difference from
        the best, or by that of the best's own loss.

    Returns
    -------
    int
        Number of the round.
    """
    losses = [mean(measured.clean) for measured in rounds]
    best = min(range(len(rounds)), key=lambda number: losses[number][0])

    def is_good(number):
        if not paired:
            return losses[number][0] <= losses[best][0] + losses[best][1]
        more, error = mean(rounds[number].clean - rounds[best].clean)
        return more <= error

    return max(filter(is_good, range(len(rounds))))
