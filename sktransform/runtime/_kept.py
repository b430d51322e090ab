# SPDX-License-Identifier: BSD-3-Clause
"""Cache of objects that are built from fitted arrays, beside the estimator."""

import weakref

import numpy as np

_KEPT = weakref.WeakKeyDictionary()


def built_once(owner, name, runtime, state, build):
    """Return the cached result of a function of fitted arrays.

    The result is cached for the owner's lifetime, for the last device and precision. It
    is not an attribute of the owner, and is neither pickled nor copied with it. Do not
    modify the result.

    `name`: key of the result, one of several of the owner.
    `state`: the fitted arrays on which the result depends. New arrays are detected;
      in-place changes are not, so the arrays are made read-only.
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
