# SPDX-License-Identifier: BSD-3-Clause
"""Internal rows: the input of a solver, in units in which its constants apply."""

import dataclasses
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from sklearn.metrics.pairwise import euclidean_distances

from sktransform.exceptions import DegenerateDataWarning
from sktransform.runtime._linalg import principal_axes, sparse_principal_axes
from sktransform.runtime._runtime import SparseRows

# The solver is quadratic in its rows: above so many it takes landmarks.
_MOST_ROWS = 3000
AUTO_LANDMARKS = 2000

# Wider data are projected onto so many principal directions first.
WIDEST = 100
_PROJECTED = 50

# Distances of sparse rows that are computed at once, 8 MB.
_BLOCK_NUMBERS = 2**20


def select_rows(row_weights, n_landmarks, random_state):
    """Return the indices of rows of positive weight, or of landmarks among them.

    More than `n_landmarks` rows are drawn at random; the indices are in order.
    """
    indices = np.flatnonzero(row_weights)
    if n_landmarks == "auto":
        n_landmarks = AUTO_LANDMARKS if len(indices) > _MOST_ROWS else _MOST_ROWS
    if len(indices) > n_landmarks:
        indices = np.sort(random_state.choice(indices, n_landmarks, replace=False))
    return indices


def dense_if_narrow(rows, widest):
    """Return an array for sparse rows of at most `widest` features, else the rows."""
    if isinstance(rows, SparseRows) and rows.shape[1] <= widest:
        return rows.toarray()
    return rows


