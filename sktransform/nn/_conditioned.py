# SPDX-License-Identifier: BSD-3-Clause
"""Map of embeddings, conditioned on the parameters of a transformation."""

import math

import torch
from torch import nn
from torch.nn import functional

_EXPANSION = 4  # width of a block's perceptron over that of a token


def sinusoids(n_positions, width):
    """Return fixed positions, shape (n_positions, width)."""
    positions = torch.arange(n_positions, dtype=torch.get_default_dtype())[:, None]
    exponents = torch.arange(0, width, 2, dtype=positions.dtype) / width
    angles = positions * torch.exp(-math.log(10_000.0) * exponents)
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)[:, :width]


class CrossAttention(nn.Module):
    """Cross-attention of feature tokens to condition tokens, and a feed-forward layer.

    - `width`: width of a token.
    - `n_heads`: heads of the attention, a divisor of the width.
    """

    def __init__(self, width, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.condition_norm = nn.LayerNorm(width)
        self.query, self.key_value = (
            nn.Linear(width, width),
            nn.Linear(width, 2 * width),
        )
        self.query_norm = nn.LayerNorm(width // n_heads)
        self.key_norm = nn.LayerNorm(width // n_heads)
        self.mix = nn.Linear(width, width)
        self.work = nn.Sequential(
            nn.Linear(width, _EXPANSION * width),
            nn.GELU(),
            nn.Linear(_EXPANSION * width, width),
        )

    def _heads(self, tokens):
        """Return tokens by head, shape (n_rows, n_heads, n_tokens, width of a head)."""
        return tokens.unflatten(2, (self.n_heads, -1)).transpose(1, 2)

    def forward(self, tokens, conditions):
        """Return new feature tokens, shape (n_rows, n_tokens, width)."""
        keys, values = self.key_value(self.condition_norm(conditions)).chunk(2, dim=2)
        read = functional.scaled_dot_product_attention(
            self.query_norm(self._heads(self.query(self.before(tokens)))),
            self.key_norm(self._heads(keys)),
            self._heads(values),
        )
        tokens = tokens + self.mix(read.transpose(1, 2).flatten(2))
        return tokens + self.work(self.between(tokens))


class ConditionedMap(nn.Module):
    """Predict the embeddings of transformed objects from embeddings and parameters.

    Each input row is an embedding followed by the parameters of the conditions. The
    output is the embedding plus a predicted change, which is 0 before training.

    - `n_features`: width of the embeddings.
    - `conditions`: number of parameters and of states of each condition; None for a
      continuous one. States are whole numbers from 0, the identity.
    - `token_size`: width of a token; the embedding is cut into tokens, zeros added at
      its end.
    - `n_heads`: heads of the attention.
    - `n_blocks`: number of blocks.
    - `mean` (n_features,): subtracted from embeddings; None stands for 0.
    - `scale` (): embeddings are then divided by it; None stands for 1.
    """

    def __init__(
        self,
        n_features,
        conditions,
        token_size,
        n_heads,
        n_blocks,
        mean=None,
        scale=None,
    ):
        super().__init__()
        self.n_features, self.conditions = n_features, tuple(conditions)
        self.n_tokens = -(-n_features // token_size)
        self.padding = self.n_tokens * token_size - n_features
        self.register_buffer("mean", torch.zeros(n_features) if mean is None else mean)
        self.register_buffer("scale", torch.ones(()) if scale is None else scale)
        self.register_buffer("positions", sinusoids(self.n_tokens, token_size))
        self.readers = nn.ModuleList(
            self._reader(n_parameters, n_states, token_size)
            for n_parameters, n_states in self.conditions
        )
        self.condition_tokens = nn.Parameter(
            0.02 * torch.randn(len(self.readers), token_size)
        )
        self.blocks = nn.ModuleList(
            CrossAttention(token_size, n_heads) for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(token_size)
        self.head = nn.Linear(self.n_tokens * token_size, n_features)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @staticmethod
    def _reader(n_parameters, n_states, token_size):
        """Return the layer that maps the parameters of one condition to a token."""
        if n_states is not None:
            return nn.Embedding(n_states, token_size)
        return nn.Sequential(
            nn.Linear(n_parameters, 2 * token_size),
            nn.SiLU(),
            nn.Linear(2 * token_size, token_size),
        )

    def split(self, X):
        """Return embeddings and parameters of rows."""
        return X[:, : self.n_features], X[:, self.n_features :]

    def movement(self, Z, P):
        """Return the predicted change of embeddings, in units of `scale`."""
        standard = functional.pad((Z - self.mean) / self.scale, (0, self.padding))
        tokens = standard.unflatten(1, (self.n_tokens, -1)) + self.positions
        conditions, start = [], 0
        for reader, (n_parameters, n_states) in zip(
            self.readers, self.conditions, strict=True
        ):
            own = P[:, start : start + n_parameters]
            start += n_parameters
            if n_states is not None:
                own = own[:, 0].round().long().clamp(0, n_states - 1)
            conditions.append(reader(own))
        conditions = torch.stack(conditions, 1) + self.condition_tokens
        for block in self.blocks:
            tokens = block(tokens, conditions)
        return self.head(self.norm(tokens).flatten(1))

    def forward(self, X):
        """Return predicted embeddings, unchanged where all parameters are 0."""
        Z, P = self.split(X)
        moved = Z + self.scale * self.movement(Z, P)
        return torch.where((P != 0).any(1, keepdim=True), moved, Z)


def imitation_loss(module, output, X, y):
    """Return the loss of predicted embeddings.

    Mean squared error plus the mean square of the change predicted for parameters of 0,
    both divided by the square of the embeddings' scale.

    Shapes: output (n_rows, n_features), X (n_rows, n_features + n_parameters), y
    (n_rows, n_features) -> ().
    """
    Z, P = module.split(X)
    at_rest = module.movement(Z, torch.zeros_like(P)).square().mean()
    return ((output - y) / module.scale).square().mean() + at_rest
