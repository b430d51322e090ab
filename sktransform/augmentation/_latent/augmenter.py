# SPDX-License-Identifier: BSD-3-Clause
"""Augmenter of embeddings whose raw inputs are unavailable."""

from collections.abc import Sequence
from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sktransform.augmentation._latent.pairs import (
    as_rows,
    check_parameters,
    given_pairs,
)
from sktransform.augmentation._latent.training import (
    Pairs,
    conditions_of,
    fidelity,
    held_out_units,
    kept_draws,
    map_settings,
    sampled_copies,
    train_map,
)
from sktransform.augmentation._policy.policy import P_CLEAN, check_copies
from sktransform.augmentation._random import (
    AUGMENT,
    call_stream,
    numpy_stream,
    root_seed,
)
from sktransform.augmentation._tabular.dataset import TrainingRows
from sktransform.augmentation._tabular.encoder import TableEncoder, is_frame
from sktransform.augmentation.transforms._defaults import bound_transformations
from sktransform.base import TorchTransformer
from sktransform.nn._conditioned import ConditionedMap
from sktransform.runtime._callbacks import FitProgress
from sktransform.runtime._runtime import Runtime
from sktransform.runtime._training import load_module
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import HasMethods, Interval, StrOptions, fit_context
from sktransform.utils._typing import Output, RandomState

# Probability of each transformation in a copy to learn from: most copies combine some,
# and enough have one alone or none, so that the map can tell them apart.
_P_ON = 0.75
# Blocks of the map, and pairs of one training step: more of either cost time and
# brought no fidelity on embeddings of digits.
_N_BLOCKS, _BATCH_SIZE = 2, 64
# Step size of AdamW: a quarter of it explained less of the movement in as many passes.
_LEARNING_RATE = 2e-3
# Passes without an improvement after which the training ends.
_PATIENCE = 10


