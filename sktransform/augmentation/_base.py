# SPDX-License-Identifier: BSD-3-Clause
"""Base of the augmenters: augmented copies of rows, recorded, replayed and undone."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sktransform.augmentation._fitting import fit_augmenter
from sktransform.augmentation._policy.policy import (
    Policy,
    apply_draw,
    check_copies,
    draw_copies,
    draw_transformations,
    undo_draw,
)
from sktransform.augmentation._policy.replay import (
    check_invertible,
    from_table,
    to_table,
)
from sktransform.augmentation._policy.report import range_report
from sktransform.augmentation._random import AUGMENT, call_seed
from sktransform.augmentation._tabular.columns import ColumnTable
from sktransform.augmentation._tabular.dataset import check_names
from sktransform.augmentation._tabular.encoder import TableEncoder, is_frame
from sktransform.augmentation.transforms._base import from_record
from sktransform.base import TorchTransformer
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import fit_context
from sktransform.utils._typing import Output, RandomState


@fill_doc
class BaseAugmenter(OneToOneFeatureMixin, TorchTransformer):
    """Base of estimators that learn a policy and augment rows by it.

    A subclass has the parameters `transformations`, `shape`, `kinds`, `bounds`,
    `task` and `random_state`, and a `fit`.
    """

    # `transform` and its inverse are the identity.
    _inverse_contract = "exact"

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Output:
        """Learn the policy, and return one augmented copy of each training row.

        A pipeline trains its last step on this; at prediction it calls `transform`,
        which changes nothing.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Classes, or numbers.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        groups : array-like of shape (n_samples,), default=None
            %(groups)s.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_samples, n_features)
            Copies in the container of X. Some rows are unchanged: with probability
            0.5, or for :class:`ConstrainedAugmenter` with 1 / (1 + the sum of the
            multipliers). Rows of weight 0 are always unchanged.

        Raises
        ------
        ValueError
            If rows, labels, weights or groups do not fit each other.
        """
        dataset, fitted = fit_augmenter(self, X, y, sample_weight, groups, owner=self)
        policy, rows = fitted.policy, np.arange(len(dataset))
        if dataset.labels is None:
            policy = policy.without_labels()
        key = self.seed_, AUGMENT
        draw = draw_transformations(policy, rows, *key, clean_share=fitted.p_clean)
        copies = apply_draw(policy, dataset.rows, draw, dataset.labels)
        if sample_weight is None or len(dataset) == len(sample_weight):
            return dataset.decode(copies, dataset.indices)
        encoder, rows = self._encoded(X)
        rows[dataset.indices] = copies
        return encoder.decode(rows, X)

    def transform(self, X: ArrayLike) -> Output:
        """Return the rows unchanged: augmentation is for training.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_samples, n_features)
            A copy in the container of X.
        """
        encoder, rows = self._encoded(X)
        if encoder.columns.names is None and is_frame(X):
            return rows.numpy()  # fitted to an array, it has no names to give
        return encoder.decode(rows, X)

    def inverse_transform(self, X: ArrayLike) -> Output:
        """Return the rows unchanged: the exact inverse of `transform`.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_samples, n_features)
            A copy in the container of X.
        """
        return self.transform(X)

    def augment(
        self,
        X: ArrayLike,
        n_copies: int = 1,
        random_state: RandomState = None,
        return_params: bool = False,
        *,
        y: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Any:
        """Return augmented copies of rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X)s.

        n_copies : int, default=1
            Copies of each row.

        random_state : int, tuple of int, RandomState instance or None, default=None
            Seed of the draws. None draws anew at every call and in every process. A
            tuple such as ``(epoch, batch)`` is a key in the stream of the fit: one fit
            and one key always give the same copies, in any process.

        return_params : bool, default=False
            Whether to return also a record of the draws.

        y : array-like of shape (n_samples,), default=None
            Classes of the rows. Without them, transformations that mix rows of one
            class are left out.

        groups : array-like of shape (n_samples,), default=None
            Rows of one group share their draws. None draws for each row.

        Returns
        -------
        copies : ndarray, data frame or Tensor of shape (n_samples * n_copies, \
n_features)
            The first copy of each row, then the second of each, and so on; the rows
            themselves are not among them.

        params : dict of str to ndarray
            What `apply` and `inverse_augment` take: a table with a line for each
            transformation that acted on a row. Only if `return_params`.

        Raises
        ------
        ValueError
            If the columns are not those of the fit, or y holds an unknown class.
        """
        encoder, rows = self._encoded(X)
        check_copies(n_copies)
        labels = self._codes(X, y)
        policy = Policy.from_state(self.policy_)
        if labels is None:
            policy = policy.without_labels()
        units = np.arange(len(rows))
        if groups is not None:
            check_consistent_length(rows, groups)
            units = np.unique(np.asarray(groups), return_inverse=True)[1]
        seed = call_seed(self.seed_, random_state)
        draw = draw_copies(policy, units, n_copies, seed)
        sources = np.tile(np.arange(len(rows)), n_copies)
        labels = None if labels is None else labels[sources]
        made, exact = apply_draw(policy, rows[sources], draw, labels, return_exact=True)
        made = encoder.decode(made, X, sources)
        if not return_params:
            return made
        copies = np.repeat(np.arange(n_copies), len(rows))
        labels = None if labels is None else labels.numpy()
        return made, to_table(draw, exact, sources, copies, labels, self.names_)

    def apply(self, X: ArrayLike, params: Any) -> Output:
        """Repeat recorded transformations, bit for bit.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows that `augment` was given, or others in their order.

        params : dict or data frame
            What `augment` returned.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_copies, n_features)
            The augmented copies, in the order of the table.

        Raises
        ------
        ValueError
            If the table is of another fit, or names rows that X has not.
        """
        encoder, rows = self._encoded(X)
        policy = Policy.from_state(self.policy_)
        draw, sources, labels = from_table(params, policy.transformations)
        foreign = sources[(sources < 0) | (sources >= len(rows))]
        if len(foreign):
            raise ValueError(
                f"params names row {foreign[0]}, but X has {len(rows)} rows; give "
                "the rows that were augmented."
            )
        labels = None if labels is None else torch.from_numpy(labels)
        copies = apply_draw(policy, rows[sources], draw, labels)
        return encoder.decode(copies, X, sources)

    def inverse_augment(
        self, X: ArrayLike, params: Any, *, allow_lossy: bool = False
    ) -> Output:
        """Return augmented copies as the rows that they were made of.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_copies, n_features)
            Copies that `augment` returned.

        params : dict or data frame
            The record that it returned beside them.

        allow_lossy : bool, default=False
            Whether to undo also transformations whose inverse is an approximation.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_copies, n_features)
            The rows: exact up to rounding, unless `allow_lossy`.

        Raises
        ------
        ValueError
            If a transformation that acted has no inverse, or, unless `allow_lossy`,
            only an approximate one; or if cells were clipped or rounded.
        """
        encoder, rows = self._encoded(X)
        policy = Policy.from_state(self.policy_)
        draw, sources, _ = from_table(params, policy.transformations)
        check_consistent_length(rows, sources)
        check_invertible(policy, draw, params, self.names_, allow_lossy)
        return encoder.decode(undo_draw(policy, rows, draw), X)

    @property
    def transformations_(self) -> tuple[Any, ...]:
        """Transformations that were chosen from, bound to columns."""
        return tuple(from_record(record) for record in self.policy_["records"])

    def report(self) -> Any:
        """Return the learned policy as a table.

        Returns
        -------
        pandas.DataFrame
            A row for each transformation: its status, its learned range, also in
            natural units, whether the policy in use applies it, and the excess loss or
            the multiplier that were measured.
        """
        check_is_fitted(self)
        return range_report(self)

    def _encoded(self, X):
        """Return the fitted encoder of tables, and this one as rows of numbers."""
        check_is_fitted(self)
        check_names(self, X, reset=False)
        encoder = TableEncoder(ColumnTable.from_state(self.policy_["columns"]))
        return encoder, encoder.encode(X).cpu()

    def _codes(self, X, y):
        """Return codes of classes as a tensor, or None."""
        if y is None or self.classes_ is None:
            return None
        y = np.asarray(y)
        check_consistent_length(X, y)
        codes = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        if (self.classes_[codes] != y).any():
            unknown = y[self.classes_[codes] != y][0]
            raise ValueError(
                f"y holds class {unknown}, which the fit has not seen; give classes of "
                f"{self.classes_}."
            )
        return torch.from_numpy(codes)
