# SPDX-License-Identifier: BSD-3-Clause
"""What is built from fitted arrays, and kept beside the estimator for the next call."""

import weakref

import numpy as np

_KEPT = weakref.WeakKeyDictionary()


def built_once(owner, name, runtime, state, build):
    """Return what a function builds, and build it again only if it would differ.

    It is kept as long as the owner lives, for the device and precision that were asked
    for last. It is no attribute of the owner: neither pickled nor copied with it.

    The result, to be left as it is.

    `name`: what is built, one of several things of the owner.
    `state`: the fitted arrays that the result depends on. They are made read-only,
      because a change of their numbers would not be noticed; arrays in their place are.
    `build`: takes nothing and returns the result.
    """
    kept = _KEPT.setdefault(owner, {})
    place, known, built = kept.get(name, (None, {}, None))
    is_known = known.keys() == state.keys() and all(
        known[key] is array for key, array in state.items()
    )
    if place != (runtime.device, runtime.dtype) or not is_known:
        for array in state.values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
        built = build()
        kept[name] = ((runtime.device, runtime.dtype), dict(state), built)
    return built
