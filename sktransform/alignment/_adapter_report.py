# SPDX-License-Identifier: BSD-3-Clause
"""What an embedding adapter chose, and what its folds promise for rows not seen."""

import numpy as np
import torch

from sktransform.alignment._fold_moments import hashed_sample
from sktransform.metrics._retrieval import neighbor_overlap, recall_at_k

# Different rows whose held-out images search each other.
_SEARCHED_ROWS = 2000
_OVERLAP_ROWS = 10


def adapter_report(model, rows=None):
    """Return what was chosen and how well it does on rows held out.

    Parameters
    ----------
    model : AdapterModel
        The adapter.

    rows : PairRows, default=None
        Its rows; without them nothing is said of searches.

    Returns
    -------
    dict of str to number, str or None
        See `EmbeddingAdapter.report_`.
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
        "gallery": None,
        "recall_at_1": None,
        "overlap_at_10": None,
        "polished": False,
        "polish_gain": None,
    }
    variance = ridge.total.covariance_y.trace().item()
    if ridge.fold_maps and variance > 0:
        report["r2"] = 1 - ridge.error / variance
        affines = model.fold_affines()
        report["r2_calibrated"] = 1 - _held_out_error(ridge, affines) / variance
        if rows is not None:
            report |= _searches(model, rows, affines)
    return report


def _held_out_error(ridge, affines):
    """Return the mean squared error of the folds' rows under maps learnt without."""
    errors = (
        fold_map.fold.mean_squared_error(*affine) * fold_map.fold.weight
        for fold_map, affine in zip(ridge.fold_maps, affines, strict=True)
    )
    return (sum(errors) / ridge.total.weight).item()


def _searches(model, rows, affines):
    """Return what searches with held-out images find.

    The rows of a fold search among each other's targets: other rows have a part in the
    fold's map, which would find them too often.
    """
    numbers = rows.folds.unique().tolist()
    pairs = torch.cat([rows.X, rows.Y], dim=1)
    rows = rows.take(hashed_sample(pairs, _SEARCHED_ROWS))
    inputs, metric = model.inputs(rows.X), model.calibration.metric
    found, sizes = [], []
    for number, (matrix, intercept) in zip(numbers, affines, strict=True):
        places = rows.folds == number
        images, targets = inputs[places] @ matrix + intercept, rows.Y[places]
        if len(images) == 0:
            continue
        near = min(_OVERLAP_ROWS, len(images))
        recall = recall_at_k(images, targets, metric=metric)
        overlap = neighbor_overlap(images, targets, k=near, metric=metric)
        found.append((recall, overlap))
        sizes.append(len(images))
    recall, overlap = np.average(found, axis=0, weights=sizes).tolist()
    gallery = float(np.average(sizes, weights=sizes))
    return {"gallery": gallery, "recall_at_1": recall, "overlap_at_10": overlap}


def report_text(report):
    """Return a report in words.

    Parameters
    ----------
    report : dict
        See :func:`adapter_report`.

    Returns
    -------
    str
        Lines without an end of line at the end.
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
        lines.append("Expected retrieval: not known, no rows were kept to search")
    else:
        lines.append(
            f"Held-out retrieval in a gallery of {report['gallery']:.0f}: recall@1 "
            f"{report['recall_at_1']:.3f}, overlap@10 {report['overlap_at_10']:.3f}"
        )
    if report["polished"]:
        lines.append("Polished by a contrastive loss, as held-out searches asked for")
    return "\n".join(lines)


def _features_line(report):
    """Return what is said of the features."""
    gain = report["kernel_gain"]
    saved = "" if gain is None else f"{gain:.1%} of the held-out error"
    if report["features"] == "linear":
        return "Features: linear" + (f"; kernels would save {saved}" if saved else "")
    return (
        f"Features: linear and Gaussian kernels, bandwidth {report['bandwidth']:g}, "
        f"weight {report['kernel_weight']:g}, which save {saved}"
    )
