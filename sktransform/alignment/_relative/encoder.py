# SPDX-License-Identifier: BSD-3-Clause
"""Relative representations: rows as vectors of similarities to anchors."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from sktransform.alignment._relative.similarities import (
    NEIGHBORS,
    ORDERS,
    SIMILARITIES,
    distances,
    encoding,
    mean_between,
)
from sktransform.base import TorchTransformer
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._kept import built_once
from sktransform.runtime._runtime import QUERY_ROWS
from sktransform.utils._charts import farthest_rows
from sktransform.utils._docs import fill_doc
from sktransform.utils._graphs import geodesic_distances
from sktransform.utils._sklearn import Interval, StrOptions, fit_context
from sktransform.utils._typing import Output, RandomState


@fill_doc
class RelativeEncoder(ClassNamePrefixFeaturesOutMixin, TorchTransformer):
    """Represent rows by similarities to anchors, items embedded in every space.

    Independently trained models embed the same items in different coordinates, but the
    angles between items often agree. Similarities to anchors, items that all models
    have embedded, are then comparable between the models without a map. The kinds of
    similarity are invariant to different changes of the space, and several kinds can be
    combined.

    The anchors must be the same items for all models: give the same indices, or fit on
    the same items in the same order with the same integer as `random_state`.

    Parameters
    ----------
    n_anchors : int, default=300
        Number of anchors; if `fit` gets fewer rows, every row is an anchor. Ignored if
        `anchors` are indices.

    anchors : {"random", "farthest"} or array-like of int of shape (n_anchors,), \
            default="random"
        How the anchors are chosen among the rows of `fit`. "random" draws them.
        "farthest" starts at the row nearest to the mean and repeatedly adds the row
        farthest from the anchors chosen before; its result differs between spaces, so
        give `anchor_indices_` of one encoder to the others. An array gives the indices
        of the anchors.

    similarities : str or list of str, default="cosine"
        One or more of "cosine", "euclidean", "geodesic", "l1" and "chebyshev".
        "geodesic" uses shortest-path lengths in the graph that connects each anchor to
        its 10 nearest anchors. "cosine" is computed after subtraction of the mean row
        of `fit`.

    combination : {"concatenate", "sum", "attention"}, default="concatenate"
        How several similarities are combined: "concatenate" gives each its own columns,
        "sum" adds them, and "attention" averages them for each row with self-attention
        weights without trained parameters, which are larger for similarities that agree
        with the others.

    random_state : int, RandomState instance or None, default=None
        Seed of random anchors.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    anchor_indices_ : ndarray of shape (n_anchors,)
        Indices of the anchors among the rows of `fit`.

    anchors_ : ndarray of shape (n_anchors, n_features)
        The anchors.

    mean_ : ndarray of shape (n_features,)
        Mean row of X.

    scales_ : dict of str to float
        Mean distance between anchors, for each similarity that is a distance.

    similarities_ : list of str
        Names of the similarities.

    combination_ : str
        How the similarities are combined.

    path_lengths_ : ndarray of shape (n_anchors, n_anchors) or None
        Lengths of the shortest paths between anchors; None without "geodesic".

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    OrthogonalAligner : Maps one space into another, which preserves more information.

    Notes
    -----
    A distance d becomes the similarity ``1 - d / scale``, where the scale is the mean
    distance between anchors: 1 for the anchor itself, 0 at the mean distance.

    All similarities are invariant to translation and scale of the space. "cosine",
    "euclidean" and "geodesic" are also invariant to rotations, and "l1" and "chebyshev"
    to the order and the signs of coordinates. "geodesic" is nearly invariant to bending
    the data without stretching, such as unrolling a swiss roll.

    For one input row, let S be the matrix with one row of ``n_anchors`` values for each
    similarity. "attention" returns the mean of the rows of ``softmax(S S' /
    sqrt(n_anchors)) S``. In [2]_ the attention also has trained projections.

    A row equal to the mean has cosine 0 with all anchors. With fewer anchors than
    dimensions information is lost. There is no inverse.

    References
    ----------
    .. [1] L. Moschella et al., "Relative representations enable zero-shot latent space
       communication", ICLR 2023, arXiv:2209.15430.
    .. [2] I. Cannistraci et al., "From bricks to bridges: product of invariances to
       enhance latent space communication", ICLR 2024, arXiv:2310.01211.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import special_ortho_group
    >>> from sktransform.alignment import RelativeEncoder
    >>> one = np.random.default_rng(0).normal(size=(50, 4))
    >>> other = 3.0 * one @ special_ortho_group(4, seed=0).rvs() + 7.0
    >>> encoder = RelativeEncoder(10, random_state=0)
    >>> code, other_code = (encoder.fit_transform(space) for space in (one, other))
    >>> code.shape, bool(np.allclose(code, other_code))
    ((50, 10), True)
    """

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "n_anchors": [Interval(Integral, 1, None, closed="left")],
        "anchors": [StrOptions({"random", "farthest"}), "array-like"],
        "similarities": [StrOptions(SIMILARITIES), list, tuple],
        "combination": [StrOptions({"concatenate", "sum", "attention"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_anchors: int = 300,
        *,
        anchors: str | ArrayLike = "random",
        similarities: str | Sequence[str] = "cosine",
        combination: str = "concatenate",
        random_state: RandomState = None,
        device: str = "auto",
    ) -> None:
        self.n_anchors = n_anchors
        self.anchors = anchors
        self.similarities = similarities
        self.combination = combination
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Choose the anchors.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows, which include the anchors.

        y : None
            Ignored.

        Returns
        -------
        RelativeEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, if a similarity is unknown,
            or if `anchors` are not distinct indices of rows.
        """
        X = self._validate_rows(X, reset=True)
        runtime = self._runtime(X)
        names = self._names()
        with FitProgress(self, max_iter=1) as progress:
            rows = runtime.tensor(X)
            mean = rows.mean(0)
            centered = rows - mean
            self.anchor_indices_ = self._anchor_rows(runtime.arrays(centered)[0])
            self.mean_, self.anchors_ = runtime.arrays(mean, rows[self.anchor_indices_])
            self._measure(centered[self.anchor_indices_], names, runtime)
            self.similarities_, self.combination_ = names, self.combination
            progress.step()
        return self

    def _measure(self, anchors, names, runtime):
        """Set the units of distances, and the paths between anchors."""
        between = {
            name: distances(anchors, anchors, ORDERS[name])
            for name in names
            if name in ORDERS
        }
        self.path_lengths_ = None
        if "geodesic" in names:
            (rows,) = runtime.arrays(anchors)
            self.path_lengths_ = geodesic_distances(rows, NEIGHBORS)
            between["geodesic"] = torch.from_numpy(self.path_lengths_)
        self.scales_ = {name: mean_between(table) for name, table in between.items()}

    def _names(self):
        """Return the names of the similarities, checked."""
        names = self.similarities
        names = [names] if isinstance(names, str) else list(names)
        unknown = [name for name in names if name not in [*SIMILARITIES]]
        if unknown or not names or len(set(names)) < len(names):
            raise ValueError(
                f"similarities={self.similarities!r} must be one or more of "
                f"{sorted(SIMILARITIES)}, each at most once."
            )
        return names

    def _anchor_rows(self, rows):
        """Return the indices of the anchors among rows."""
        n_anchors = min(self.n_anchors, len(rows))
        if isinstance(self.anchors, str) and self.anchors == "farthest":
            return farthest_rows(rows, n_anchors, np.ones(len(rows)))
        if isinstance(self.anchors, str):
            generator = check_random_state(self.random_state)
            return np.sort(generator.choice(len(rows), n_anchors, replace=False))
        indices = np.asarray(self.anchors)
        if indices.ndim != 1 or indices.dtype.kind not in "iu" or not indices.size:
            raise ValueError(
                f"anchors must be a one-dimensional array of row indices, got "
                f"{self.anchors!r}."
            )
        if indices.min() < 0 or indices.max() >= len(rows):
            raise ValueError(
                f"anchors must be indices from 0 to {len(rows) - 1}, since X has "
                f"{len(rows)} rows, got indices from {indices.min()} to "
                f"{indices.max()}."
            )
        if len(np.unique(indices)) < len(indices):
            raise ValueError(
                f"anchors must be distinct indices, got a repeated index in "
                f"{self.anchors!r}."
            )
        return indices.astype(np.int64)

    def transform(self, X: ArrayLike) -> Output:
        """Return similarities of rows to the anchors.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows of the space of `fit`.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_columns)
            The similarities, in the precision of X. ``n_columns`` is ``n_anchors``, or
            ``n_anchors`` times the number of similarities if these are concatenated.
            The result of a row does not depend on the other rows of X.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False)
        runtime = self._runtime(X)
        fitted = (
            "mean",
            "anchors",
            "scales",
            "similarities",
            "combination",
            "path_lengths",
        )
        state = {name: getattr(self, f"{name}_") for name in fitted}

        def build():
            return self._encoding(runtime)

        encoded = built_once(self, "encoding", runtime, state, build)
        return runtime.map(encoded, X, QUERY_ROWS)

    def _encoding(self, runtime):
        """Return the function of rows that `transform` applies."""
        origin, anchors = runtime.tensors(
            self.mean_, self.anchors_ - self.mean_, dtype=runtime.dtype
        )
        paths = None
        if self.path_lengths_ is not None:
            paths = runtime.tensor(self.path_lengths_, runtime.dtype)
        return encoding(
            self.similarities_, self.combination_, origin, anchors, self.scales_, paths
        )

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> np.ndarray:
        """Return the names of the columns, such as ``"cosine_17"``.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Used only for a check against the names seen during `fit`.

        Returns
        -------
        ndarray of str objects
            The name of the similarity, or "similarity" if several are summed or
            averaged, followed by the index of the anchor among the rows of `fit`.
        """
        super().get_feature_names_out(input_features)
        is_joined = self.combination_ != "concatenate"
        kinds = ["similarity"] if is_joined else self.similarities_
        names = [f"{kind}_{index}" for kind in kinds for index in self.anchor_indices_]
        return np.array(names, dtype=object)

    @property
    def _n_features_out(self):
        is_joined = self.combination_ != "concatenate"
        n_parts = 1 if is_joined else len(self.similarities_)
        return n_parts * len(self.anchor_indices_)
