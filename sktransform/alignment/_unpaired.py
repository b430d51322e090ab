# SPDX-License-Identifier: BSD-3-Clause
"""Two spaces aligned without pairs of rows, or with a few."""

import warnings
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sktransform.alignment._affine import AffineAligner
from sktransform.alignment._unpaired_fit import Settings, find_map
from sktransform.alignment._unpaired_tables import (
    known_rows,
    pair_places,
    reference_tables,
)
from sktransform.base import TorchTransformer
from sktransform.exceptions import UnreliableAlignmentWarning
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._sklearn import Interval, fit_context


class UnpairedAligner(AffineAligner):
    """Map one space into another without pairs of rows, or with a few.

    Two embedding models have seen different texts, or the same ones without a record
    of which is which. If both arrange what they know alike, the arrangement alone tells
    how to turn one space into the other; a few known pairs make it much easier. The
    map is affine. Whether it is to be trusted is part of the answer: `agreement_`
    and, with known pairs, `pair_recall_`.

    Parameters
    ----------
    n_components : int, default=64
        Principal axes along which the search takes place before all of the columns
        count, at most the columns of either space.

    n_candidates : int, default=12
        Maps from starts of their own, at least 2. What they have in common adds up when
        they are joined; more of them find a harder map, and take longer.

    n_clusters : int, default=20
        Clusters of each clustering, which are matched by how they lie among each other.

    temperature : float, default=0.05
        Divides the cosines by which rows are paired softly: less pairs more sharply.

    shrinkage : float, default=0.5
        From 1, where rows are only turned, to 0, where they get the covariance of the
        other space.

    batch_size : int, default=2500
        Most rows of each side in one step. If there are more, each step draws its own.
        Memory grows with its square.

    max_iter : int, default=8
        Most steps over all columns; with pairs to hold out half as many again.

    tol : float, default=1e-3
        The steps end when the map changes by less than this share of its norm.

    min_agreement : float, default=0.5
        `fit` warns if `agreement_` is less, or rather `pair_recall_` where there is
        one. 0 never warns of pairs.

    random_state : int, RandomState instance or None, default=None
        Seed of all that is random: starts, rows of a step, and pairs that are held out.

    device : str, default="auto"
        Where to compute, see :class:`OrthogonalAligner`.

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
        share the known pairs, which makes them agree for that reason too.

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
        If the candidates, or the pairs that are held out, speak against the map.

    See Also
    --------
    EmbeddingAdapter : For a few hundred pairs or more.

    Notes
    -----
    Rows are compared around their mean and by their direction. A candidate starts from
    several clusterings of each space. Clusters of one are assigned to those of the
    other such that their inner products agree, a quadratic assignment climbed by best
    swaps from many permutations; matched centres give a rotation, as in [1]_. From 50
    known pairs on half of the pairs, drawn at random, takes the place of clusters. Then
    two steps alternate, as in [2]_: rows are paired softly by entropic optimal
    transport, and of the maps that give rows the covariance of the other space, shrunk,
    that of least squared error on these pairs is taken. As maps change slowly and in
    one direction, rows are paired by where the last change would lead if it went on.
    Known pairs are added to the moments, the more the weightier. Candidates are joined
    by halves, and the halves once more.

    A high agreement is no proof: spaces with a symmetry have several maps that arrange
    all rows well. With pairs, trust the pairs.

    In cross-validation `y` is the way to give known pairs: it is split with X, while
    the places in `pairs` are those of all rows of X and would be wrong in a part of
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
        "n_clusters": [Interval(Integral, 1, None, closed="left")],
        "temperature": [Interval(Real, 0.03, None, closed="left")],
        "shrinkage": [Interval(Real, 0, 1, closed="both")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "min_agreement": [Interval(Real, -1, 1, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        n_components=64,
        n_candidates=12,
        n_clusters=20,
        temperature=0.05,
        shrinkage=0.5,
        batch_size=2500,
        max_iter=8,
        tol=1e-3,
        min_agreement=0.5,
        random_state=None,
        device="auto",
    ):
        self.n_components = n_components
        self.n_candidates = n_candidates
        self.n_clusters = n_clusters
        self.temperature = temperature
        self.shrinkage = shrinkage
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.min_agreement = min_agreement
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, reference=None, pairs=None):
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
            Known pairs: the place of a row of X, and the place of its row of
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
            differ, or if places in `pairs` are not those of rows.
        """
        rows = self._validate_rows(X, reset=True)
        known, Y_known = known_rows(self, y, len(rows))
        tables = reference_tables(self, reference, Y_known)
        pairs = pair_places(pairs, len(rows), sum(map(len, tables[:-1])))
        runtime = self._runtime(rows)
        X, *tables = runtime.tensors(rows, *tables)
        Y = torch.cat(tables)
        of_y = np.arange(len(Y) - len(known), len(Y))
        pairs = np.unique(np.vstack([pairs, np.stack([known, of_y], 1)]), axis=0)
        names = Settings.__dataclass_fields__
        settings = Settings(**{name: getattr(self, name) for name in names})
        mean_x, mean_y = X.mean(0), Y.mean(0)
        X, Y = X - mean_x, Y - mean_y
        with FitProgress(self, max_iter=1 + self.n_candidates) as progress:
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
        self.agreement_, self.pair_recall_ = found.agreement, found.pair_recall
        self.n_pairs_, self.n_iter_ = len(pairs), found.n_iter
        self._warn()
        return self

    def _warn(self):
        """Warn if there is little reason to trust the map."""
        by_pairs = self.pair_recall_ is not None
        evidence = self.pair_recall_ if by_pairs else self.agreement_
        if evidence >= self.min_agreement:
            return
        finding = "maps that were found apart agree by"
        if by_pairs:
            finding = "the share of held-out pairs that find each other is"
        warnings.warn(
            f"The map is not to be trusted: {finding} {evidence:.2f}, less than "
            f"min_agreement={self.min_agreement}; give (more) known pairs, more rows "
            "or more candidates.",
            UnreliableAlignmentWarning,
            stacklevel=5,
        )

    def score(self, X, y=None, sample_weight=None):
        """Return the share of the known rows' variance that the mapped rows explain.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the first space.

        y : array-like, data frame or Tensor of shape (n_samples, n_outputs), \
                default=None
            The same rows in the other space, NaN where they are not known.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. None weighs every row 1.

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


def _length_ratio(X, Y):
    """Return the root mean square of rows of Y in units of that of X, or 1."""
    ratio = (Y.square().sum() / len(Y) / (X.square().sum() / len(X))).sqrt()
    return ratio if torch.isfinite(ratio) and ratio > 0 else torch.ones_like(ratio)
