# SPDX-License-Identifier: BSD-3-Clause
"""A variational autoencoder of rows."""

import itertools

import torch
from torch import nn

_SLOPE = 0.2


def decoder_layers(widths):
    """Return linear layers of these widths, leaky rectifiers between them."""
    layers = []
    for n_inputs, n_outputs in itertools.pairwise(widths):
        layers += [nn.Linear(n_inputs, n_outputs), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers[:-1])


class VariationalAutoencoder(nn.Module):
    """Encode rows as Gaussians in a space of few dimensions, and decode draws of them.

    - `n_features`: width of the rows.
    - `n_latent`: dimensions of the latent space.
    - `hidden`: widths of the encoder's hidden layers; the decoder's are mirrored.
    """

    def __init__(self, n_features, n_latent, hidden):
        super().__init__()
        self.encoder = decoder_layers([n_features, *hidden, 2 * n_latent])
        self.decoder = decoder_layers([n_latent, *reversed(hidden), n_features])

    def encode(self, X):
        """Return means and log variances, shape (n_rows, n_latent) each."""
        mean, log_variance = self.encoder(X).chunk(2, dim=1)
        # Beyond these bounds an exponential loses all digits or leaves the range.
        return mean, log_variance.clamp(-20, 10)

    def forward(self, X):
        """Return decoded draws, and the means and log variances they are drawn by."""
        mean, log_variance = self.encode(X)
        draws = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return self.decoder(draws), mean, log_variance


def evidence_bound(module, output, X, y):
    """Return the negative evidence lower bound of rows, without its constant.

    Mean of half the squared error and the divergence from the standard normal
    distribution.

    Shapes: X (n_rows, n_features) -> ().
    """
    decoded, mean, log_variance = output
    error = (decoded - X).square().sum(1)
    divergence = (log_variance.exp() + mean.square() - 1 - log_variance).sum(1)
    return (error + divergence).mean() / 2
