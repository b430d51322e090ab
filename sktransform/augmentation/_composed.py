# SPDX-License-Identifier: BSD-3-Clause
"""What the estimators that hold an augmenter share: learn its law, then grow rows."""

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import has_fit_parameter

from sktransform.augmentation._invariance_augmenter import InvarianceAugmenter
from sktransform.augmentation._learning import summary
from sktransform.augmentation._random import COPIES, root_seed
from sktransform.augmentation._search.grown import grown_rows
from sktransform.runtime._callbacks import FitProgress


def prepared_augmenter(augmenter, **settings):
    """Return a clone with settings where it says nothing itself, checked.

    Parameters
    ----------
    augmenter : InvarianceAugmenter or None
        What the user gave.

    **settings : object
        Parameters that are set where the augmenter has None or "auto".

    Returns
    -------
    InvarianceAugmenter
        The augmenter, not fitted.
    """
    prepared = InvarianceAugmenter() if augmenter is None else clone(augmenter)
    unsaid = {
        name: value
        for name, value in settings.items()
        if getattr(prepared, name) is None or getattr(prepared, name) == "auto"
    }
    prepared.set_params(**unsaid)
    prepared._validate_params()
    return prepared


class GrowingMixin:
    """Learn a law in `fit`, and make rows by it."""

    def _grow(self, X, y, sample_weight, groups, estimator=None, n_further_tasks=0):
        """Fit the augmenter, and return labelled rows, grown rows and their sources."""
        root = root_seed(self.random_state)
        setting = self._task_setting()
        augmenter = prepared_augmenter(
            self.augmenter,
            estimator=estimator,
            n_copies=self.n_copies,
            random_state=root,
            **setting,
        )
        if augmenter.task != setting.get("task", augmenter.task):
            raise ValueError(
                f"{type(self).__name__} is for {setting['task']}, but its augmenter "
                f"has task={augmenter.task!r}; leave that at 'auto'."
            )
        passes_weights = _passes_weights(self, estimator, sample_weight)
        n_tasks = augmenter.max_rounds + 1 + n_further_tasks
        with FitProgress(self, max_iter=n_tasks, X=X, y=y) as progress:
            data = augmenter._fit(
                X, y, sample_weight, groups, progress.step, passes_weights
            )
        self.augmenter_, self.seed_ = augmenter, root
        n_copies = 0
        if augmenter.active_.any():
            own = self.n_copies == "auto"
            n_copies = augmenter.n_copies_ if own else self.n_copies
        units = augmenter._units(len(data), data.groups)
        rows, sources = grown_rows(
            data,
            augmenter._law,
            n_copies,
            root,
            COPIES,
            draw_groups=units,
            chains=augmenter._chains,
        )
        if augmenter.verbose:
            print(f"{type(self).__name__}: {summary(augmenter)}")
        return data, rows, sources

    def _task_setting(self):
        """Return what the class itself says about the task."""
        return {}

    @property
    def n_features_in_(self):
        """Number of features seen during `fit`."""
        return self._of_augmenter("n_features_in_")

    @property
    def feature_names_in_(self):
        """Names of features seen during `fit`, if they are all strings."""
        return self._of_augmenter("feature_names_in_")

    def _of_augmenter(self, name):
        if "augmenter_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} is not fitted: no {name}.")
        return getattr(self.augmenter_, name)


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
            "takes no sample_weight. Fit without them, or enable metadata routing."
        )
    return True


def unique_sources(data, sources):
    """Return the numbers of the sources in the table that the caller gave."""
    return np.asarray(data.numbers)[sources]
