# SPDX-License-Identifier: BSD-3-Clause
"""Rows as a probe sees them: numbers of one scale, categories as indicators."""

import numpy as np
import torch

from sktransform.augmentation._columns import NUMERIC


class ProbeFeatures:
    """Code rows in input units for a small network.

    Parameters
    ----------
    columns : ColumnTable
        The columns. Numeric ones are standardised, missing cells are the mean and have
        an indicator; codes of categories become indicators.
    """

    def __init__(self, columns):
        kinds = np.array(columns.kinds, dtype=object)
        in_block = np.zeros(len(kinds), dtype=bool)
        in_block[[column for block in columns.blocks for column in block]] = True
        numeric = np.isin(kinds, NUMERIC)
        coded = (kinds == "categorical") & ~in_block
        self._kept = torch.from_numpy(np.flatnonzero(~coded))
        sd = np.where(numeric & (columns.sd > 0), columns.sd, 1.0)
        self._mean = torch.as_tensor(columns.mean, dtype=torch.float32)[self._kept]
        self._sd = torch.as_tensor(sd, dtype=torch.float32)[self._kept]
        self._missing = torch.from_numpy(np.flatnonzero(columns.has_nan))
        self._coded = [
            (int(column), torch.arange(_n_codes(columns, column)))
            for column in np.flatnonzero(coded)
        ]
        self._is_plain = len(self._kept) == len(kinds)

    def __call__(self, rows):
        """Return features of shape (..., p), float32, of rows of shape (..., d)."""
        rows = rows.to(torch.float32)
        kept = rows if self._is_plain else rows[..., self._kept]
        parts = [(kept - self._mean) / self._sd]
        if len(self._missing):
            parts[0] = torch.nan_to_num(parts[0], nan=0.0)
            parts.append(rows[..., self._missing].isnan().float())
        parts += [
            (rows[..., column, None] == codes).float() for column, codes in self._coded
        ]
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]


def _n_codes(columns, column):
    """Return the number of codes of a categorical column."""
    if columns.categories is not None and columns.categories[column]:
        return len(columns.categories[column])
    upper = columns.upper[column]
    return int(upper) + 1 if np.isfinite(upper) else 0
