# SPDX-License-Identifier: BSD-3-Clause
"""Types that several public signatures share."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix

__all__ = ["Output", "RandomState", "SparseOrDense"]

#: An array, a data frame or a tensor: it depends on the input and on `set_output`.
Output: TypeAlias = Any

RandomState: TypeAlias = int | np.random.RandomState | None

SparseOrDense: TypeAlias = ArrayLike | sparray | spmatrix
