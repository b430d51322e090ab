# SPDX-License-Identifier: BSD-3-Clause
"""Checks of pairs of embeddings that were made elsewhere."""

import numpy as np
import torch
from sklearn.utils import check_array

from sktransform.augmentation._latent.training import Pairs


def as_rows(values, name):
    """Return a table of numbers as an array in float32 or float64."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return check_array(values, dtype=[np.float64, np.float32], input_name=name)


def given_pairs(embeddings, Z_aug, params, sources, discrete):
    """Return pairs whose versions and parameters a user gave.

    Parameters
    ----------
    embeddings : ndarray of shape (n_rows, d)
        Of the rows.

    Z_aug : array-like of shape (n_pairs, d)
        Of their versions.

    params : array-like of shape (n_pairs, n_parameters)
        How each was made.

    sources : array-like of int of shape (n_pairs,) or None
        Of which row; None for version after version of all rows.

    discrete : sequence of int
        Columns of `params` that hold states.

    Returns
    -------
    Pairs
        The pairs.
    """
    names = [str(name) for name in getattr(params, "columns", ())]
    if params is None:
        raise ValueError("Z_aug needs params: a row that says how each was made.")
    versions, parameters = as_rows(Z_aug, "Z_aug"), as_rows(params, "params")
    n_rows, width = embeddings.shape
    if versions.shape[1] != width:
        raise ValueError(
            f"Z_aug has {versions.shape[1]} columns, but the embeddings have {width}; "
            "give embeddings of the same encoder."
        )
    if len(versions) != len(parameters):
        raise ValueError(
            f"Z_aug has {len(versions)} rows, but params has {len(parameters)}; give a "
            "row for each version."
        )
    names = names or [f"parameter {place}" for place in range(parameters.shape[1])]
    return Pairs(
        embeddings,
        versions,
        parameters,
        _checked_sources(sources, len(versions), n_rows),
        _conditions(parameters, names, discrete),
    )


def _checked_sources(sources, n_pairs, n_rows):
    """Return the row of each version."""
    if sources is None:
        if n_pairs % n_rows:
            raise ValueError(
                f"Z_aug has {n_pairs} rows, no multiple of the {n_rows} embeddings; "
                "give the row of each version as sources."
            )
        return np.arange(n_pairs) % n_rows
    sources = np.asarray(sources)
    if sources.shape != (n_pairs,) or sources.dtype.kind not in "iu":
        raise ValueError(
            f"sources must be {n_pairs} whole numbers, one for each row of Z_aug."
        )
    if sources.min() < 0 or sources.max() >= n_rows:
        raise ValueError(
            f"sources must be rows from 0 to {n_rows - 1}, got {sources.min()} to "
            f"{sources.max()}."
        )
    return sources.astype(np.int64)


def _conditions(parameters, names, discrete):
    """Return what a map is told of columns of parameters."""
    discrete = {int(place) for place in discrete}
    if not discrete <= set(range(len(names))):
        raise ValueError(
            f"discrete={sorted(discrete)} must be places of the {len(names)} columns "
            "of params."
        )
    conditions = []
    for place, name in enumerate(names):
        values, n_states = parameters[:, place], 0
        if place in discrete:
            if (values < 0).any() or (values != np.round(values)).any():
                raise ValueError(
                    f"Column {name!r} of params is discrete, but holds more than whole "
                    "numbers from 0."
                )
            n_states = int(values.max()) + 1
        conditions.append({"name": name, "n_parameters": 1, "n_states": n_states})
    return conditions


def check_parameters(params, n_rows, conditions):
    """Return parameters for so many embeddings, as an array."""
    parameters = as_rows(params, "params")
    width = sum(condition["n_parameters"] for condition in conditions)
    if parameters.shape != (n_rows, width):
        raise ValueError(
            f"params has shape {parameters.shape}, but {n_rows} embeddings need "
            f"({n_rows}, {width}): a row for each, in the columns of the fit."
        )
    return parameters