@fill_doc
class LatentAugmenter(ClassNamePrefixFeaturesOutMixin, TorchTransformer):
    """Learn how embeddings change when the embedded objects are transformed.

    A small network is trained to predict the embedding of a transformed object from the
    embedding of the object and the parameters of the transformation. It augments
    embeddings whose objects are no longer available, and is much faster than the
    encoder. `fit_transform`, which a pipeline calls on training rows, and
    :meth:`augment` return augmented copies. `transform`, which a pipeline calls at
    prediction, returns unchanged embeddings; with an `encoder` it computes them from
    rows.

    The error of the map on held-out rows is compared with that of the identity: see
    `fidelity_` and :meth:`report`.

    Parameters
    ----------
    transformations : "default" or list of Transformation, default="default"
        Transformations of rows to imitate, in the order in which they act; "default"
        takes what the columns or the `shape` allow. Not used where `fit` is given
        `Z_aug`.

    encoder : callable or transformer, default=None
        Computes embeddings of rows; already fitted, and not changed. None takes the
        rows as embeddings.

    shape : tuple of int, default=None
        %(shape)s.

    n_copies : int, default=4
        Augmented copies of each row to learn from.

    max_epochs : int, default=60
        Maximum number of passes over the pairs; the training ends after 10 passes
        without an improvement.

    random_state : int, RandomState instance or None, default=None
        %(random_state)s.

    device : str, default="auto"
        %(device)s. It may change after `fit`.

    Attributes
    ----------
    fidelity_ : dict
        Scores on held-out pairs. "cosine": mean cosine between predicted and true
        embeddings of copies. "control": the same for unchanged embeddings. "gain":
        "cosine" minus "control". Each has a 95 % confidence interval over rows or
        groups, "cosine_interval" and so on. "explained": share of the squared change of
        the embeddings that is predicted, 1 at best and 0 for the identity. "n_pairs":
        number of pairs. The scores are NaN with fewer than ten rows or groups.

    conditions_ : list of dict
        One dict for each transformation that the map is conditioned on: "name",
        "n_parameters" and "n_states" (0 for a continuous transformation).

    map_ : dict of str to ndarray
        Weights of the network.

    parameters_ : ndarray of shape (n_draws, n_parameters)
        Parameters from which :meth:`augment` draws: those of at most 1024 training
        pairs.

    loss_curve_ : ndarray of shape (`n_iter_`,)
        Training loss of each epoch.

    n_iter_ : int
        Passes over the pairs.

    seed_ : int
        %(seed)s.

    n_features_in_ : int
        %(n_features_in)s.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        %(feature_names_in)s.

    See Also
    --------
    InvarianceAugmenter : Learns which transformations of rows keep the labels.
    ClassReplay : Samples new embeddings of each class.

    Notes
    -----
    ``fit_transform(X, y)`` differs from ``fit(X, y).transform(X)`` on purpose, as in
    :class:`sklearn.preprocessing.TargetEncoder`.

    The network is a smaller version of that in [1]_: the embedding is split into
    tokens, which attend to one token for each transformation. The output is a
    displacement that is added to the embedding and is 0 before training. The loss is
    the squared error plus the squared displacement predicted for parameters of 0. If a
    transformation has further randomness, such as noise, the network predicts the mean.
    There is no inverse.

    For the copies made in `fit`, each transformation is applied with probability 0.75.

    References
    ----------
    .. [1] S. Boutaj et al., "Controllable latent space augmentation for digital
       pathology", ICCV 2025, arXiv:2508.14588.

    Examples
    --------
    Rotations of images of digits, with a random projection as the encoder:

    >>> from sklearn.datasets import load_digits
    >>> from sklearn.random_projection import GaussianRandomProjection
    >>> from sktransform.augmentation import LatentAugmenter
    >>> from sktransform.augmentation.transforms import ImageRotate
    >>> X = load_digits().data[:300] / 16
    >>> encoder = GaussianRandomProjection(16, random_state=0).fit(X)
    >>> augmenter = LatentAugmenter(
    ...     [ImageRotate(max_degrees=30)],
    ...     encoder=encoder,
    ...     shape=(8, 8),
    ...     max_epochs=10,
    ...     random_state=0,
    ... ).fit(X)
    >>> augmenter.fidelity_["gain"] > 0
    True
    >>> augmenter.augment(augmenter.transform(X), n_copies=2).shape
    (600, 16)
    """

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "transformations": [StrOptions({"default"}), list, tuple],
        "encoder": [callable, HasMethods(["transform"]), None],
        "shape": [tuple, list, Integral, None],
        "n_copies": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        transformations: Any = "default",
        *,
        encoder: Any = None,
        shape: tuple[int, ...] | None = None,
        n_copies: int = 4,
        max_epochs: int = 60,
        random_state: RandomState = None,
        device: str = "auto",
    ) -> None:
        self.transformations = transformations
        self.encoder = encoder
        self.shape = shape
        self.n_copies = n_copies
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        Z_aug: ArrayLike | None = None,
        params: ArrayLike | None = None,
        sources: ArrayLike | None = None,
        discrete: Sequence[int] = (),
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train the map, and evaluate it on held-out rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows, or without an encoder embeddings.

        y : array-like of shape (n_samples,), default=None
            Classes, for transformations that mix rows of one class.

        Z_aug : array-like of shape (n_pairs, n_embedding), default=None
            Given embeddings of transformed objects. None transforms the rows of X by
            `transformations` and computes their embeddings by `encoder`.

        params : array-like or data frame of shape (n_pairs, n_parameters), default=None
            Parameters of the transformation of each row of `Z_aug`, where 0 is the
            identity. They should range from -1 to 1.

        sources : array-like of int of shape (n_pairs,), default=None
            Index of the row of X that belongs to each row of `Z_aug`. None means that
            `Z_aug` has the first copy of every row of X, then the second copy of every
            row, and so on.

        discrete : sequence of int, default=()
            Columns of `params` that are discrete states: integers from 0, where 0 is
            the identity.

        groups : array-like of shape (n_samples,), default=None
            Groups of rows that are held out together.

        Returns
        -------
        LatentAugmenter
            The fitted augmenter.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, if `Z_aug`, `params` and
            `sources` are inconsistent, or if there is no transformation.
        """
        rows = self._validate_rows(X, reset=True, min_samples=2)
        check_consistent_length(rows, y, groups)
        root = root_seed(self.random_state)
        embeddings = as_rows(rows if self.encoder is None else self._encode(X), "Z")
        check_consistent_length(rows, embeddings)
        if Z_aug is not None:
            pairs = given_pairs(embeddings, Z_aug, params, sources, discrete)
        elif params is not None or sources is not None:
            raise ValueError(
                "params or sources is given, but Z_aug, the copies that they "
                "describe, is None; give Z_aug too, or leave them out."
            )
        else:
            pairs = self._make_pairs(X if is_frame(X) else rows, y, embeddings, root)
        units = _unit_numbers(len(rows), groups)[pairs.sources]
        masks = held_out_units(units, root)
        settings = map_settings(embeddings.shape[1], pairs.conditions, _N_BLOCKS)
        with FitProgress(self, self.max_epochs, "epoch", X=X, y=y) as progress:
            trained = train_map(
                pairs,
                masks,
                settings,
                root,
                learning_rate=_LEARNING_RATE,
                max_epochs=self.max_epochs,
                batch_size=_BATCH_SIZE,
                patience=_PATIENCE,
                device=self._runtime(rows).device,
                progress=progress,
            )
        self.map_, self.conditions_ = trained.state, pairs.conditions
        self.loss_curve_, self.n_iter_ = trained.loss_curve, trained.n_epochs
        self.parameters_ = kept_draws(pairs.parameters, root)
        self.seed_ = root
        held = masks[2]
        before = embeddings[pairs.sources[held]]
        after = self._moved(before, pairs.parameters[held]) if held.any() else before
        self.fidelity_ = fidelity(after, pairs, held, units)
        return self

    def fit_transform(
        self, X: ArrayLike, y: ArrayLike | None = None, **fit_params: Any
    ) -> Output:
        """Train the map, and return one augmented copy of each embedding.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows, or without an encoder embeddings.

        y : array-like of shape (n_samples,), default=None
            Classes.

        **fit_params
            Further arguments of :meth:`fit`.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_embedding)
            Embeddings, each unchanged with probability 0.5.
        """
        Z = self.fit(X, y, **fit_params)._embed(X)
        stream = numpy_stream(self.seed_, AUGMENT)
        P = self._draw(np.arange(len(Z)), stream, P_CLEAN)
        return self._moved(Z, P)

    def transform(self, X: ArrayLike) -> Output:
        """Return unchanged embeddings: augmentation is for training.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows, or without an encoder embeddings.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_embedding)
            Embeddings computed by the encoder, or a copy of X.
        """
        check_is_fitted(self)
        return self._embed(X)

    def augment(
        self,
        Z: ArrayLike,
        n_copies: int = 1,
        random_state: RandomState = None,
        return_params: bool = False,
        *,
        groups: ArrayLike | None = None,
    ) -> Any:
        """Return augmented copies of embeddings.

        Parameters
        ----------
        Z : array-like, data frame or Tensor of shape (n_samples, n_embedding)
            Embeddings, as returned by :meth:`transform`.

        n_copies : int, default=1
            Number of copies of each embedding.

        random_state : int, tuple of int, RandomState instance or None, default=None
            Seed of the draws. With None the copies differ in every call and process. A
            tuple such as ``(epoch, batch)`` is combined with the seed of the fit: the
            same fit and tuple give the same copies in any process.

        return_params : bool, default=False
            Whether to return the drawn parameters too.

        groups : array-like of shape (n_samples,), default=None
            Groups of embeddings that share their draws, such as the patches of one
            slide. None draws independently for each embedding.

        Returns
        -------
        copies : ndarray or Tensor of shape (n_samples * n_copies, n_embedding)
            The first copy of every embedding, then the second copy of every embedding,
            and so on, without the unchanged embeddings.

        params : ndarray of shape (n_samples * n_copies, n_parameters)
            Parameters of the copies, which :meth:`apply` takes. Returned only if
            `return_params` is True.

        Raises
        ------
        ValueError
            If Z does not have the columns of the encoder's embeddings.
        """
        Z = self._checked_embeddings(Z)
        check_copies(n_copies)
        stream = call_stream(self.seed_, random_state)
        units = _unit_numbers(len(Z), groups)
        P = np.concatenate([self._draw(units, stream) for _ in range(n_copies)])
        whole = torch.cat if isinstance(Z, torch.Tensor) else np.concatenate
        copies = self._moved(whole([Z] * n_copies), P)
        return (copies, P) if return_params else copies

    def apply(self, Z: ArrayLike, params: ArrayLike) -> Output:
        """Predict embeddings of transformed objects for given parameters.

        Parameters
        ----------
        Z : array-like, data frame or Tensor of shape (n_samples, n_embedding)
            Embeddings.

        params : array-like of shape (n_samples, n_parameters)
            Parameters of all transformations, 0 for transformations that are not
            applied. Embeddings whose parameters are all 0 are returned unchanged, bit
            for bit.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_embedding)
            The predicted embeddings.

        Raises
        ------
        ValueError
            If Z does not have the columns of the encoder's embeddings, or if `params`
            has the wrong shape or invalid states.
        """
        Z = self._checked_embeddings(Z)
        return self._moved(Z, check_parameters(params, len(Z), self.conditions_))

    def report(self) -> Any:
        """Return the scores of the map, compared with the identity.

        Returns
        -------
        pandas.DataFrame
            Mean cosine with the true embeddings of held-out copies and its 95 %
            confidence interval, in one row each for the map, the identity and the gain.
        """
        import pandas as pd

        check_is_fitted(self)
        lines = {"map": "cosine", "doing nothing": "control", "gain": "gain"}
        found = self.fidelity_
        return pd.DataFrame(
            {
                "cosine": [found[name] for name in lines.values()],
                "low": [found[f"{name}_interval"][0] for name in lines.values()],
                "high": [found[f"{name}_interval"][1] for name in lines.values()],
            },
            index=list(lines),
        )

    def _embed(self, X):
        """Return embeddings of rows, a copy of those that are embeddings."""
        rows = self._validate_rows(X, reset=False)
        if self.encoder is not None:
            return self._encode(X)
        return rows.clone() if isinstance(rows, torch.Tensor) else rows.copy()

    def _encode(self, X):
        """Return embeddings of rows, in the precision of the encoder."""
        encode = getattr(self.encoder, "transform", self.encoder)
        Z = encode(X)
        if isinstance(X, torch.Tensor) and isinstance(Z, torch.Tensor):
            return Z.detach()
        return as_rows(Z, "Z")

    def _checked_embeddings(self, Z):
        """Return embeddings as an array or a tensor of the right width."""
        check_is_fitted(self)
        if self.encoder is None:
            return self._validate_rows(Z, reset=False)
        if not isinstance(Z, torch.Tensor):
            Z = as_rows(Z, "Z")
        if Z.ndim != 2 or Z.shape[1] != self._n_features_out:
            raise ValueError(
                f"Z has shape {tuple(Z.shape)}, but must have shape (n_samples, "
                f"{self._n_features_out}): give embeddings as returned by transform."
            )
        return Z

    def _moved(self, Z, P):
        """Return embeddings (n, d) transformed by parameters, in the kind of Z."""
        runtime = Runtime.from_rows(Z, self.device)
        module = load_module(
            self._module(), self.map_, device=runtime.device, dtype=runtime.dtype
        )
        if isinstance(Z, torch.Tensor):
            rows = torch.cat([Z, torch.as_tensor(P).to(Z)], dim=1)
        else:
            rows = np.hstack([Z, P.astype(Z.dtype)])
        return runtime.map(module, rows)

    def _module(self):
        """Return a function that makes the map without its weights."""
        n_blocks = len({n.split(".")[1] for n in self.map_ if n.startswith("blocks.")})
        settings = map_settings(self._n_features_out, self.conditions_, n_blocks)
        return partial(ConditionedMap, **settings)

    def _draw(self, units, stream, p_clean=0.0):
        """Return parameters (n, q) for rows, the same ones for rows of one unit."""
        n_units = int(units.max()) + 1 if len(units) else 0
        chosen = stream.integers(len(self.parameters_), size=n_units)
        is_clean = stream.random(n_units) < p_clean
        drawn = np.where(is_clean[:, None], 0.0, self.parameters_[chosen])
        return drawn[units]

    def get_feature_names_out(
        self, input_features: ArrayLike | None = None
    ) -> np.ndarray:
        """Return the names of the embeddings' columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X. None uses the names seen during `fit`.

        Returns
        -------
        ndarray of str of shape (n_embedding,)
            Names of the columns of X if there is no encoder, else generated names.
        """
        check_is_fitted(self)
        if self.encoder is None:
            return OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        return super().get_feature_names_out(input_features)

    def _make_pairs(self, X, y, embeddings, root):
        """Return pairs of the rows and augmented copies that are made of them."""
        table = TableEncoder.from_table(X, shape=self.shape)
        rows = table.encode(X).cpu()
        is_labelled = y is not None and not type_of_target(y).startswith("continuous")
        codes = (
            np.unique(np.asarray(y), return_inverse=True)[1] if is_labelled else None
        )
        training = TrainingRows(
            rows, table.columns, torch.from_numpy(codes) if is_labelled else None
        )
        bound = bound_transformations(
            self.transformations, rows, table.columns, X, labelled=is_labelled
        )
        if not bound:
            raise ValueError(
                "There is no transformation to learn; give transformations, or copies "
                "as Z_aug and params."
            )
        copies, parameters, sources = sampled_copies(
            bound, training, self.n_copies, _P_ON, root
        )
        copies = table.decode(copies, X, sources)
        if self.encoder is not None:
            copies = self._encode(copies)
        copies = as_rows(copies, "X")
        return Pairs(embeddings, copies, parameters, sources, conditions_of(bound))

    @property
    def _n_features_out(self):
        return len(self.map_["mean"])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags


def _unit_numbers(n_rows, groups):
    """Return the number (n,) of each row's group, or of the row."""
    if groups is None:
        return np.arange(n_rows)
    check_consistent_length(np.empty(n_rows), groups)
    return np.unique(np.asarray(groups), return_inverse=True)[1]
