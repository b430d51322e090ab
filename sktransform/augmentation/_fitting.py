# SPDX-License-Identifier: BSD-3-Clause
"""Fit of an augmenter: from a table to a learned policy and fitted attributes.

The augmenters and the estimators that have an augmenter call `fit_augmenter`, which is
the only function that sets fitted attributes of an augmenter.
"""

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import has_fit_parameter

from sktransform.augmentation._policy.policy import n_copies_for
from sktransform.augmentation._policy.report import short_name
from sktransform.augmentation._random import root_seed
from sktransform.augmentation._search import constants
from sktransform.augmentation._search.acceptance import AcceptanceResult
from sktransform.augmentation._search.learn import (
    ConstrainSettings,
    SelectSettings,
    learn_policy,
)
from sktransform.augmentation._search.range_filter import CURVE_MAGNITUDES
from sktransform.augmentation._tabular.dataset import (
    LabelledRows,
    check_names,
    checked_weights,
    is_classification,
    with_labels,
)
from sktransform.augmentation._tabular.encoder import TableEncoder
from sktransform.augmentation.transforms._defaults import bound_transformations
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._sklearn import check_params


def fit_augmenter(
    augmenter,
    X,
    y,
    sample_weight,
    groups,
    *,
    owner,
    estimator=None,
    passes_weights=True,
):
    """Learn the policy of an augmenter, and set its fitted attributes.

    The augmenter's own estimator comes before the one that is given; `owner` is the
    estimator whose callbacks are told of the rounds. Returns the labelled rows and the
    `FittedPolicy`.
    """
    own = getattr(augmenter, "estimator", None)
    estimator = estimator if own is None else own
    root = root_seed(augmenter.random_state)
    with FitProgress(owner, max_iter=constants.MAX_ROUNDS + 1, X=X, y=y) as progress:
        dataset, transformations = _labelled_rows(
            augmenter, X, y, sample_weight, groups, estimator, passes_weights
        )
        settings = _settings(augmenter, dataset)
        fitted = learn_policy(
            dataset, transformations, estimator, settings, root, progress.step
        )
    attributes = _common_attributes(augmenter, fitted, dataset, root)
    if hasattr(augmenter, "epsilon"):
        attributes |= _constrained_attributes(fitted, len(transformations))
    else:
        attributes |= _selection_attributes(fitted, len(transformations))
    vars(augmenter).update(attributes)
    return dataset, fitted


def _labelled_rows(augmenter, X, y, sample_weight, groups, estimator, passes_weights):
    """Return a validated table as labelled rows, and the transformations, bound."""
    check_names(augmenter, X, reset=True)
    encoder = TableEncoder.from_table(
        X, kinds=augmenter.kinds, bounds=augmenter.bounds, shape=augmenter.shape
    )
    rows, columns = encoder.encode(X).cpu(), encoder.columns
    is_classes = y is not None and is_classification(y, augmenter.task, estimator)
    transformations = bound_transformations(
        augmenter.transformations, rows, columns, X, labelled=is_classes
    )

    def decode(rows, sources):
        return encoder.decode(rows, X, sources)

    indices = np.arange(len(rows))
    dataset = LabelledRows(
        rows, columns, decode, indices, passes_weights=passes_weights
    )
    weights = checked_weights(sample_weight, len(rows))
    if y is not None:
        dataset = with_labels(dataset, y, is_classes, weights, groups, estimator)
    return dataset, transformations


def fit_held_augmenter(owner, augmenter, X, y, sample_weight, groups, *, task="auto"):
    """Fit a clone of the augmenter that an estimator, the owner, holds.

    What the augmenter leaves open, its task and its seed, is set by the owner; its
    policy is accepted by the owner's estimator if there is one. Returns the augmenter,
    the labelled rows, the `FittedPolicy` and the seed of the owner.
    """
    root = root_seed(owner.random_state)
    augmenter = clone(augmenter)
    if augmenter.random_state is None:
        augmenter.set_params(random_state=root)
    if augmenter.task == "auto":
        augmenter.set_params(task=task)
    if task not in ("auto", augmenter.task):
        raise ValueError(
            f"{type(owner).__name__} is an estimator for {task}, but its augmenter has "
            f"task={augmenter.task!r}; use task='auto'."
        )
    if owner.n_copies != "auto" and getattr(augmenter, "n_copies", None) == "auto":
        augmenter.set_params(n_copies=owner.n_copies)
    check_params(augmenter)
    estimator = getattr(owner, "estimator", None)
    dataset, fitted = fit_augmenter(
        augmenter,
        X,
        y,
        sample_weight,
        groups,
        owner=owner,
        estimator=estimator,
        passes_weights=_passes_weights(owner, estimator, sample_weight),
    )
    return augmenter, dataset, fitted, root


