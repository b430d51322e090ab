# SPDX-License-Identifier: BSD-3-Clause
"""An affine map as a torch module."""

import torch

from sktransform.nn._products import padded_columns


class AffineMap(torch.nn.Module):
    """Map rows by ``x @ coef.T + intercept``.

    - `coef` (n_outputs, n_inputs): the linear part, in scikit-learn's orientation.
    - `intercept` (n_outputs,): the constant part.
    """

    def __init__(self, coef, intercept):
        super().__init__()
        self.register_buffer("matrix", padded_columns(coef.T))
        self.register_buffer("intercept", intercept)
        self.register_buffer("shift", padded_columns(intercept[None])[0])

    @property
    def coef(self):
        """The linear part, shape (n_outputs, n_inputs)."""
        return self.matrix.T[: len(self.intercept)]

    def forward(self, X):
        """Return the images of rows, shape (n_rows, n_outputs)."""
        return torch.addmm(self.shift, X, self.matrix)[:, : len(self.intercept)]
