# SPDX-License-Identifier: BSD-3-Clause
"""One-to-one matching of the units of two networks by their correlations."""

from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment

from sktransform.alignment._base import MomentAligner
from sktransform.alignment._degenerate import constant_views, warn_of_constant_views
from sktransform.alignment._moments.folds import FoldMoments
from sktransform.base import TorchTransformer
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import Runtime
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import fit_context
from sktransform.utils._typing import Output

# A standard deviation below this share of the mean is rounding.
_ROUNDING = 1e-14

# Decimals of the correlations that are compared, so that ties are ties in any order.
_DECIMALS = 10


def _deviations(means, scatter, weight):
    """Return standard deviations of columns, exactly 0 where they are rounding."""
    deviations = (scatter.diagonal() / weight).clamp_min(0).sqrt()
    return deviations * (deviations > _ROUNDING * means.abs())


def unit_correlations(moments):
    """Return correlations between the columns of two views.

    `correlations`: Pearson's correlations; 0 where a column is constant.
    `deviations_x`: standard deviations of the first view; 0 of constant columns.
    `deviations_y`: the same of the second view.

    Returned: correlations (n_inputs, n_outputs), deviations_x (n_inputs,), deviations_y
    (n_outputs,).
    """
    deviations_x = _deviations(moments.mean_x, moments.xx, moments.weight)
    deviations_y = _deviations(moments.mean_y, moments.yy, moments.weight)
    products = torch.outer(deviations_x, deviations_y)
    correlations = moments.covariance_xy / products.where(products > 0, torch.inf)
    return correlations.clamp(-1, 1), deviations_x, deviations_y


def matched_units(correlations, signed):
    """Return the one-to-one matching of largest total correlation.

    `signed`: whether a negative correlation counts like a positive one.
    `outputs`: their partners, in rising order if all of them are matched.

    Shapes: correlations (n_inputs, n_outputs) -> inputs (n_matched,), outputs
    (n_matched,).
    """
    gains = correlations.abs() if signed else correlations
    rounded = gains.cpu().numpy().round(_DECIMALS)
    pairs = linear_sum_assignment(rounded.T, maximize=True)
    outputs, inputs = (torch.from_numpy(indices).to(gains.device) for indices in pairs)
    return inputs, outputs


def matching_map(moments, signed, rescale):
    """Return the map that takes each unit to its partner.

    Returned: "coef" of shape (n_outputs, n_inputs), with at most one entry in a row or
    column, "intercept", "permutation" and "correlations" of shape (n_outputs,).

    `rescale`: whether units take the mean and the standard deviation of their partners.
    """
    correlations, deviations_x, deviations_y = unit_correlations(moments)
    inputs, outputs = matched_units(correlations, signed)
    matched = correlations[inputs, outputs]
    factors = torch.ones_like(matched)
    if rescale:
        ratios = deviations_y[outputs] / deviations_x[inputs]
        factors = ratios.where(ratios.isfinite() & (ratios > 0), factors)
    if signed:
        factors = factors.where(matched >= 0, -factors)
    coef = correlations.new_zeros(correlations.T.shape)
    coef[outputs, inputs] = factors
    intercept = moments.mean_y.clone()
    intercept[outputs] -= factors * moments.mean_x[inputs]
    if not rescale:
        intercept[outputs] = 0
    found = torch.zeros_like(intercept)
    found[outputs] = matched
    permutation = torch.full_like(intercept, -1, dtype=torch.int64)
    permutation[outputs] = inputs
    return {
        "coef": coef,
        "intercept": intercept,
        "permutation": permutation,
        "correlations": found,
    }