def n_training_copies(owner, augmenter):
    """Return how many copies of each row an owner of a fitted augmenter trains with."""
    if not augmenter.active_.any():
        return 0
    return augmenter.n_copies_ if owner.n_copies == "auto" else owner.n_copies


def _passes_weights(owner, estimator, sample_weight):
    """Tell whether the estimator's `fit` is to be given the weights."""
    if sample_weight is None or estimator is None:
        return True
    if get_config()["enable_metadata_routing"]:
        routed = process_routing(owner, "fit", sample_weight=sample_weight)
        return "sample_weight" in routed.estimator.fit
    if not has_fit_parameter(estimator, "sample_weight"):
        raise ValueError(
            f"{type(estimator).__name__} does not support sample weights: its fit "
            "takes no sample_weight; fit without weights, or enable metadata routing."
        )
    return True


def _settings(augmenter, dataset):
    """Return the settings of a search, None for none, from public parameters."""
    is_constrained = hasattr(augmenter, "epsilon")
    if not is_constrained and not augmenter.learn:
        return None
    if dataset.y is None:
        raise ValueError(
            f"{type(augmenter).__name__} requires y to be passed, but the target y is "
            "None: give labels, or use an InvarianceAugmenter "
            "with learn=False, which needs no labels."
        )
    if is_constrained:
        return ConstrainSettings(augmenter.epsilon, augmenter.alpha)
    n_copies = n_copies_for(len(dataset), augmenter.n_copies)
    return SelectSettings(n_copies, augmenter.n_jobs)


def _common_attributes(augmenter, fitted, dataset, root):
    """Return the attributes of every augmenter by name."""
    policy, columns = fitted.policy, dataset.columns
    n_copies = getattr(augmenter, "n_copies", "auto")
    return {
        "policy_": policy.to_state(columns),
        "names_": [short_name(t, columns) for t in policy.transformations],
        "active_": (policy.ranges > 0) & (policy.probabilities > 0),
        "chosen_": fitted.chosen,
        "range_": fitted.ranges,
        "status_": fitted.status,
        "classes_": dataset.classes,
        "n_copies_": n_copies_for(len(dataset), n_copies),
        "seed_": root,
    }


def _selection_attributes(fitted, n_all):
    """Return the measurements of range filter and acceptance test, by name."""
    accepted = fitted.accepted or AcceptanceResult()
    empty = np.full((n_all, len(CURVE_MAGNITUDES)), np.nan)
    found = {
        "acceptance_losses_": accepted.losses,
        "acceptance_gain_": accepted.gain,
        "acceptance_se_": accepted.error,
        "excess_": np.full(n_all, np.nan),
        "excess_se_": np.full(n_all, np.nan),
        "rounds_": [],
        "clean_loss_": np.nan,
        "clean_loss_none_": np.nan,
    }
    curve = empty, empty.copy()
    if fitted.filtered is not None:
        filtered, first = fitted.filtered, fitted.filtered.rounds[0]
        curve = filtered.curve
        found["excess_"], found["excess_se_"] = first.excess, first.error
        for measured, loss in zip(filtered.rounds, filtered.losses, strict=True):
            active = np.isin(np.arange(n_all), measured.active)
            ranges = np.where(active, measured.ranges, 0.0)
            found["rounds_"].append(
                {"clean_loss": float(loss), "range": ranges, "active": active}
            )
        found["clean_loss_"] = found["rounds_"][filtered.chosen]["clean_loss"]
        found["clean_loss_none_"] = filtered.loss_without
    magnitudes = np.array(CURVE_MAGNITUDES)
    found["excess_curve_"] = {
        "magnitude": magnitudes,
        "excess": curve[0],
        "se": curve[1],
        "tolerance": np.array(constants.TOLERANCE),
    }
    return found


def _constrained_attributes(fitted, n_all):
    """Return the results of the primal-dual method, by name."""
    found = fitted.constrained
    if found is None:
        return {
            "dual_": np.zeros(n_all),
            "dual_path_": np.zeros((0, n_all)),
            "epsilon_": None,
        }
    return {
        "dual_": found.dual,
        "dual_path_": found.dual_path,
        "epsilon_": found.epsilon,
    }


class HeldAugmenterMixin:
    """Columns of the fitted `augmenter_`."""

    @property
    def n_features_in_(self) -> int:
        """Number of features seen during `fit`."""
        return held_attribute(self, "n_features_in_")

    @property
    def feature_names_in_(self) -> np.ndarray:
        """Names of features seen during `fit`, if they are all strings."""
        return held_attribute(self, "feature_names_in_")


def held_attribute(estimator, name):
    """Return an attribute of an estimator's `augmenter_`, or raise AttributeError."""
    if "augmenter_" not in vars(estimator):
        raise AttributeError(f"{type(estimator).__name__} is not fitted: no {name}.")
    return getattr(estimator.augmenter_, name)
