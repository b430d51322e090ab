# SPDX-License-Identifier: BSD-3-Clause
"""
Streaming and merging
=====================

Pairs of vectors arrive in blocks, on several machines, in any order. A linear map
depends on the first and second moments of the rows only. Moments of blocks can be
added, so the result is the map of one fit to all rows.
"""

import pickle

import numpy as np

from sktransform.alignment import OrthogonalAligner

generator = np.random.default_rng(0)
truth = generator.normal(size=(48, 64)) / 7


def block(n_rows):
    """Return pairs: new vectors and old ones."""
    X = generator.normal(size=(n_rows, 48)) * np.linspace(3, 0.3, 48)
    return X, X @ truth + 0.1 * generator.normal(size=(n_rows, 64)) + 1


blocks = [block(n_rows) for n_rows in (500, 20, 3000, 1, 1200)]

# %%
# One machine reads the first two blocks, the other the last three in reverse order. The
# size of a fitted aligner does not depend on the number of rows.

one, other = OrthogonalAligner(), OrthogonalAligner()
for X, y in blocks[:2]:
    one.partial_fit(X, y)
for X, y in reversed(blocks[2:]):
    other.partial_fit(X, y)
print(f"state of a machine: {len(pickle.dumps(other)) / 1e6:.1f} MB")
merged = one.merge(other)

# %%
# For comparison, one fit to all rows. The bound chosen by cross-validation is the same
# too, because the fold of a row depends on the row itself and not on the order of the
# rows.

X, y = (np.concatenate(view) for view in zip(*blocks, strict=True))
whole = OrthogonalAligner().fit(X, y)
difference = np.abs(merged.coef_ - whole.coef_).max() / np.abs(whole.coef_).max()
print(f"lambda {merged.lam_:.4f} and {whole.lam_:.4f}")
print(f"largest difference of the maps, relative: {difference:.0e}")
assert difference < 1e-9
