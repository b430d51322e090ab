# SPDX-License-Identifier: BSD-3-Clause
"""The opt-in way of new rows through the stored training rows: a vote of the nearest.

A row between two islands of the map cannot lie on both. A mean of its neighbours'
positions would put it into the water; the vote puts it onto one of them.
"""

import torch

from sktransform.nn._products import padded_columns
from sktransform.runtime._nearest import smallest

# Voters, and how fast a vote's weight falls with distance.
_VOTERS = 10
_SHARPNESS = 3.0

# Squared distance in the map at which agreement has halved, in the training's units.
_AGREEMENT = 3.0

# Weight of the map's own opinion, where 1 is that of all voters together.
_MAP_VOTE = 0.3


class AnchoredMap:
    """Map rows onto the position of one of their nearest stored rows.

    Parameters
    ----------
    plain : PreparedMap
        The map.

    inputs : Tensor of shape (n_anchors, n_inputs)
        Stored rows as the map sees them.

    embedding : Tensor of shape (n_anchors, n_outputs)
        Their positions.

    unit : Tensor of shape ()
        Length in the embedding of 1 in the training's units.
    """

    def __init__(self, plain, inputs, embedding, unit):
        self._plain = plain
        squares = inputs.square().sum(1, keepdim=True)
        self._matrix = padded_columns(torch.cat([-2 * inputs, squares], 1).T)
        # Columns that fill the matrix up are nobody's position.
        self._matrix[-1, len(inputs) :] = torch.inf
        self._embedding = embedding
        self._reach = _AGREEMENT * unit.square()
        self._n_voters = min(_VOTERS, len(inputs))

    def __call__(self, X):
        """Return positions of rows, shape (n_rows, n_outputs)."""
        Z = self._plain.inputs(X)
        # Squared distances less the row's own square.
        products = torch.cat([Z, Z.new_ones((len(Z), 1))], 1) @ self._matrix
        squared, voters = smallest(products, self._n_voters)
        squared = (squared + Z.square().sum(1, keepdim=True)).clamp_min(0)
        nearest = squared[:, :1]
        excess = (squared - nearest) / nearest.clamp_min(torch.finfo(Z.dtype).eps)
        votes = torch.softmax(-_SHARPNESS * excess, 1)
        # Shape (n_rows, n_voters, n_outputs).
        positions = torch.nn.functional.embedding(voters, self._embedding)
        between = (positions.unsqueeze(2) - positions.unsqueeze(1)).square().sum(3)
        to_map = (positions - self._plain.values(Z).unsqueeze(1)).square().sum(2)
        agreement = votes.unsqueeze(1) / (1 + between / self._reach)
        score = agreement.sum(2) + _MAP_VOTE / (1 + to_map / self._reach)
        winners = score.argmax(1)[:, None, None].expand(-1, 1, positions.shape[2])
        return positions.gather(1, winners).squeeze(1)
