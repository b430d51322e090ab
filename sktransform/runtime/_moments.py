# SPDX-License-Identifier: BSD-3-Clause
"""First and second moments of pairs, that blocks of rows add to, and that merge."""

from dataclasses import dataclass, fields
from functools import reduce

import torch

from sktransform.runtime._linalg import gram_matrix

# Rows that are widened to float64 at once.
_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class PairMoments:
    """Weighted means and scatter of two views of the same rows, in float64.

    Blocks are added around their own mean, so that a large offset of the data costs no
    digits. The answer is the same, to rounding, for any split and order of the rows.

    - `weight` (): sum of the rows' weights.
    - `mean_x` (n_inputs,): weighted mean of the first view.
    - `mean_y` (n_outputs,): weighted mean of the second view.
    - `xx` (n_inputs, n_inputs): weighted sum of outer products of the centred rows of
      the first view.
    - `xy` (n_inputs, n_outputs): the same between the views.
    - `yy` (n_outputs, n_outputs): the same of the second view.
    """

    weight: torch.Tensor
    mean_x: torch.Tensor
    mean_y: torch.Tensor
    xx: torch.Tensor
    xy: torch.Tensor
    yy: torch.Tensor

    @classmethod
    def empty(cls, n_inputs, n_outputs, device="cpu"):
        """Return the moments of no rows."""
        shapes = (
            (),
            (n_inputs,),
            (n_outputs,),
            (n_inputs, n_inputs),
            (n_inputs, n_outputs),
            (n_outputs, n_outputs),
        )
        kind = {"dtype": torch.float64, "device": device}
        return cls(*(torch.zeros(shape, **kind) for shape in shapes))

    @classmethod
    def of(cls, X, Y, row_weights=None):
        """Return the moments of pairs.

        `row_weights`: weights, not negative. None weighs every row 1.

        Shapes: X (n_rows, n_inputs), Y (n_rows, n_outputs), row_weights (n_rows,).
        """
        if len(X) == 0:
            return cls.empty(X.shape[1], Y.shape[1], X.device)
        starts = range(0, len(X), _BLOCK_ROWS)
        blocks = (slice(start, start + _BLOCK_ROWS) for start in starts)
        return reduce(
            PairMoments.merge,
            (
                cls._of_block(
                    X[rows], Y[rows], None if row_weights is None else row_weights[rows]
                )
                for rows in blocks
            ),
        )

    @classmethod
    def _of_block(cls, X, Y, row_weights):
        """Return the moments of pairs that fit into memory once more, in float64."""
        n_inputs = X.shape[1]
        both = X.new_empty((len(X), n_inputs + Y.shape[1]), dtype=torch.float64)
        both[:, :n_inputs], both[:, n_inputs:] = X, Y
        if row_weights is None:
            weight = both.new_tensor(float(len(both)))
            mean = both.mean(0)
            both -= mean
        else:
            row_weights = row_weights.to(torch.float64)
            weight = row_weights.sum()
            if weight == 0:
                return cls.empty(X.shape[1], Y.shape[1], X.device)
            mean = row_weights @ both / weight
            both -= mean
            if (row_weights != 1).any():
                both *= row_weights.sqrt()[:, None]
        scatter = gram_matrix(both)
        return cls(
            weight,
            mean[:n_inputs],
            mean[n_inputs:],
            scatter[:n_inputs, :n_inputs],
            scatter[:n_inputs, n_inputs:],
            scatter[n_inputs:, n_inputs:],
        )

    def merge(self, other):
        """Return the moments of both sets of pairs together.

        `other`: moments of other rows of the same views.
        """
        weight = self.weight + other.weight
        if weight == 0:
            return self
        share = other.weight / weight
        shift_x, shift_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        mean_x, mean_y = self.mean_x + share * shift_x, self.mean_y + share * shift_y
        # The root on both sides keeps symmetric matrices so to the last bit.
        between = (self.weight * share).sqrt()
        shift_x, shift_y = between * shift_x, between * shift_y
        return PairMoments(
            weight,
            mean_x,
            mean_y,
            torch.addr(self.xx + other.xx, shift_x, shift_x),
            torch.addr(self.xy + other.xy, shift_x, shift_y),
            torch.addr(self.yy + other.yy, shift_y, shift_y),
        )

    def swapped(self):
        """Return the moments with the views exchanged."""
        return PairMoments(
            self.weight, self.mean_y, self.mean_x, self.yy, self.xy.T, self.xx
        )

    def tensors(self):
        """Return the moments as a dict of tensors, by field."""
        return {field.name: getattr(self, field.name) for field in fields(PairMoments)}

    @property
    def covariance_x(self):
        """Population covariance of the first view, shape (n_inputs, n_inputs)."""
        return self.xx / self.weight

    @property
    def covariance_xy(self):
        """Population covariance between the views, shape (n_inputs, n_outputs)."""
        return self.xy / self.weight

    @property
    def covariance_y(self):
        """Population covariance of the second view, shape (n_outputs, n_outputs)."""
        return self.yy / self.weight

    def image_scatter(self, matrix):
        """Return the scatter of the first view's images.

        Weighted sum of outer products of the centred images.

        `matrix`: multiplies rows of the first view from the right.

        Shapes: matrix (n_inputs, n_columns) -> (n_columns, n_columns).
        """
        return matrix.T @ self.xx @ matrix

    def image_cross(self, matrix):
        """Return the scatter between the first view's images and the second view.

        Weighted sum of outer products of centred images and rows.

        `matrix`: multiplies rows of the first view from the right.

        Shapes: matrix (n_inputs, n_columns) -> (n_columns, n_outputs).
        """
        return matrix.T @ self.xy

    def mean_squared_error(self, matrix, intercept):
        """Return the mean squared length of the error of an affine map, in float64.

        The weighted mean of ``||x @ matrix + intercept - y||^2`` over these rows.

        `matrix`: multiplies rows of the first view from the right.

        Shapes: matrix (n_inputs, n_outputs), intercept (n_outputs,) -> ().
        """
        squares = self._centred_squares(matrix)
        offset = self.mean_x @ matrix + intercept - self.mean_y
        return squares / self.weight + offset.square().sum()

    def _centred_squares(self, matrix):
        """Return the sum of squared errors of an affine map that takes mean to mean."""
        quadratic = ((self.xx @ matrix - 2 * self.xy) * matrix).sum()
        return quadratic + self.yy.trace()


