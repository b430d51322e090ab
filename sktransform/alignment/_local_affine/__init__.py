# SPDX-License-Identifier: BSD-3-Clause
"""An affine map with Gaussian-weighted local changes."""
