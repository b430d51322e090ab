# SPDX-License-Identifier: BSD-3-Clause
"""Flat sheets bent in space, with their true flat coordinates.

scikit-learn's generators return the parameter of the curve, which is not a length. A
sheet that is bent without stretching preserves lengths: in the flat coordinates
returned here, the distance along the surface is the Euclidean distance.
"""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from sktransform.utils._sklearn import Interval, validate_params
from sktransform.utils._typing import RandomState

_CONSTRAINTS = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "noise": [Interval(Real, 0, None, closed="left")],
    "random_state": ["random_state"],
}


def _bent(curve, height, noise, generator):
    """Return the plane curve drawn out along the second axis, with noise."""
    X = np.column_stack((curve[0], height, curve[1]))
    # Drawn axis by axis, as scikit-learn does: the same seed gives the same points.
    return X + noise * generator.standard_normal(size=(3, len(height))).T


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def make_swiss_roll(
    n_samples: int = 1000, *, noise: float = 0.0, random_state: RandomState = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Generate points on a sheet that is rolled up along a spiral.

    Parameters
    ----------
    n_samples : int, default=1000
        The number of points, drawn uniformly in angle and height.

    noise : float, default=0.0
        The standard deviation of the Gaussian noise added to X, in units of X.

    random_state : int, RandomState instance or None, default=None
        Seed of points and noise. An int gives the same points in every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 3)
        The points: those of :func:`sklearn.datasets.make_swiss_roll` for the same
        seed.

    sheet : ndarray of shape (n_samples, 2)
        The flat coordinates of the points before the noise, in units of X: the length
        along the spiral from its centre, and the height. Distances along the roll are
        Euclidean distances in these coordinates.

    See Also
    --------
    make_s_curve : A sheet with less bending.

    Notes
    -----
    The spiral is :math:`(t \cos t, t \sin t)` for t from :math:`1.5 \pi` to :math:`4.5
    \pi` [1]_. Its velocity has length :math:`\sqrt{1 + t^2}`, so its arc length from
    the centre is :math:`(t \sqrt{1 + t^2} + \operatorname{asinh} t) / 2`, from 11.9 to
    101.5.

    References
    ----------
    .. [1] Marsland, S. (2009). Machine Learning: An Algorithmic Perspective. Chapman
       and Hall.

    Examples
    --------
    >>> from sktransform.datasets import make_swiss_roll
    >>> X, sheet = make_swiss_roll(n_samples=500, random_state=0)
    >>> X.shape, sheet.shape
    ((500, 3), (500, 2))
    """
    generator = check_random_state(random_state)
    angle = 1.5 * np.pi * (1 + 2 * generator.uniform(size=n_samples))
    height = 21 * generator.uniform(size=n_samples)
    curve = angle * np.cos(angle), angle * np.sin(angle)
    length = 0.5 * (angle * np.hypot(1, angle) + np.arcsinh(angle))
    X = _bent(curve, height, noise, generator)
    return X, np.column_stack((length, height))


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def make_s_curve(
    n_samples: int = 1000, *, noise: float = 0.0, random_state: RandomState = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Generate points on a sheet that is bent to the letter S.

    Parameters
    ----------
    n_samples : int, default=1000
        The number of points, drawn uniformly on the sheet.

    noise : float, default=0.0
        The standard deviation of the Gaussian noise added to X, in units of X.

    random_state : int, RandomState instance or None, default=None
        Seed of points and noise. An int gives the same points in every call.

    Returns
    -------
    X : ndarray of shape (n_samples, 3)
        The points: those of :func:`sklearn.datasets.make_s_curve` for the same seed.

    sheet : ndarray of shape (n_samples, 2)
        The flat coordinates of the points before the noise, in units of X: the signed
        length along the curve from its middle, and the height. Distances along the
        surface are Euclidean distances in these coordinates.

    See Also
    --------
    make_swiss_roll : A rolled sheet, with more bending.

    Notes
    -----
    The curve is :math:`(\sin t, \operatorname{sign}(t) (\cos t - 1))` for t from
    :math:`-1.5 \pi` to :math:`1.5 \pi`: two arcs of unit circles that meet at t = 0.
    Its velocity :math:`(\cos t, -\operatorname{sign}(t) \sin t)` has length 1, so t is
    the arc length.

    Examples
    --------
    >>> from sktransform.datasets import make_s_curve
    >>> X, sheet = make_s_curve(n_samples=500, random_state=0)
    >>> X.shape, sheet.shape
    ((500, 3), (500, 2))
    """
    generator = check_random_state(random_state)
    length = 3 * np.pi * (generator.uniform(size=n_samples) - 0.5)
    height = 2.0 * generator.uniform(size=n_samples)
    curve = np.sin(length), np.sign(length) * (np.cos(length) - 1)
    X = _bent(curve, height, noise, generator)
    return X, np.column_stack((length, height))
