# SPDX-License-Identifier: BSD-3-Clause
"""What a classifier and a regressor that grow their training rows have in common."""

from numbers import Integral

import numpy as np
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from sktransform.augmentation._composed import GrowingMixin
from sktransform.augmentation._invariance_augmenter import InvarianceAugmenter
from sktransform.augmentation._learning import check_kind
from sktransform.augmentation._search.grown import fit_grown, seeded_clone
from sktransform.augmentation._search.tta import (
    AUTO_VERSIONS,
    averaged,
    averaging_helps,
    averaging_law,
)
from sktransform.augmentation._tabular.columns import ColumnTable
from sktransform.augmentation._tabular.encoder import Table
from sktransform.utils._sklearn import HasMethods, Interval, StrOptions


class AugmentedEstimator(GrowingMixin, CallbackSupportMixin):
    """Train an estimator on rows and versions of them; delegate the rest to it."""

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "augmenter": [InvarianceAugmenter, None],
        "n_copies": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "tta": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    def _fit_grown(self, X, y, sample_weight, groups):
        """Learn the law, grow the rows, and train a clone of the estimator on them."""
        check_kind(self.estimator, self._task_setting()["task"] == "classification")
        data, rows, sources = self._grow(X, y, sample_weight, groups, self.estimator)
        estimator = seeded_clone(self.estimator, self.seed_)
        self.estimator_ = fit_grown(estimator, data, rows, sources)
        self.tta_ = self._n_versions(data)
        return self

    def _n_versions(self, data):
        """Return the number of versions over which predictions are averaged."""
        if not len(self._averaging_law.active):
            return 0
        if self.tta != "auto":
            return int(self.tta)
        if data.target.is_classes and not hasattr(self.estimator, "predict_proba"):
            return 0
        transformations = self.augmenter_.transformations_
        helps = averaging_helps(
            self.estimator, data, transformations, self.augmenter_, self.seed_
        )
        return AUTO_VERSIONS if helps else 0

    @property
    def _averaging_law(self):
        """The law of versions over which predictions are averaged."""
        return averaging_law(self.augmenter_._law, self.augmenter_.status_)

    def _averaged(self, method, X):
        """Return results, averaged over versions of the rows if asked.

        The method is the name of one of the estimator's, or a function of rows.
        """
        check_is_fitted(self)
        if self.tta_ == 0:
            return getattr(self.estimator_, method)(X)
        augmenter = self.augmenter_
        augmenter._validate_names(X, reset=False)
        table = Table(ColumnTable.from_state(augmenter.law_["columns"]))

        def decode(rows, sources):
            return table.restored(rows, X, sources)

        law = self._averaging_law
        rows = table.rows(X).cpu()
        function = method if callable(method) else getattr(self.estimator_, method)
        return averaged(law, rows, decode, function, self.tta_, self.seed_)

    def get_metadata_routing(self):
        """Return which metadata `fit` takes, and what it hands to the estimator.

        Returns
        -------
        MetadataRouter
            scikit-learn's description of the routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator)
        tags.input_tags.allow_nan = own.input_tags.allow_nan
        tags.input_tags.categorical = own.input_tags.categorical
        tags.input_tags.string = own.input_tags.string
        tags.input_tags.sparse = False
        tags.target_tags.multi_output = own.target_tags.multi_output
        return tags


def estimator_has(name):
    """Return a check that the estimator has a method, for `available_if`."""

    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


def votes(scores, classes):
    """Return the class of the greatest score; of one column, by its sign."""
    scores = np.asarray(scores)
    if scores.ndim == 1:
        return classes[(scores > 0).astype(int)]
    return classes[scores.argmax(1)]


def shares(predictions, classes):
    """Return a column for each class that is 1 where it was predicted."""
    return (np.asarray(predictions)[:, None] == classes).astype(np.float64)
