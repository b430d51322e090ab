# SPDX-License-Identifier: BSD-3-Clause
"""Changes of rows that leave a task alone, learned, and more rows made by them."""

from sktransform.augmentation._columns import ColumnTable
from sktransform.augmentation._transformation import TrainingRows, Transformation

__all__ = [
    "ColumnTable",
    "TrainingRows",
    "Transformation",
]
