# SPDX-License-Identifier: BSD-3-Clause
"""From validated rows to a fitted map, by the objective that was asked for."""

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
)

from sktransform.metrics import stress
from sktransform.reduction._gaussian_weighted.mixture import FittedMap
from sktransform.reduction._gaussian_weighted.problem import (
    UNLABELLED,
    Problem,
    distance_problem,
)
from sktransform.reduction._gaussian_weighted.solvers.majorize import fit_distances
from sktransform.reduction._gaussian_weighted.solvers.minibatch import (
    LinearMixtureMinibatchMixin,
)
from sktransform.reduction._gaussian_weighted.solvers.neighbors import (
    NeighborOptions,
    all_inputs,
    fit_neighbor_map,
    neighbor_defaults,
    principal_map,
    sampled_rows,
)
from sktransform.reduction._gaussian_weighted.solvers.published import fit_published
from sktransform.reduction._gaussian_weighted.solvers.warm_start import (
    PresentMap,
    split_charts,
    squared_errors,
)
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._charts import chart_widths, place_centers
from sktransform.utils._sklearn import check_sample_weight
from sktransform.utils._validation import check_distances, or_auto

# Learning rate of the neighbour objective, from PCA on and from a fitted map on.
_LEARNING_RATE = 0.02
_CONTINUED_RATE = 0.01

# Reports of a neighbour fit to callbacks.
_REPORTS = 100

# Charts of a map of distances: most for straight ones, and for those along the data.
_MOST_CHARTS = {"euclidean": 50, "geodesic": 100, "precomputed": 100}

# Parameter: the value that asks for something (None for any above 0), and the other
# parameter with the value that it needs.
_ONLY_WITH = (
    ("anchored", True, "objective", "neighbors"),
    ("objective", "neighbors", "metric", "euclidean"),
    ("solver", "published", "objective", "distance"),
    ("solver", "published", "metric", "euclidean"),
    ("solver", "minibatch", "objective", "distance"),
    ("solver", "minibatch", "metric", "euclidean"),
    ("target_weight", None, "solver", "majorize"),
    ("solver", "published", "warm_start", False),
)


