# SPDX-License-Identifier: BSD-3-Clause
"""How the augmenter learns its law from validated rows, and what it says about it."""

from dataclasses import replace

import numpy as np
import torch
from sklearn import get_config
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    column_or_1d,
    has_fit_parameter,
    validate_data,
)

from sktransform.augmentation._policy.policy import Law
from sktransform.augmentation._policy.report import short_name
from sktransform.augmentation._random import root_seed
from sktransform.augmentation._search.acceptance import NONE, GateResult, GateSettings
from sktransform.augmentation._search.constrained import (
    ConstrainSettings,
    constrain,
    law_shares,
)
from sktransform.augmentation._search.grown import LabelledRows, n_copies_for
from sktransform.augmentation._search.hard_sampling import HardDraws
from sktransform.augmentation._search.proxy import (
    ProbeClassifier,
    ProbeRegressor,
    Probes,
)
from sktransform.augmentation._search.range_filter import (
    CURVE_MAGNITUDES,
    FilterSettings,
)
from sktransform.augmentation._search.select import (
    LAW,
    UNSHRUNK,
    SelectSettings,
    nothing,
    select,
    status,
)
from sktransform.augmentation._search.target import Target
from sktransform.augmentation._tabular.encoder import Table, is_frame
from sktransform.augmentation.transforms._defaults import bound_transformations
from sktransform.augmentation.transforms._registry import from_record, to_record
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._validation import check_tensor
from sktransform.utils._sklearn import check_sample_weight

# Steps of a probe's training and its width, for rows and for images or series.
_ROWS, _SHAPED = (220, 48), (400, 64)
# "constrain" trains a single network, which may take longer.
_LONGER = 1.5


def validated_labels(y, is_classes, takes_columns=True):
    """Return labels as an estimator takes them, codes or numbers, and the classes."""
    if np.asarray(y).dtype.kind == "f":
        y = check_array(y, ensure_2d=False, input_name="y")
    if is_classes:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        return y, codes, classes
    y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    if not takes_columns:
        y = column_or_1d(y, warn=True)
    return y, y, None


def takes_weights(estimator):
    """Tell whether an estimator's `fit` takes weights, itself or on their way on."""
    if has_fit_parameter(estimator, "sample_weight"):
        return True
    if not get_config()["enable_metadata_routing"]:
        return False
    routing = get_routing_for_object(estimator)
    return "sample_weight" in routing.consumes("fit", ["sample_weight"])


def check_kind(estimator, is_classes):
    """Raise ValueError for a regressor of classes, or a classifier of numbers."""
    if (is_regressor if is_classes else is_classifier)(estimator):
        given, wanted = ("regressor", "classifier")[:: 1 if is_classes else -1]
        raise ValueError(
            f"{type(estimator).__name__} is a {given}, but what y holds is learned as "
            f"{'classes' if is_classes else 'numbers'}; give a {wanted}."
        )