@dataclass(frozen=True)
class RowMoments(PairMoments):
    """Moments of rows fewer than columns, with the rows: quicker to map than moments.

    Merging them leaves the moments alone.

    - `rows_x` (n_rows, n_inputs): centred rows of the first view, times the root of
      their weight.
    - `rows_y` (n_rows, n_outputs): the same of the second view.
    """

    rows_x: torch.Tensor
    rows_y: torch.Tensor

    @classmethod
    def of(cls, X, Y, row_weights=None):
        """Return the moments of pairs, see :meth:`PairMoments.of`."""
        moments = PairMoments.of(X, Y, row_weights)
        rows_x, rows_y = X - moments.mean_x, Y - moments.mean_y
        if row_weights is not None:
            roots = row_weights.to(torch.float64).sqrt()[:, None]
            rows_x, rows_y = rows_x * roots, rows_y * roots
        return cls(**moments.tensors(), rows_x=rows_x, rows_y=rows_y)

    def image_scatter(self, matrix):
        """Return the scatter of images, see :meth:`PairMoments.image_scatter`."""
        return gram_matrix(self.rows_x @ matrix)

    def image_cross(self, matrix):
        """Return the scatter with images, see :meth:`PairMoments.image_cross`."""
        return (self.rows_x @ matrix).T @ self.rows_y

    def _centred_squares(self, matrix):
        return (self.rows_x @ matrix - self.rows_y).square().sum()
