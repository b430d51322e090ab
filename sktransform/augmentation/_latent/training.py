# SPDX-License-Identifier: BSD-3-Clause
"""Pairs of embeddings before and after a transformation, and a map trained on them."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from sktransform.augmentation._policy.policy import Draw, Law, apply_draw
from sktransform.augmentation._random import row_seeds, stream_seed, torch_stream
from sktransform.nn._conditioned import ConditionedMap, imitation_loss
from sktransform.runtime._training import train_module

# Keys of the streams of random numbers.
DRAWS, SPLIT, TRAINING, LAW = range(4)

# Most rows of parameters that are kept to draw from.
_KEPT_DRAWS = 1024

_Z = 1.96  # half width of a 95 % interval in standard errors


@dataclass(frozen=True)
class Pairs:
    """Embeddings of rows, and of transformed versions of them.

    Parameters
    ----------
    embeddings : ndarray of shape (n_rows, d)
        Of the rows.

    versions : ndarray of shape (n_pairs, d)
        Of their versions.

    parameters : ndarray of shape (n_pairs, n_parameters)
        How each version was made; 0 is the identity.

    sources : ndarray of int of shape (n_pairs,)
        Of which row.

    conditions : list of dict
        "name", "n_parameters" and "n_states" (0 for continuous) of each condition.
    """

    embeddings: np.ndarray
    versions: np.ndarray
    parameters: np.ndarray
    sources: np.ndarray
    conditions: list


def drawn_versions(transformations, training, n_copies, p_on, root):
    """Return versions of rows, their parameters and sources.

    Parameters
    ----------
    transformations : sequence of Transformation
        In the order in which they act.

    training : TrainingRows
        The rows.

    n_copies : int
        Versions of each.

    p_on : float
        Probability of each transformation.

    root : int
        Root seed.

    Returns
    -------
    versions : Tensor of shape (n_rows * n_copies, n_features)
        Version after version of all rows.

    parameters : ndarray of shape (n_rows * n_copies, n_parameters)
        Parameters of all transformations, 0 for those that did not act.

    sources : ndarray of int of shape (n_rows * n_copies,)
        The rows.
    """
    law = Law.of(transformations, training)
    n_rows = len(training.rows)
    sources = np.tile(np.arange(n_rows), n_copies)
    stream = torch_stream(root, DRAWS)
    shape = (len(sources), len(transformations))
    on = torch.rand(shape, generator=stream, dtype=torch.float64).numpy() < p_on
    parameters = [
        np.where(on[:, [k]], t.sample(len(sources), 1.0, stream).numpy(), 0.0)
        for k, t in enumerate(transformations)
    ]
    base = stream_seed(root, DRAWS)
    places = np.arange(on.size).reshape(on.shape)
    draw = Draw(on, parameters, row_seeds(base, places))
    labels = None if training.labels is None else training.labels[sources]
    versions = apply_draw(law, training.rows[sources], draw, labels)
    return versions, np.concatenate(parameters, axis=1), sources


def conditions_of(transformations):
    """Return what the map is told of transformations."""
    return [
        {
            "name": repr(t),
            "n_parameters": t.n_parameters,
            "n_states": t.n_states if t.discrete and t.n_parameters == 1 else 0,
        }
        for t in transformations
    ]


def map_settings(n_features, conditions, token_size, n_heads, n_blocks):
    """Return the keywords of a map, but for the mean and the scale of its rows."""
    return {
        "n_features": n_features,
        "conditions": [(c["n_parameters"], c["n_states"] or None) for c in conditions],
        "token_size": token_size,
        "n_heads": n_heads,
        "n_blocks": n_blocks,
    }


def held_out_units(units, root):
    """Return which pairs train, which choose the epoch, and which are reported on.

    Parameters
    ----------
    units : ndarray of int of shape (n_pairs,)
        Pairs of one unit stay together.

    root : int
        Root seed.

    Returns
    -------
    list of ndarray of bool
        Three masks; the last two are empty where there are fewer than ten units.
    """
    numbers = np.unique(units)
    order = torch.randperm(len(numbers), generator=torch_stream(root, SPLIT)).numpy()
    tenth = len(numbers) // 10
    shares = np.full(len(numbers), 0)
    shares[order[:tenth]], shares[order[tenth : 3 * tenth]] = 1, 2
    role = shares[np.searchsorted(numbers, units)]
    return [role == 0, role == 1, role == 2]


def train_map(pairs, masks, settings, root, **training_kw):
    """Return the training of a map on pairs."""
    train, choose, _ = masks
    own = pairs.embeddings[np.unique(pairs.sources[train])].astype(np.float64)
    mean = own.mean(axis=0)
    scale = np.sqrt(np.mean(own.var(axis=0)))

    def module():
        return ConditionedMap(
            **settings,
            mean=torch.tensor(mean, dtype=torch.float32),
            scale=torch.tensor(scale if scale > 0 else 1.0, dtype=torch.float32),
        )

    def rows(mask):
        inputs = np.hstack(
            [pairs.embeddings[pairs.sources[mask]], pairs.parameters[mask]]
        )
        return inputs, pairs.versions[mask].astype(np.float64)

    return train_module(
        module,
        *rows(train),
        loss=imitation_loss,
        optimizer=partial(torch.optim.AdamW, weight_decay=1e-5),
        validation=rows(choose) if choose.any() else None,
        random_state=stream_seed(root, TRAINING),
        **training_kw,
    )


def fidelity(imitated, pairs, mask, units):
    """Return how well a map imitates, beside doing nothing.

    Parameters
    ----------
    imitated : ndarray of shape (n_held_out, d)
        What the map makes of held-out pairs.

    pairs : Pairs
        All pairs.

    mask : ndarray of bool of shape (n_pairs,)
        Which are held out.

    units : ndarray of int of shape (n_pairs,)
        Pairs of one unit are no independent evidence.

    Returns
    -------
    dict of str to (float, int or tuple of float)
        See :class:`LatentAugmenter`; NaN without pairs.
    """
    truth = pairs.versions[mask].astype(np.float64)
    before = pairs.embeddings[pairs.sources[mask]].astype(np.float64)
    after = np.asarray(imitated, dtype=np.float64)
    cosine, control = _cosine(after, truth), _cosine(before, truth)
    left, moved = np.square(after - truth).sum(), np.square(before - truth).sum()
    report = {"n_pairs": len(truth)}
    for name, values in (
        ("cosine", cosine),
        ("control", control),
        ("gain", cosine - control),
    ):
        report[name], report[f"{name}_interval"] = _mean_interval(values, units[mask])
    report["explained"] = float(1 - left / moved) if moved > 0 else float("nan")
    return report


def _cosine(A, B):
    """Return the cosine of each pair of rows; 0 for a row of zeros."""
    lengths = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    return np.divide((A * B).sum(1), lengths, out=np.zeros(len(A)), where=lengths > 0)


def _mean_interval(values, units):
    """Return a mean, and its 95 % interval over units."""
    _, places = np.unique(units, return_inverse=True)
    n_units = places.max() + 1 if len(places) else 0
    if n_units < 2:
        mean = float(values.mean()) if len(values) else float("nan")
        return mean, (float("nan"), float("nan"))
    means = np.bincount(places, values) / np.bincount(places)
    mean = float(means.mean())
    half = _Z * float(means.std(ddof=1)) / np.sqrt(n_units)
    return mean, (float(mean - half), float(mean + half))


def kept_draws(parameters, root):
    """Return rows of parameters to draw from, not too many."""
    order = torch.randperm(len(parameters), generator=torch_stream(root, LAW)).numpy()
    return parameters[np.sort(order[:_KEPT_DRAWS])]