class LearningMixin:
    """Learn a law, keep it as plain arrays, and report what was found."""

    def _fit_reporting(self, X, y, sample_weight, groups):
        """Fit, report each round to callbacks, and print a summary if asked."""
        with FitProgress(self, max_iter=self.max_rounds + 1, X=X, y=y) as progress:
            data = self._fit(X, y, sample_weight, groups, progress.step)
        if self.verbose:
            print(f"{type(self).__name__}: {summary(self)}")
        return data

    def _fit(self, X, y, sample_weight, groups, on_round, passes_weights=True):
        """Learn the law; return the rows with their labels, for what comes next."""
        root = root_seed(self.random_state)
        data, bound = self._training_table(X, y)
        if y is None and self.learn:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None: give labels, or set learn=False to keep all transformations."
            )
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight,
                np.empty(len(data)),
                dtype=np.float64,
                ensure_non_negative=True,
            )
        if y is not None:
            data = self._labelled(data, X, y, sample_weight, groups)
            data = replace(data, passes_weights=passes_weights)
        selection, duals = self._learned(data, bound, root, on_round)
        shares = {}
        if duals and self.strategy == "constrain":
            shares = law_shares(duals["dual_path_"])
        law = data.law(bound, selection.law_ranges, **shares)
        if self.law == "hard":
            law = replace(law, magnitudes=duals.get("parameter_histogram_"))
        has_chains = self.law == "mh" and bool(duals)
        self._keep_law(law, data.columns, self.chain_length if has_chains else None)
        self._keep_selection(selection, bound)
        self._keep_duals(duals)
        self.seed_, self.n_calls_ = root, 0
        self.n_copies_ = n_copies_for(len(data), self.n_copies)
        self.classes_ = data.classes
        return data

    def _training_table(self, X, y):
        """Return validated rows without labels, and the transformations, bound."""
        self._validate_names(X, reset=True)
        table = Table.of(X, kinds=self.kinds, bounds=self.bounds, shape=self.shape)
        rows = table.rows(X).cpu()

        def decode(rows, sources):
            return table.restored(rows, X, sources)

        data = LabelledRows(rows, table.columns, decode, np.arange(len(rows)))
        labelled = y is not None and self._is_classification(y)
        bound = bound_transformations(
            self.transformations, rows, table.columns, X, labelled=labelled
        )
        return data, bound

    def _validate_names(self, X, *, reset):
        """Set or compare the number and the names of the columns."""
        if isinstance(X, torch.Tensor):
            check_tensor(self, X, reset=reset)
        elif is_frame(X):
            validate_data(self, X, skip_check_array=True, reset=reset)
        else:
            check_array(X, dtype=None, ensure_all_finite="allow-nan", estimator=self)
            validate_data(self, X, skip_check_array=True, reset=reset)

    def _labelled(self, data, X, y, sample_weight, groups):
        """Return the rows with validated labels, weights and groups."""
        is_classes = self._is_classification(y)
        if self.estimator is not None:
            check_kind(self.estimator, is_classes)
        takes_columns = (
            self.estimator is None or get_tags(self.estimator).target_tags.multi_output
        )
        y, values, classes = validated_labels(y, is_classes, takes_columns)
        check_consistent_length(data.rows, y, groups)
        if groups is not None:
            groups = np.unique(groups, return_inverse=True)[1]
        if sample_weight is not None and not sample_weight.all():
            # A row without weight is no row: it would give its cells to others, and
            # its class is none that an estimator learns.
            kept = np.flatnonzero(sample_weight)
            data, sample_weight = data[kept], sample_weight[kept]
            groups = None if groups is None else groups[kept]
            y, values, classes = validated_labels(y[kept], is_classes, takes_columns)
        return replace(
            data,
            y=y,
            target=Target.of(values, is_classes, sample_weight),
            classes=classes,
            sample_weight=sample_weight,
            groups=groups,
        )

    def _is_classification(self, y):
        """Tell whether y holds classes, as told, or as the estimator or y say."""
        if self.task != "auto":
            return self.task == "classification"
        if self.estimator is not None:
            if is_classifier(self.estimator):
                return True
            if is_regressor(self.estimator):
                return False
        kind = type_of_target(y, input_name="y")
        if kind.startswith("continuous"):
            return False
        if kind in ("binary", "multiclass"):
            return True
        raise ValueError(
            f"Unknown label type: y is of type {kind}; give classes in one column, or "
            "numbers with task='regression'."
        )

    def _learned(self, data, transformations, root, on_round):
        """Return what the strategy found, and what belongs to "constrain" alone."""
        self._check_choices()
        everything = np.ones(len(transformations))
        if not transformations:
            return nothing(0), {}
        if not self.learn or data.y is None:
            declared = nothing(len(transformations))
            kept = GateResult(LAW, {}, 0.0, 0.0)
            found = {"ranges": everything, "law_ranges": everything, "gate": kept}
            return replace(declared, **found), {}
        if self.strategy == "constrain":
            settings = self._constrain_settings(data.columns.shape)
            found = constrain(data, transformations, settings, root, on_round)
            ranges = (found["dual_path_"] > 0).any(0).astype(float)
            kept = GateResult(LAW if ranges.any() else NONE, {}, 0.0, 0.0)
            declared = nothing(len(transformations))
            return replace(
                declared, ranges=everything, law_ranges=ranges, gate=kept
            ), found
        settings = self._select_settings(len(data), data.columns.shape)
        estimator = self.estimator
        if estimator is None:
            estimator = self._probe(data)
            data = replace(
                data, decode=lambda rows, _: rows.numpy(), passes_weights=True
            )
        elif not takes_weights(estimator):
            data = replace(data, passes_weights=False)
        found = select(data, transformations, estimator, settings, root, on_round)
        return found, self._reported_duals(data, transformations, found.ranges, root)

    def _reported_duals(self, data, transformations, ranges, root):
        """Return what the ranges that "select" found cost as requirements, if asked."""
        if not self.report_duals:
            return {}
        settings = self._constrain_settings(data.columns.shape)
        return constrain(data, transformations, settings, root, bool, ranges=ranges)

    def _check_choices(self):
        """Refuse settings that have no effect together, or name nothing."""
        unknown = [name for name in self.candidates if name not in (LAW, UNSHRUNK)]
        if unknown:
            raise ValueError(
                f"candidates has {unknown[0]!r}, which is no law; choose from "
                f"{LAW!r} and {UNSHRUNK!r}."
            )
        trains = self.strategy == "constrain" or self.report_duals
        if self.law != "uniform" and not (self.learn and trains):
            raise ValueError(
                f"law={self.law!r} draws versions that strategy='constrain' found "
                "hard; set it or report_duals=True, with learn=True, or take "
                "law='uniform'."
            )

    def _probe(self, data):
        """Return the estimator that the gate asks where the user gave none."""
        n_steps, n_hidden = self._probe_size(data.columns.shape)
        kind = ProbeClassifier if data.target.is_classes else ProbeRegressor
        return kind(columns=data.columns, n_steps=n_steps, n_hidden=n_hidden)

    def _probe_size(self, shape):
        """Return the number of steps and the width of probes."""
        n_steps, n_hidden = _ROWS if shape is None else _SHAPED
        return (n_steps if self.n_steps == "auto" else self.n_steps), n_hidden

    def _select_settings(self, n_rows, shape):
        n_steps, n_hidden = self._probe_size(shape)
        return SelectSettings(
            FilterSettings(
                n_rounds=self.max_rounds,
                tolerance=self.tol,
                z=self.z,
                smallest_range=self.min_range,
                n_steps=n_steps,
                n_hidden=n_hidden,
                paired=self.se == "paired",
            ),
            GateSettings(
                z=self.z_gate,
                n_copies=n_copies_for(n_rows, self.n_copies),
                n_jobs=self.n_jobs,
            ),
            candidates=tuple(self.candidates),
            max_fit_rows=self.max_fit_rows,
        )

    def _constrain_settings(self, shape):
        n_steps, n_hidden = self._probe_size(shape)
        if self.n_steps == "auto":
            n_steps = int(_LONGER * n_steps)
        return ConstrainSettings(
            epsilon=self.epsilon,
            alpha=self.alpha,
            chain_length=self.chain_length,
            n_steps=n_steps,
            n_reports=self.max_rounds + 1,
            n_hidden=n_hidden,
            max_fit_rows=self.max_fit_rows,
        )

    def _keep_law(self, law, columns, chain_length):
        """Keep the law as records and arrays."""
        self.law_ = {
            "records": [to_record(t) for t in law.transformations],
            "references": law.references,
            "ranges": law.ranges,
            "probabilities": law.probabilities,
            "magnitudes": law.magnitudes,
            "joining": law.joining,
            "chain_length": chain_length,
            "columns": columns.to_state(),
        }
        self.names_ = [short_name(t, columns) for t in law.transformations]
        self.active_ = (law.ranges > 0) & (law.probabilities > 0)

    @property
    def _law(self):
        """The fitted law, made of what was kept."""
        return Law(
            tuple(from_record(record) for record in self.law_["records"]),
            self.law_["references"],
            self.law_["ranges"],
            self.law_["probabilities"],
            self.law_["magnitudes"],
            self.law_["joining"],
        )

    @property
    def _chains(self):
        """Chains of draws that the trained probe judges, or None."""
        if self.law_["chain_length"] is None:
            return None
        return HardDraws(Probes.from_state(self.probe_), self.law_["chain_length"])

    def _keep_selection(self, selection, transformations):
        n_all = len(transformations)
        self.range_ = selection.ranges
        self.excess_, self.excess_se_ = np.full((2, n_all), np.nan)
        if selection.rounds:
            self.excess_ = selection.rounds[0].excess
            self.excess_se_ = selection.rounds[0].error
        excess, error = selection.curve
        magnitudes = np.array(CURVE_MAGNITUDES)
        self.excess_curve_ = {"magnitude": magnitudes, "excess": excess, "se": error}
        self.rounds_ = [
            {
                "clean_loss": float(loss),
                "range": np.where(np.isin(np.arange(n_all), r.active), r.ranges, 0.0),
                "active": np.isin(np.arange(n_all), r.active),
            }
            for r, loss in zip(selection.rounds, selection.losses, strict=True)
        ]
        self.clean_loss_none_ = selection.clean_none
        self.clean_loss_ = np.nan
        if selection.chosen is not None:
            self.clean_loss_ = self.rounds_[selection.chosen]["clean_loss"]
        gate = selection.gate
        self.chosen_, self.gate_losses_ = gate.chosen, gate.losses
        self.gate_gain_, self.gate_se_ = gate.gain, gate.error
        self.status_ = status(selection, transformations, self.tol, self.z)
        if not self.learn or self.strategy == "constrain":
            self.status_ = ["declared"] * n_all

    def _keep_duals(self, duals):
        """Keep what a primal-dual training found, if there was one."""
        names = ["dual_", "dual_path_", "epsilon_"]
        names += ["acceptance_", "parameter_histogram_", "probe_"]
        for name in names:
            vars(self).pop(name, None)
            if duals:
                setattr(self, name, duals[name])


def summary(augmenter):
    """Return in words what an augmenter has learned."""
    active = [
        name for name, on in zip(augmenter.names_, augmenter.active_, strict=True) if on
    ]
    if augmenter.chosen_ == NONE:
        return (
            "augment nothing: no law made held-out rows easier to predict than the "
            "training rows alone"
        )
    return f"augment by {', '.join(active)}" if active else "augment nothing"
