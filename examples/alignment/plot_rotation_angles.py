# SPDX-License-Identifier: BSD-3-Clause
"""
Store a rotation as a few angles
================================

Further training of a network changes its hidden units slightly, and a rotation maps the
old values to the new ones with a small error.
:class:`~sktransform.alignment.GivensAligner` stores a rotation as 31 angles per sweep,
:class:`~sktransform.alignment.OrthogonalAligner` as a matrix of 1024 numbers. With few
pairs the map of few angles also has the lower error; if there are about as many pairs
as columns, or more, the matrix has the lower error.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sktransform.alignment import GivensAligner, OrthogonalAligner

# %%
# The two views: 32 hidden units of a network after 60 passes over 900 digits, and after
# 30 more. The other digits are the pairs for fitting and testing.

images, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(images))
images, y = images[order] / 16, y[order]
network = MLPClassifier((32,), max_iter=60, random_state=0)


def hidden_units():
    """Return the hidden units before the rectifier."""
    return images[900:] @ network.coefs_[0] + network.intercepts_[0]


with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    network.fit(images[:900], y[:900])
before = hidden_units()
for _ in range(30):
    network.partial_fit(images[:900], y[:900])
after = hidden_units()

# %%
# The mean squared error on 497 test rows, as a share of the variance.


def test_error(aligner, n_pairs):
    """Return the error of an aligner that learns from some pairs."""
    aligner.fit(before[:n_pairs], after[:n_pairs])
    squares = np.square(aligner.transform(before[400:]) - after[400:]).mean(axis=0)
    return squares.sum() / after[400:].var(axis=0).sum()


numbers_of_pairs = [12, 16, 24, 32, 48, 64, 100, 150, 200, 300, 400]
methods = {
    "1 sweep, 31 numbers": lambda: GivensAligner(1),
    "2 sweeps, 62 numbers": lambda: GivensAligner(2),
    "orthogonal, 1024 numbers": lambda: OrthogonalAligner(lam=0),
}
shift = np.square(after[400:] - before[400:] - (after - before)[:400].mean(axis=0))
unturned = shift.mean(axis=0).sum() / after[400:].var(axis=0).sum()

figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
styles = (("#0072B2", "o-"), ("#009E73", "^-"), ("#D55E00", "s--"))
for (name, build), (color, style) in zip(methods.items(), styles, strict=True):
    errors = [test_error(build(), n) for n in numbers_of_pairs]
    ax.plot(numbers_of_pairs, errors, style, color=color, label=name)
    print(f"{name:26} 24 pairs {errors[2]:.4f}   400 pairs {errors[-1]:.4f}")
ax.axhline(unturned, color="0.5", linestyle=":", label="shift of the mean alone")
ax.set(xscale="log", yscale="log")
ax.set_xticks([12, 25, 50, 100, 200, 400], ["12", "25", "50", "100", "200", "400"])
ax.minorticks_off()
ax.set_xlabel("pairs to learn from")
ax.set_ylabel("error on new rows, share of the variance")
ax.set_title("Hidden units before and after further training")
ax.legend()

# %%
# The inverse is exact, and the rotation matrix can be computed from the angles.

aligner = GivensAligner(1).fit(before[:24], after[:24])
back = aligner.inverse_transform(aligner.transform(before))
print(f"largest error of the inverse: {np.abs(back - before).max():.0e}")
print(f"angles: {aligner.angles_.size}, entries of the matrix: {aligner.coef_.size}")
plt.show()
