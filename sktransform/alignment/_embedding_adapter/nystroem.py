# SPDX-License-Identifier: BSD-3-Clause
"""Nystroem features: the rows, and whitened Gaussian kernels at landmarks."""

from dataclasses import dataclass

import torch

from sktransform.alignment._moments.folds import FoldMoments
from sktransform.runtime._moments import PairMoments
from sktransform.runtime._nearest import squared_distances

# Eigenvalues of the landmarks' kernel below this share of the largest are dropped.
_NEGLIGIBLE = 1e-8

# Rows that vary less than this, relative to their length, are taken as they are.
_ROUNDING = 1e-13

# Rows whose features are held at once.
_BLOCK_ROWS = 8192


def gaussian_kernel(X, landmarks, width):
    """Return ``exp(-||x - l||^2 / width)``, shape (n_rows, n_landmarks)."""
    return squared_distances(X, landmarks).div_(-width).exp_()


@dataclass(frozen=True)
class NystroemFeatures:
    """Features of rows: centred and of total variance 1, then whitened kernels.

    - `mean` (n_inputs,): mean of the rows.
    - `unit`: root of the rows' total variance.
    - `landmarks` (n_landmarks, n_inputs): rows, in their own coordinates.
    - `bandwidth`: at 1 the squared bandwidth of the kernel is the mean squared distance
      of rows.
    - `whitening` (n_landmarks, n_kernels): takes kernel values to features whose
      products approximate the kernel.
    """

    mean: torch.Tensor
    unit: float
    landmarks: torch.Tensor
    bandwidth: float
    whitening: torch.Tensor

    @classmethod
    def from_landmarks(cls, moments, landmarks, bandwidth):
        """Return the features for rows with these moments.

        Shapes: landmarks (n_landmarks, n_inputs).
        """
        unit = moments.covariance_x.trace().sqrt()
        if unit <= _ROUNDING * moments.mean_x.norm():
            unit = torch.ones_like(unit)
        unit = unit.item()
        width = 4 * bandwidth * unit**2
        centred = landmarks - moments.mean_x
        kernel = gaussian_kernel(centred, centred, width)
        values, vectors = torch.linalg.eigh((kernel + kernel.T) / 2)
        kept = values > _NEGLIGIBLE * values[-1]
        whitening = vectors[:, kept] / values[kept].sqrt()
        return cls(moments.mean_x, unit, landmarks, bandwidth, whitening)

    @property
    def width(self):
        """What squared distances are divided by."""
        return 4 * self.bandwidth * self.unit**2

    @property
    def n_inputs(self):
        """Number of columns of the rows."""
        return len(self.mean)

    def __call__(self, X):
        """Return the features of rows, shape (n_rows, n_inputs + n_kernels)."""
        return torch.cat([(X - self.mean) / self.unit, self.kernels(X)], dim=1)

    def kernels(self, X):
        """Return those features of rows that are kernels, shape (n_rows, n_kernels)."""
        landmarks = self.landmarks - self.mean
        return gaussian_kernel(X - self.mean, landmarks, self.width) @ self.whitening

    def scale(self, kernel_weight):
        """Return the factor of each feature that gives the kernels their weight."""
        n_features = self.n_inputs + self.whitening.shape[1]
        scale = self.mean.new_ones(n_features)
        scale[self.n_inputs :] = kernel_weight**0.5
        return scale

    def fold_moments(self, rows, moments):
        """Return the moments of features and targets, fold by fold.

        The features of all rows are never held at once.

        `moments`: their moments. Only what kernels add is computed: it is less than
          half.
        """
        n_kernels = self.whitening.shape[1]
        n_columns = n_kernels + rows.X.shape[1] + rows.Y.shape[1]
        sums = rows.X.new_zeros((rows.n_folds, n_kernels))
        products = rows.X.new_zeros((rows.n_folds, n_kernels, n_columns))
        parts = (rows.X, rows.Y, rows.weights, rows.folds)
        for block in zip(*(part.split(_BLOCK_ROWS) for part in parts), strict=True):
            X, Y, weights, folds = block
            kernels = self.kernels(X)
            for number, fold in enumerate(moments.folds):
                indices = (folds == number).nonzero()[:, 0]
                own = kernels[indices]
                weighted = (own * weights[indices, None]).T
                centred = X[indices] - fold.mean_x, Y[indices] - fold.mean_y
                sums[number] += weighted.sum(1)
                products[number] += weighted @ torch.cat([own, *centred], 1)
        return FoldMoments(tuple(map(self._joined, moments.folds, sums, products)))

    def _joined(self, fold, sums, products):
        """Return a fold's moments of features, from its own and those of kernels.

        Kernel features have length 1 at most: their products lose no digits by being
        centred afterwards.
        """
        mean = sums / fold.weight if fold.weight > 0 else sums
        kernels, inputs, targets = products.split(
            [len(sums), self.n_inputs, products.shape[1] - len(sums) - self.n_inputs], 1
        )
        inputs = inputs / self.unit
        kernels = kernels - torch.outer(sums, mean)
        return PairMoments(
            fold.weight,
            torch.cat([(fold.mean_x - self.mean) / self.unit, mean]),
            fold.mean_y,
            torch.cat(
                [
                    torch.cat([fold.xx / self.unit**2, inputs.T], 1),
                    torch.cat([inputs, kernels], 1),
                ]
            ),
            torch.cat([fold.xy / self.unit, targets]),
            fold.yy,
        )
