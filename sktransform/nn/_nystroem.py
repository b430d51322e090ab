# SPDX-License-Identifier: BSD-3-Clause
"""An affine map with Gaussian kernels at landmarks as a torch module."""

import torch

from sktransform.nn._products import row_stable_product


class GaussianKernelMap(torch.nn.Module):
    """Map rows by ``x @ coef.T + intercept + k(x) @ kernel_coef.T``.

    Entry l of ``k(x)`` is ``exp(-||x - landmarks[l]||^2 / width)``.

    Parameters
    ----------
    coef : Tensor of shape (n_outputs, n_inputs)
        The linear part.

    intercept : Tensor of shape (n_outputs,)
        The constant part.

    landmarks : Tensor of shape (n_landmarks, n_inputs)
        Centres of the kernels.

    kernel_coef : Tensor of shape (n_outputs, n_landmarks)
        What each kernel adds.

    width : Tensor of shape ()
        Squared length by which kernels fall to 1/e.
    """

    def __init__(self, coef, intercept, landmarks, kernel_coef, width):
        super().__init__()
        # Around a centre squared lengths are small, and their differences exact.
        center = landmarks.mean(0)
        centred = landmarks - center
        self.register_buffer("matrix", coef.T.contiguous())
        self.register_buffer("intercept", intercept)
        self.register_buffer("center", center)
        self.register_buffer("directions", centred.T.contiguous())
        self.register_buffer("squared_norms", centred.square().sum(1))
        self.register_buffer("kernel_matrix", kernel_coef.T.contiguous())
        self.register_buffer("width", width)

    def forward(self, X):
        """Return the images of rows, shape (n_rows, n_outputs)."""
        Z = X - self.center
        products = row_stable_product(Z, self.directions)
        squared = Z.square().sum(1, keepdim=True) + self.squared_norms - 2 * products
        kernels = torch.exp(squared.clamp_min(0) / -self.width)
        linear = row_stable_product(X, self.matrix) + self.intercept
        return linear + row_stable_product(kernels, self.kernel_matrix)
