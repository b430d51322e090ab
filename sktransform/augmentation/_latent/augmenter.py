# SPDX-License-Identifier: BSD-3-Clause
"""Versions of embeddings whose objects are gone."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sktransform.augmentation._latent.pairs import as_rows, given_pairs
from sktransform.augmentation._latent.training import (
    Pairs,
    conditions_of,
    drawn_versions,
    fidelity,
    held_out_units,
    kept_draws,
    map_settings,
    train_map,
)
from sktransform.augmentation._latent.views import LatentViewsMixin, token_sizes
from sktransform.augmentation._random import VIEWS, numpy_stream, root_seed
from sktransform.augmentation._tabular.dataset import TrainingRows
from sktransform.augmentation._tabular.encoder import Table, is_frame
from sktransform.augmentation.transforms._defaults import bound_transformations
from sktransform.base import TorchTransformer
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._sklearn import HasMethods, Interval, StrOptions, fit_context


class LatentAugmenter(
    LatentViewsMixin, ClassNamePrefixFeaturesOutMixin, TorchTransformer
):
    """Learn what transformations of objects do to their frozen embeddings.

    At prediction nothing changes: `transform` returns the embeddings as they are, of
    rows that an `encoder` makes embeddings of first. Only `fit_transform`, which a
    pipeline calls on training rows, and :meth:`augment` return versions. A map is
    trained to say where the embedding of an object would be had the object been
    transformed; it then makes versions of embeddings whose objects are no longer at
    hand, at the cost of a small network instead of the encoder.

    Whether the map is any good is measured on held-out rows, beside doing nothing: see
    `fidelity_` and :meth:`report`.

    Parameters
    ----------
    transformations : "default" or list of Transformation, default="default"
        Transformations of rows to imitate, in the order in which they act; "default"
        takes what the columns or the `shape` allow. Not asked where `fit` is given
        versions.

    encoder : callable or transformer, default=None
        Makes embeddings of rows; already fitted and not changed. None takes the rows
        as embeddings.

    shape : tuple of int, default=None
        What a row is when it is not flattened: ``(length,)`` for a series, ``(height,
        width)`` or ``(height, width, channels)`` for an image.

    n_copies : int, default=4
        Versions of each row to learn from.

    p_on : float, default=0.75
        Probability of each transformation in a version.

    discrete : sequence of int, default=()
        Columns of `params`, where `fit` is given them, that hold states: whole numbers
        from 0, the identity.

    n_blocks : int, default=2
        Blocks of the map.

    max_epochs : int, default=60
        Passes over the pairs at most; the map ends once 10 of them brought nothing.

    batch_size : int, default=64
        Pairs of one training step.

    learning_rate : float, default=5e-4
        Step size of AdamW.

    p_clean : float, default=0.5
        Probability that `fit_transform` leaves an embedding as it is.

    augment_in_fit_transform : bool, default=True
        Whether `fit_transform` returns versions, or what `transform` returns.

    draw : {"per_row", "per_group"}, default="per_row"
        Whether embeddings of one group, such as the patches of a slide, share what is
        drawn for them.

    random_state : int, RandomState instance or None, default=None
        Seed of everything that is drawn.

    device : str, default="auto"
        Where to compute: "cpu", "cuda", "cuda:1", ... "auto" takes a tensor's own
        device, else CUDA if there is one, else the CPU. It may change after `fit`.

    Attributes
    ----------
    fidelity_ : dict
        On pairs of held-out rows: "cosine" of imitated and true versions, "control",
        that of the embeddings as they were and the true versions, and the "gain" of
        one over the other, each with a 95 % interval over rows or groups (as
        "cosine_interval" and so on); "explained", the share of the squared movement
        that is imitated, 1 at best and 0 for doing nothing; "n_pairs". NaN if there
        are fewer than ten rows or groups.

    conditions_ : list of dict
        What the map is told: "name", "n_parameters" and "n_states" (0 for a continuous
        one) of each transformation.

    map_ : dict of str to ndarray
        Weights of the map.

    parameters_ : ndarray of shape (n_draws, n_parameters)
        Parameters that :meth:`augment` draws from: those of the training pairs, at
        most 1024 of them.

    loss_curve_ : ndarray of shape (`n_iter_`,)
        Training loss of each pass.

    n_iter_ : int
        Passes over the pairs.

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
    InvarianceAugmenter : Learns which transformations to apply to rows themselves.
    ClassReplay : New embeddings instead of versions.

    Notes
    -----
    ``fit_transform(X, y)`` differs from ``fit(X, y).transform(X)`` on purpose, as that
    of :class:`sklearn.preprocessing.TargetEncoder` does.

    The map is that of [1]_, smaller: the embedding is cut into tokens, which read, by
    cross-attention, a token for each transformation. Its output is a movement that is
    added to the embedding and is 0 before training; half of the loss asks that
    parameters of 0 move nothing. What a transformation draws beside its parameters,
    such as noise, is imitated in the mean. There is no inverse.

    References
    ----------
    .. [1] S. Boutaj et al., "Controllable latent space augmentation for digital
       pathology", ICCV 2025, arXiv:2508.14588.

    Examples
    --------
    Images of digits, turned, as a random projection sees them:

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
        "p_on": [Interval(Real, 0, 1, closed="right")],
        "discrete": ["array-like"],
        "n_blocks": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "p_clean": [Interval(Real, 0, 1, closed="both")],
        "augment_in_fit_transform": ["boolean"],
        "draw": [StrOptions({"per_row", "per_group"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        transformations="default",
        *,
        encoder=None,
        shape=None,
        n_copies=4,
        p_on=0.75,
        discrete=(),
        n_blocks=2,
        max_epochs=60,
        batch_size=64,
        learning_rate=5e-4,
        p_clean=0.5,
        augment_in_fit_transform=True,
        draw="per_row",
        random_state=None,
        device="auto",
    ):
        self.transformations = transformations
        self.encoder = encoder
        self.shape = shape
        self.n_copies = n_copies
        self.p_on = p_on
        self.discrete = discrete
        self.n_blocks = n_blocks
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.p_clean = p_clean
        self.augment_in_fit_transform = augment_in_fit_transform
        self.draw = draw
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, Z_aug=None, params=None, sources=None, groups=None):
        """Learn the map, and measure it on rows held out.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows, or without an encoder embeddings.

        y : array-like of shape (n_samples,), default=None
            Classes, for transformations that mix rows of one class.

        Z_aug : array-like of shape (n_pairs, n_embedding), default=None
            Embeddings of transformed objects. None transforms the rows.

        params : array-like or data frame of shape (n_pairs, n_parameters), default=None
            How each of them was made, 0 for the identity, best from -1 to 1.

        sources : array-like of int of shape (n_pairs,), default=None
            The row of X that each of them belongs to. None stands for one version of
            all rows, then the next.

        groups : array-like of shape (n_samples,), default=None
            Rows of one group are held out together.

        Returns
        -------
        LatentAugmenter
            The fitted augmenter.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, if versions, parameters and
            sources do not fit together, or if there is nothing to imitate.
        """
        self._fit(X, y, Z_aug, params, sources, groups)
        return self

    def fit_transform(self, X, y=None, **fit_params):
        """Learn the map, and return one version of each embedding.

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
            Embeddings, each left as it is with probability `p_clean`.
        """
        Z = self.fit(X, y, **fit_params)._embedded(X)
        if not self.augment_in_fit_transform:
            return Z
        stream = numpy_stream(self.seed_, VIEWS)
        groups = fit_params.get("groups")
        P = self._drawn(self._units(len(Z), groups), stream, self.p_clean)
        return self._moved(Z, P)

    def transform(self, X):
        """Return embeddings as they are: at prediction nothing changes.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            Rows, or without an encoder embeddings.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, n_embedding)
            Embeddings: of the encoder, or a copy of X.
        """
        check_is_fitted(self)
        return self._embedded(X)

    def _fit(self, X, y, Z_aug, params, sources, groups):
        """Make pairs, train the map, and measure it."""
        rows = self._validate_rows(X, reset=True, min_samples=2)
        check_consistent_length(rows, y, groups)
        root = root_seed(self.random_state)
        embeddings = as_rows(rows if self.encoder is None else self._encoded(X), "Z")
        check_consistent_length(rows, embeddings)
        if Z_aug is None:
            if params is not None or sources is not None:
                raise ValueError(
                    "params and sources tell of versions that are given; give Z_aug "
                    "too, or leave them out."
                )
            given = X if is_frame(X) else rows
            pairs = self._own_pairs(given, y, embeddings, root)
        else:
            pairs = given_pairs(embeddings, Z_aug, params, sources, self.discrete)
        units = self._numbers(len(rows), groups)[pairs.sources]
        masks = held_out_units(units, root)
        width = embeddings.shape[1]
        settings = map_settings(
            width, pairs.conditions, *token_sizes(width), self.n_blocks
        )
        with FitProgress(self, self.max_epochs, "epoch", X=X, y=y) as progress:
            trained = train_map(
                pairs,
                masks,
                settings,
                root,
                learning_rate=self.learning_rate,
                max_epochs=self.max_epochs,
                batch_size=self.batch_size,
                patience=10,
                device=self._runtime(rows).device,
                progress=progress,
            )
        self.map_, self.conditions_ = trained.state, pairs.conditions
        self.loss_curve_, self.n_iter_ = trained.loss_curve, trained.n_epochs
        self.parameters_ = kept_draws(pairs.parameters, root)
        self.seed_, self.n_calls_ = root, 0
        held = masks[2]
        before = embeddings[pairs.sources[held]]
        after = self._moved(before, pairs.parameters[held]) if held.any() else before
        self.fidelity_ = fidelity(after, pairs, held, units)

    def _own_pairs(self, X, y, embeddings, root):
        """Return pairs of versions that are made here."""
        table = Table.of(X, shape=self.shape)
        rows = table.rows(X).cpu()
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
                "There is no transformation to imitate; give some, or versions as "
                "Z_aug and params."
            )
        versions, parameters, sources = drawn_versions(
            bound, training, self.n_copies, self.p_on, root
        )
        versions = table.restored(versions, X, sources)
        if self.encoder is not None:
            versions = self._encoded(versions)
        rows, conditions = as_rows(versions, "X"), conditions_of(bound)
        return Pairs(embeddings, rows, parameters, sources, conditions)

    @property
    def _n_features_out(self):
        return len(self.map_["mean"])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.augment_in_fit_transform
        return tags
