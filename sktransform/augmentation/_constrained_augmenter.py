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
    """Require invariance to transformations, and draw each by its multiplier.

    For a model that must be robust to known changes, such as a tilted camera. A small
    network is trained under the constraint that its loss under each transformation
    stays below a bound; rows are then augmented in proportion to the Lagrange
    multipliers of the constraints. It does not find out which transformations
    leave the labels alone, and uses those of the largest loss most, see
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
        Multipliers of the K constraints, the mean over the last third of the training.

    dual_path_ : ndarray of shape (n_steps, K)
        Multipliers step by step.

    epsilon_ : float or None
        The bound; None for "relative".

    chosen_ : {"none", "policy"}
        "none" if all multipliers stayed 0: then nothing is augmented.

    names_ : list of str
        Names of the transformations.

    range_ : ndarray of shape (K,)
        Ranges, all 1: as declared.

    active_ : ndarray of bool of shape (K,)
        Which transformations the policy applies: those with a positive
        multiplier.

    status_ : list of str
        "declared" for each transformation.

    classes_ : ndarray of shape (n_classes,) or None
        The classes, None for numbers.

    n_copies_ : int
        Copies of each row for estimators that leave the number open.

    policy_ : dict
        The policy as plain records and arrays: transformations, references, ranges and
        probabilities.

    seed_ : int
        %(seed)s.

    n_features_in_ : int
        %(n_features_in)s.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        %(feature_names_in)s.

    See Also
    --------
    InvarianceAugmenter : Learns which transformations leave the labels alone.
    AugmentedClassifier : Trains an estimator on rows and augmented copies of them.

    Notes
    -----
    The primal-dual training is that of [1]_, its relaxation that of [2]_. Parameters
    are drawn from their declared distribution: the Metropolis-Hastings steps of [1]_,
    towards parameters of a large loss, brought less than more copies do. A copy has
    one transformation drawn by its share of the multipliers, averaged over the
    training; each other, of multiplier m, joins it with probability m / (1 + m).

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
        """Learn the multipliers, and the policy that they give.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s. Data frames may have columns of strings, categories and
            booleans; NaN is a missing cell.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Classes, or numbers.

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
            If rows, labels or declared transformations do not fit each other.
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
