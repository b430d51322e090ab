# SPDX-License-Identifier: BSD-3-Clause
"""A generated classification task with known invariances."""

from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sktransform.utils._sklearn import Interval, validate_params
from sktransform.utils._typing import RandomState

_RANGES = {
    "Rotate": {"max_degrees": 180.0},
    "Shift": {"max_sd": 2.0},
    "MarginalSwap": {},
    "Permute": {},
    "Scale": {"max_log": 1.0},
}
_TRUE = (
    ("Rotate", (0, 1)),
    ("Shift", (4,)),
    ("MarginalSwap", (8, 9)),
    ("Permute", (6, 7)),
    ("Scale", (5,)),
)
_FALSE = (
    ("Rotate", (2, 3)),
    ("Shift", (2,)),
    ("MarginalSwap", (2,)),
    ("Permute", (2, 5)),
    ("Scale", (0, 1)),
)


@validate_params(
    {
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_invariance_problem(
    n_samples: int = 120, *, noise: float = 0.2, random_state: RandomState = None
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    r"""Generate a two-class problem with transformations, half of which keep the class.

    Parameters
    ----------
    n_samples : int, default=120
        Number of rows.

    noise : float, default=0.2
        Standard deviation of the noise that is added to the score that determines the
        class.

    random_state : int, RandomState instance or None, default=None
        Seed of rows and noise. An int gives the same rows in every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 10)
        Rows with independent, standard normal entries.

    y : ndarray of int of shape (n_samples,)
        The class, 0 or 1.

    transformations : list of dict
        Ten transformations as dicts: ``"kind"``, the name of a class in
        :mod:`sktransform.augmentation.transforms`; ``"parameters"``, the arguments of
        that class; and ``"holds"``, whether the transformation keeps the class. The
        first five keep the class. The last five have the same kinds and ranges, but
        apply to other columns and do not keep the class.

    Notes
    -----
    The class is 1 if :math:`2.2 (\sqrt{x_0^2 + x_1^2} - 1.18) + 1.3 x_2 + 0.9 (x_6 +
    x_7) / \sqrt 2` plus the noise is above 0, else 0. It is invariant to a rotation in
    the plane of the columns 0 and 1, to an exchange of the columns 6 and 7, and to any
    change of the columns 3, 4, 5, 8 and 9.

    Examples
    --------
    >>> from sktransform.datasets import make_invariance_problem
    >>> X, y, transformations = make_invariance_problem(random_state=0)
    >>> X.shape, y.shape, [t["holds"] for t in transformations].count(True)
    ((120, 10), (120,), 5)
    >>> transformations[0]["kind"], transformations[0]["parameters"]
    ('Rotate', {'columns': [0, 1], 'max_degrees': 180.0})
    """
    generator = check_random_state(random_state)
    X = generator.standard_normal(size=(n_samples, 10))
    score = 2.2 * (np.hypot(X[:, 0], X[:, 1]) - 1.18) + 1.3 * X[:, 2]
    score += 0.9 * (X[:, 6] + X[:, 7]) / np.sqrt(2)
    score += noise * generator.standard_normal(size=n_samples)
    declared = [
        {
            "kind": kind,
            "parameters": {"columns": list(columns), **_RANGES[kind]},
            "holds": holds,
        }
        for changes, holds in ((_TRUE, True), (_FALSE, False))
        for kind, columns in changes
    ]
    return X, (score > 0).astype(int), declared
