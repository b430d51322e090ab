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

    Two embedding models have seen different texts, or the same ones without a record
    of which is which. If distances between items are similar in both, they determine
    how to rotate one space into the other; a few known pairs make it much easier. The
    map is affine. Its reliability is measured: `agreement_` with `contrast_` and,
    with known pairs, `pair_recall_`.

    Parameters
    ----------
    n_components : int, default=64
        Principal axes along which the search is done before all of the columns
        count, at most the columns of either space.

    n_candidates : int, default=12
        Maps from independent starts, at least 2. The map is joined from them: errors
        average out, the common part adds up. More of them solve harder problems, and
        take longer.

    shrinkage : float, default=0.5
        From 1, where rows are only turned, to 0, where they get the covariance of the
        other space.

    max_iter : int, default=8
        Most steps over all columns; with pairs to hold out half as many again. A step
        takes up to 2500 rows of each side, and draws them if there are more.

    min_agreement : float, default=0.5
        `fit` warns if `pair_recall_` is less, or where there is none, if `agreement_`
        is less or `contrast_` is below 0.87. 0 never warns of pairs, and -1 never warns
        that a map is unreliable.

    random_state : int, RandomState instance or None, default=None
        Seed of all that is random: starts, rows of a step, and pairs that are held out.

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
        Mean cosine, around the mean, between the images of the rows under two maps
        that were joined from different candidates, along the principal axes. Near 1
        where the spaces are turned copies, near 0 where nothing was found. Candidates
        share the known pairs, which makes them agree for that reason too. Clouds
        without a relation can have a high agreement, if their shapes fit best in one
        orientation, as those of skewed columns do. 0 if nothing can be compared.

    contrast_ : float
        Probability that a row is nearer to its nearest row of the other side than under
        a mirrored map, by the cosine. Mirrored maps are the null: they flip the signs
        of the images along random principal axes, which keeps second moments and
        destroys the relation. 0.5 is chance, 1 the highest value.

    pair_recall_ : float or None
        Share of known pairs, held out, whose partner is nearest among 2,500 rows of the
        other space. A fifth of the pairs is held out for it, at least 5, and comes back
        for the last steps. None for fewer than 20 pairs.

    n_pairs_ : int
        Number of known pairs.

    n_iter_ : int
        Steps over all columns.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    Warns
    -----
    UnreliableAlignmentWarning
        If the candidates, the contrast, or the pairs that are held out speak against
        the map.

    DegenerateDataWarning
        If rows of one side do not vary, or without known pairs all lie on one line. The
        map is then constant, the mean of the reference.

    See Also
    --------
    EmbeddingAdapter : For a few hundred pairs or more.

    Notes
    -----
    Rows are compared around their mean and by their direction. A candidate starts from
    several clusterings of each space. Clusters of one are assigned to those of the
    other such that their inner products agree, a quadratic assignment climbed by best
    swaps from many permutations; matched centres give a rotation, as in [1]_. From 50
    known pairs on half of the pairs, drawn at random, replaces clusters. Then
    two steps alternate, as in [2]_: rows are paired softly by entropic optimal
    transport, and of the maps that give rows the covariance of the other space, shrunk,
    that of least squared error on these pairs is taken. As maps change slowly and in
    one direction, rows are paired by where the last change would lead if it went on.
    Known pairs are added to the moments, the more the weightier. Candidates are joined
    by halves, and the halves once more.

    The level 0.87 of `contrast_` lies between what was measured for unrelated clouds
    (isotropic, heavy-tailed, skewed and clustered) and for related spaces. Neither a
    high agreement nor a high contrast is a proof: spaces with a symmetry have several
    maps that arrange all rows well. With pairs, trust the pairs.

    In cross-validation known pairs are given by `y`: it is split with X, while
    the indices in `pairs` are those of all rows of X and would be wrong in a part of
    them. A `reference` with just as many rows as X would be split too. As it has
    nothing to do with the rows of X this does no harm but to leave fewer of them;
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
        """Find the map from rows of both spaces.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first space.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs), \
                default=None
            The same rows in the other space, as far as they are known; NaN in all
            columns of a row where they are not. None where none is known.

        reference : array-like, data frame or Tensor of shape (n_rows, n_outputs), or \
                list of them, default=None
            Rows of the other space, in no relation to those of X. The tables of a list
            are put below each other. None takes the known rows of y alone.

        pairs : array-like of int, shape (n_pairs, 2), default=None
            Known pairs: the index of a row of X, and the index of its row of
            `reference`.

        Returns
        -------
        UnpairedAligner
            The fitted aligner.

        Raises
        ------
        ValueError
            If there is no row of the other space, if a table is not numeric,
            two-dimensional and finite (but for rows of y), if widths or numbers of rows
            differ, or if indices in `pairs` are not those of rows.
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
                f"The rows of {' and of '.join(flat)} do not vary, or lie on one line, "
                "which does not determine a rotation: the map is constant, the mean of "
                "the reference.",
                DegenerateDataWarning,
                stacklevel=4,
            )
        else:
            self._warn()
        return self

    def _warn(self):
        """Warn if there is little reason to trust the map."""
        level = self.min_agreement
        if self.pair_recall_ is not None:
            if self.pair_recall_ >= level:
                return
            finding = (
                "the share of held-out pairs that find each other is "
                f"{self.pair_recall_:.2f}, less than min_agreement={level}"
            )
        elif self.agreement_ < level:
            finding = (
                f"maps that were found apart agree by {self.agreement_:.2f}, less than "
                f"min_agreement={level}"
            )
        elif self.contrast_ < _LEAST_CONTRAST and level > -1:
            finding = (
                "rows fit the other space little better than under mirrored maps, "
                f"contrast_={self.contrast_:.2f}, less than {_LEAST_CONTRAST}"
            )
        else:
            return
        warnings.warn(
            f"The map is unreliable: {finding}; give (more) known pairs, more "
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
        """Return the share of the known rows' variance that the mapped rows explain.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first space.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs), \
                default=None
            The same rows in the other space, NaN where they are not known.

        sample_weight : array-like of shape (n_samples,), default=None
            %(sample_weight)s.

        Returns
        -------
        float
            R2 over all columns together, see the other aligners; `agreement_` if no row
            of y is known, whatever X.
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
