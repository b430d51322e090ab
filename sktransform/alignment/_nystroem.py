# SPDX-License-Identifier: BSD-3-Clause
"""Features beside the rows themselves: Gaussian kernels at landmarks, whitened."""

from dataclasses import dataclass
from functools import reduce

import torch

from sktransform.alignment._fold_moments import FoldMoments
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

    Parameters
    ----------
    mean : Tensor of shape (n_inputs,)
        Mean of the rows.

    unit : float
        Root of the rows' total variance.

    landmarks : Tensor of shape (n_landmarks, n_inputs)
        Rows, as they came.

    bandwidth : float
        At 1 the squared bandwidth of the kernel is the mean squared distance of rows.

    whitening : Tensor of shape (n_landmarks, n_kernels)
        Takes kernel values to features whose products approximate the kernel.
    """

    mean: torch.Tensor
    unit: float
    landmarks: torch.Tensor
    bandwidth: float
    whitening: torch.Tensor

    @classmethod
    def of(cls, moments, landmarks, bandwidth):
        """Return the features for rows with these moments.

        Parameters
        ----------
        moments : PairMoments
            Moments whose first view is the rows.

        landmarks : Tensor of shape (n_landmarks, n_inputs)
            Some of the rows.

        bandwidth : float
            See the class.

        Returns
        -------
        NystroemFeatures
            The features.
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
        centred = X - self.mean
        kernel = gaussian_kernel(centred, self.landmarks - self.mean, self.width)
        return torch.cat([centred / self.unit, kernel @ self.whitening], dim=1)

    def scale(self, kernel_weight):
        """Return the factor of each feature that gives the kernels their weight."""
        n_features = self.n_inputs + self.whitening.shape[1]
        scale = self.mean.new_ones(n_features)
        scale[self.n_inputs :] = kernel_weight**0.5
        return scale

    def fold_moments(self, rows):
        """Return the moments of features and targets, fold by fold.

        Parameters
        ----------
        rows : PairRows
            Rows of both views.

        Returns
        -------
        FoldMoments
            The moments; the features of all rows are never held at once.
        """
        parts = (rows.X, rows.Y, rows.weights, rows.folds)
        blocks = zip(*(part.split(_BLOCK_ROWS) for part in parts), strict=True)
        moments = (
            FoldMoments.of_folds(self(X), Y, weights, folds, rows.n_folds)
            for X, Y, weights, folds in blocks
        )
        return reduce(FoldMoments.merge, moments)
