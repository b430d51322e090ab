# SPDX-License-Identifier: BSD-3-Clause
"""A uniform sample of all rows that ever came, for fitting block by block."""

import numpy as np


def empty_reservoir(rows, seed):
    """Return a reservoir of no rows.

    Parameters
    ----------
    rows : ndarray of shape (0, n_features)
        No rows, of the stream's width and precision.

    seed : int
        Seed of the draw.

    Returns
    -------
    dict
        "rows", "row_weights" and "keys" of the kept rows, "n_seen", "n_changed" since
        the count was last set to 0, and "seed".
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
    """Return the reservoir after a block of rows.

    Every row gets a random key, and the rows of the smallest keys are kept: a uniform
    sample without replacement, whatever the blocks.

    Parameters
    ----------
    reservoir : dict
        The reservoir; it is not changed.

    rows : ndarray of shape (n_rows, n_features)
        The block.

    row_weights : ndarray of shape (n_rows,)
        Weights; rows of weight 0 are passed over.

    limit : int
        Most rows to keep.

    Returns
    -------
    dict
        The new reservoir.
    """
    places = np.flatnonzero(row_weights)
    # The keys depend on a row's place in the whole stream alone.
    generator = np.random.Generator(np.random.PCG64(reservoir["seed"]))
    generator.bit_generator.advance(reservoir["n_seen"])
    keys = np.concatenate([reservoir["keys"], generator.random(len(places))])
    kept = np.sort(np.argsort(keys, kind="stable")[:limit])
    n_before = len(reservoir["keys"])
    old, new = kept[kept < n_before], places[kept[kept >= n_before] - n_before]
    # Of a block that is mapped from a file, no more is read than is kept.
    return {
        "rows": np.concatenate([reservoir["rows"][old], rows[new]]),
        "row_weights": np.concatenate(
            [reservoir["row_weights"][old], row_weights[new]]
        ),
        "keys": keys[kept],
        "n_seen": reservoir["n_seen"] + len(places),
        "n_changed": reservoir["n_changed"] + len(new),
        "seed": reservoir["seed"],
    }
