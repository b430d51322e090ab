# SPDX-License-Identifier: BSD-3-Clause
"""Generator of the rows of one class, kept as arrays."""

import warnings
from functools import partial

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sktransform.augmentation._random import normal, row_seeds, stream_seed, uniform
from sktransform.nn._products import row_stable_product
from sktransform.nn._variational import (
    VariationalAutoencoder,
    decoder_layers,
    evidence_bound,
)
from sktransform.runtime._runtime import Runtime
from sktransform.runtime._training import load_module, train_module

# A column whose spread is this small beside its values is constant but for rounding.
_CONSTANT = 1e-10

# Draws of each row's latent Gaussian from which the decoder's errors are measured.
_RESIDUAL_DRAWS = 4

# Most components of the mixture of latent draws, and rows to each of them.
_COMPONENTS, _COMPONENT_ROWS = 5, 20

# Keys of the streams of random numbers of one class.
_TRAINING, _RESIDUALS, _ROWS, _MIXTURE = range(4)


# Latent dimensions and hidden widths of an autoencoder: enough for classes of images of
# digits and of sentence embeddings, for which more changed nothing.
_N_LATENT, _HIDDEN = 16, (128,)
_BATCH_SIZE, _LEARNING_RATE = 64, 1e-3


def fit_generator(rows, min_rows, max_epochs, seed, device):
    """Return a generator of the rows (n, d) of one class, see `ClassReplay`."""
    wide = rows.astype(np.float64)
    mean = wide.mean(axis=0)
    # The mean of equal numbers may be another one, by rounding.
    constant = (wide == wide[0]).all(axis=0)
    mean[constant] = wide[0, constant]
    scale = wide.std(axis=0)
    scale[constant] = 0.0
    scale[scale <= _CONSTANT * np.abs(wide).max(axis=0)] = 0.0
    varies = scale > 0
    standard = (wide[:, varies] - mean[varies]) / scale[varies]
    decoder, latent, residuals = {}, {}, standard
    if len(rows) >= min_rows and varies.any():
        decoder, draws, residuals = _fit_decoder(standard, max_epochs, seed, device)
        latent = _fit_mixture(draws, len(rows), seed)
    return {
        "mean": mean.astype(rows.dtype),
        "scale": scale.astype(rows.dtype),
        **_shrunk_gaussian(residuals),
        "decoder": decoder,
        "latent": latent,
        "n_rows": len(rows),
    }


def generate(generator, n_rows, seed):
    """Return new rows of a class, shape (n_rows, n_features).

    A row depends on its index and the seed alone, not on how many rows are made.
    """
    mean, scale = generator["mean"], generator["scale"]
    varies = scale > 0
    components, mixture = generator["components"], generator["latent"]
    n_latent = mixture["means"].shape[1] if mixture else 0
    sizes = [n_latent, len(components), int(varies.sum())]
    rows = np.repeat(mean[None], n_rows, axis=0)
    if n_rows == 0 or not varies.any():
        return rows
    seeds = torch.from_numpy(row_seeds(stream_seed(seed, _ROWS), np.arange(n_rows)))
    draws = normal(seeds, sum(sizes))
    if mixture:
        draws[:, :n_latent] = _of_mixture(mixture, draws[:, :n_latent], seeds)
    runtime = Runtime.from_rows(draws.numpy(), "cpu")
    offset, components = runtime.tensors(generator["offset"], components)
    decoder = _decoder(generator["decoder"])

    def standard(draws):
        latent, common, own = draws.split(sizes, 1)
        values = offset + row_stable_product(common, components)
        values = values + generator["noise"] * own
        return values if decoder is None else values + decoder(latent)

    moves = runtime.map(standard, draws.numpy())
    rows[:, varies] += (moves * scale[varies]).astype(rows.dtype)
    return rows


def _fit_decoder(standard, max_epochs, seed, device):
    """Return a decoder's arrays, latent draws for the rows, and its residuals."""
    n_features = standard.shape[1]
    module = partial(VariationalAutoencoder, n_features, _N_LATENT, _HIDDEN)
    trained = train_module(
        module,
        standard,
        loss=evidence_bound,
        learning_rate=_LEARNING_RATE,
        max_epochs=max_epochs,
        batch_size=_BATCH_SIZE,
        random_state=stream_seed(seed, _TRAINING),
        device=device,
    )
    autoencoder = load_module(module, trained.state, dtype=torch.float64)
    stream = torch.Generator().manual_seed(stream_seed(seed, _RESIDUALS))
    rows = torch.from_numpy(standard)
    with torch.no_grad():
        mean, log_variance = autoencoder.encode(rows)
        shape = (_RESIDUAL_DRAWS, *mean.shape)
        draws = torch.randn(shape, generator=stream, dtype=torch.float64)
        latent = mean + (log_variance / 2).exp() * draws
        residuals = rows - autoencoder.decoder(latent)
    prefix = "decoder."
    decoder = {
        name.removeprefix(prefix): values
        for name, values in trained.state.items()
        if name.startswith(prefix)
    }
    return decoder, latent.flatten(0, 1).numpy(), residuals.flatten(0, 1).numpy()


def _fit_mixture(draws, n_rows, seed):
    """Return a mixture of Gaussians of latent draws as arrays.

    The encoded rows are seldom standard normal; most draws of that distribution would
    be decoded to what no row looks like.
    """
    mixture = GaussianMixture(
        max(1, min(_COMPONENTS, n_rows // _COMPONENT_ROWS)),
        reg_covar=1e-3,
        random_state=stream_seed(seed, _MIXTURE),
    )
    with warnings.catch_warnings():
        # A mixture that might still improve is one all the same.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(draws)
    return {
        "weights": mixture.weights_,
        "means": mixture.means_,
        "factors": np.linalg.cholesky(mixture.covariances_),
    }


def _of_mixture(mixture, draws, seeds):
    """Return latent draws of a mixture from standard normal draws."""
    edges = torch.from_numpy(np.cumsum(mixture["weights"]))[:-1]
    chosen = torch.searchsorted(edges, uniform(seeds, 1, stream=1)[:, 0], right=True)
    means, factors = (
        torch.from_numpy(mixture[k])[chosen] for k in ("means", "factors")
    )
    return means + (factors * draws[:, None]).sum(2)


def _shrunk_gaussian(rows):
    """Return a Gaussian of rows, its covariance shrunk towards equal variances.

    The covariance is ``components.T @ components + noise^2 I``, with the intensity of
    Ledoit and Wolf, which leaves the total variance as it is.
    """
    n_rows, n_columns = rows.shape
    offset = rows.mean(axis=0)
    if n_columns == 0 or n_rows < 2:
        return {"offset": offset, "components": np.empty((0, n_columns)), "noise": 0.0}
    shrinkage = float(ledoit_wolf_shrinkage(rows))
    _, lengths, axes = np.linalg.svd(rows - offset, full_matrices=False)
    variances = lengths**2 / n_rows
    kept = variances > 1e-12 * variances[0]
    return {
        "offset": offset,
        "components": np.sqrt((1 - shrinkage) * variances[kept])[:, None] * axes[kept],
        "noise": float(np.sqrt(shrinkage * variances.sum() / n_columns)),
    }


def _decoder(arrays):
    """Return the decoder of these arrays, in double precision; None for no arrays."""
    shapes = [array.shape for array in arrays.values() if array.ndim == 2]
    if not shapes:
        return None
    widths = [shapes[0][1], *(n_outputs for n_outputs, _ in shapes)]
    return load_module(partial(decoder_layers, widths), arrays, dtype=torch.float64)
