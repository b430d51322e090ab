# SPDX-License-Identifier: BSD-3-Clause
"""Validation of pairs of embeddings that a user gives."""

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
    """Return pairs of copies and parameters that a user gave."""
    names = [str(name) for name in getattr(params, "columns", ())]
    if params is None:
        raise ValueError(
            "Z_aug needs params: give, for each row of Z_aug, the parameters of the "
            "transformation of its object."
        )
    copies, parameters = as_rows(Z_aug, "Z_aug"), as_rows(params, "params")
    n_rows, width = embeddings.shape
    if copies.shape[1] != width:
        raise ValueError(
            f"Z_aug has {copies.shape[1]} columns, but the embeddings have {width}; "
            "give embeddings of the same encoder."
        )
    if len(copies) != len(parameters):
        raise ValueError(
            f"Z_aug has {len(copies)} rows, but params has {len(parameters)} rows; "
            "give one row of params for each row of Z_aug."
        )
    names = names or [f"parameter {j}" for j in range(parameters.shape[1])]
    return Pairs(
        embeddings,
        copies,
        parameters,
        _checked_sources(sources, len(copies), n_rows),
        _conditions(parameters, names, discrete),
    )


def _checked_sources(sources, n_pairs, n_rows):
    """Return the row of each copy."""
    if sources is None:
        if n_pairs % n_rows:
            raise ValueError(
                f"Z_aug has {n_pairs} rows, which is not a multiple of the {n_rows} "
                "rows of X; give as sources the row of X of each row of Z_aug."
            )
        return np.arange(n_pairs) % n_rows
    sources = np.asarray(sources)
    if sources.shape != (n_pairs,) or sources.dtype.kind not in "iu":
        raise ValueError(
            f"sources must be {n_pairs} integers, one for each row of Z_aug, got "
            f"an array of shape {sources.shape} and dtype {sources.dtype}."
        )
    if sources.min() < 0 or sources.max() >= n_rows:
        raise ValueError(
            f"sources must be row indices from 0 to {n_rows - 1}, got {sources.min()} "
            f"to {sources.max()}."
        )
    return sources.astype(np.int64)


def _conditions(parameters, names, discrete):
    """Return the conditions of columns of parameters."""
    discrete = {int(column) for column in discrete}
    if not discrete <= set(range(len(names))):
        raise ValueError(
            f"discrete={sorted(discrete)} must be indices of the {len(names)} columns "
            "of params."
        )
    conditions = []
    for column, name in enumerate(names):
        values, n_states = parameters[:, column], 0
        if column in discrete:
            if (values < 0).any() or (values != np.round(values)).any():
                wrong = values[(values < 0) | (values != np.round(values))][0]
                raise ValueError(
                    f"Column {name!r} of params is discrete and must hold integers of "
                    f"at least 0, got {wrong:g}."
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
            f"params has shape {parameters.shape}, but for {n_rows} embeddings it must "
            f"have shape ({n_rows}, {width}): one row for each embedding, with the "
            "columns of params in fit."
        )
    return parameters
