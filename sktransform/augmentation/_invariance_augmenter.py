# SPDX-License-Identifier: BSD-3-Clause
"""Augmenter that learns which transformations keep the labels."""

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
    """Learn which transformations of rows keep their labels, and up to which magnitude.

    `fit_transform`, which a pipeline calls on training rows, and `augment` return
    augmented copies. `transform`, which a pipeline calls at prediction, returns the
    rows unchanged. Rows held out by a cross-validation are therefore never changed.

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
        The policy in use: "policy" is the policy of the range filter, "unshrunk" the
        same policy without the transformations whose range was reduced, and "none" no
        augmentation, which is a frequent result.

    names_ : list of str
        Names of the K transformations.

    range_ : ndarray of shape (K,)
        Learned ranges as fractions of the declared ranges, from 0 (rejected) to 1.

    active_ : ndarray of bool of shape (K,)
        Whether the policy in use applies each transformation.

    status_ : list of str
        Result for each transformation: "rejected", "shrunk" (its range was reduced),
        "kept" (its excess loss is shown to be small), "inconclusive" (too few rows to
        decide), or "declared" (nothing was learned).

    excess_ : ndarray of shape (K,)
        Excess loss of each transformation at its full declared range: the held-out loss
        on transformed rows minus the loss on unchanged rows.

    excess_se_ : ndarray of shape (K,)
        Standard errors of the excess loss.

    excess_curve_ : dict of str to ndarray
        Excess loss by magnitude: ``"magnitude"`` of shape (M,), and ``"excess"`` and
        its standard error ``"se"`` of shape (K, M); NaN where a transformation does not
        have the magnitude. ``"tolerance"`` is the excess loss that is allowed: 0.03 of
        the Brier score, or of the target's variance.

    rounds_ : list of dict
        One dict for each round of the range filter: ``"clean_loss"``, the held-out loss
        on unchanged rows; ``"range"``, the ranges; and ``"active"``, whether a
        transformation is used.

    clean_loss_ : float
        Held-out loss of the proxy networks on unchanged rows in the chosen round; NaN
        if the range filter did not run.

    clean_loss_none_ : float
        Held-out loss of proxy networks trained without augmentation.

    acceptance_losses_ : dict of str to float
        Held-out losses of the estimator trained without augmentation (``"none"``), on
        repeated, unchanged rows (``"repeated"``, a control), and with each candidate
        policy.

    acceptance_gain_ : float
        Decrease of the estimator's held-out loss by the best candidate.

    acceptance_se_ : float
        Standard error of the gain.

    classes_ : ndarray of shape (n_classes,) or None
        The classes; None for regression.

    n_copies_ : int
        Copies of each row in the acceptance test.

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
    ConstrainedAugmenter : Requires invariance to given transformations.
    AugmentedClassifier : Trains an estimator on rows and augmented copies of them.
    InvarianceResampler : Returns rows and copies in pipelines of imbalanced-learn.

    Notes
    -----
    ``fit_transform(X, y)`` differs from ``fit(X, y).transform(X)`` on purpose, as in
    :class:`sklearn.preprocessing.TargetEncoder`.

    The range filter trains one proxy network per fold on copies by all transformations,
    and measures the excess loss of each transformation on held-out rows. In each round,
    the worst half of the transformations with a significant excess loss above `tol`
    have their range halved or are rejected. The policy is that of the last round whose
    loss on unchanged rows is within one standard error of the best round. The
    acceptance test then measures, by cross-validation, whether the policy lowers the
    loss of the estimator: the Brier score of calibrated scores, or the squared error. A
    gain that is not clearly significant is averaged over two partitions into folds.
    Tables of fewer than 200 rows have more folds, and always two partitions. With
    `groups`, standard errors are computed over groups.

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
        """Learn the policy from labelled rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            %(X_train)s. Data frames may have columns of strings, categories and
            booleans. NaN marks missing cells.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Class labels, or targets of a regression. May be None only if `learn` is
            False.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s. All losses are weighted by them, and they are passed to
            `estimator` if its `fit` takes weights.

        groups : array-like of shape (n_samples,), default=None
            %(groups)s.

        Returns
        -------
        InvarianceAugmenter
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
        tags.target_tags.required = self.learn
        tags.non_deterministic = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = (
            self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        )
        return tags
