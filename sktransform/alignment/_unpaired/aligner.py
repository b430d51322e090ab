# SPDX-License-Identifier: BSD-3-Clause
"""Alignment of two spaces without pairs of rows, or with a few."""

import warnings
from numbers import Integral, Real
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sktransform.alignment._base import AffineAligner
from sktransform.alignment._degenerate import varies
from sktransform.alignment._unpaired.search import Found, Settings, find_map
from sktransform.alignment._unpaired.validation import (
    known_rows,
    pair_indices,
    reference_tables,
)
from sktransform.base import TorchTransformer
from sktransform.exceptions import (
    DegenerateDataWarning,
    UnreliableAlignmentWarning,
)
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, fit_context
from sktransform.utils._typing import RandomState

# Of 134 pairs of made clouds without a relation, skewed ones among them, one had a
# contrast above it at an agreement above 0.5; related spaces have one of 0.92 or more.
_LEAST_CONTRAST = 0.87

# Variance beside the first principal axis, as a share of all, that is rounding.
_LINE = 1e-12


@fill_doc
class UnpairedAligner(AffineAligner):
    """Map one space into another without pairs of rows, or with a few.

    The rows of the two spaces may be embeddings of different items, or of the same
    items without a record of which rows belong together. If distances between items are
    similar in both spaces, the two point clouds determine an affine map; a few known
    pairs make the problem much easier. `agreement_`, `contrast_` and, with at least 20
    known pairs, `pair_recall_` measure the reliability of the map.

    Parameters
    ----------
    n_components : int, default=64
        Number of principal components in which candidate maps are computed, at most the
        number of columns of either space. The final map is then refined in all columns.

    n_candidates : int, default=12
        Number of candidate maps from independent starts, at least 2. The candidates are
        averaged. More candidates solve harder problems and take proportionally longer.

    shrinkage : float, default=0.5
        Shrinkage intensity, from 0 to 1, of the covariances of both spaces towards a
        multiple of the identity. At 0 the mapped rows have the covariance of the
        reference; at 1 the map is a rotation times a factor.

    max_iter : int, default=8
        Largest number of refinement steps of the final map in all columns. With at
        least 20 pairs, up to half as many steps follow, which use the held-out pairs
        too. A step uses at most 2500 random rows of each space.

    min_agreement : float, default=0.5
        `fit` warns if `pair_recall_` is below this value, or, if `pair_recall_` is
        None, if `agreement_` is below this value or `contrast_` is below 0.87. With 0
        there is no warning about `pair_recall_`, with -1 there is no warning at all.

    random_state : int, RandomState instance or None, default=None
        Seed of the random starts, of the rows of each step and of the held-out pairs.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_outputs, n_features)
        Linear part of the map.

    intercept_ : ndarray of shape (n_outputs,)
        Constant part of the map.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    agreement_ : float
        Mean cosine, after centring, between the rows mapped by two maps, each the
        average of one half of the candidates. Near 1 if one space is a rotated copy of
        the other, near 0 if no map was found. Known pairs raise the agreement, since
        all candidates use them. Unrelated spaces may have a high agreement too, for
        example if their columns are skewed. 0 if X or the reference is constant.

    contrast_ : float
        Probability that a mapped row has a larger cosine with its nearest row of the
        reference than under a mirrored map. Mirrored maps, the null distribution, flip
        the signs of random principal components of the mapped rows, which preserves
        second moments and destroys the relation. 0.5 is the value by chance, 1 the
        best.

    pair_recall_ : float or None
        Recall@1 of held-out known pairs among 2,500 rows of the reference. A fifth of
        the pairs, at least 5, is held out; the final steps use all pairs. None with
        fewer than 20 pairs.

    n_pairs_ : int
        Number of known pairs.

    n_iter_ : int
        Number of refinement steps in all columns.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    Warns
    -----
    UnreliableAlignmentWarning
        If `pair_recall_`, `agreement_` or `contrast_` is too low, see `min_agreement`.

    DegenerateDataWarning
        If the rows of X or of the reference are constant or, without known pairs, lie
        on one line. Every row is then mapped to the mean of the reference.

    See Also
    --------
    EmbeddingAdapter : Learns from a few hundred pairs or more.

    Notes
    -----
    Rows are centred and scaled to length 1. A candidate starts from several k-means
    clusterings of each space. The clusters of the two spaces are matched such that the
    inner products of their centres agree: a quadratic assignment problem, which is
    solved by pairwise swaps from many random permutations. A rotation is fitted to the
    matched centres, as in [1]_. With at least 50 known pairs, a candidate starts
    instead from a random half of the pairs. Then two steps alternate, as in [2]_: rows
    are paired softly by entropic optimal transport, and the map of least squared error
    on these pairs is computed, among the maps that give X the covariance of the
    reference (both covariances shrunk, see `shrinkage`). The pairing uses an
    extrapolation of the last change of the map, which speeds up convergence. Known
    pairs are added to the soft pairs, with a weight that grows with their number. The
    candidates of each half are averaged and refined, and then the results of the two
    halves are averaged and refined.

    Of 134 pairs of unrelated point clouds (isotropic, heavy-tailed, skewed and
    clustered) one passed the threshold 0.87 of `contrast_` at a high agreement; related
    spaces had a contrast of at least 0.92. A high agreement and a high contrast do not
    prove that the map is right: symmetric point clouds have several maps that fit
    equally well. With known pairs, rely on `pair_recall_`.

    In cross-validation give known pairs as `y`, which is split with X; the indices in
    `pairs` refer to all rows of X and would be wrong after a split. A `reference` with
    as many rows as X is split too, which leaves fewer rows of it;
    ``reference=[table]``, a list of one table, is passed whole.

    References
    ----------
    .. [1] G. Dar, "mini-vec2vec: scaling universal geometry alignment with linear
       transformations", arXiv:2510.02348, 2025.
    .. [2] E. Grave, A. Joulin and Q. Berthet, "Unsupervised alignment of embeddings
       with Wasserstein Procrustes", AISTATS 2019, arXiv:1805.11222.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransform.alignment import UnpairedAligner
    >>> rng = np.random.default_rng(0)
    >>> kinds = 3.0 * rng.normal(size=(30, 8))
    >>> rows = kinds[rng.integers(30, size=800)] + rng.normal(size=(800, 8))
    >>> turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    >>> X, reference = rows[:400], rows[400:] @ turn
    >>> aligner = UnpairedAligner(random_state=0).fit(X, reference=reference)
    >>> aligner.agreement_ > 0.9
    True
    >>> error = aligner.transform(X) - X @ turn
    >>> bool(np.square(error).mean() < 0.1 * np.square(X).mean())
    True
    """

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_candidates": [Interval(Integral, 2, None, closed="left")],
        "shrinkage": [Interval(Real, 0, 1, closed="both")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "min_agreement": [Interval(Real, -1, 1, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_components: int = 64,
        n_candidates: int = 12,
        shrinkage: float = 0.5,
        max_iter: int = 8,
        min_agreement: float = 0.5,
        random_state: RandomState = None,
        device: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.n_candidates = n_candidates
        self.shrinkage = shrinkage
        self.max_iter = max_iter
        self.min_agreement = min_agreement
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        reference: ArrayLike | None = None,
        pairs: ArrayLike | None = None,
    ) -> Self:
        """Estimate the map from rows of both spaces.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first space.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs), \
                default=None
            The same rows in the other space, with NaN in all columns of the rows that
            are unknown. None if no row is known.

        reference : array-like, data frame or Tensor of shape (n_rows, n_outputs), or \
                list of them, default=None
            Rows of the other space, which need not correspond to rows of X. The tables
            of a list are concatenated. None uses the known rows of y alone.

        pairs : array-like of int, shape (n_pairs, 2), default=None
            Known pairs: in each row the index of a row of X and the index of the
            corresponding row of `reference`.

        Returns
        -------
        UnpairedAligner
            The fitted aligner.

        Raises
        ------
        ValueError
            If there is no row of the other space, if a table is not numeric, finite
            (except for unknown rows of y) and two-dimensional, if the tables of the
            other space differ in width, if y has not as many rows as X, or if `pairs`
            has invalid indices.
        """
        rows = self._validate_rows(X, reset=True)
        known, Y_known = known_rows(self, y, len(rows))
        tables = reference_tables(self, reference, Y_known)
        pairs = pair_indices(pairs, len(rows), sum(map(len, tables[:-1])))
        runtime = self._runtime(rows)
        X, *tables = runtime.tensors(rows, *tables)
        Y = torch.cat(tables)
        of_y = np.arange(len(Y) - len(known), len(Y))
        pairs = np.unique(np.vstack([pairs, np.stack([known, of_y], 1)]), axis=0)
        names = Settings.__dataclass_fields__
        settings = Settings(**{name: getattr(self, name) for name in names})
        mean_x, mean_y = X.mean(0), Y.mean(0)
        X, Y = X - mean_x, Y - mean_y
        flat = [
            name
            for name, side, mean in (("X", X, mean_x), ("reference", Y, mean_y))
            if _is_flat(side, mean, has_pairs=len(pairs) > 0)
        ]
        with FitProgress(self, max_iter=1 + self.n_candidates) as progress:
            if flat:
                constant = X.new_zeros((X.shape[1], Y.shape[1]), dtype=torch.float64)
                found = Found(constant, 0.0, 0.5, None, 0)
            else:
                found = find_map(
                    X,
                    Y,
                    runtime.tensor(pairs, torch.int64),
                    settings,
                    runtime.generator(self.random_state),
                    progress.step,
                )
        matrix = found.matrix * _length_ratio(X, Y)
        self.mean_, self.coef_, self.intercept_ = runtime.arrays(
            mean_x, matrix.T.contiguous(), mean_y - mean_x @ matrix
        )
        self.agreement_, self.contrast_ = found.agreement, found.contrast
        self.pair_recall_ = found.pair_recall
        self.n_pairs_, self.n_iter_ = len(pairs), found.n_iter
        if flat:
            warnings.warn(
                f"The rows of {' and of '.join(flat)} do not vary or lie on one line, "
                "so that no rotation can be estimated: every row is mapped to the "
                "mean of the reference.",
                DegenerateDataWarning,
                stacklevel=4,
            )
        else:
            self._warn()
        return self

    def _warn(self):
        """Warn if the reliability scores are too low."""
        level = self.min_agreement
        if self.pair_recall_ is not None:
            if self.pair_recall_ >= level:
                return
            finding = (
                "the recall@1 of held-out pairs is "
                f"{self.pair_recall_:.2f}, less than min_agreement={level}"
            )
        elif self.agreement_ < level:
            finding = (
                f"the agreement of independent maps is {self.agreement_:.2f}, less "
                f"than min_agreement={level}"
            )
        elif self.contrast_ < _LEAST_CONTRAST and level > -1:
            finding = (
                "rows fit the reference hardly better than under mirrored maps, "
                f"with contrast_={self.contrast_:.2f}, less than {_LEAST_CONTRAST}"
            )
        else:
            return
        warnings.warn(
            f"The map is unreliable: {finding}; give known pairs, more "
            "rows or more candidates.",
            UnreliableAlignmentWarning,
            stacklevel=5,
        )

    def score(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the R2 of the mapped rows for the known rows of y.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first space.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs), \
                default=None
            The same rows in the other space, with NaN in rows that are unknown.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        Returns
        -------
        float
            R2 over all columns, each weighted by its variance: 1 at best. If no row of
            y is known, `agreement_`, which does not depend on X.
        """
        check_is_fitted(self)
        mapped = self.transform(X)
        known, targets = known_rows(self, y, len(mapped))
        if targets is None:
            return self.agreement_
        if sample_weight is not None:
            check_consistent_length(mapped, sample_weight)
            sample_weight = np.asarray(sample_weight)[known]
        targets, mapped = self._runtime(targets).arrays(targets, mapped)
        return float(
            r2_score(
                targets,
                np.asarray(mapped)[known],
                sample_weight=sample_weight,
                multioutput="variance_weighted",
            )
        )


def _is_flat(deviations, mean, *, has_pairs):
    """Return whether rows do not vary, or without known pairs all lie on one line."""
    covariance = deviations.T @ deviations / len(deviations)
    if not varies(covariance, mean):
        return True
    if has_pairs:
        return False
    values = torch.linalg.eigvalsh(covariance)
    return bool(values[:-1].sum() <= _LINE * values[-1])


def _length_ratio(X, Y):
    """Return the root mean square of rows of Y in units of that of X, or 1."""
    ratio = (Y.square().sum() / len(Y) / (X.square().sum() / len(X))).sqrt()
    return ratio if torch.isfinite(ratio) and ratio > 0 else torch.ones_like(ratio)
