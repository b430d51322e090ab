# SPDX-License-Identifier: BSD-3-Clause
"""Constant views: the criterion that all aligners share, and its warning.

A view is constant if its total variance is at most that of rounding: ``tr cov <= (1e-14
||mean||)^2``. The criterion depends on the moments alone, so that `fit`, `partial_fit`
and `merge` agree. If a view is constant, an aligner maps every row to the mean of the
target, and warns; `PermutationAligner` keeps the units in their order instead.
"""

import warnings

from sktransform.exceptions import DegenerateDataWarning

# A length below which deviations from the mean are rounding, relative to the mean.
ROUNDING = 1e-14


def varies(covariance, mean):
    """Return whether rows of this covariance and mean vary by more than rounding."""
    return bool(covariance.trace() > (ROUNDING * mean).square().sum())


def constant_views(moments):
    """Return the names, of "X" and "y", of the views that do not vary."""
    views = {
        "X": (moments.covariance_x, moments.mean_x),
        "y": (moments.covariance_y, moments.mean_y),
    }
    return [name for name, view in views.items() if not varies(*view)]


def warn_of_constant_views(names, outcome="every row is mapped to the mean of y"):
    """Warn of what is fitted instead, if there are names of constant views."""
    if names:
        warnings.warn(
            f"{' and '.join(names)} do{'es' if len(names) == 1 else ''} not vary from "
            f"row to row: {outcome}.",
            DegenerateDataWarning,
            stacklevel=3,
        )
