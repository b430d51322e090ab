# SPDX-License-Identifier: BSD-3-Clause
"""From rows to a map by stochastic gradients, and on from there with every block."""

import numpy as np

from sktransform.nn._gaussian_weighted import gaussian_weights
from sktransform.reduction._charts import Charts, principal_charts, trained_charts
from sktransform.reduction._continuation import nearest_parameters, turned_towards
from sktransform.reduction._distance_fit import centred_axes
from sktransform.reduction._distance_problem import distance_problem
from sktransform.reduction._fitted_map import FittedMap, map_and_decoder
from sktransform.reduction._minibatch_fit import (
    PairSample,
    StressObjective,
    batch_of,
    shuffled_batches,
    train_in_one_cycle,
    train_on_stream,
)
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._validation import or_auto

_BATCH_ROWS = 256

# Steps of a fit; more if that is less than one pass over the rows.
_FEWEST_STEPS = 600

# Fewest steps for a block of a stream: a short one is passed over several times.
_BLOCK_STEPS = 50

# Factor on the learning rates of a fit that starts at a fitted map.
_CONTINUED_RATE = 0.5

# Rows whose pairs judge the map while it is trained, and those of its reported stress.
_VALIDATION_ROWS = 512
_STRESS_ROWS = 2000

_REPORTS = 100


class LinearMixtureMinibatchMixin:
    """The minibatch solver of an estimator whose `map_` is a mixture of linear maps."""

    def _fit_minibatch(self, problem, runtime, random_state, present=None):
        """Return the map after steps over all rows; their sample gives the rest."""
        rows = self._sample_rows(problem.sample, runtime, random_state, present)
        if len(rows.Z) == 1:
            # No distances to keep: every row is mapped to 0.
            return self._fit_distances(problem.sample, runtime, random_state, present)
        kept = present and present.charts
        centers, widths = self._distance_charts(rows, None, kept, runtime, random_state)
        ridge = self._ridge()
        origin = principal_charts(
            centers, widths, centred_axes(rows, self.n_components)
        )
        start = origin
        if kept is not None:
            offsets, components = nearest_parameters(
                kept,
                gaussian_weights(rows.Z, centers, widths),
                rows.Z,
                centers,
                (origin.offsets, origin.components),
                rows.row_weights,
                ridge=ridge,
            )
            start = Charts(centers, widths, components, offsets)
        weights = problem.row_weights[problem.row_weights > 0]
        batch_size = or_auto(self.batch_size, _BATCH_ROWS)
        n_steps = or_auto(
            self.max_iter, max(_FEWEST_STEPS, -(-len(weights) // batch_size))
        )
        with FitProgress(self, max_iter=min(_REPORTS, n_steps)) as progress:
            trained, curve, n_iter = train_in_one_cycle(
                start,
                shuffled_batches(
                    problem.X,
                    problem.row_weights,
                    rows.frame,
                    runtime,
                    batch_size=batch_size,
                    random_state=random_state,
                ),
                self._stress_objective(rows, origin, ridge),
                mean_weight=weights.mean(),
                n_steps=n_steps,
                factor=1.0 if present is None else _CONTINUED_RATE,
                report=progress.step,
            )
        return _fitted(rows, trained, kept, curve, n_iter)

    def _fit_block(self, block, sample, seed, runtime):
        """Return the present map after steps over a block, mixed with the sample."""
        present = self._present_map(runtime, "partial_fit")
        random_state = np.random.RandomState(seed)
        rows = self._sample_rows(sample, runtime, random_state, present)
        axes = centred_axes(rows, self.n_components)
        charts = present.charts
        # The steps before count on the axes that the map has: the origin is turned.
        origin = turned_towards(
            principal_charts(charts.centers, charts.widths, axes),
            charts.offsets,
            charts.components,
        )
        batches = self._mixed_batches(
            block, sample, present.frame, runtime, random_state
        )
        state = present.frozen.get("stream")
        if state is not None:
            n_steps = state["n_steps"]
            state = {k: runtime.tensor(v) for k, v in state.items() if k != "n_steps"}
            state["n_steps"] = n_steps
        with FitProgress(self, max_iter=min(_REPORTS, len(batches))) as progress:
            trained, curve, n_iter, state = train_on_stream(
                charts,
                batches,
                self._stress_objective(rows, origin, self._ridge()),
                mean_weight=sample.row_weights.mean(),
                state=state,
                report=progress.step,
            )
        n_steps = state.pop("n_steps")
        state = {**runtime.state(state), "n_steps": n_steps}
        present = trained_charts(trained)
        return _fitted(rows, trained, present, curve, n_iter, {"stream": state})

    def _sample_rows(self, sample, runtime, random_state, present):
        """Return the distinct rows of a sample in internal units."""
        rows, _, _ = distance_problem(
            sample,
            runtime,
            self.n_components,
            metric="euclidean",
            n_neighbors=1,
            n_landmarks=len(sample.X),
            target_weight=0.0,
            random_state=random_state,
            frame=present and present.frame,
        )
        return rows

    def _stress_objective(self, rows, origin, ridge):
        """Return what the steps lower."""
        validation = PairSample.of(rows, _VALIDATION_ROWS)
        return StressObjective(rows, origin, validation, ridge=ridge)

    def _mixed_batches(self, block, sample, frame, runtime, random_state):
        """Return batches of which one half is new, and each new row is in one.

        Rows that come together are often alike. The sample's rows tell where they
        belong among all others, and keep what has been learned of these.
        """
        batch_size = or_auto(self.batch_size, _BATCH_ROWS)
        indices = np.flatnonzero(block.row_weights)
        n_parts = -(-len(indices) // (batch_size // 2))
        parts = []
        while len(parts) < _BLOCK_STEPS:
            order = random_state.permutation(indices)
            parts += np.array_split(order, n_parts)

        def batch(part):
            n_old = min(batch_size - len(part), len(sample.X))
            old = random_state.choice(len(sample.X), n_old, replace=False)
            rows = np.concatenate([block.X[part], sample.X[old]])
            weights = np.concatenate([block.row_weights[part], sample.row_weights[old]])
            return batch_of(rows, weights, frame, runtime)

        return [lambda part=part: batch(part) for part in parts]


def _fitted(rows, trained, present, curve, n_iter, further=None):
    """Return a trained map in its final form."""
    charts = trained_charts(trained)
    state, decoder, _ = map_and_decoder(rows, charts, present)
    pairs = PairSample.of(rows, _STRESS_ROWS)
    return FittedMap(
        map=state,
        decoder=decoder,
        loss_curve=curve,
        stress=pairs.squared_stress(charts.values(pairs.Z)) ** 0.5,
        n_iter=n_iter,
        feature_scale=rows.deviations(),
        continuation={
            "input_unit": rows.unit.item(),
            "output_unit": rows.unit.item(),
            **(further or {}),
        },
    )
