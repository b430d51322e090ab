# SPDX-License-Identifier: BSD-3-Clause
"""Which changes leave the labels alone, how far, and versions of rows made by them."""

from numbers import Integral, Real

from sklearn.base import OneToOneFeatureMixin
from sklearn.utils import get_tags

from sktransform.augmentation._learning import LearningMixin
from sktransform.augmentation._views import ViewsMixin
from sktransform.base import TorchTransformer
from sktransform.utils._sklearn import HasMethods, Interval, StrOptions, fit_context


class InvarianceAugmenter(
    ViewsMixin, LearningMixin, OneToOneFeatureMixin, TorchTransformer
):
    """Learn which changes of rows leave their labels alone, and how far they may go.

    At prediction nothing changes: `transform` returns the rows as they are. Only
    `fit_transform`, which a pipeline calls on training rows, and `augment` return
    changed versions. Rows held out by a cross-validation are therefore never changed.

    Parameters
    ----------
    transformations : "default" or list of Transformation, default="default"
        What to choose from. "default" takes what the columns allow, or for images and
        series what their `shape` does.

    shape : tuple of int, default=None
        What a row is when it is not flattened: ``(length,)`` for a series, ``(height,
        width)`` or ``(height, width, channels)`` for an image.

    strategy : {"select", "constrain"}, default="select"
        "select" keeps what does not make held-out rows harder, and only if that helps.
        "constrain" requires all of it, and weighs it by what it costs to bear.

    estimator : estimator, default=None
        What will be trained, asked by "select" whether it gains. None: a small network.

    learn : bool, default=True
        Whether to learn at all. False keeps all transformations at full range.

    task : {"auto", "classification", "regression"}, default="auto"
        What y holds. "auto" asks the estimator, then y itself.

    n_copies : int or "auto", default="auto"
        Versions of each row when the law is judged; "auto": 2400 / n_rows, from 2 to 8.

    p_clean : float, default=0.5
        Probability that `fit_transform` leaves a row as it is.

    augment_in_fit_transform : bool, default=True
        Whether `fit_transform` returns versions, or what `transform` returns.

    draw : {"per_row", "per_group"}, default="per_row"
        Whether rows of one group share what is drawn for them.

    law : {"uniform", "hard", "mh"}, default="uniform"
        How far within the range. "hard" follows the magnitudes that "constrain" found
        hard. "mh" draws what is hard for its network, row by row; not in `augment`.

    candidates : sequence of str, default=("law", "unshrunk")
        Which laws "select" asks the estimator about: the filter's, and the same
        without what had to shrink.

    kinds : dict, default=None
        "continuous", "integer", "categorical" or "boolean" for columns, by place or
        name, where the cells do not tell.

    bounds : {"train", "none"} or tuple of float, default="train"
        Legal values of numeric columns: the training range, all, or (least, largest).

    tol : float, default=0.03
        Excess loss on held-out rows that "select" allows: of Brier score, or of
        squared error as a share of the target's variance.

    z : float, default=1.0
        Standard errors by which an excess has to differ from 0 to count.

    z_gate : float, default=1.0
        Standard errors by which the estimator has to gain.

    se : {"unpaired", "paired"}, default="unpaired"
        Standard error within which rounds count as equally good.

    min_range : float, default=0.12
        A range that would shrink below it is given up.

    max_rounds : int, default=6
        Most rounds of "select".

    n_steps : int or "auto", default="auto"
        Steps of a training: 220 for rows, 400 else, and half as many more to constrain.

    max_fit_rows : int, default=2000
        Rows from which the law is learned at most. The others are augmented as well.

    epsilon : float, "auto" or "relative", default="relative"
        Bound of "constrain" on the loss under each transformation, in nats or shares of
        variance. "relative" is 0.05 more than the loss of the same rows as they are,
        "auto" 0.05 more than the held-out loss without augmentation.

    alpha : float or None, default=None
        Price of a relaxation in "constrain", such as 2.0; None allows none.

    chain_length : int, default=2
        Draws that "constrain" compares for each version; 1 takes them as they come.

    report_duals : bool, default=False
        Whether "select" reports what its ranges cost as requirements in "constrain".

    batch_size : int, default=4096
        Rows that are changed at once. It does not change the result.

    n_jobs : int, default=None
        Fits of the estimator at a time. It does not change the result.

    random_state : int, RandomState instance or None, default=None
        Seed of everything that is drawn.

    verbose : bool, default=False
        Whether to print what was learned.

    Attributes
    ----------
    chosen_ : {"none", "law", "unshrunk"}
        Which law is used. "none" is a normal answer: augment nothing.

    names_ : list of str
        Names of the K transformations.

    range_ : ndarray of shape (K,)
        Learned ranges, from 0, rejected, to 1, as declared.

    active_ : ndarray of bool of shape (K,)
        Which transformations the law in use applies.

    status_ : list of str
        For each "rejected", "shrunk", "kept" (shown harmless), "inconclusive" (neither
        of them), or "declared" where nothing was selected.

    excess_ : ndarray of shape (K,)
        Held-out loss under each transformation at full range less that of the rows.

    excess_se_ : ndarray of shape (K,)
        Standard errors of the excess.

    excess_curve_ : dict of str to ndarray
        ``"magnitude"`` (M,), and ``"excess"`` and ``"se"`` (K, M), NaN where a
        transformation has no such magnitude.

    rounds_ : list of dict
        For each round of the filter ``"clean_loss"``, ``"range"`` and ``"active"``.

    clean_loss_ : float
        Held-out loss of the network in the chosen round; NaN without rounds.

    clean_loss_none_ : float
        The same without augmentation.

    gate_losses_ : dict of str to float
        Held-out losses of the estimator without augmentation (``"none"``), with rows
        merely repeated (``"repeated"``, never chosen), and with each candidate.

    gate_gain_ : float
        By how much the candidate that was best at first lowers the estimator's loss.

    gate_se_ : float
        Standard error of the gain.

    dual_ : ndarray of shape (K,)
        Prices of the requirements: multipliers in the last third of the training. As
        what follows, only of "constrain" or `report_duals`.

    dual_path_ : ndarray of shape (n_steps, K)
        Multipliers step by step.

    epsilon_ : float or None
        The bound; None for "relative".

    acceptance_ : ndarray of shape (K,)
        Share of draws that the chains accepted; NaN without draws.

    parameter_histogram_ : ndarray of shape (K, 16)
        Frequencies of the magnitudes, within the range, that the chains accepted.

    probe_ : dict of str to ndarray
        The trained network, which judges what is hard.

    classes_ : ndarray of shape (n_classes,) or None
        The classes, None for numbers.

    n_copies_ : int
        Versions of each row when the law was judged.

    law_ : dict
        The law as plain records: declarations, references, ranges and probabilities.

    seed_ : int
        Seed that `random_state` gave to the fit.

    n_calls_ : int
        Calls of `augment` without a seed since the fit.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    AugmentedClassifier : Trains an estimator on the rows and several versions of each.
    InvarianceResampler : Returns more rows, for imbalanced-learn's pipelines.

    Notes
    -----
    ``fit_transform(X, y)`` differs from ``fit(X, y).transform(X)`` on purpose, as that
    of :class:`sklearn.preprocessing.TargetEncoder` does.

    "select" trains one network on all transformations at once and measures on held-out
    rows how much more each costs than the rows themselves. The worst half of those
    that cost too much shrinks, round by round; of the rounds whose clean loss is within
    a standard error of the best, the most shrunk is the law. Then the estimator is
    asked, by the Brier score of calibrated held-out scores, whether it gains; a gain
    that is not clear is the mean of two partitions into folds. Tables of fewer than 200
    rows have more folds, and any gain is measured twice. Errors heed the groups.
    "constrain" is the primal-dual training of [1]_, its relaxation that of [2]_. Its
    law draws one transformation by its share of the multipliers, averaged over the
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
    >>> from sktransform.augmentation import InvarianceAugmenter
    >>> from sktransform.augmentation.transforms import Rotate, Shift
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = (X[:, 0] ** 2 + X[:, 1] ** 2 > 1.4).astype(int)
    >>> turn, shift = Rotate([0, 1]), Shift([0], max_sd=2.0)
    >>> augmenter = InvarianceAugmenter([turn, shift], bounds="none", random_state=0)
    >>> augmenter.fit(X, y).status_
    ['kept', 'rejected']
    >>> augmenter.set_params(learn=False).fit(X).augment(X, n_copies=2).shape
    (400, 3)
    """

    _parameter_constraints: dict = {
        "transformations": [StrOptions({"default"}), list, tuple],
        "shape": [tuple, list, Integral, None],
        "strategy": [StrOptions({"select", "constrain"})],
        "estimator": [HasMethods(["fit", "predict"]), None],
        "learn": ["boolean"],
        "task": [StrOptions({"auto", "classification", "regression"})],
        "n_copies": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "p_clean": [Interval(Real, 0, 1, closed="both")],
        "augment_in_fit_transform": ["boolean"],
        "draw": [StrOptions({"per_row", "per_group"})],
        "law": [StrOptions({"uniform", "hard", "mh"})],
        "candidates": [tuple, list],
        "kinds": [dict, None],
        "bounds": [StrOptions({"train", "none"}), tuple, list],
        "tol": [Interval(Real, 0, None, closed="left")],
        "z": [Interval(Real, 0, None, closed="left")],
        "z_gate": [Interval(Real, 0, None, closed="left")],
        "se": [StrOptions({"unpaired", "paired"})],
        "min_range": [Interval(Real, 0, 1, closed="both")],
        "max_rounds": [Interval(Integral, 1, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_fit_rows": [Interval(Integral, 8, None, closed="left")],
        "epsilon": [
            Interval(Real, 0, None, closed="left"),
            StrOptions({"auto", "relative"}),
        ],
        "alpha": [Interval(Real, 0, None, closed="neither"), None],
        "chain_length": [Interval(Integral, 1, None, closed="left")],
        "report_duals": ["boolean"],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["boolean"],
    }

    # `transform` and its inverse are the identity.
    _inverse_contract = "exact"

    def __init__(
        self,
        transformations="default",
        *,
        shape=None,
        strategy="select",
        estimator=None,
        learn=True,
        task="auto",
        n_copies="auto",
        p_clean=0.5,
        augment_in_fit_transform=True,
        draw="per_row",
        law="uniform",
        candidates=("law", "unshrunk"),
        kinds=None,
        bounds="train",
        tol=0.03,
        z=1.0,
        z_gate=1.0,
        se="unpaired",
        min_range=0.12,
        max_rounds=6,
        n_steps="auto",
        max_fit_rows=2000,
        epsilon="relative",
        alpha=None,
        chain_length=2,
        report_duals=False,
        batch_size=4096,
        n_jobs=None,
        random_state=None,
        verbose=False,
    ):
        self.transformations = transformations
        self.shape = shape
        self.strategy = strategy
        self.estimator = estimator
        self.learn = learn
        self.task = task
        self.n_copies = n_copies
        self.p_clean = p_clean
        self.augment_in_fit_transform = augment_in_fit_transform
        self.draw = draw
        self.law = law
        self.candidates = candidates
        self.kinds = kinds
        self.bounds = bounds
        self.tol = tol
        self.z = z
        self.z_gate = z_gate
        self.se = se
        self.min_range = min_range
        self.max_rounds = max_rounds
        self.n_steps = n_steps
        self.max_fit_rows = max_fit_rows
        self.epsilon = epsilon
        self.alpha = alpha
        self.chain_length = chain_length
        self.report_duals = report_duals
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None, groups=None):
        """Learn the law.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Training rows. Columns of strings, categories and booleans are welcome in
            data frames; NaN is a missing cell.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Classes, or numbers. Only ``learn=False`` does without.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None weighs every row 1. They weigh all
            losses, and train an `estimator` that takes them.

        groups : array-like of shape (n_samples,), default=None
            Rows of one group are never split between training and held-out rows.

        Returns
        -------
        InvarianceAugmenter
            The fitted augmenter.

        Raises
        ------
        ValueError
            If rows, labels or declared transformations do not fit each other.
        """
        self._fit_reporting(X, y, sample_weight, groups)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.learn
        tags.non_deterministic = self.augment_in_fit_transform
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = (
            self.estimator is None or get_tags(self.estimator).input_tags.allow_nan
        )
        return tags
