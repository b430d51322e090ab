# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import torch
from numpy.testing import assert_allclose
from sklearn.metrics.pairwise import rbf_kernel

from sktransform.nn._nystroem import GaussianKernelMap


def test_map_is_affine_plus_kernels_even_far_from_the_origin():
    generator = np.random.default_rng(0)
    X, landmarks = generator.normal(size=(20, 3)), generator.normal(size=(5, 3))
    coef, kernel_coef = generator.normal(size=(2, 3)), generator.normal(size=(2, 5))
    intercept = generator.normal(size=2)
    expected = rbf_kernel(X, landmarks, gamma=1 / 1.5) @ kernel_coef.T
    expected += X @ coef.T + intercept
    far = 1e4
    state = coef, intercept - far * coef.sum(1), landmarks + far, kernel_coef, 1.5
    module = GaussianKernelMap(*map(torch.tensor, state))
    assert_allclose(module(torch.tensor(X + far)), expected, atol=1e-9)
