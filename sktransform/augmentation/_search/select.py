# SPDX-License-Identifier: BSD-3-Clause
"""What all estimators of the family share: a law is learned from labelled rows."""

from dataclasses import dataclass

import numpy as np

from sktransform.augmentation._random import VIEWS, numpy_stream
from sktransform.augmentation._search.acceptance import (
    NONE,
    GateResult,
    GateSettings,
    is_small_table,
    run_gate,
)
from sktransform.augmentation._search.proxy import ProbeFeatures
from sktransform.augmentation._search.range_filter import (
    CURVE_MAGNITUDES,
    FilterProblem,
    FilterSettings,
    chosen_round,
    run_filter,
)
from sktransform.augmentation._search.target import row_folds

LAW, UNSHRUNK = "law", "unshrunk"
# Folds of the filter. Networks are cheap where there are few rows of a table, and
# those that see five sixths of them tell far better what holds than of two thirds.
_FOLDS, _FOLDS_OF_FEW = 3, 6


@dataclass(frozen=True)
class SelectSettings:
    """What the strategy "select" is told.

    Parameters
    ----------
    filter : FilterSettings
        What the filter is told.

    gate : GateSettings
        What the gate is told.

    candidates : tuple of str
        Which laws the gate is asked about.

    max_fit_rows : int
        Rows that filter and gate see at most.
    """

    filter: FilterSettings
    gate: GateSettings
    candidates: tuple = (LAW, UNSHRUNK)
    max_fit_rows: int = 2000


@dataclass(frozen=True)
class Selection:
    """What the strategy "select" found.

    Parameters
    ----------
    rounds : list of Measured
        The filter's rounds; empty if there was nothing to learn from.

    chosen : int or None
        Number of the round whose law is the filter's.

    ranges : ndarray of shape (K,)
        Ranges of the filter's law.

    law_ranges : ndarray of shape (K,)
        Ranges of the law that the gate accepted, all 0 for none.

    gate : GateResult
        What the gate said.

    clean_none : float
        Held-out loss of probes that saw no versions; NaN without rounds.

    curve : tuple of ndarray
        Excess and standard error by magnitude, (K, n_magnitudes).

    losses : tuple of float
        Mean held-out loss of the rows in each round.
    """

    rounds: list
    chosen: int | None
    ranges: np.ndarray
    law_ranges: np.ndarray
    gate: GateResult
    clean_none: float
    curve: tuple
    losses: tuple = ()


def kept_rows(data, max_rows, root):
    """Return the numbers of at most so many rows, of whole groups where there are."""
    if len(data) <= max_rows:
        return np.arange(len(data))
    generator = numpy_stream(root, VIEWS)
    if data.groups is None:
        return np.sort(generator.permutation(len(data))[:max_rows])
    names, places = np.unique(data.groups, return_inverse=True)
    order = generator.permutation(len(names))
    sizes = np.bincount(places)[order]
    n_kept = max(1, int((sizes.cumsum() <= max_rows).sum()))
    return np.flatnonzero(np.isin(places, order[:n_kept]))


def candidate_ranges(ranges, names):
    """Return the candidate laws that do something, each once.

    Parameters
    ----------
    ranges : ndarray of shape (K,)
        Ranges of the filter's law.

    names : tuple of str
        ``"law"`` is the filter's; ``"unshrunk"`` is the same without what had to
        shrink.

    Returns
    -------
    dict of str to ndarray of shape (K,)
        Ranges of each candidate.
    """
    known = {LAW: ranges, UNSHRUNK: np.where(ranges == 1, ranges, 0.0)}
    found = {}
    for name in names:
        own = known[name]
        is_new = all((own != other).any() for other in found.values())
        if own.any() and is_new:
            found[name] = own
    return found


def select(data, transformations, estimator, settings, root, on_round):
    """Return the law that leaves the labels alone and helps the estimator, if any.

    Parameters
    ----------
    data : LabelledRows
        The training rows.

    transformations : tuple of Transformation
        What to choose from, bound to the columns.

    estimator : estimator instance
        Whom the gate asks.

    settings : SelectSettings
        What filter and gate are told.

    root : int
        Root seed.

    on_round : callable
        Called after each round and after the gate; True stops the filter.

    Returns
    -------
    Selection
        The law and its reasons.
    """
    data = data[kept_rows(data, settings.max_fit_rows, root)]
    n_all = len(transformations)
    problem = filter_problem(data, transformations, settings, root)
    if problem is None:
        return nothing(n_all)
    rounds, clean_none, curve = run_filter(problem, on_round)
    chosen = chosen_round(rounds, problem.mean, settings.filter.paired)
    ranges = np.zeros(n_all)
    active = rounds[chosen].active
    ranges[active] = rounds[chosen].ranges[active]
    candidates = candidate_ranges(ranges, settings.candidates)
    gate = GateResult(NONE, {}, 0.0, 0.0)
    if candidates:
        gate = run_gate(
            estimator,
            data,
            transformations,
            candidates,
            settings.gate,
            root,
        )
    on_round()
    return Selection(
        rounds=rounds,
        chosen=chosen,
        ranges=ranges,
        law_ranges=candidates.get(gate.chosen, np.zeros(n_all)),
        gate=gate,
        clean_none=float(problem.mean(clean_none)[0]),
        curve=curve,
        losses=tuple(problem.mean(r.clean)[0] for r in rounds),
    )


def filter_problem(data, transformations, settings, root):
    """Return what the filter works on, or None if there is nothing to learn from."""
    if not transformations or data.target.is_constant:
        return None
    target = data.target
    n_folds = _FOLDS_OF_FEW if is_small_table(data) else _FOLDS
    folds = row_folds(data.codes, target.is_classes, data.groups, n_folds, root)
    if len(folds) < _FOLDS:
        return None
    return FilterProblem(
        data.rows.float(),
        target,
        [data[train].law(transformations) for train, _ in folds],
        folds,
        ProbeFeatures(data.columns),
        settings.filter,
        root,
        data.groups,
    )


def nothing(n_all):
    """Return what is said where nothing can be learned."""
    empty = np.full((n_all, len(CURVE_MAGNITUDES)), np.nan)
    return Selection(
        rounds=[],
        chosen=None,
        ranges=np.zeros(n_all),
        law_ranges=np.zeros(n_all),
        gate=GateResult(NONE, {}, 0.0, 0.0),
        clean_none=np.nan,
        curve=(empty, empty.copy()),
    )


def status(selection, transformations, tolerance, z):
    """Return for each transformation what the filter found, in one word."""
    words = ["rejected"] * len(transformations)
    if selection.chosen is None:
        return words
    measured = selection.rounds[selection.chosen]
    for place, excess, error in zip(
        measured.active, measured.excess, measured.error, strict=True
    ):
        if selection.ranges[place] < 1:
            words[place] = "shrunk"
        else:
            shown = excess + z * error <= tolerance
            words[place] = "kept" if shown else "inconclusive"
    return words
