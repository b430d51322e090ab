# SPDX-License-Identifier: BSD-3-Clause
"""Random numbers by key and by row.

A stream depends on the root seed and its key alone: not on earlier draws, in
which order or process, or how many rows are handled at once. A row's own numbers are
hashes of the row's seed and a counter, so that rows can be drawn in blocks of any size
and on any device.
"""

import math
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_random_state

from sktransform.runtime._splitmix import STEP, mix64, shift_right

# Purposes, the first part of every key. The numbers are part of recorded results.
FOLDS, PROXY, COPIES_IN_FILTER, CURVE, ACCEPTANCE = range(5)
COPIES, ESTIMATOR, CONSTRAINED, TTA, AUGMENT = range(5, 10)

# Entries hashed at once: 256 KiB stay in the cache of a core.
_BLOCK_ENTRIES = 2**15

# Streams of one row are so far apart that none reaches the next.
_STREAM_LENGTH = 2**32


def root_seed(random_state):
    """Return an int below 2**31 from an int, a RandomState or None."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def call_seed(fit_seed, random_state):
    """Return the seed of one call of `augment`.

    None draws new entropy from the system, so that calls and processes differ; a
    sequence of integers is a key in the stream of the fit with the seed `fit_seed`.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    if isinstance(random_state, (tuple, list)):
        return stream_seed(fit_seed, AUGMENT, *_checked_key(random_state))
    return root_seed(random_state)


def call_stream(fit_seed, random_state):
    """Return a NumPy generator for one call of `augment`, as `call_seed` does."""
    if random_state is None:
        return np.random.default_rng()
    if isinstance(random_state, (tuple, list)):
        return numpy_stream(fit_seed, AUGMENT, *_checked_key(random_state))
    return numpy_stream(root_seed(random_state), AUGMENT)


def _checked_key(key):
    """Return a key as ints, or raise ValueError."""
    if not all(isinstance(part, Integral) and part >= 0 for part in key):
        raise ValueError(
            f"random_state must be a tuple of integers of at least 0, got {key!r}."
        )
    return [int(part) for part in key]


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
    """Return int64 seeds, not negative, of the shape of the row numbers."""
    counters = torch.from_numpy(np.array(rows, dtype=np.int64))
    start = (int(base) + 1) * STEP & (2**64 - 1)
    counters += start - 2**64 if start >= 2**63 else start
    return shift_right(mix64(counters), 1).numpy()


def uniform(seeds, n_draws, stream=0):
    """Return float64 numbers in [0, 1), shape (n_rows, n_draws), of the rows' seeds."""
    result = torch.empty(
        (len(seeds), n_draws), dtype=torch.float64, device=seeds.device
    )
    for block, bits in _hashes(seeds, n_draws, stream):
        # As float64 first: torch multiplies integers by a float in single precision.
        result[block] = shift_right(bits, 11).double().mul_(2.0**-53)
    return result


def normal(seeds, n_draws, stream=0):
    """Return standard normal float64 numbers, shape (n_rows, n_draws), at most 6.7."""
    n_pairs = (n_draws + 1) // 2
    shape = (len(seeds), 2, n_pairs)
    result = torch.empty(shape, dtype=torch.float64, device=seeds.device)
    for block, bits in _hashes(seeds, n_pairs, stream):
        # The Box-Muller transform of the two halves of one hash.
        radius = shift_right(bits, 32).double().add_(1).mul_(2.0**-32)
        radius.log_().mul_(-2).sqrt_()
        angle = bits.bitwise_and_(2**32 - 1).double().mul_(2 * math.pi * 2.0**-32)
        torch.mul(radius, angle.cos(), out=result[block, 0])
        torch.mul(radius, angle.sin_(), out=result[block, 1])
    return result.flatten(1)[:, :n_draws]


def integers(seeds, n_draws, high, stream=0):
    """Return uniform integers in [0, high), shape (n_rows, n_draws), of rows' seeds."""
    return uniform(seeds, n_draws, stream).mul_(high).long()


def _hashes(seeds, n_draws, stream):
    """Yield blocks of rows as a slice, and 64 random bits for each of their draws."""
    start = stream * _STREAM_LENGTH + 1
    counters = torch.arange(start, start + n_draws, device=seeds.device) * STEP
    states = mix64(seeds.to(torch.int64, copy=True))
    step = max(1, _BLOCK_ENTRIES // max(1, n_draws))
    for first in range(0, len(seeds), step):
        block = slice(first, first + step)
        yield block, mix64(states[block, None] + counters)
