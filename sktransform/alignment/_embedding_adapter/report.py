# SPDX-License-Identifier: BSD-3-Clause
"""Report of an embedding adapter: its choices, and held-out estimates."""

import warnings

import numpy as np
import torch

from sktransform.alignment._degenerate import varies
from sktransform.alignment._moments.folds import hashed_sample
from sktransform.exceptions import UnreliableAlignmentWarning
from sktransform.metrics._nearness import (
    mask_of_block,
    nearness_blocks,
    ranks_in_block,
)
from sktransform.runtime._runtime import Runtime

# Different rows whose held-out images search each other.
_SEARCHED_ROWS = 1000
_OVERLAP_ROWS = 10

# Standard errors of agreement below which no relation is found. Unrelated rows exceed
# them in about 2 of 100 cases, as folds share their training rows; the hardest pairs of
# text spaces that were tried reach 3.7 with 30 rows and 7 with 50.
_LEAST_EVIDENCE = 3.0

# Fewer rows cannot tell.
_FEWEST_ROWS = 30


def adapter_report(model, seen=None, rows=None):
    """Return the chosen settings of the adapter and its held-out scores.

    `seen`: the rows in the coordinates of the regression; None computes no retrieval
      scores.
    `rows`: the rows in their original coordinates, whose hashes choose the queries.

    Returned: report, ranks (n_queries, 2).
    """
    features, ridge = model.features, model.ridge
    report = {
        "features": "linear" if features is None else "nystroem",
        "bandwidth": None if features is None else features.bandwidth,
        "kernel_weight": model.kernel_weight,
        "kernel_gain": model.gain,
        "ridge": ridge.penalty / model.unit if model.unit > 0 else None,
        "hub_constant": model.calibration.hub,
        "weight": ridge.total.weight.item(),
        "n_folds": len(ridge.fold_maps),
        "r2": None,
        "r2_calibrated": None,
        "evidence": None,
        "gallery": None,
        "recall_at_1": None,
        "recall_at_1_ridge": None,
        "overlap_at_10": None,
    }
    ranks, covariance = None, ridge.total.covariance_y
    if ridge.fold_maps and varies(covariance, ridge.total.mean_y):
        variance = covariance.trace().item()
        report["r2"] = 1 - ridge.error / variance
        affines = model.fold_affines()
        report["r2_calibrated"] = _held_out_r2(ridge, affines)
        if seen is not None:
            values, ranks = _searches(model, seen, rows, affines)
            report |= values
        report["evidence"] = _evidence(ridge, rows)
        _warn_if_unrelated(report["evidence"], ridge, rows)
    return report, ranks


def _n_independent(ridge, rows):
    """Return the effective sample size of the weighted rows (Kish)."""
    if rows is None:
        return ridge.total.weight.item()
    return (rows.weights.sum().square() / rows.weights.square().sum()).item()


def _evidence(ridge, rows):
    """Return by how many standard errors held-out predictions agree with their targets.

    The sum of products of centred predictions and targets is compared with its mean, 0,
    and variance over all permutations of the targets within a fold.
    """
    weight_of_row = ridge.total.weight.item() / _n_independent(ridge, rows)
    agreement = variance = 0.0
    for fold_map in ridge.fold_maps:
        n_rows = fold_map.fold.weight.item() / weight_of_row
        if n_rows > 1:
            agreement += fold_map.cross.trace().item()
            products = (fold_map.predicted * fold_map.fold.yy).sum().item()
            variance += products / (n_rows - 1)
    return agreement / variance**0.5 if variance > 0 else 0.0


def _warn_if_unrelated(evidence, ridge, rows):
    """Warn if held-out predictions are no nearer to their targets than to others."""
    if evidence < _LEAST_EVIDENCE and _n_independent(ridge, rows) >= _FEWEST_ROWS:
        warnings.warn(
            "No relation found between X and y: predictions for held-out rows agree "
            "with their own targets no more than with those of other rows (z-score "
            f"{evidence:.1f}, at least {_LEAST_EVIDENCE:g} is required); check that "
            "row i of y belongs to row i of X.",
            UnreliableAlignmentWarning,
            stacklevel=4,
        )


def _held_out_r2(ridge, affines):
    """Return the out-of-fold R2 on the validation folds."""
    residual = sum(
        fold_map.fold.mean_squared_error(*affine) * fold_map.fold.weight
        for fold_map, affine in zip(ridge.validation_folds, affines, strict=True)
    )
    return 1 - (residual / ridge.validation_scatter().trace()).item()


