# SPDX-License-Identifier: BSD-3-Clause
"""Views of the rows of one space for the search, and held-out pairs."""

from dataclasses import dataclass

import torch

from sktransform.runtime._linalg import principal_axes, unit_rows

# Known pairs are held out from this number on: a fifth, and at least 5.
_PAIRS_TO_HOLD_OUT = 20
_HELD_OUT_SHARE = 5

# Rows of each side, and mirror images, by which the contrast of a map is estimated.
_CONTRAST_ROWS = 800
_N_MIRRORS = 12


@dataclass(frozen=True)
class View:
    """Rows of one space, prepared.

    - `rows` (n_rows, n_features): rows around their mean, of length 1.
    - `axes` (n_features, n_axes): their principal axes.
    - `codes` (n_rows, n_axes): the rows along the axes, of length 1.
    """

    rows: torch.Tensor
    axes: torch.Tensor
    codes: torch.Tensor

    @classmethod
    def from_deviations(cls, deviations, n_axes):
        """Return the view of rows around their mean, in float64."""
        rows = unit_rows(deviations)
        weights = rows.new_full((len(rows),), 1 / len(rows))
        axes = principal_axes(rows, n_axes, weights)
        return cls(rows.float(), axes, unit_rows(rows @ axes).float())

    def take(self, indices):
        """Return the view of the rows of these indices."""
        return View(self.rows[indices], self.axes, self.codes[indices])

    def without(self, indices):
        """Return the view without the rows of these indices."""
        kept = torch.ones(len(self.rows), dtype=torch.bool, device=self.rows.device)
        kept[indices] = False
        return self.take(kept)


def held_out_pairs(n_pairs, generator, device):
    """Return indices of the held-out pairs, and of the others.

    Returned: indices of the held-out pairs, none of fewer than 20, and of the others.
    """
    order = torch.randperm(n_pairs, generator=generator, device=device)
    n_held_out = 0
    if n_pairs >= _PAIRS_TO_HOLD_OUT:
        n_held_out = max(_HELD_OUT_SHARE, n_pairs // _HELD_OUT_SHARE)
    return order[:n_held_out], order[n_held_out:]


def recall_of_pairs(matrix, X, partners, others):
    """Return the share of rows whose partner is nearer than all other rows.

    `others`: other rows of the second space, of length 1.

    Shapes: matrix (n_inputs, n_outputs), X (n_pairs, n_inputs), partners (n_pairs,
    n_outputs), others (n_rows, n_outputs).
    """
    images = X @ matrix.to(X.dtype)
    own = (images * partners).sum(1, keepdim=True)
    rivals = images @ torch.cat([others, partners]).T
    rivals[:, len(others) :].fill_diagonal_(-torch.inf)
    return (own > rivals.amax(1, keepdim=True)).double().mean().item()


def mirror_contrast(images, Y, generator):
    """Return how often a row is nearer to the other side than under mirrored maps.

    The null are the images with the signs of principal coordinates flipped at random:
    they keep all second moments and lose the relation.

    The share over rows of both sides and over mirrors; 0.5 is chance.

    `images`: images of rows along the principal axes of the second space, of length 1.
    `Y`: rows of the second space along these axes, of length 1.
    `generator`: source of the rows and of the signs.

    Shapes: images (n_rows_X, n_axes), Y (n_rows_Y, n_axes).
    """
    images, Y = (
        side[torch.randperm(len(side), generator=generator, device=side.device)]
        for side in (images, Y)
    )
    images, Y = images[:_CONTRAST_ROWS], Y[:_CONTRAST_ROWS]
    shape = (_N_MIRRORS, Y.shape[1])
    signs = 2 * torch.randint(2, shape, generator=generator, device=Y.device) - 1
    found, shares = images @ Y.T, []
    for sign in signs.to(Y.dtype):
        mirrored = (images * sign) @ Y.T
        for side in (0, 1):
            gain = found.amax(side) - mirrored.amax(side)
            shares.append((gain.sign().double().mean() + 1) / 2)  # ties count half
    return torch.stack(shares).mean().item()
