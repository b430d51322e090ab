# SPDX-License-Identifier: BSD-3-Clause
"""Tables of the augmentation benchmark: paired gains with intervals."""

import numpy as np
from scipy import stats


def interval(values):
    """Return the mean, and half of its 95 % t interval (NaN of one value)."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    error = values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(stats.t.ppf(0.975, len(values) - 1) * error)


def gains(records):
    """Return (problem, seed, estimator) -> method -> gain over the rows alone."""
    scores = {}
    for r in records:
        key = r["problem"], r["seed"], r["estimator"]
        scores.setdefault(key, {})[r["method"]] = r["score"]
    return {
        key: {method: score - own["none"] for method, score in own.items()}
        for key, own in scores.items()
        if "none" in own
    }


def _by_unit(found, method, chosen):
    """Return gains of each problem and seed, averaged over estimators."""
    units = {}
    for (problem, seed, _), own in found.items():
        if chosen(problem) and method in own:
            units.setdefault((problem, seed), []).append(own[method])
    return [np.mean(values) for values in units.values()]


def _cell(values):
    if not len(values):
        return "-"
    mean, half = interval(values)
    return f"{mean:+.2f} ± {half:.2f}" if np.isfinite(half) else f"{mean:+.2f}"


def _methods(records):
    return [m for m in dict.fromkeys(r["method"] for r in records) if m != "none"]


def by_group(records, found):
    """Return the table of gains of the kinds of problems."""
    kinds = {r["problem"]: _group_of(r) for r in records}
    methods, rows = _methods(records), []
    for group in dict.fromkeys(kinds.values()):
        cells = [
            _cell(_by_unit(found, m, lambda p, g=group: kinds[p] == g)) for m in methods
        ]
        rows.append([group, *cells])
    return ["data", *methods], rows


def over_others(records, found):
    """Return the table of what ours gains over each method, paired by split."""
    kinds = {r["problem"]: _group_of(r) for r in records}
    methods, rows = [m for m in _methods(records) if m != "ours"], []
    for group in dict.fromkeys(kinds.values()):
        cells = []
        for method in methods:
            differences = {
                key: {method: own["ours"] - own[method]}
                for key, own in found.items()
                if "ours" in own and method in own
            }
            cells.append(
                _cell(_by_unit(differences, method, lambda p, g=group: kinds[p] == g))
            )
        rows.append([group, *cells])
    return ["data", *methods], rows


def _group_of(record):
    if record["is_regression"]:
        return "tables, regression"
    names = {"knowledge": "T", "table": "tables", "tilted": "tilted images"}
    return names.get(record["kind"], record["kind"])


def by_problem(records, found):
    """Return the table of gains of each problem, with ours's choices and seconds."""
    methods, rows = _methods(records), []
    for problem in dict.fromkeys(r["problem"] for r in records):
        own = [r for r in records if r["problem"] == problem]
        alone = np.mean([r["score"] for r in own if r["method"] == "none"])
        ours = [r for r in own if r["method"] == "ours"]
        cells = [
            _cell(_by_unit(found, m, lambda p, q=problem: p == q)) for m in methods
        ]
        accepted = [r["chosen"] != "none" for r in ours]
        seconds = [r["seconds"] for r in ours]
        areas = [r["separation"] for r in ours if r["separation"] is not None]
        rows.append(
            [
                problem,
                f"{alone:.1f}",
                *cells,
                f"{np.mean(accepted):.2f}" if ours else "-",
                f"{np.mean(areas):.3f}" if areas else "-",
                f"{np.median(seconds):.1f}" if ours else "-",
                f"{np.max(seconds):.1f}" if ours else "-",
            ]
        )
    ends = ["accepted", "AUC", "median s", "most s"]
    return ["data", "none", *methods, *ends], rows


def by_estimator(records, found):
    """Return the table of what ours gains for each estimator and kind of problem."""
    kinds = {r["problem"]: _group_of(r) for r in records}
    names = list(dict.fromkeys(r["estimator"] for r in records))
    rows = []
    for group in dict.fromkeys(kinds.values()):
        cells = [
            _cell(
                [
                    own["ours"]
                    for (problem, _, other), own in found.items()
                    if other == name and kinds[problem] == group and "ours" in own
                ]
            )
            for name in names
        ]
        rows.append([group, *cells])
    return ["data", *names], rows


def losing(found):
    """Return the table of cells (problem, estimator) that lose more than .5 points."""
    rows = []
    for method in dict.fromkeys(m for own in found.values() for m in own):
        cells = {}
        for (problem, _, name), own in found.items():
            if method in own:
                cells.setdefault((problem, name), []).append(own[method])
        if method == "none" or not cells:
            continue
        means = [np.mean(values) for values in cells.values()]
        lost = sum(mean < -0.5 for mean in means)
        rows.append([method, f"{lost} of {len(means)}", f"{min(means):+.2f}"])
    return ["method", "cells below -0.5", "worst cell"], rows


def tables(records):
    """Return title -> (headings, rows)."""
    found = gains(records)
    return {
        "Gain over the rows alone, by kind of data": by_group(records, found),
        "Gain of ours over other methods": over_others(records, found),
        "Gain over the rows alone, by problem": by_problem(records, found),
        "Gain of ours, by estimator": by_estimator(records, found),
        "Cells of problem and estimator that lose": losing(found),
    }