@fill_doc
class PermutationAligner(MomentAligner):
    """Match the units of one network with those of another.

    Independently trained networks may have learned the same units in a different order.
    The aligner finds the one-to-one matching of units with the largest sum of
    correlations, and `transform` puts the units into the order of their partners.
    Unlike other aligners it does not mix units, as is needed to merge the weights of
    networks or to compare single units.

    Parameters
    ----------
    signed : bool, default=False
        Whether a unit may be matched with the negative of another; `transform` then
        negates it. Use False for units that are never negative.

    rescale : bool, default=True
        Whether `transform` shifts and scales each unit to the mean and the standard
        deviation of its partner. With False the values are not changed.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    permutation_ : ndarray of shape (n_outputs,)
        For each unit of the target the index of its partner in X; -1 if there is none.

    correlations_ : ndarray of shape (n_outputs,)
        Correlation of each unit of the target with its partner, negative for a negated
        unit; 0 without a partner.

    coef_ : ndarray of shape (n_outputs, n_features)
        Linear part of the map: one nonzero entry in the row of each matched unit.

    intercept_ : ndarray of shape (n_outputs,)
        Constant part of the map.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    moments_ : dict of str to ndarray
        Total weight, means and scatter matrices of all pairs seen, with a first axis of
        length 1.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    OrthogonalAligner : Maps by a matrix that mixes units.

    Notes
    -----
    Between views of different widths all units of the narrower one are matched. Target
    units without a partner are predicted by their mean; units of X without a partner
    are dropped.

    Constant units have correlation 0 with all others. They are matched with the
    remaining units, and are not scaled.

    The time of the matching grows with the cube of the number of units. To match the
    layers of a network one after the other is called activation matching in [1]_ and
    [2]_.

    References
    ----------
    .. [1] Y. Li et al., "Convergent learning: do different neural networks learn the
       same representations?", ICLR 2016, arXiv:1511.07543.
    .. [2] S. K. Ainsworth, J. Hayase and S. Srinivasa, "Git Re-Basin: merging models
       modulo permutation symmetries", ICLR 2023, arXiv:2209.04836.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import PermutationAligner
    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> y = 3.0 * X[:, [2, 0, 3, 1]] + 1.0
    >>> aligner = PermutationAligner().fit(X, y)
    >>> aligner.permutation_
    array([2, 0, 3, 1])
    >>> bool(np.allclose(aligner.transform(X), y))
    True
    """

    _inverse_contract = "exact"

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "signed": ["boolean"],
        "rescale": ["boolean"],
    }

    def __init__(
        self, *, signed: bool = False, rescale: bool = True, device: str = "auto"
    ) -> None:
        self.signed = signed
        self.rescale = rescale
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Match units by their values on pairs of rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Values of the units of the first network.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Values of the units of the second network on the same inputs.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        Returns
        -------
        PermutationAligner
            The fitted aligner.

        Raises
        ------
        ValueError
            If X or y is not numeric, finite and two-dimensional, or their rows differ
            in number.
        """
        moments = self._moments_of(X, y, sample_weight, reset=True)
        with FitProgress(self, max_iter=1) as progress:
            self._assign(moments)
            progress.step()
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Update the matching with a further block of rows.

        The result is that of `fit` on all rows, whatever their order and split into
        blocks. Rows of an earlier `fit` are included.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Values of the units of the first network.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Values of the units of the second network on the same inputs.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        Returns
        -------
        PermutationAligner
            The fitted aligner.

        Raises
        ------
        ValueError
            If X or y is not numeric, finite and two-dimensional, if their numbers of
            rows differ, or if their columns differ from those of earlier blocks.
        """
        reset = not hasattr(self, "moments_")
        moments = self._moments_of(X, y, sample_weight, reset=reset)
        if not reset:
            moments = self._kept_moments(device=moments.folds[0].xx.device).merge(
                moments
            )
        with FitProgress(self, max_iter=1) as progress:
            self._assign(moments)
            progress.step()
        return self

    def merge(self, other: Self) -> Self:
        """Return the aligner of the rows of two aligners.

        Parameters
        ----------
        other : PermutationAligner
            An aligner with the same parameters, fitted to other rows of the same views.

        Returns
        -------
        PermutationAligner
            A new aligner, equal up to rounding to one fitted to all rows. The two
            aligners are not changed.

        Raises
        ------
        ValueError
            If parameters, numbers of columns or names of features differ.
        """
        merged, moments = self._merged_with(other, n_folds=1)
        merged._assign(moments)
        return merged

    def _moments_of(self, X, y, sample_weight, *, reset):
        """Return the moments of validated rows, as one fold."""
        X, Y, weights = self._validate_pairs(X, y, sample_weight, reset=reset)
        return FoldMoments.from_rows(*self._runtime(X).tensors(X, Y, weights))

    def _assign(self, moments):
        """Set the fitted attributes from moments."""
        total = moments.total()
        warn_of_constant_views(constant_views(total), "units stay in their order")
        found = matching_map(total, self.signed, self.rescale)
        self.coef_, self.intercept_, self.permutation_, self.correlations_ = (
            Runtime.arrays(*found.values())
        )
        (self.mean_,) = Runtime.arrays(total.mean_x)
        self.moments_ = Runtime.state(moments.tensors())

    def inverse_transform(self, X: ArrayLike) -> Output:
        """Put units back into the order of the first network.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_outputs)
            Values of the units of the second network.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_features)
            Values of the units of the first network: exact if the target has at least
            as many units. Units that `transform` drops are set to their mean (least
            squares).
        """
        return self._map_back(X, reciprocals)


def reciprocals(coef):
    """Return the transposed matrix with the reciprocals of its entries, 0 for 0."""
    inverse = np.zeros_like(coef)
    np.divide(1.0, coef, out=inverse, where=coef != 0)
    return inverse.T
