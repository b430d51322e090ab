# SPDX-License-Identifier: BSD-3-Clause
"""Maps between paired views: ours, and what one would take instead.

A method takes (X, Y, seed) and returns a function that maps rows. The peers' columns
are centred; hyper-parameters are chosen by the error on pairs that were held out, from
the same grid of penalties that ours has.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _process import version

# Penalties as a share of the mean variance of a feature.
PENALTIES = 10.0 ** np.arange(-6, 1.3, 0.25)


@dataclass(frozen=True)
class Method:
    """One row of the tables."""

    fit: Callable
    package: str = "scikit-learn"  # the name it is installed by
    equal_widths: bool = False  # whether it can do nothing else
    is_trained: bool = False  # by gradients, where the others are closed forms

    @property
    def reason_absent(self):
        """Why the method cannot run here, or None."""
        if version(self.package) is None:
            return f"{self.package} is not installed"
        return None


def ours(name, **settings):
    """Return the method for one setting of one of our estimators."""

    @dataclass(frozen=True)
    class Ours(Method):
        package: str = "sktransform"

        @property
        def reason_absent(self):
            from sktransform import alignment

            return None if hasattr(alignment, name) else f"{name} is not available"

    def fit(X, Y, seed):
        return estimator(name, seed, **settings).fit(X, Y).transform

    return Ours(fit)


def estimator(name, seed=0, **settings):
    """Return one of our estimators, seeded if it draws."""
    from sktransform import alignment

    model = getattr(alignment, name)(**settings)
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return model


def scipy_procrustes(X, Y, seed=0):
    """Return the best rotation with a scale; zeros widen the narrower view."""
    from scipy.linalg import orthogonal_procrustes

    mean_x, mean_y = X.mean(axis=0), Y.mean(axis=0)
    width = max(X.shape[1], Y.shape[1])
    A, B = (
        np.pad(view, ((0, 0), (0, width - view.shape[1])))
        for view in (X - mean_x, Y - mean_y)
    )
    rotation, total = orthogonal_procrustes(A, B)
    matrix = (rotation * total / (A**2).sum())[: X.shape[1], : Y.shape[1]]
    return lambda rows: (rows - mean_x) @ matrix + mean_y


def whitened_procrustes(X, Y, seed=0):
    """Return the best of the maps that give the pairs the covariance of the target."""

    def power(covariance, exponent):
        values, vectors = np.linalg.eigh(covariance)
        return (vectors * np.maximum(values, 0) ** exponent) @ vectors.T

    mean_x, mean_y = X.mean(axis=0), Y.mean(axis=0)
    A, B = X - mean_x, Y - mean_y
    covariance = A.T @ A / len(A)
    covariance += (
        1e-3 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    )
    whiten, color = power(covariance, -0.5), power(B.T @ B / len(B), 0.5)
    cross = whiten @ (A.T @ B) @ color
    left, _, right = np.linalg.svd(cross, full_matrices=False)
    matrix = whiten @ left @ right @ color
    return lambda rows: (rows - mean_x) @ matrix + mean_y


def numpy_lstsq(X, Y, seed=0):
    mean_x, mean_y = X.mean(axis=0), Y.mean(axis=0)
    matrix = np.linalg.lstsq(X - mean_x, Y - mean_y)[0]
    return lambda rows: (rows - mean_x) @ matrix + mean_y


def _ridge(X, Y):
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=PENALTIES * len(X) * X.var(axis=0).mean()).fit(X, Y)


def ridge(X, Y, seed=0):
    return _ridge(X, Y).predict


def _directions(model, X):
    """Return directions of the target, those of largest predicted variance first."""
    predicted = model.predict(X)
    covariance = np.cov(predicted, rowvar=False, bias=True)
    return np.linalg.eigh(covariance)[1][:, ::-1]


def low_rank_ridge(X, Y, seed=0):
    """Return ridge regression, cut to the rank of least error on held-out rows."""
    from sklearn.model_selection import train_test_split

    X_fit, X_held, Y_fit, Y_held = train_test_split(
        X, Y, test_size=0.2, random_state=seed
    )
    part = _ridge(X_fit, Y_fit)
    directions, mean = _directions(part, X_fit), Y_fit.mean(axis=0)
    wanted = (Y_held - mean) @ directions
    found = (part.predict(X_held) - mean) @ directions
    # The error of rank r: what the first r directions leave, and all of the others.
    gains = (wanted**2 - (wanted - found) ** 2).sum(axis=0)
    rank = int(np.argmax(np.cumsum(gains))) + 1
    model, mean = _ridge(X, Y), Y.mean(axis=0)
    kept = _directions(model, X)[:, :rank]
    return lambda rows: (model.predict(rows) - mean) @ kept @ kept.T + mean


def residual_mlp(X, Y, seed=0):
    """Return ridge regression plus a small network of what it leaves over."""
    from _residual_network import residual_network

    model = _ridge(X, Y)
    unit = np.sqrt(Y.var(axis=0).mean())
    network = residual_network(X, Y - model.predict(X), unit, seed)
    return lambda rows: model.predict(rows) + network(rows)


def netrep(X, Y, seed=0):
    from netrep.metrics import LinearMetric

    model = LinearMetric().fit(X, Y)
    back = np.linalg.pinv(model.Wy_)
    width, n_outputs = len(model.Wx_), Y.shape[1]

    def transform(rows):
        wide = np.pad(rows, ((0, 0), (0, width - rows.shape[1])))
        turned = (wide - model.mx_) @ model.Wx_ @ back
        return (turned + model.my_)[:, :n_outputs]

    return transform


def pot(X, Y, seed=0):
    """Return the transport between normal distributions, which ignores the pairs."""
    from ot.da import LinearTransport  # codespell:ignore ot

    return LinearTransport(reg=1e-6).fit(Xs=X, Xt=Y).transform


OURS = {
    "ours, orthogonal": ours("OrthogonalAligner", lam=0),
    "ours, bounded map": ours("OrthogonalAligner", lam="auto"),
    "ours, linear adapter": ours("EmbeddingAdapter", features="linear"),
    "ours, adapter": ours("EmbeddingAdapter"),
    "ours, charts": ours("GaussianWeightedAligner"),
}
PEERS = {
    "scipy Procrustes": Method(scipy_procrustes, "scipy"),
    "whitened Procrustes": Method(whitened_procrustes, "numpy"),
    "numpy lstsq": Method(numpy_lstsq, "numpy"),
    "RidgeCV": Method(ridge),
    "low-rank ridge": Method(low_rank_ridge),
    "ridge + MLP": Method(residual_mlp, "torch", is_trained=True),
    "netrep": Method(netrep, "netrep"),
    "POT Gaussian": Method(pot, "POT", equal_widths=True),
}
METHODS = OURS | PEERS
