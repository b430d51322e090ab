# SPDX-License-Identifier: BSD-3-Clause
"""From validated rows to a fitted map, by the objective that was asked for."""

import numpy as np
import torch
from sklearn.utils.validation import check_array

from sktransform.reduction._distance_fit import fit_distances
from sktransform.reduction._internal_rows import InternalRows, distinct_rows
from sktransform.reduction._neighbor_fit import NeighborOptions
from sktransform.reduction._neighbor_map import (
    all_inputs,
    fit_neighbor_map,
    neighbor_defaults,
    sampled_rows,
)
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._charts import chart_widths, place_centers

# Learning rate of the neighbour objective.
_LEARNING_RATE = 0.02

# Reports of a neighbour fit to callbacks.
_REPORTS = 100


def _or_auto(value, automatic):
    """Return a parameter, or what "auto" stands for."""
    return automatic if isinstance(value, str) and value == "auto" else value


class LinearMixtureFittingMixin:
    """The solvers of an estimator whose `map_` is a mixture of linear maps."""

    def _fit_distances(self, X, sample_weight, runtime, random_state):
        """Return the map of least stress, over distinct rows or landmarks."""
        rows, row_weights = distinct_rows(
            X, sample_weight, self.n_landmarks, random_state
        )
        rows = InternalRows.of(*runtime.tensors(rows, row_weights), self.n_components)
        n_charts = int(np.clip(len(rows.Z) // (5 * self.n_components), 5, 50))
        centers = self._place_centers(rows, n_charts, random_state)
        widths = chart_widths(centers, _or_auto(self.width, 1.0))
        centers, widths = runtime.tensors(centers, widths)
        max_iter = _or_auto(self.max_iter, 60)
        few_features = self.n_features_in_ <= 3
        with FitProgress(self, max_iter=max_iter) as progress:
            return fit_distances(
                rows,
                centers,
                widths,
                self.n_components,
                ridge=_or_auto(self.ridge, 1e-4 if few_features else 3e-3),
                max_iter=max_iter,
                tol=self.tol,
                stop_requested=progress.step,
            )

    def _fit_neighbors(self, X, sample_weight, runtime, random_state):
        """Return the map that keeps neighbourhoods, over all rows."""
        indices = np.flatnonzero(sample_weight)
        automatic = neighbor_defaults(len(indices))
        rows = sampled_rows(
            X, indices, sample_weight, self.n_components, runtime, random_state
        )
        centers = self._place_centers(rows, automatic["n_gaussians"], random_state)
        widths = chart_widths(centers, _or_auto(self.width, 0.1))
        Z = all_inputs(X, indices, rows, runtime)
        weights = sample_weight[indices]
        equal = weights.min() == weights.max()
        options = NeighborOptions(
            n_neighbors=_or_auto(self.n_neighbors, 15),
            n_positive=automatic["n_positive"],
            stress_weight=self.stress_weight,
            learning_rate=_LEARNING_RATE,
            n_steps=_or_auto(self.max_iter, automatic["max_iter"]),
            batch_size=_or_auto(self.batch_size, automatic["batch_size"]),
        )
        with FitProgress(self, max_iter=_REPORTS + 1) as progress:
            fitted = fit_neighbor_map(
                Z,
                rows,
                None if equal else runtime.tensor(weights),
                *runtime.tensors(centers, widths),
                self.n_components,
                options,
                anchored=self.anchored,
                random_state=random_state,
                generator=runtime.generator(random_state),
                report=progress.step,
            )
        return fitted

    def _place_centers(self, rows, automatic, random_state):
        """Return the charts' centres in internal units."""
        if not isinstance(self.centers, str):
            centers = check_array(self.centers, dtype=np.float64, input_name="centers")
            if centers.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"centers has {centers.shape[1]} features, but X has "
                    f"{self.n_features_in_}; give centers in the columns of X."
                )
            inputs = rows.inputs(torch.from_numpy(centers).to(rows.mean))
            return np.unique(inputs.cpu().numpy(), axis=0)
        n_charts = _or_auto(self.n_gaussians, min(automatic, len(rows.Z)))
        return place_centers(
            rows.Z.cpu().numpy(),
            n_charts,
            self.centers,
            rows.row_weights.cpu().numpy(),
            random_state,
        )