class LinearMixtureFittingMixin(LinearMixtureMinibatchMixin):
    """The solvers of an estimator whose `map_` is a mixture of linear maps."""

    def _problem(self, X, y, sample_weight, distances):
        """Return the validated input of a fit, or say what contradicts what."""
        if self.n_components > X.shape[1]:
            raise ValueError(
                f"n_components={self.n_components} is larger than "
                f"n_features={X.shape[1]}; use n_components={X.shape[1]} or less."
            )
        for rule in _ONLY_WITH:
            self._check_only_with(*rule)
        if (self.metric == "precomputed") != (distances is not None):
            raise ValueError(
                "Target distances come as fit(X, distances=D) together with "
                f"metric='precomputed'; metric is {self.metric!r} and distances "
                f"{'are' if distances is not None else 'are not'} given."
            )
        if distances is not None:
            distances = check_distances(distances, "distances", n_rows=len(X))
        labels = None
        if self.target_weight > 0:
            labels = self._labels(X, y)
        elif self.solver == "published" and sample_weight is not None:
            raise ValueError("solver='published' does not take sample_weight.")
        sample_weight = check_sample_weight(
            sample_weight,
            np.empty(len(X)),
            dtype=np.float64,
            ensure_non_negative=True,
        )
        return Problem(X, sample_weight, labels, distances)

    def _check_only_with(self, parameter, value, other, needed):
        """Raise if a parameter has a value that another parameter rules out."""
        given = getattr(self, parameter)
        asked = given > 0 if value is None else given == value
        if asked and getattr(self, other) != needed:
            raise ValueError(
                f"{parameter}={given!r} works with {other}={needed!r} only; set both, "
                "or neither."
            )

    def _labels(self, X, y):
        """Return classes as integers, -1 where they are unknown."""
        if y is None:
            raise ValueError(
                f"target_weight={self.target_weight} pulls rows of one class together, "
                "but fit was called without y."
            )
        y = column_or_1d(y, warn=True)
        check_array(y, ensure_2d=False, dtype=None, input_name="y")
        check_consistent_length(X, y)
        labels = np.full(len(y), UNLABELLED)
        # Words and the number -1 come as objects, as in scikit-learn.
        known = np.flatnonzero(y != UNLABELLED if y.dtype.kind in "ifO" else y == y)
        if len(known):
            classes = np.array(y[known].tolist())
            check_classification_targets(classes)
            labels[known] = np.unique(classes, return_inverse=True)[1]
        return labels

    def _continues(self):
        """Tell whether there is a map, not of equal rows alone, that is to go on."""
        return bool(self.warm_start and np.any(getattr(self, "feature_scale_", 0)))

    def _present_map(self, runtime, asker="warm_start=True"):
        """Return the map to go on from, or say what contradicts it."""
        remedy = "call fit" if asker == "partial_fit" else "set warm_start=False"
        if self.continuation_ is None:
            raise ValueError(
                "The map of solver='published' cannot be continued; set "
                "warm_start=False to start anew."
            )
        present = {
            "objective": self.continuation_["objective"],
            "n_components": self._n_features_out,
        }
        for name, value in present.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{asker} continues a map with {name}={value!r}, but "
                    f"{name}={getattr(self, name)!r} is asked for; {remedy} to start "
                    "anew."
                )
        n_charts = len(self.map_["widths"])
        if self._n_charts_asked(n_charts) < n_charts:
            raise ValueError(
                f"{asker} continues a map of {n_charts} charts, but n_gaussians="
                f"{self.n_gaussians} is less; take no fewer, or {remedy} to start anew."
            )
        solver_state = {k: v for k, v in self.continuation_.items() if k != "objective"}
        return PresentMap.of(self.map_, solver_state, runtime)

    def _fit(self, X, problem, continued):
        """Fit to validated input, from the present map on or anew."""
        runtime = self._runtime(X)
        random_state = check_random_state(self.random_state)
        present = self._present_map(runtime) if continued else None
        fitted = self._solve(problem, runtime, random_state, present)
        return self._keep(fitted, X, problem.row_weights, runtime)

    def _keep(self, fitted, X, row_weights, runtime):
        """Take over a fitted map, and embed the rows that it is to be judged by."""
        self.continuation_ = fitted.continuation and {
            "objective": self.objective,
            **fitted.continuation,
        }
        self.map_ = runtime.state(fitted.map)
        self.decoder_ = fitted.decoder and runtime.state(fitted.decoder)
        self.anchors_ = fitted.anchors and runtime.state(fitted.anchors)
        self.loss_curve_ = np.array(fitted.loss_curve)
        self.n_iter_ = fitted.n_iter
        (self.feature_scale_,) = runtime.arrays(fitted.feature_scale)
        self.stress_ = fitted.stress
        vars(self).pop("embedding_", None)
        if self.store_embedding or self.stress_ is None:
            embedding = self._embed(X, row_weights, runtime)
            if self.stress_ is None:
                self.stress_ = stress(*runtime.arrays(X), embedding)
            if self.store_embedding:
                self.embedding_ = embedding
        return self

    def _embed(self, X, row_weights, runtime):
        """Return the images of the training rows; stored ones need no search."""
        if self.anchors_ is None or not np.all(row_weights):
            return runtime.arrays(runtime.map(self._mapping(runtime), X))[0]
        (rows,) = runtime.arrays(X[:1])
        return self.anchors_["embedding"].astype(rows.dtype)

    def _solve(self, problem, runtime, random_state, present):
        """Return the fitted map of the objective and solver that were asked for."""
        if self.solver == "published":
            return self._fit_published(problem, runtime, random_state)
        if self.solver == "minibatch":
            return self._fit_minibatch(problem, runtime, random_state, present)
        if self.objective == "neighbors":
            return self._fit_neighbors(problem, runtime, random_state, present)
        return self._fit_distances(problem, runtime, random_state, present)

    def _fit_distances(self, problem, runtime, random_state, present=None):
        """Return the map of least stress, over distinct rows or landmarks."""
        rows, targets, start = distance_problem(
            problem,
            runtime,
            self.n_components,
            metric=self.metric,
            n_neighbors=or_auto(self.n_neighbors, 10),
            n_landmarks=self.n_landmarks,
            target_weight=self.target_weight,
            random_state=random_state,
            frame=present and present.frame,
        )
        if present is not None and len(rows.Z) == 1:
            # Rows that are all equal have no distances to go on with.
            return self._fit_distances(problem, runtime, random_state)
        charts = present and present.charts
        centers, widths = self._distance_charts(
            rows, targets, charts, runtime, random_state
        )
        max_iter = or_auto(self.max_iter, 60)
        with FitProgress(self, max_iter=max_iter) as progress:
            return fit_distances(
                rows,
                centers,
                widths,
                self.n_components,
                targets=targets,
                start_embedding=start,
                present=charts,
                ridge=self._ridge(),
                max_iter=max_iter,
                tol=self.tol,
                stop_requested=progress.step,
            )

    def _ridge(self):
        """Return the weight of the squared change of the parameters."""
        return or_auto(self.ridge, 1e-4 if self.n_features_in_ <= 3 else 3e-3)

    def _distance_charts(self, rows, targets, present, runtime, random_state):
        """Return centres and widths, those of present charts first."""
        width = or_auto(self.width, 1.0 if self.metric == "euclidean" else 0.5)
        if present is None:
            most = _MOST_CHARTS[self.metric]
            n_charts = int(np.clip(len(rows.Z) // (5 * self.n_components), 5, most))
            centers = self._place_centers(rows, n_charts, random_state)
            return runtime.tensors(centers, chart_widths(centers, width))
        n_added = self._n_charts_continued(rows, present) - len(present)
        if n_added == 0:
            return present.centers, present.widths
        added = place_centers(
            rows.Z.cpu().numpy(),
            n_added,
            "kmeans",
            squared_errors(rows, targets, present).cpu().numpy(),
            random_state,
        )
        centers = torch.cat([present.centers, runtime.tensor(added)])
        widths = runtime.tensor(chart_widths(centers.cpu().numpy(), width))
        return centers, torch.cat([present.widths, widths[len(present) :]])

    def _n_charts_asked(self, n_present):
        """Return how many charts a continued map is to have; given centres stay."""
        given = not isinstance(self.centers, str)
        return n_present if given else or_auto(self.n_gaussians, n_present)

    def _n_charts_continued(self, rows, present):
        """Return how many charts a continued map gets, no new ones beyond the rows."""
        asked = self._n_charts_asked(len(present))
        return max(len(present), min(asked, len(rows.Z)))

    def _fit_neighbors(self, problem, runtime, random_state, present=None):
        """Return the map that keeps neighbourhoods, over all rows."""
        indices = np.flatnonzero(problem.row_weights)
        weights = problem.row_weights[indices]
        automatic = neighbor_defaults(len(indices))
        rows = sampled_rows(
            problem.X,
            indices,
            problem.row_weights,
            self.n_components,
            runtime,
            random_state,
            present and present.frame,
        )
        if len(rows.Z) == 1:
            # No neighbours to keep: every row is mapped to 0.
            return self._fit_distances(problem, runtime, random_state)
        if present is None:
            centers = self._place_centers(rows, automatic["n_gaussians"], random_state)
            widths = chart_widths(centers, or_auto(self.width, 0.1))
            centers, widths = runtime.tensors(centers, widths)
            charts = principal_map(
                rows, centers, widths, self.n_components, automatic["magnification"]
            )
        else:
            n_charts = self._n_charts_continued(rows, present.charts)
            masses = rows.row_weights @ present.charts.weights(rows.Z)
            generator = runtime.generator(random_state)
            charts = split_charts(present.charts, masses, n_charts, generator)
        options = self._neighbor_options(automatic, present is not None)
        equal = weights.min() == weights.max()
        with FitProgress(self, max_iter=_REPORTS) as progress:
            return fit_neighbor_map(
                all_inputs(problem.X, indices, rows, runtime),
                rows,
                None if equal else runtime.tensor(weights),
                None if problem.labels is None else problem.labels[indices],
                charts,
                options,
                frozen={} if present is None else present.frozen,
                anchored=self.anchored,
                random_state=random_state,
                generator=runtime.generator(random_state),
                report=progress.step,
            )

    def _neighbor_options(self, automatic, continued):
        """Return what a neighbour fit is asked for."""
        return NeighborOptions(
            n_neighbors=or_auto(self.n_neighbors, 15),
            n_positive=automatic["n_positive"],
            stress_weight=self.stress_weight,
            target_weight=self.target_weight,
            learning_rate=_CONTINUED_RATE if continued else _LEARNING_RATE,
            n_steps=or_auto(self.max_iter, automatic["max_iter"]),
            batch_size=or_auto(self.batch_size, automatic["batch_size"]),
            jitter=automatic["jitter"],
            attraction=automatic["attraction"],
            continued=continued,
        )

    def _fit_published(self, problem, runtime, random_state):
        """Return the map of the published method, on all rows as they are."""
        (X,) = runtime.tensors(problem.X)
        centers = place_centers(
            X.cpu().numpy(),
            or_auto(self.n_gaussians, min(100, len(X))),
            "random",
            problem.row_weights,
            random_state,
        )
        max_iter = or_auto(self.max_iter, 2000)
        with FitProgress(self, max_iter=max_iter) as progress:
            fitted = fit_published(
                X,
                runtime.tensor(centers),
                self.n_components,
                max_iter=max_iter,
                generator=runtime.generator(random_state),
                stop_requested=progress.step,
            )
        return FittedMap(
            map=fitted.map,
            decoder=None,
            loss_curve=fitted.loss_curve,
            stress=None,
            n_iter=len(fitted.loss_curve) - 1,
            feature_scale=X.std(0, correction=0),
        )

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
        n_charts = or_auto(self.n_gaussians, min(automatic, len(rows.Z)))
        return place_centers(
            rows.Z.cpu().numpy(),
            n_charts,
            self.centers,
            rows.row_weights.cpu().numpy(),
            random_state,
        )
