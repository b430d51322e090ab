# SPDX-License-Identifier: BSD-3-Clause
"""An affine map with Gaussian kernels at landmarks as a torch module."""

import torch

from sktransform.nn._products import padded_columns


class GaussianKernelMap(torch.nn.Module):
    """Map rows by ``x @ coef.T + intercept + k(x) @ kernel_coef.T``.

    Entry l of ``k(x)`` is ``exp(-||x - landmarks[l]||^2 / width)``.

    - `coef` (n_outputs, n_inputs): the linear part.
    - `intercept` (n_outputs,): the constant part.
    - `landmarks` (n_landmarks, n_inputs): centres of the kernels.
    - `kernel_coef` (n_outputs, n_landmarks): what each kernel adds.
    - `width` (): squared length by which kernels fall to 1/e.

    Rows of another precision are taken into that of the map first.
    """

    def __init__(self, coef, intercept, landmarks, kernel_coef, width):
        super().__init__()
        # Around a centre squared lengths are small, and their differences exact.
        center = landmarks.mean(0)
        centred = landmarks - center
        self.register_buffer("matrix", padded_columns(coef.T))
        self.register_buffer("intercept", intercept)
        self.register_buffer("center", center)
        self.register_buffer("directions", padded_columns(-2 * centred.T))
        self.register_buffer("squared_norms", centred.square().sum(1))
        self.register_buffer("kernel_matrix", padded_columns(kernel_coef.T))
        self.register_buffer("negative_width", -width)

    def forward(self, X):
        """Return the images of rows, shape (n_rows, n_outputs)."""
        X = X.to(self.matrix.dtype)
        Z = X - self.center
        squared = (Z @ self.directions)[:, : len(self.squared_norms)]
        squared += Z.square().sum(1, keepdim=True) + self.squared_norms
        kernels = squared.clamp_min_(0).div_(self.negative_width).exp_()
        images = torch.addmm(X @ self.matrix, kernels, self.kernel_matrix)
        return images[:, : len(self.intercept)] + self.intercept
