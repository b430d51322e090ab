# SPDX-License-Identifier: BSD-3-Clause
"""Independent streams of random numbers, keyed by what they are for.

A stream depends on the root seed and on its key alone: not on what was drawn before,
in which order, in which process, or how many rows are handled at once.
"""

import numpy as np
import torch
from sklearn.utils import check_random_state

# Purposes, the first part of every key.
FOLDS, PROBE, VERSIONS, CURVE, GATE, COPIES, ESTIMATOR, CHAIN, TTA, VIEWS = range(10)
HARD = 10

_GOLDEN = 0x9E3779B97F4A7C15


def root_seed(random_state):
    """Return an int below 2**31 from an int, a RandomState or None."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def stream_seed(root, *key):
    """Return the seed, an int below 2**31, of the stream with this key."""
    state = np.random.SeedSequence(root, spawn_key=key).generate_state(1)
    return int(state[0] >> 1)


def torch_stream(root, *key):
    """Return a local torch generator on the CPU for this key."""
    return torch.Generator().manual_seed(stream_seed(root, *key))


def numpy_stream(root, *key):
    """Return a NumPy generator for this key."""
    return np.random.default_rng(np.random.SeedSequence(root, spawn_key=key))


def row_seeds(base, rows):
    """Return an int64 seed, not negative, for each row number.

    Parameters
    ----------
    base : int
        Seed of the stream.

    rows : array-like of int of shape (n,)
        Numbers of the rows. The seed of a row depends on its number alone.

    Returns
    -------
    ndarray of int64 of shape (n,)
        One seed for each row.
    """
    start = np.uint64((int(base) + 1) * _GOLDEN % 2**64)
    mixed = np.asarray(rows).astype(np.uint64) + start
    # The finaliser of SplitMix64: neighbouring counters give unrelated seeds.
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(1)).astype(np.int64)
