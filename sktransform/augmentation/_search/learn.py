# SPDX-License-Identifier: BSD-3-Clause
"""Learning of a policy: the one function that every estimator of the family calls."""

from dataclasses import dataclass, replace

import numpy as np

from sktransform.augmentation._policy.policy import P_CLEAN, Policy, fit_policy
from sktransform.augmentation._random import AUGMENT, numpy_stream
from sktransform.augmentation._search import constants
from sktransform.augmentation._search.acceptance import (
    NONE,
    AcceptanceResult,
    run_acceptance_test,
)
from sktransform.augmentation._search.constrained import (
    ConstrainedResult,
    policy_shares,
    run_constrained,
)
from sktransform.augmentation._search.proxy import ProxyClassifier, ProxyRegressor
from sktransform.augmentation._search.range_filter import FilterResult, run_filter
from sktransform.augmentation._tabular.dataset import takes_weights

POLICY, UNSHRUNK = "policy", "unshrunk"


@dataclass(frozen=True)
class SelectSettings:
    """Settings of the selection: range filter, then acceptance test."""

    n_copies: int
    n_jobs: int | None


@dataclass(frozen=True)
class ConstrainSettings:
    """Settings of the primal-dual method."""

    epsilon: object
    alpha: float | None


@dataclass(frozen=True)
class FittedPolicy:
    """The policy in use, fitted to all rows, and the evidence for it.

    `ranges` (K,) and `status` are those found before the acceptance test. `p_clean` is
    the probability of an unchanged row in a training. What a search did not run is
    None.
    """

    policy: Policy
    chosen: str
    ranges: np.ndarray
    status: list
    filtered: FilterResult | None = None
    accepted: AcceptanceResult | None = None
    constrained: ConstrainedResult | None = None
    p_clean: float = P_CLEAN


def learn_policy(dataset, transformations, estimator, settings, root, on_round):
    """Return the policy that the settings ask for, learned from labelled rows.

    Settings are `SelectSettings`, `ConstrainSettings`, or None to keep everything as
    declared. `estimator` is asked by the acceptance test, None for a proxy network;
    `on_round()` reports progress and ends a search if it returns True.
    """
    if settings is None or not transformations:
        ranges = np.ones(len(transformations))
        policy = fit_policy(dataset, transformations, ranges)
        chosen = POLICY if transformations else NONE
        p_clean = 1.0 if isinstance(settings, ConstrainSettings) else P_CLEAN
        declared = ["declared"] * len(ranges)
        return FittedPolicy(policy, chosen, ranges, declared, p_clean=p_clean)
    sample = dataset[search_rows(dataset, constants.MAX_SEARCH_ROWS, root)]
    if isinstance(settings, ConstrainSettings):
        return _constrained(dataset, sample, transformations, settings, root, on_round)
    filtered = run_filter(sample, transformations, root, on_round)
    if filtered is None:
        nothing = np.zeros(len(transformations))
        policy = fit_policy(dataset, transformations, nothing)
        return FittedPolicy(policy, NONE, nothing, ["rejected"] * len(nothing))
    candidates = candidate_ranges(filtered.ranges)
    accepted = AcceptanceResult()
    if candidates:
        estimator, sample = _asked(estimator, sample)
        accepted = run_acceptance_test(
            estimator,
            sample,
            transformations,
            candidates,
            settings.n_copies,
            settings.n_jobs,
            root,
        )
    on_round()
    used = candidates.get(accepted.chosen, np.zeros(len(transformations)))
    return FittedPolicy(
        fit_policy(dataset, transformations, used),
        accepted.chosen,
        filtered.ranges,
        _status(filtered),
        filtered,
        accepted,
    )


def _constrained(dataset, sample, transformations, settings, root, on_round):
    """Return the policy of the primal-dual method."""
    found = run_constrained(
        sample,
        transformations,
        settings.epsilon,
        settings.alpha,
        root,
        on_round,
    )
    used = (found.dual_path > 0).any(0).astype(float)
    policy = fit_policy(
        dataset, transformations, used, **policy_shares(found.dual_path)
    )
    return FittedPolicy(
        policy,
        POLICY if used.any() else NONE,
        np.ones(len(transformations)),
        ["declared"] * len(transformations),
        constrained=found,
        # Of all weights in the loss, that of the unchanged rows is 1.
        p_clean=1 / (1 + found.dual_path.mean(0).sum()),
    )


def search_rows(dataset, max_rows, root):
    """Return indices of at most `max_rows` rows, of whole groups where there are."""
    if len(dataset) <= max_rows:
        return np.arange(len(dataset))
    generator = numpy_stream(root, AUGMENT)
    if dataset.groups is None:
        return np.sort(generator.permutation(len(dataset))[:max_rows])
    names, indices = np.unique(dataset.groups, return_inverse=True)
    order = generator.permutation(len(names))
    sizes = np.bincount(indices)[order]
    n_kept = max(1, int((sizes.cumsum() <= max_rows).sum()))
    return np.flatnonzero(np.isin(indices, order[:n_kept]))


def candidate_ranges(ranges):
    """Return name -> ranges (K,) of the candidates that change anything, each once.

    They are the ranges of the filter, and the same without what had to shrink.
    """
    candidates = {POLICY: ranges, UNSHRUNK: np.where(ranges == 1, ranges, 0.0)}
    if (candidates[UNSHRUNK] == ranges).all():
        del candidates[UNSHRUNK]
    return {name: own for name, own in candidates.items() if own.any()}


def _asked(estimator, dataset):
    """Return the estimator of the acceptance test, and the rows as it takes them."""
    if estimator is not None:
        passes = dataset.passes_weights and takes_weights(estimator)
        return estimator, replace(dataset, passes_weights=passes)
    n_steps, n_hidden = constants.proxy_size(dataset.columns.shape)
    kind = ProxyClassifier if dataset.target.is_classes else ProxyRegressor
    estimator = kind(dataset.columns, n_steps=n_steps, n_hidden=n_hidden)

    def decode(rows, sources):
        return rows.numpy()

    return estimator, replace(dataset, decode=decode, passes_weights=True)


def _status(filtered):
    """Return the result of the filter for each transformation, in one word."""
    words = ["rejected"] * len(filtered.ranges)
    last = filtered.rounds[filtered.chosen]
    for k, excess, error in zip(last.active, last.excess, last.error, strict=True):
        if filtered.ranges[k] < 1:
            words[k] = "shrunk"
        else:
            harmless = excess + constants.EXCESS_Z * error <= constants.TOLERANCE
            words[k] = "kept" if harmless else "inconclusive"
    return words
