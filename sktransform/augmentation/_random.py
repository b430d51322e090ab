# SPDX-License-Identifier: BSD-3-Clause
"""Random numbers that belong to a row: its seed says them, whatever the batch.

Each number is a hash of the row's seed and of a counter. Rows may therefore be drawn in
any order, in blocks of any size and on any device.
"""

import math

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


# Constants of the generator SplitMix64, as signed numbers of 64 bits.
_STEP = -7046029254386353131  # 0x9E3779B97F4A7C15
_FIRST = -4658895280553007687  # 0xBF58476D1CE4E5B9
_SECOND = -7723592293110705685  # 0x94D049BB133111EB

# Entries hashed at once: they stay in a processor's own memory.
_BLOCK_ENTRIES = 2**15

# Streams of one row are so far apart that none reaches the next.
_STREAM = 2**32


def uniform(seeds, n_draws, stream=0):
    """Return numbers in [0, 1), uniform.

    Parameters
    ----------
    seeds : Tensor of int64, shape (n_rows,)
        The rows' seeds.

    n_draws : int
        Numbers for each row.

    stream : int, default=0
        Draws of different streams are independent.

    Returns
    -------
    Tensor of float64, shape (n_rows, n_draws)
        The numbers; a row's depend on its seed and the stream alone.
    """
    result = torch.empty(
        (len(seeds), n_draws), dtype=torch.float64, device=seeds.device
    )
    for block, bits in _hashes(seeds, n_draws, stream):
        # As float64 first: of whole numbers and a float torch makes single precision.
        result[block] = _shifted(bits, 11).double().mul_(2.0**-53)
    return result


def normal(seeds, n_draws, stream=0):
    """Return numbers of the standard normal distribution, see :func:`uniform`.

    Parameters
    ----------
    seeds : Tensor of int64, shape (n_rows,)
        The rows' seeds.

    n_draws : int
        Numbers for each row.

    stream : int, default=0
        Draws of different streams are independent.

    Returns
    -------
    Tensor of float64, shape (n_rows, n_draws)
        The numbers, at most 6.7 in size.
    """
    n_pairs = (n_draws + 1) // 2
    shape = (len(seeds), 2, n_pairs)
    result = torch.empty(shape, dtype=torch.float64, device=seeds.device)
    for block, bits in _hashes(seeds, n_pairs, stream):
        # Two halves of one hash make a pair, by Box and Muller.
        radius = _shifted(bits, 32).double().add_(1).mul_(2.0**-32)
        radius.log_().mul_(-2).sqrt_()
        angle = bits.bitwise_and_(2**32 - 1).double().mul_(2 * math.pi * 2.0**-32)
        torch.mul(radius, angle.cos(), out=result[block, 0])
        torch.mul(radius, angle.sin_(), out=result[block, 1])
    return result.flatten(1)[:, :n_draws]


def integers(seeds, n_draws, high, stream=0):
    """Return whole numbers from 0 to below a bound, uniform, see :func:`uniform`.

    Parameters
    ----------
    seeds : Tensor of int64, shape (n_rows,)
        The rows' seeds.

    n_draws : int
        Numbers for each row.

    high : int or Tensor of shape (n_rows, 1)
        The bound, at least 1.

    stream : int, default=0
        Draws of different streams are independent.

    Returns
    -------
    Tensor of int64, shape (n_rows, n_draws)
        The numbers.
    """
    return uniform(seeds, n_draws, stream).mul_(high).long()


def _hashes(seeds, n_draws, stream):
    """Yield blocks of rows as a slice, and 64 random bits for each of their draws."""
    start = stream * _STREAM + 1
    counters = torch.arange(start, start + n_draws, device=seeds.device) * _STEP
    states = _mixed(seeds.to(torch.int64, copy=True))
    step = max(1, _BLOCK_ENTRIES // max(1, n_draws))
    for first in range(0, len(seeds), step):
        block = slice(first, first + step)
        yield block, _mixed(states[block, None] + counters)


def _mixed(bits):
    """Return well mixed bits, in place."""
    bits.bitwise_xor_(_shifted(bits, 30)).mul_(_FIRST)
    bits.bitwise_xor_(_shifted(bits, 27)).mul_(_SECOND)
    return bits.bitwise_xor_(_shifted(bits, 31))


def _shifted(bits, places):
    """Return bits moved to the right, zeros coming in; torch repeats the sign."""
    return (bits >> places).bitwise_and_((1 << (64 - places)) - 1)
