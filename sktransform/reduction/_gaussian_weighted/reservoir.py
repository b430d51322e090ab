# SPDX-License-Identifier: BSD-3-Clause
"""Reservoir: a uniform sample of all rows of a stream, for fitting block by block."""

import numpy as np
from sklearn.utils import check_random_state

# Share of a full sample that must have changed before a map is fitted to it anew: less
# would hardly change the map, and a fit takes much longer than a block.
_REFIT_SHARE = 0.1


def empty_reservoir(rows, seed):
    """Return a reservoir of no rows, for rows (0, n_features) of one width and dtype.

    A dict of "rows", "row_weights" and "keys" of the kept rows, "n_seen", "n_changed"
    since the count was last set to 0, and the "seed" of the draw.
    """
    return {
        "rows": rows,
        "row_weights": np.empty(0),
        "keys": np.empty(0),
        "n_seen": 0,
        "n_changed": 0,
        "seed": seed,
    }


def add_to_reservoir(reservoir, rows, row_weights, limit):
    """Return the reservoir after a block of rows; the given one is not changed.

    Every row of positive weight gets a random key, and the `limit` rows of the smallest
    keys are kept: a uniform sample without replacement, whatever the blocks.
    """
    indices = np.flatnonzero(row_weights)
    # The keys depend on a row's position in the whole stream alone.
    generator = np.random.Generator(np.random.PCG64(reservoir["seed"]))
    generator.bit_generator.advance(reservoir["n_seen"])
    keys = np.concatenate([reservoir["keys"], generator.random(len(indices))])
    kept = np.sort(np.argsort(keys, kind="stable")[:limit])
    n_before = len(reservoir["keys"])
    old, new = kept[kept < n_before], indices[kept[kept >= n_before] - n_before]
    # Of a block that is mapped from a file, no more is read than is kept.
    return {
        "rows": np.concatenate([reservoir["rows"][old], rows[new]]),
        "row_weights": np.concatenate(
            [reservoir["row_weights"][old], row_weights[new]]
        ),
        "keys": keys[kept],
        "n_seen": reservoir["n_seen"] + len(indices),
        "n_changed": reservoir["n_changed"] + len(new),
        "seed": reservoir["seed"],
    }


def extended_reservoir(reservoir, rows, row_weights, limit, random_state):
    """Return the reservoir after a block, and whether to fit to it anew.

    None begins a new reservoir, whose seed comes from `random_state`.
    """
    if reservoir is None:
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        reservoir = empty_reservoir(rows[:0], int(seed))
    reservoir = add_to_reservoir(reservoir, rows, row_weights, limit)
    least = 1 if reservoir["n_seen"] <= limit else _REFIT_SHARE * limit
    if reservoir["n_changed"] < least:
        return reservoir, False
    return {**reservoir, "n_changed": 0}, True
