# SPDX-License-Identifier: BSD-3-Clause
"""Generated data whose true structure is known."""

from sktransform.datasets._invariance import make_invariance_problem
from sktransform.datasets._sheets import make_s_curve, make_swiss_roll

__all__ = ["make_invariance_problem", "make_s_curve", "make_swiss_roll"]
