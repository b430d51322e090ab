# SPDX-License-Identifier: BSD-3-Clause
"""Cache of objects that are built from fitted arrays, beside the estimator."""

import weakref

import numpy as np

_KEPT = weakref.WeakKeyDictionary()


def built_once(owner, name, runtime, state, build):
    """Return the result of a function, called again only if its result would differ.

    It is kept as long as the owner lives, for the device and precision that were asked
    for last. It is not an attribute of the owner: neither pickled nor copied with it.

    The result, to be left as it is.

    `name`: key of the result, one of several of the owner.
    `state`: the fitted arrays that the result depends on. They are made read-only,
      because a change of their numbers would not be noticed; new arrays are.
    `build`: takes nothing and returns the result.
    """
    kept = _KEPT.setdefault(owner, {})
    made_for, known, built = kept.get(name, (None, {}, None))
    is_known = known.keys() == state.keys() and all(
        known[key] is array for key, array in state.items()
    )
    if made_for != (runtime.device, runtime.dtype) or not is_known:
        for array in state.values():
            if isinstance(array, np.ndarray):
                array.flags.writeable = False
        built = build()
        kept[name] = ((runtime.device, runtime.dtype), dict(state), built)
    return built
