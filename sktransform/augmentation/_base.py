# SPDX-License-Identifier: BSD-3-Clause
"""Base of the augmenters: augmented copies of rows, with record, replay and inverse."""

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

        A pipeline calls this method in training, so that its last step is trained on
        the copies. At prediction it calls `transform`, which returns the rows
        unchanged.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Class labels, or targets of a regression.

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
            If rows, labels, weights or groups are inconsistent.
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
            Number of copies of each row.

        random_state : int, tuple of int, RandomState instance or None, default=None
            Seed of the draws. With None the copies differ in every call and process. A
            tuple such as ``(epoch, batch)`` is combined with the seed of the fit: the
            same fit and tuple give the same copies in any process.

        return_params : bool, default=False
            Whether to return a record of the draws too.

        y : array-like of shape (n_samples,), default=None
            Classes of the rows. If None, transformations that mix rows of one class are
            not used.

        groups : array-like of shape (n_samples,), default=None
            Groups of rows that share their draws. None draws independently for each
            row.

        Returns
        -------
        copies : ndarray, data frame or Tensor of shape (n_samples * n_copies, \
n_features)
            The first copy of every row, then the second copy of every row, and so on,
            without the unchanged rows.

        params : dict of str to ndarray
            The record, which `apply` and `inverse_augment` take: the columns of a table
            with one line for each transformation that was applied to a row. Returned
            only if `return_params` is True.

        Raises
        ------
        ValueError
            If X does not have the columns of the fit, or if y has an unknown class.
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
        """Apply recorded transformations again.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows that were passed to `augment`, or other rows, to which the recorded
            transformations are applied by row index.

        params : dict or data frame
            The record returned by `augment`.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_copies, n_features)
            The augmented copies, in the order of the record. For the original rows they
            have the bits of the recorded copies.

        Raises
        ------
        ValueError
            If the record belongs to another fit, or has indices beyond the rows of X.
        """
        encoder, rows = self._encoded(X)
        policy = Policy.from_state(self.policy_)
        draw, sources, labels = from_table(params, policy.transformations)
        foreign = sources[(sources < 0) | (sources >= len(rows))]
        if len(foreign):
            raise ValueError(
                f"params refers to row {foreign[0]}, but X has {len(rows)} rows; give "
                "the rows that were augmented."
            )
        labels = None if labels is None else torch.from_numpy(labels)
        copies = apply_draw(policy, rows[sources], draw, labels)
        return encoder.decode(copies, X, sources)

    def inverse_augment(
        self, X: ArrayLike, params: Any, *, allow_lossy: bool = False
    ) -> Output:
        """Invert recorded transformations.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_copies, n_features)
            Copies returned by `augment`.

        params : dict or data frame
            The record returned with the copies.

        allow_lossy : bool, default=False
            Whether to accept transformations whose inverse is an approximation, and
            clipped or rounded cells.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_copies, n_features)
            The original rows, one for each copy: exact up to rounding, or approximate
            with ``allow_lossy=True``.

        Raises
        ------
        ValueError
            If an applied transformation has no inverse. With ``allow_lossy=False`` also
            if an inverse is approximate, or if cells were clipped or rounded.
        """
        encoder, rows = self._encoded(X)
        policy = Policy.from_state(self.policy_)
        draw, sources, _ = from_table(params, policy.transformations)
        check_consistent_length(rows, sources)
        check_invertible(policy, draw, params, self.names_, allow_lossy)
        return encoder.decode(undo_draw(policy, rows, draw), X)

    @property
    def transformations_(self) -> tuple[Any, ...]:
        """Candidate transformations, with columns as indices."""
        return tuple(from_record(record) for record in self.policy_["records"])

    def report(self) -> Any:
        """Return the learned policy as a table.

        Returns
        -------
        pandas.DataFrame
            One row for each transformation, with its status, its learned range (as a
            fraction and in natural units), whether the policy in use applies it, and
            its measured excess loss or Lagrange multiplier.
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
                f"y has class {unknown}, which the fit has not seen; give classes of "
                f"{self.classes_}."
            )
        return torch.from_numpy(codes)
