# SPDX-License-Identifier: BSD-3-Clause
"""Versions of rows: drawn, made again from a record, and undone."""

import numpy as np
import torch
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sktransform.augmentation._policy.policy import apply_draw, draw_versions, undo_draw
from sktransform.augmentation._policy.replay import from_table, to_table
from sktransform.augmentation._policy.report import range_report
from sktransform.augmentation._random import VIEWS, root_seed, stream_seed
from sktransform.augmentation._search.grown import check_copies, draw_copies
from sktransform.augmentation._tabular.columns import ColumnTable
from sktransform.augmentation._tabular.encoder import Table, is_frame
from sktransform.augmentation.transforms._registry import from_record
from sktransform.utils._sklearn import fit_context


class ViewsMixin(TransformerMixin):
    """What a fitted law does to rows."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None, sample_weight=None, groups=None):
        """Learn the law, and return one version of each training row.

        This is what a pipeline trains its last step on; at prediction it calls
        `transform`, which changes nothing.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Training rows.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Classes, or numbers.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative.

        groups : array-like of shape (n_samples,), default=None
            Groups of the rows.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_samples, n_features)
            Versions in the container of X, each left as it is with probability
            `p_clean`, or after "constrain" with 1 through 1 plus the multipliers' sum.
            Rows of weight 0 are left as they are.

        Raises
        ------
        ValueError
            If rows, labels, weights or groups do not fit each other.
        """
        data = self._fit_reporting(X, y, sample_weight, groups)
        if not self.augment_in_fit_transform:
            return self.transform(X)
        law = self._law if data.labels is not None else self._law.without_labels()
        units = self._units(len(data), groups if data.groups is None else data.groups)
        clean = self.p_clean
        if self.strategy == "constrain" and hasattr(self, "dual_"):
            clean = 1 / (1 + self.dual_path_.mean(0).sum())
        key, chains = (self.seed_, VIEWS), self._chains
        if chains is None:
            draw = draw_versions(law, units, *key, clean_share=clean)
        else:
            draw = chains.versions(data, law, units, *key, clean_share=clean)
        versions = apply_draw(law, data.rows, draw, data.labels, self.batch_size)
        if sample_weight is None or len(data) == len(sample_weight):
            return data.decode(versions, data.numbers)
        table, rows = self._fitted_rows(X)
        rows[data.numbers] = versions
        return table.restored(rows, X)

    def transform(self, X):
        """Return the rows as they are: at prediction nothing changes.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_samples, n_features)
            A copy in the container of X.
        """
        table, rows = self._fitted_rows(X)
        if table.columns.names is None and is_frame(X):
            return rows.numpy()  # fitted to an array, it has no names to give
        return table.restored(rows, X)

    def inverse_transform(self, X):
        """Return the rows as they are: the exact inverse of `transform`.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_samples, n_features)
            A copy in the container of X.
        """
        return self.transform(X)

    def augment(
        self,
        X,
        n_copies=1,
        random_state=None,
        return_params=False,
        *,
        y=None,
        groups=None,
    ):
        """Return versions of rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows.

        n_copies : int, default=1
            Versions of each row.

        random_state : int, RandomState instance or None, default=None
            Draws them. None goes on in a stream of the fit's own: each call gives
            other versions, and the same calls after the same fit give the same.

        return_params : bool, default=False
            Whether to return also what was drawn.

        y : array-like of shape (n_samples,), default=None
            Classes of the rows. Without them, transformations that mix rows of one
            class are left out.

        groups : array-like of shape (n_samples,), default=None
            Groups that share their draws if ``draw="per_group"``.

        Returns
        -------
        versions : ndarray, data frame or Tensor of shape (n_samples * n_copies, \
n_features)
            The first version of each row, then the second of each, and so on; the
            rows themselves are not among them.

        params : dict of str to ndarray
            What `apply` and `inverse_augment` take: a table with a line for each
            transformation that acted on a row. Only if `return_params`.

        Raises
        ------
        ValueError
            If the rows are not those of the fit, y holds an unknown class, or
            ``law="mh"``, whose versions depend on the labels of the training rows.
        """
        table, rows = self._fitted_rows(X)
        if self._chains is not None:
            raise ValueError(
                "law='mh' compares versions by the loss of their labels, which only "
                "fit_transform and InvarianceResampler.fit_resample have; set "
                "law='uniform' or law='hard' for augment."
            )
        check_copies(n_copies)
        labels = self._codes_of(X, y)
        law = self._law if labels is not None else self._law.without_labels()
        units = self._units(len(rows), groups)
        draw = draw_copies(law, units, n_copies, self._next_seed(random_state))
        sources = np.tile(np.arange(len(rows)), n_copies)
        labels = None if labels is None else labels[sources]
        versions, exact = apply_draw(
            law, rows[sources], draw, labels, self.batch_size, return_exact=True
        )
        versions = table.restored(versions, X, sources)
        if not return_params:
            return versions
        copies = np.repeat(np.arange(n_copies), len(rows))
        labels = None if labels is None else labels.numpy()
        return versions, to_table(draw, exact, sources, copies, labels, self.names_)

    def apply(self, X, params):
        """Do again, bit for bit, what was drawn before.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows that `augment` was given, or others in their places.

        params : dict or data frame
            What `augment` returned.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_versions, n_features)
            The versions, in the order of the table.

        Raises
        ------
        ValueError
            If the table is of another fit, or names rows that X has not.
        """
        table, rows = self._fitted_rows(X)
        law = self._law
        draw, sources, labels = from_table(params, law.transformations)
        foreign = sources[(sources < 0) | (sources >= len(rows))]
        if len(foreign):
            raise ValueError(
                f"params names row {foreign[0]}, but X has {len(rows)} rows; give "
                "the rows that were augmented."
            )
        labels = None if labels is None else torch.from_numpy(labels)
        versions = apply_draw(law, rows[sources], draw, labels, self.batch_size)
        return table.restored(versions, X, sources)

    def inverse_augment(self, X, params, *, allow_lossy=False):
        """Return versions as the rows that they were made of.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_versions, n_features)
            Versions that `augment` returned.

        params : dict or data frame
            What it returned beside them.

        allow_lossy : bool, default=False
            Whether approximate inverses will do.

        Returns
        -------
        ndarray, data frame or Tensor of shape (n_versions, n_features)
            The rows: exact up to rounding, unless `allow_lossy`.

        Raises
        ------
        ValueError
            If a transformation that acted has no inverse, or, unless `allow_lossy`,
            only an approximate one; or if cells were clipped or rounded.
        """
        table, rows = self._fitted_rows(X)
        law = self._law
        draw, sources, _ = from_table(params, law.transformations)
        check_consistent_length(rows, sources)
        self._check_inverse(law, draw, params, allow_lossy)
        return table.restored(undo_draw(law, rows, draw), X)

    def _check_inverse(self, law, draw, params, allow_lossy):
        """Refuse, by name, what cannot be undone."""
        places, exact = np.asarray(params["place"]), np.asarray(params["exact"])
        for place in np.flatnonzero(draw.on.any(0)):
            name = self.names_[place]
            contract = law.transformations[place].inverse_contract
            if contract is None:
                raise ValueError(f"{name} has no inverse; leave these versions out.")
            if allow_lossy:
                continue
            if contract == "lossy":
                raise ValueError(
                    f"{name} has an approximate inverse only; set allow_lossy=True if "
                    "that will do."
                )
            if not exact[places == place].all():
                raise ValueError(
                    f"{name} moved cells that had to be clipped or rounded afterwards; "
                    "set allow_lossy=True if an approximate inverse will do."
                )

    @property
    def transformations_(self):
        """Transformations that were chosen from, bound to columns."""
        return tuple(from_record(record) for record in self.law_["records"])

    def report(self):
        """Return what was learned as a table.

        Returns
        -------
        pandas.DataFrame
            A row for each transformation: its status, its learned range, also in
            natural units, whether the law in use applies it, and its excess loss.
        """
        check_is_fitted(self)
        return range_report(self)

    def _fitted_rows(self, X):
        """Return the fitted way of tables, and the rows of this one."""
        check_is_fitted(self)
        self._validate_names(X, reset=False)
        table = Table(ColumnTable.from_state(self.law_["columns"]))
        return table, table.rows(X).cpu()

    def _codes_of(self, X, y):
        """Return codes of classes as a tensor, or None."""
        if y is None or self.classes_ is None:
            return None
        y = np.asarray(y)
        check_consistent_length(X, y)
        codes = np.searchsorted(self.classes_, y).clip(max=len(self.classes_) - 1)
        if (self.classes_[codes] != y).any():
            unknown = y[self.classes_[codes] != y][0]
            raise ValueError(f"y holds class {unknown}, which the fit has not seen.")
        return torch.from_numpy(codes)

    def _units(self, n_rows, groups):
        """Return numbers that rows share which share their draws."""
        if self.draw == "per_row" or groups is None:
            return np.arange(n_rows)
        check_consistent_length(np.empty(n_rows), groups)
        return np.unique(np.asarray(groups), return_inverse=True)[1]

    def _next_seed(self, random_state):
        """Return a seed; without a random state, the next of the fit's own stream."""
        if random_state is not None:
            return root_seed(random_state)
        self.n_calls_ += 1
        return stream_seed(self.seed_, VIEWS, self.n_calls_)
