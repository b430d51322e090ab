# SPDX-License-Identifier: BSD-3-Clause
"""Range filter: ranges shrink until no transformation raises the held-out loss.

One set of proxy networks is trained on all active transformations at once. The excess,
the loss of a network on transformed held-out rows less that on the rows themselves, is
a paired difference and needs few rows. The worst half of the transformations with too
much of it halve their range, or are dropped, round by round.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from sktransform.augmentation._policy.policy import fit_policy
from sktransform.augmentation._random import (
    COPIES_IN_FILTER,
    CURVE,
    row_seeds,
    stream_seed,
    torch_stream,
)
from sktransform.augmentation._search import constants
from sktransform.augmentation._search.proxy import ProxyFeatures, train_proxies
from sktransform.augmentation._tabular.dataset import row_folds, weighted_mean

# Copies of each row by each transformation in a pool, while it has so few numbers.
_POOL_COPIES = 4
_POOL_NUMBERS = 2**27
# Magnitudes at which the excess is reported.
CURVE_MAGNITUDES = (0.125, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class FilterRound:
    """One round: held-out losses `clean` (n,), and the excess losses by transformation.

    `active` are indices of transformations, `ranges` (K,) those of the round, `excess`
    and `error` (n_active,) the mean excess and its standard error.
    """

    clean: np.ndarray
    active: np.ndarray
    ranges: np.ndarray
    excess: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class FilterResult:
    """The rounds and the index of the chosen one, with the ranges (K,) of the latter.

    `loss_without` is the held-out loss of networks that saw no copies, `losses` are
    those of the rounds, `curve` is (excess, error), each (K, n_magnitudes).
    """

    rounds: list
    chosen: int
    ranges: np.ndarray
    loss_without: float
    losses: tuple
    curve: tuple


class FilterProblem:
    """Rows, folds and policies that all rounds share."""

    def __init__(self, dataset, transformations, folds, root):
        self.rows, self.target = dataset.rows.float(), dataset.target
        self.groups, self.root = dataset.groups, root
        self.policies = [
            fit_policy(dataset[train], transformations) for train, _ in folds
        ]
        self.folds = [tuple(map(torch.from_numpy, fold)) for fold in folds]
        self.features = ProxyFeatures(dataset.columns)
        self.clean_features = self.features(self.rows)
        self.size = constants.proxy_size(dataset.columns.shape)
        # A reference that learns nothing from the rows is the same for every fold.
        references = zip(*(policy.references for policy in self.policies), strict=True)
        self._is_shared = [
            all(_is_same(own[0], other) for other in own[1:]) for own in references
        ]

    def train(self, pools):
        """Return networks of all folds, trained on rows and pools of copies."""
        n_steps, n_hidden = self.size
        return train_proxies(
            self.clean_features,
            self.target,
            [train for train, _ in self.folds],
            pools,
            root=self.root,
            n_steps=n_steps,
            n_hidden=n_hidden,
        )

    def held_out(self, networks, features_of_fold):
        """Return losses (..., n) of all rows, each by the network that did not see it.

        `features_of_fold(fold, held_out)` returns features (..., n_held_out, p).
        """
        losses = None
        for fold, (_, held_out) in enumerate(self.folds):
            outputs = networks.one(fold, features_of_fold(fold, held_out))
            values = self.target.values[held_out]
            values = values.expand(*outputs.shape[: outputs.ndim - 2], *values.shape)
            own = self.target.validation_loss(outputs, values).numpy()
            if losses is None:
                losses = np.zeros((*own.shape[:-1], len(self.rows)))
            losses[..., held_out.numpy()] = own
        return losses

    def clean_losses(self, networks):
        """Return held-out losses (n,) of the rows as they are."""
        return self.held_out(networks, lambda _, rows: self.clean_features[rows])

    def pools(self, active, ranges, round_number):
        """Return copies (n_active, M, n, p) of all rows, for each fold or for all."""
        size = len(active) * self.clean_features.numel()
        n_copies = int(np.clip(_POOL_NUMBERS // max(size, 1), 1, _POOL_COPIES))
        n_drawn = n_copies * len(self.rows)
        shared, pools = {}, []
        for policy in self.policies:
            pool = []
            for k in active:
                copies = shared.get(k)
                if copies is None:
                    key = COPIES_IN_FILTER, round_number, int(k)
                    stream = torch_stream(self.root, *key)
                    transformation = policy.transformations[k]
                    drawn = transformation.sample(n_drawn, float(ranges[k]), stream)
                    copies = self.transformed(policy, k, self.rows, drawn, key)
                    if self._is_shared[k]:
                        shared[k] = copies
                pool.append(copies)
            pools.append(torch.stack(pool))
            if all(self._is_shared[k] for k in active):
                break
        return pools

    def transformed(self, policy, k, rows, parameters, key, labels=None):
        """Return features (M, n, p) of rows (n, d) changed by parameters (M n, q)."""
        n_copies = len(parameters) // len(rows)
        seeds = row_seeds(stream_seed(self.root, *key), np.arange(len(parameters)))
        labels = self.target.labels if labels is None else labels
        changed = policy.transformations[k].forward(
            rows.repeat(n_copies, 1),
            parameters,
            policy.references[k],
            torch.from_numpy(seeds),
            None if labels is None else labels.repeat(n_copies),
        )
        return self.features(changed.view(n_copies, *rows.shape))

    def measure(self, networks, pools, active, ranges):
        """Return the result of one round, measured on the copies of the pools."""
        clean = self.clean_losses(networks)

        def copies(fold, rows):
            return pools[fold if len(pools) > 1 else 0][:, :, rows]

        losses = self.held_out(networks, copies).mean(1)
        return FilterRound(clean, active, ranges, *self.mean(losses - clean))

    def mean(self, losses):
        """Return mean and standard error of losses (..., n) over the rows."""
        weights = self.target.weights.numpy().astype(np.float64)
        return weighted_mean(losses, weights, self.groups)

    def curve(self, networks):
        """Return excess and error (K, n_magnitudes), NaN for no magnitude."""
        transformations = self.policies[0].transformations
        shape = len(transformations), len(CURVE_MAGNITUDES)
        excess, error = np.full(shape, np.nan), np.full(shape, np.nan)
        clean = self.clean_losses(networks)
        for k, transformation in enumerate(transformations):
            for m, magnitude in enumerate(CURVE_MAGNITUDES):
                if transformation.discrete and magnitude < 1:
                    continue
                losses = self._losses_at(networks, k, m, magnitude)
                excess[k, m], error[k, m] = self.mean(losses - clean)
        return excess, error

    def _losses_at(self, networks, k, number, magnitude):
        """Return held-out losses (n,) of the rows, all changed to one magnitude."""
        key = CURVE, k, number

        def copies(fold, rows):
            policy = self.policies[fold]
            transformation = policy.transformations[k]
            generator = torch_stream(self.root, *key, fold)
            drawn = transformation.sample(len(rows), 1.0, generator)
            if not transformation.discrete:
                length = drawn.abs().amax(1, keepdim=True).clamp(min=1e-12)
                drawn = drawn / length * magnitude
            labels = self.target.labels
            labels = None if labels is None else labels[rows]
            return self.transformed(policy, k, self.rows[rows], drawn, key, labels)

        return self.held_out(networks, copies).mean(0)


def filter_problem(dataset, transformations, root):
    """Return the state of the filter, or None if there is nothing to learn from."""
    if not transformations or dataset.target.is_constant:
        return None
    wanted = constants.n_folds(
        dataset, constants.FILTER_FOLDS, constants.FILTER_FOLDS_SMALL
    )
    is_classes = dataset.target.is_classes
    folds = row_folds(dataset.codes, is_classes, dataset.groups, wanted, root)
    if len(folds) < constants.FILTER_FOLDS:
        return None
    return FilterProblem(dataset, transformations, folds, root)


def run_filter(dataset, transformations, root, on_round):
    """Return the result of the range filter, or None without enough folds or labels.

    `on_round()` is called after each round, and
    the filter stops early if it returns True.
    """
    problem = filter_problem(dataset, transformations, root)
    if problem is None:
        return None
    without = problem.clean_losses(problem.train(None))
    active, ranges = np.arange(len(transformations)), np.ones(len(transformations))
    rounds, curve = [], None
    for number in range(constants.MAX_ROUNDS):
        pools = problem.pools(active, ranges, number)
        networks = problem.train(pools)
        measured = problem.measure(networks, pools, active, ranges)
        rounds.append(measured)
        curve = curve or problem.curve(networks)
        stopped, shrunk = on_round(), _shrunk(measured, transformations)
        if stopped or shrunk is None:
            break
        active, ranges = shrunk
        if not len(active):
            break
    chosen = chosen_round(rounds, problem.mean)
    kept = np.zeros(len(transformations))
    kept[rounds[chosen].active] = rounds[chosen].ranges[rounds[chosen].active]
    losses = tuple(problem.mean(measured.clean)[0] for measured in rounds)
    return FilterResult(
        rounds, chosen, kept, float(problem.mean(without)[0]), losses, curve
    )


def _shrunk(measured, transformations):
    """Return active indices and ranges after the worse half has shrunk, or None."""
    excess = measured.excess
    allowed = np.maximum(constants.TOLERANCE, constants.EXCESS_Z * measured.error)
    bad = excess > allowed
    if not bad.any():
        return None
    ranges, n_shrunk = measured.ranges.copy(), math.ceil(bad.sum() / 2)
    worst = sorted(np.flatnonzero(bad), key=lambda i: -excess[i])[:n_shrunk]
    for k in measured.active[worst]:
        half = ranges[k] / 2
        dropped = transformations[k].discrete or half < constants.MIN_RANGE
        ranges[k] = 0.0 if dropped else half
    return measured.active[ranges[measured.active] > 0], ranges


def chosen_round(rounds, mean):
    """Return the index of the last round whose loss is within an error of the best.

    `mean(losses)` returns mean and standard error of losses (n,).
    """
    losses = [mean(measured.clean) for measured in rounds]
    best, error = min(losses, key=lambda loss: loss[0])
    good = [number for number, loss in enumerate(losses) if loss[0] <= best + error]
    return max(good)


def _is_same(first, second):
    """Tell whether two references hold the same values."""
    return first.keys() == second.keys() and all(
        np.array_equal(
            first[name], second[name], equal_nan=first[name].dtype.kind == "f"
        )
        for name in first
    )
