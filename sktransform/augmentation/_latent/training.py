# SPDX-License-Identifier: BSD-3-Clause
"""Training of a map on pairs of embeddings before and after a transformation."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from sktransform.augmentation._policy.policy import Draw, Policy, apply_draw
from sktransform.augmentation._random import row_seeds, stream_seed, torch_stream
from sktransform.nn._conditioned import ConditionedMap, imitation_loss
from sktransform.runtime._training import train_module

# Keys of the streams of random numbers.
DRAWS, SPLIT, TRAINING, KEPT = range(4)

# Most rows of parameters that are kept to draw from.
_KEPT_DRAWS = 1024

_Z = 1.96  # half width of a 95 % interval in standard errors


# Least width of embeddings with the width of their tokens and the attention's heads.
_TOKENS = ((512, 128, 8), (128, 32, 4), (0, 16, 4))


@dataclass(frozen=True)
class Pairs:
    """Embeddings (n_rows, d), and those of augmented copies (n_pairs, d) of the rows.

    `parameters` (n_pairs, q) say how each copy was made, 0 for the identity; `sources`
    (n_pairs,) of which row; `conditions` are dicts of "name", "n_parameters" and
    "n_states", 0 for continuous ones.
    """

    embeddings: np.ndarray
    copies: np.ndarray
    parameters: np.ndarray
    sources: np.ndarray
    conditions: list


def sampled_copies(transformations, training, n_copies, p_on, root):
    """Return copies (m, d) of training rows, their parameters (m, q) and sources (m,).

    One copy of all rows comes after the other; each transformation acts with the
    probability `p_on`, and has parameters of 0 where it does not.
    """
    references = [transformation.fit(training) for transformation in transformations]
    ones = np.ones(len(transformations))
    policy = Policy(transformations, references, ones, ones / max(len(ones), 1))
    sources = np.tile(np.arange(len(training.rows)), n_copies)
    stream = torch_stream(root, DRAWS)
    shape = (len(sources), len(transformations))
    on = torch.rand(shape, generator=stream, dtype=torch.float64).numpy() < p_on
    parameters = [
        np.where(on[:, [k]], t.sample(len(sources), 1.0, stream).numpy(), 0.0)
        for k, t in enumerate(transformations)
    ]
    base = stream_seed(root, DRAWS)
    counters = np.arange(on.size).reshape(on.shape)
    draw = Draw(on, parameters, row_seeds(base, counters))
    labels = None if training.labels is None else training.labels[sources]
    copies = apply_draw(policy, training.rows[sources], draw, labels)
    return copies, np.concatenate(parameters, axis=1), sources


def conditions_of(transformations):
    """Return the inputs of the map for transformations."""
    return [
        {
            "name": repr(t),
            "n_parameters": t.n_parameters,
            "n_states": t.n_states if t.discrete and t.n_parameters == 1 else 0,
        }
        for t in transformations
    ]


def map_settings(n_features, conditions, n_blocks):
    """Return the keywords of a map, but for the mean and the scale of its rows."""
    token_size, n_heads = next(
        sizes for least, *sizes in _TOKENS if n_features >= least
    )
    return {
        "n_features": n_features,
        "conditions": [(c["n_parameters"], c["n_states"] or None) for c in conditions],
        "token_size": token_size,
        "n_heads": n_heads,
        "n_blocks": n_blocks,
    }


def held_out_units(units, root):
    """Return three masks (n_pairs,): pairs that train, stop the training, and report.

    Pairs of one unit stay together; the last two masks are empty for fewer than ten
    units.
    """
    numbers = np.unique(units)
    order = torch.randperm(len(numbers), generator=torch_stream(root, SPLIT)).numpy()
    tenth = len(numbers) // 10
    shares = np.full(len(numbers), 0)
    shares[order[:tenth]], shares[order[tenth : 3 * tenth]] = 1, 2
    role = shares[np.searchsorted(numbers, units)]
    return [role == 0, role == 1, role == 2]


def train_map(pairs, masks, settings, root, **training_kw):
    """Return a map trained on pairs, with its loss curve."""
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
        return inputs, pairs.copies[mask].astype(np.float64)

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
    """Return scores of predicted copies (n_held_out, d), see `LatentAugmenter`.

    Pairs of one unit are not independent; without pairs everything is NaN.
    """
    truth = pairs.copies[mask].astype(np.float64)
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
    _, indices = np.unique(units, return_inverse=True)
    n_units = indices.max() + 1 if len(indices) else 0
    if n_units < 2:
        mean = float(values.mean()) if len(values) else float("nan")
        return mean, (float("nan"), float("nan"))
    means = np.bincount(indices, values) / np.bincount(indices)
    mean = float(means.mean())
    half = _Z * float(means.std(ddof=1)) / np.sqrt(n_units)
    return mean, (float(mean - half), float(mean + half))


def kept_draws(parameters, root):
    """Return at most 1024 rows of parameters to draw from."""
    order = torch.randperm(len(parameters), generator=torch_stream(root, KEPT)).numpy()
    return parameters[np.sort(order[:_KEPT_DRAWS])]
