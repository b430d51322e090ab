# SPDX-License-Identifier: BSD-3-Clause
"""Augmenter that learns which transformations leave the labels alone, and how far."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.utils import get_tags

from sktransform.augmentation._base import BaseAugmenter
from sktransform.augmentation._fitting import fit_augmenter
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import HasMethods, Interval, StrOptions, fit_context
from sktransform.utils._typing import RandomState


@fill_doc
class InvarianceAugmenter(BaseAugmenter):
    """Learn which transformations of rows leave their labels alone, and how far.

    At prediction nothing changes: `transform` returns the rows as they are. Only
    `fit_transform`, which a pipeline calls on training rows, and `augment` return
    augmented copies. Rows held out by a cross-validation are therefore never changed.

    Parameters
    ----------
    transformations : "default" or list of Transformation, default="default"
        Transformations to choose from. "default" takes those that the kinds of the
        columns, or the `shape` of images and series, allow.

    learn : bool, default=True
        Whether to learn anything. False augments without learning: all transformations
        at their full range, no labels needed.

    shape : tuple of int, default=None
        %(shape)s.

    estimator : estimator, default=None
        Downstream estimator; the policy is accepted only if it improves this one. None
        takes a small network.

    task : {"auto", "classification", "regression"}, default="auto"
        Kind of target. "auto" takes that of the estimator, or infers it from y.

    kinds : dict, default=None
        "continuous", "integer", "categorical" or "boolean" for columns, by index or
        name, whose kind the cells do not show.

    bounds : {"train", "none"} or tuple of float, default="train"
        Allowed values of numeric columns: the training range, all, or (least, largest).

    n_copies : int or "auto", default="auto"
        Copies of each row in the acceptance test. "auto" is ``2400 // n_samples``,
        clipped to [2, 8].

    n_jobs : int, default=None
        %(n_jobs)s.

    random_state : int, RandomState instance or None, default=None
        %(random_state)s.

    Attributes
    ----------
    chosen_ : {"none", "policy", "unshrunk"}
        Which policy is in use: that of the range filter, the same without the
        transformations that had to shrink, or none. "none" is a normal answer.

    names_ : list of str
        Names of the K transformations.

    range_ : ndarray of shape (K,)
        Learned ranges, from 0, rejected, to 1, as declared.

    active_ : ndarray of bool of shape (K,)
        Which transformations the policy in use applies.

    status_ : list of str
        "rejected", "shrunk", "kept" (shown to be harmless), "inconclusive" (neither of
        them), or "declared" where nothing was learned.

    excess_ : ndarray of shape (K,)
        Held-out loss under each transformation at full range less that of the rows.

    excess_se_ : ndarray of shape (K,)
        Standard errors of the excess.

    excess_curve_ : dict of str to ndarray
        ``"magnitude"`` (M,), and ``"excess"`` and ``"se"`` (K, M), NaN where a
        transformation has no such magnitude; ``"tolerance"``, the excess that is
        allowed: 0.03 of the Brier score, or of the target's variance.

    rounds_ : list of dict
        For each round of the filter ``"clean_loss"``, ``"range"`` and ``"active"``.

    clean_loss_ : float
        Held-out loss of the proxy network on unchanged rows in the chosen round; NaN
        without rounds.

    clean_loss_none_ : float
        The same for a network trained without augmentation.

    acceptance_losses_ : dict of str to float
        Held-out losses of the estimator without augmentation (``"none"``), with rows
        merely repeated (``"repeated"``, a control), and with each candidate.

    acceptance_gain_ : float
        Decrease of the estimator's loss by the candidate that was best at first.

    acceptance_se_ : float
        Standard error of the gain.

    classes_ : ndarray of shape (n_classes,) or None
        The classes, None for numbers.

    n_copies_ : int
        Copies of each row in the acceptance test.

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
    ConstrainedAugmenter : Requires invariance instead of testing for it.
    AugmentedClassifier : Trains an estimator on rows and augmented copies of them.
    InvarianceResampler : Returns more rows, for imbalanced-learn's pipelines.

    Notes
    -----
    ``fit_transform(X, y)`` differs from ``fit(X, y).transform(X)`` on purpose, as that
    of :class:`sklearn.preprocessing.TargetEncoder` does.

    One network is trained on all transformations at once, and on held-out rows the
    excess loss of each is measured. The worst half of those with too much of it loses
    half of its range, round by round; of the rounds whose loss on unchanged rows is
    within a standard error of the best, the last is the policy. Then an acceptance test
    asks the estimator, by the Brier score of calibrated held-out scores, whether it
    improves; a gain that is not clear is the mean over two partitions into folds.
    Tables of fewer than 200 rows have more folds, and two partitions always. Standard
    errors heed the groups.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.augmentation import InvarianceAugmenter
    >>> from sktransform.augmentation.transforms import Rotate, Shift
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = (X[:, 0] ** 2 + X[:, 1] ** 2 > 1.4).astype(int)
    >>> turn, shift = Rotate([0, 1]), Shift([0], max_sd=2.0)
    >>> augmenter = InvarianceAugmenter([turn, shift], bounds="none", random_state=0)
    >>> augmenter.fit(X, y).status_
    ['kept', 'rejected']

    Augmentation without learning:

    >>> augmenter = InvarianceAugmenter([turn, shift], learn=False).fit(X)
    >>> augmenter.augment(X, n_copies=2, random_state=0).shape
    (400, 3)
    """

    _parameter_constraints: dict = {
        "transformations": [StrOptions({"default"}), list, tuple],
        "learn": ["boolean"],
        "shape": [tuple, list, Integral, None],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "task": [StrOptions({"auto", "classification", "regression"})],
        "kinds": [dict, None],
        "bounds": [StrOptions({"train", "none"}), tuple, list],
        "n_copies": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        transformations: Any = "default",
        *,
        learn: bool = True,
        shape: tuple[int, ...] | None = None,
        estimator: Any = None,
        task: str = "auto",
        kinds: Mapping[str, Any] | None = None,
        bounds: str | tuple[Any, ...] = "train",
        n_copies: int | str = "auto",
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.transformations = transformations
        self.learn = learn
        self.shape = shape
        self.estimator = estimator
        self.task = task
        self.kinds = kinds
        self.bounds = bounds
        self.n_copies = n_copies
        self.n_jobs = n_jobs
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn the policy.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s. Data frames may have columns of strings, categories and
            booleans; NaN is a missing cell.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Classes, or numbers. May be left out only if `learn` is False.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s. They weigh all losses, and train an `estimator` that
            takes them.

        groups : array-like of shape (n_samples,), default=None
            %(groups)s.

        Returns
        -------
        InvarianceAugmenter
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
        tags.target_tags.required = self.learn
        tags.non_deterministic = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = (
            self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        )
        return tags
