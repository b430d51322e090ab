# SPDX-License-Identifier: BSD-3-Clause
"""Augmenter that requires invariance: the primal-dual method."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Self

from numpy.typing import ArrayLike

from sktransform.augmentation._base import BaseAugmenter
from sktransform.augmentation._fitting import fit_augmenter
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, StrOptions, fit_context
from sktransform.utils._typing import RandomState


@fill_doc
class ConstrainedAugmenter(BaseAugmenter):
    """Require invariance to transformations, and draw them by Lagrange multipliers.

    Use it for a model that must be robust to known changes, such as a tilted camera. A
    small proxy network is trained under the constraint that its loss under each
    transformation is at most a bound. Copies are then drawn in proportion to the
    Lagrange multipliers of the constraints. Transformations with a large loss are used
    most, even if they change labels; to learn which transformations keep the labels use
    :class:`InvarianceAugmenter`.

    Parameters
    ----------
    transformations : "default" or list of Transformation, default="default"
        Required transformations. "default" takes those that the kinds of the columns,
        or the `shape` of images and series, allow.

    epsilon : float, "auto" or "relative", default="relative"
        Bound on the loss under each transformation, in nats or shares of variance.
        "relative" is 0.05 more than the loss of the same rows unchanged, "auto" 0.05
        more than the held-out loss without augmentation.

    alpha : float or None, default=None
        Quadratic penalty on relaxing a constraint, such as 2.0. None: hard constraints.

    shape : tuple of int, default=None
        %(shape)s.

    task : {"auto", "classification", "regression"}, default="auto"
        Kind of target. "auto" infers it from y.

    kinds : dict, default=None
        "continuous", "integer", "categorical" or "boolean" for columns, by index or
        name, whose kind the cells do not show.

    bounds : {"train", "none"} or tuple of float, default="train"
        Allowed values of numeric columns: the training range, all, or (least, largest).

    random_state : int, RandomState instance or None, default=None
        %(random_state)s.

    Attributes
    ----------
    dual_ : ndarray of shape (K,)
        Lagrange multipliers of the K constraints, averaged over the last third of the
        training.

    dual_path_ : ndarray of shape (n_steps, K)
        Lagrange multipliers after each step of the training.

    epsilon_ : float or None
        The bound on the loss; None for ``epsilon="relative"``.

    chosen_ : {"none", "policy"}
        "policy", or "none" if all multipliers stayed 0, so that no copy is changed.

    names_ : list of str
        Names of the transformations.

    range_ : ndarray of shape (K,)
        Ranges of the transformations, all 1 (the declared range).

    active_ : ndarray of bool of shape (K,)
        Whether the policy applies each transformation: True if its multiplier is above
        0.

    status_ : list of str
        "declared" for each transformation.

    classes_ : ndarray of shape (n_classes,) or None
        The classes; None for regression.

    n_copies_ : int
        Number of copies of each row, used by estimators with ``n_copies="auto"``.

    policy_ : dict
        The policy as records and arrays: transformations, their statistics of the
        training rows ("references"), ranges and probabilities.

    seed_ : int
        %(seed)s.

    n_features_in_ : int
        %(n_features_in)s.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        %(feature_names_in)s.

    See Also
    --------
    InvarianceAugmenter : Learns which transformations keep the labels.
    AugmentedClassifier : Trains an estimator on rows and augmented copies of them.

    Notes
    -----
    The primal-dual training is that of [1]_, its relaxation that of [2]_. The
    parameters of a transformation are drawn from its declared distribution: the
    Metropolis-Hastings steps of [1]_, which prefer parameters with a large loss,
    improved accuracy less than a larger number of copies did. Each copy draws one
    transformation with probability proportional to its multiplier, averaged over the
    training, and adds every other transformation with probability ``m / (1 + m)``,
    where m is the multiplier of the added transformation.

    References
    ----------
    .. [1] I. Hounie, L. F. O. Chamon, A. Ribeiro, "Automatic data augmentation via
       invariance-constrained learning", ICML 2023, arXiv:2209.15031.
    .. [2] I. Hounie, A. Ribeiro, L. F. O. Chamon, "Resilient constrained learning",
       NeurIPS 2023, arXiv:2306.02426.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.augmentation import ConstrainedAugmenter
    >>> from sktransform.augmentation.transforms import Rotate
    >>> X = np.random.default_rng(0).normal(size=(120, 3))
    >>> y = (X[:, 0] ** 2 + X[:, 1] ** 2 > 1.4).astype(int)
    >>> true, false = Rotate([0, 1]), Rotate([0, 2])
    >>> augmenter = ConstrainedAugmenter([true, false], bounds="none", random_state=0)
    >>> bool(np.diff(augmenter.fit(X, y).dual_) > 0)  # the false one costs more
    True
    """

    _parameter_constraints: dict = {
        "transformations": [StrOptions({"default"}), list, tuple],
        "epsilon": [
            Interval(Real, 0, None, closed="left"),
            StrOptions({"auto", "relative"}),
        ],
        "alpha": [Interval(Real, 0, None, closed="neither"), None],
        "shape": [tuple, list, Integral, None],
        "task": [StrOptions({"auto", "classification", "regression"})],
        "kinds": [dict, None],
        "bounds": [StrOptions({"train", "none"}), tuple, list],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        transformations: Any = "default",
        *,
        epsilon: float | str = "relative",
        alpha: float | None = None,
        shape: tuple[int, ...] | None = None,
        task: str = "auto",
        kinds: Mapping[str, Any] | None = None,
        bounds: str | tuple[Any, ...] = "train",
        random_state: RandomState = None,
    ) -> None:
        self.transformations = transformations
        self.epsilon = epsilon
        self.alpha = alpha
        self.shape = shape
        self.task = task
        self.kinds = kinds
        self.bounds = bounds
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the Lagrange multipliers and the policy.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s. Data frames may have columns of strings, categories and
            booleans. NaN marks missing cells.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or targets of a regression.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        groups : array-like of shape (n_samples,), default=None
            %(groups)s.

        Returns
        -------
        ConstrainedAugmenter
            The fitted augmenter.

        Raises
        ------
        ValueError
            If rows and labels are inconsistent, or if a transformation does not fit the
            columns.
        """
        fit_augmenter(self, X, y, sample_weight, groups, owner=self)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.non_deterministic = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags
