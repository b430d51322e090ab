# SPDX-License-Identifier: BSD-3-Clause
"""Base of estimators that train on augmented copies if these improve them."""

from numbers import Integral
from typing import Any

from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from sktransform.augmentation._base import BaseAugmenter
from sktransform.augmentation._fitting import (
    HeldAugmenterMixin,
    fit_held_augmenter,
    n_training_copies,
)
from sktransform.augmentation._invariance_augmenter import InvarianceAugmenter
from sktransform.augmentation._policy.policy import Policy, augmented_rows
from sktransform.augmentation._random import COPIES
from sktransform.augmentation._search.tta import (
    AUTO_COPIES,
    averaged,
    averaging_helps,
    averaging_policy,
)
from sktransform.augmentation._tabular.columns import ColumnTable
from sktransform.augmentation._tabular.dataset import (
    check_names,
    check_task,
    fit_estimator,
    seeded_clone,
)
from sktransform.augmentation._tabular.encoder import TableEncoder
from sktransform.utils._sklearn import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
)
from sktransform.utils._typing import RandomState


class AugmentedEstimator(HeldAugmenterMixin, CallbackSupportMixin):
    """Training of an estimator on augmented rows, and averaged predictions."""

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "augmenter": [BaseAugmenter, None],
        "n_copies": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "tta": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        augmenter: Any = None,
        *,
        n_copies: int | str = "auto",
        tta: int | str = 0,
        random_state: RandomState = None,
    ) -> None:
        self.estimator = estimator
        self.augmenter = augmenter
        self.n_copies = n_copies
        self.tta = tta
        self.random_state = random_state

    def _fit_augmented(self, X, y, sample_weight, groups, task):
        """Learn the policy, and train on the rows and augmented copies of them."""
        check_task(self.estimator, task == "classification")
        augmenter = self.augmenter
        if augmenter is None:
            augmenter = InvarianceAugmenter()
        augmenter, dataset, fitted, root = fit_held_augmenter(
            self, augmenter, X, y, sample_weight, groups, task=task
        )
        rows, sources = augmented_rows(
            dataset,
            fitted.policy,
            n_training_copies(self, augmenter),
            root,
            COPIES,
        )
        self.augmenter_, self.seed_ = augmenter, root
        estimator = seeded_clone(self.estimator, root)
        self.estimator_ = fit_estimator(estimator, dataset, rows, sources)
        self.tta_ = self._n_averaged(dataset, fitted)
        return self

    def _n_averaged(self, dataset, fitted):
        """Return the number of augmented copies that predictions are averaged over."""
        if not len(averaging_policy(fitted.policy, fitted.status).active):
            return 0
        if self.tta != "auto":
            return int(self.tta)
        if dataset.target.is_classes and not hasattr(self.estimator, "predict_proba"):
            return 0
        helps = averaging_helps(
            self.estimator,
            dataset,
            fitted.policy,
            fitted.status,
            self.augmenter_.n_copies_,
            self.seed_,
        )
        return AUTO_COPIES if helps else 0

    def _averaged(self, method, X):
        """Return results of a method, by name or as a function, averaged if asked."""
        check_is_fitted(self)
        if self.tta_ == 0:
            return getattr(self.estimator_, method)(X)
        augmenter = self.augmenter_
        check_names(augmenter, X, reset=False)
        encoder = TableEncoder(ColumnTable.from_state(augmenter.policy_["columns"]))

        def decode(rows, sources):
            return encoder.decode(rows, X, sources)

        policy = Policy.from_state(augmenter.policy_)
        policy = averaging_policy(policy, augmenter.status_)
        rows = encoder.encode(X).cpu()
        function = method if callable(method) else getattr(self.estimator_, method)
        return averaged(policy, rows, decode, function, self.tta_, self.seed_)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the metadata that `fit` takes and passes to the estimator.

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
