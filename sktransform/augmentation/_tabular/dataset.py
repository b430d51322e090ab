# SPDX-License-Identifier: BSD-3-Clause
"""The training rows, as transformations take them."""

from dataclasses import dataclass

import torch

from sktransform.augmentation._tabular.columns import ColumnTable


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Rows of which a transformation takes its scales, marginals and partners.

    Parameters
    ----------
    rows : Tensor of shape (n_samples, n_features)
        Training rows in input units, NaN for missing cells.

    columns : ColumnTable
        What is known of the columns.

    labels : Tensor of int64, shape (n_samples,), default=None
        Codes of the classes, from 0. None if there are no classes.

    See Also
    --------
    ColumnTable : Kinds, legal values and statistics of columns.

    Examples
    --------
    >>> import torch
    >>> from sktransform.augmentation.transforms import ColumnTable, TrainingRows
    >>> rows = torch.tensor([[0.5, 2.5], [1.5, 0.25], [0.25, 1.5]])
    >>> training = TrainingRows(rows, ColumnTable.of(rows))
    >>> training.columns.n_features
    2
    """

    rows: torch.Tensor
    columns: ColumnTable
    labels: torch.Tensor | None = None