def sparse_distances(table):
    """Return Euclidean distances (n_rows, n_rows) between sparse rows.

    They come from inner products, and are exact to rounding where rows are not much
    longer than their distances.
    """
    n_rows = table.shape[0]
    distances = np.empty((n_rows, n_rows))
    step = max(1, _BLOCK_NUMBERS // n_rows)
    for start in range(0, n_rows, step):
        block = slice(start, start + step)
        distances[block] = euclidean_distances(table[block], table)
    np.fill_diagonal(distances, 0)
    return distances


@dataclass(frozen=True)
class ScaledSparseRows:
    """Sparse rows less a mean, over a unit, of which only products are formed.

    They replace the tensor of scaled rows where it would not fit into memory, and
    compute on the host. Shapes: `table` (n_rows, n_features) in float64, `mean`
    (n_features,).
    """

    table: csr_array
    mean: np.ndarray
    unit: float = 1.0

    def __truediv__(self, divisor):
        return dataclasses.replace(self, unit=self.unit * float(divisor))

    def __matmul__(self, matrix):
        factors = matrix.to("cpu", torch.float64).numpy()
        product = (self.table @ factors - self.mean @ factors) / self.unit
        return torch.from_numpy(product).to(matrix)

    def mean_squares(self, shares):
        """Return weighted means of the features' squares, for weights of sum 1."""
        entries, columns = self.table.data, self.table.indices
        shares = np.repeat(shares.cpu().numpy(), np.diff(self.table.indptr))
        n_rows, n_features = self.table.shape
        deviations = entries - self.mean[columns]
        sums = np.bincount(columns, shares * deviations**2, minlength=n_features)
        # Entries that are not stored are 0. Where all are, no rounding is to remain.
        rest = 1 - np.bincount(columns, shares, minlength=n_features)
        rest[np.bincount(columns, minlength=n_features) == n_rows] = 0
        sums = sums + rest.clip(0) * self.mean**2
        return torch.from_numpy(sums / self.unit**2)

    def distances(self, some=slice(None)):
        """Return Euclidean distances between some rows, all by default."""
        return torch.from_numpy(sparse_distances(self.table[some]) / self.unit)

    def principal_axes(self, n_axes, row_weights):
        """Return the directions of largest variance in columns."""
        weights = row_weights.cpu().numpy()
        axes = sparse_principal_axes(self.table, self.mean, n_axes, weights)
        return axes.to(row_weights)


@dataclass(frozen=True)
class Frame:
    """Affine map from rows to the inputs of a mixture.

    Rows less the `mean` (n_features,) are divided by the `unit` and multiplied by the
    `projection` (n_features, n_inputs), unless it is None.
    """

    mean: torch.Tensor
    unit: torch.Tensor
    projection: torch.Tensor | None


@dataclass(frozen=True)
class InternalRows:
    """Centred rows whose features have mean variance 1, and what undoes that.

    `scaled` (n_rows, n_features) are rows less the `mean` (n_features,), over the
    `unit`, the root of the features' mean variance. `Z` (n_rows, n_inputs) is what the
    map sees: the scaled rows, or their `projection` (n_features, n_inputs) onto
    principal directions. `row_weights` (n_rows,) are positive. If mean, unit and
    projection are those of other rows, `drift` (n_features,) is the weighted mean of
    the scaled rows, else None.
    """

    scaled: torch.Tensor | ScaledSparseRows
    Z: torch.Tensor
    row_weights: torch.Tensor
    mean: torch.Tensor
    unit: torch.Tensor
    projection: torch.Tensor | None
    drift: torch.Tensor | None = None

    @classmethod
    def from_rows(cls, rows, row_weights, n_components, widest=WIDEST):
        """Return rows in internal units; equal rows get unit 1 and a warning.

        Rows of more than `widest` features are projected. Sparse ones are not centred
        for that; those of fewer features are to be made dense before.
        """
        shares = row_weights / row_weights.sum()
        mean = _weighted_mean(rows, shares)
        scaled = _less_mean(rows, mean)
        unit = _mean_squares(scaled, shares).mean().sqrt()
        if not torch.isfinite(unit):
            raise ValueError(
                "The entries of X are too large: the variance of the features is not "
                "finite. Divide X by a power of ten."
            )
        if unit == 0:
            warnings.warn(
                "All rows are equal: every row is mapped to 0.",
                DegenerateDataWarning,
                stacklevel=4,
            )
            unit = torch.ones_like(unit)
        scaled /= unit
        projection = None
        if rows.shape[1] > widest:
            n_inputs = max(n_components, min(_PROJECTED, len(rows)))
            projection = _principal_axes(scaled, n_inputs, row_weights)
        Z = scaled if projection is None else scaled @ projection
        return cls(scaled, Z, row_weights, mean, unit, projection)

    @classmethod
    def in_frame(cls, rows, row_weights, frame):
        """Return rows in the internal units of a map that was fitted to others."""
        mean = _weighted_mean(rows, row_weights / row_weights.sum())
        scaled = _less_mean(rows, frame.mean) / frame.unit
        Z = scaled if frame.projection is None else scaled @ frame.projection
        drift = (mean - frame.mean) / frame.unit
        return cls(scaled, Z, row_weights, **vars(frame), drift=drift)

    @property
    def frame(self):
        """What led to these units."""
        return Frame(self.mean, self.unit, self.projection)

    def to(self, dtype):
        """Return the same rows and units in another precision.

        Sparse rows stay in their own; their products come in that of their factors.
        """
        return InternalRows(
            *(
                value.to(dtype) if isinstance(value, torch.Tensor) else value
                for value in vars(self).values()
            )
        )

    def inputs(self, points):
        """Return points, given like the original rows, as the map sees them."""
        scaled = _less_mean(points, self.mean) / self.unit
        return scaled if self.projection is None else scaled @ self.projection

    def deviations(self):
        """Return the features' standard deviations in the rows' own units."""
        shares = self.row_weights / self.row_weights.sum()
        squares = _mean_squares(self.scaled, shares)
        if self.drift is not None:
            squares = (squares - self.drift.square()).clamp_min(0)
        return squares.sqrt() * self.unit

    def distances(self):
        """Return Euclidean distances between the scaled rows, with zero diagonal."""
        if isinstance(self.scaled, ScaledSparseRows):
            return self.scaled.distances().to(self.row_weights)
        return torch.cdist(self.scaled, self.scaled).fill_diagonal_(0)

    def pair_distances(self, some):
        """Return distances of all pairs of some rows, shape (n_pairs,)."""
        if isinstance(self.scaled, ScaledSparseRows):
            distances = self.scaled.distances(some).to(self.row_weights)
            first, second = torch.triu_indices(*distances.shape, 1)
            return distances[first, second]
        return torch.pdist(self.scaled[some])

    def in_original_units(self, state):
        """Return the state of a map between internal units, in the rows' own units."""
        return {
            **state,
            "centers": state["centers"] * self.unit,
            "widths": state["widths"] * self.unit**2,
            "offsets": state["offsets"] * self.unit,
        }


def _weighted_mean(rows, shares):
    """Return the mean of dense or sparse rows, for weights of sum 1."""
    if isinstance(rows, SparseRows):
        mean = rows.table.astype(np.float64).T @ shares.cpu().numpy()
        return torch.from_numpy(mean).to(shares)
    return shares @ rows


def _less_mean(rows, mean):
    """Return dense or sparse rows less a mean; sparse ones as their products."""
    if isinstance(rows, SparseRows):
        table = rows.table.astype(np.float64)
        return ScaledSparseRows(table, mean.to("cpu", torch.float64).numpy())
    return rows - mean


def _mean_squares(scaled, shares):
    """Return weighted means of the features' squares, for weights of sum 1."""
    if isinstance(scaled, ScaledSparseRows):
        return scaled.mean_squares(shares).to(shares)
    return shares @ scaled.square()


def _principal_axes(scaled, n_axes, row_weights):
    """Return the directions of largest variance of scaled rows in columns."""
    if isinstance(scaled, ScaledSparseRows):
        return scaled.principal_axes(n_axes, row_weights)
    return principal_axes(scaled, n_axes, row_weights)