def _searches(model, seen, rows, affines):
    """Return the retrieval scores and ranks of held-out queries.

    The rows of a fold search among each other's targets: other rows have a part in the
    fold's map, which would find them too often.
    """
    validation = model.ridge.validation_folds
    numbers = rows.folds.unique()[: len(validation)]
    is_validated = torch.isin(rows.folds, numbers)
    pairs = torch.cat([rows.X[is_validated], rows.Y[is_validated]], dim=1)
    rows = seen.take(is_validated).take(hashed_sample(pairs, _SEARCHED_ROWS))
    inputs, all_targets = model.inputs(rows.X), rows.Y
    metric = model.calibration.metric
    found, sizes, all_ranks = [], [], []
    for number, fold_map, (matrix, intercept) in zip(
        numbers, validation, affines, strict=True
    ):
        indices = rows.folds == number
        if not indices.any():
            continue
        targets, own = all_targets[indices], inputs[indices]
        images, uncalibrated = own @ matrix + intercept, fold_map.predict(own)
        ranks, *counts = _found(images, uncalibrated, targets, metric)
        found.append([(ranks == 1).mean(), *counts])
        sizes.append(len(images))
        all_ranks.append(ranks)
    names = "recall_at_1", "recall_at_1_ridge", "overlap_at_10"
    averages = np.average(found, axis=0, weights=sizes).tolist()
    gallery = float(np.average(sizes, weights=sizes))
    values = {"gallery": gallery, **dict(zip(names, averages, strict=True))}
    ranks = np.stack([np.concatenate(all_ranks), np.repeat(sizes, sizes)], axis=1)
    return values, ranks


def _found(images, uncalibrated, targets, metric):
    """Return ranks and overlap of calibrated images, and recall of uncalibrated ones.

    As the metrics of searches do, without their checks.
    """
    runtime, n_near = Runtime.from_rows(targets), min(_OVERLAP_ROWS, len(targets))
    views = Runtime.arrays(images, uncalibrated, targets)
    blocks = (nearness_blocks(view, views[-1], metric, runtime) for view in views)
    ranks, n_uncalibrated, n_shared = [], 0, 0
    for (part, *of_images), (_, *of_uncalibrated), (_, *of_targets) in zip(
        *blocks, strict=True
    ):
        indices = torch.arange(len(targets), device=targets.device)[part, None]
        masks = (mask_of_block(*block, n_near) for block in (of_images, of_targets))
        ranks.append(ranks_in_block(*of_images, indices).cpu().numpy().ravel())
        n_uncalibrated += (ranks_in_block(*of_uncalibrated, indices) == 1).sum().item()
        n_shared += torch.logical_and(*masks).sum().item()
    n_rows = len(targets)
    return np.concatenate(ranks), n_uncalibrated / n_rows, n_shared / (n_rows * n_near)


def report_text(report, expected=None):
    """Return a report in words.

    The last line has no line break.

    `expected`: size of a gallery, k, and recall@k expected there with its interval.
    """
    lines = [f"Rows (sum of weights): {report['weight']:g}", _features_line(report)]
    if report["ridge"] is not None:
        lines.append(f"Ridge: {report['ridge']:.3g} of the mean variance of X")
    if report["r2"] is not None:
        lines.append(
            f"Held-out R2 ({report['n_folds']} folds): {report['r2']:.3f}, after "
            f"calibration {report['r2_calibrated']:.3f}"
        )
    lines.append(f"Hub constant: {report['hub_constant']:.3f}")
    if report["recall_at_1"] is None:
        lines.append("Held-out retrieval: not measured, since rows are not stored")
    else:
        lines.append(
            f"Held-out retrieval in a gallery of {report['gallery']:.0f}: recall@1 "
            f"{report['recall_at_1']:.3f} ({report['recall_at_1_ridge']:.3f} before "
            f"calibration), overlap@10 {report['overlap_at_10']:.3f}"
        )
    if expected is not None:
        size, k, recall, low, high = expected
        lines.append(
            f"Expected in a gallery of {size}: recall@{k} {recall:.3f}, between "
            f"{low:.3f} and {high:.3f} (95 %)"
        )
    if report["evidence"] is not None and report["evidence"] < _LEAST_EVIDENCE:
        lines.append(f"No relation found ({report['evidence']:.1f} standard errors)")
    return "\n".join(lines)


def _features_line(report):
    """Return the line of the report on the features."""
    gain = report["kernel_gain"]
    saved = "" if gain is None else f"{gain:.1%} of the held-out error"
    if report["features"] == "linear":
        return "Features: linear" + (f"; kernels would save {saved}" if saved else "")
    return (
        f"Features: linear and Gaussian kernels, bandwidth {report['bandwidth']:g}, "
        f"weight {report['kernel_weight']:g}, which save {saved}"
    )
