# SPDX-License-Identifier: BSD-3-Clause
"""Replay of classes: a small generator for each, so that rows need not be kept."""

import warnings
import zlib
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils import ClassifierTags, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sktransform.augmentation._random import root_seed, stream_seed
from sktransform.augmentation._replay.generator import fit_generator, generate
from sktransform.augmentation._tabular.containers import (
    check_same_kind,
    labels_below,
    rows_below,
)
from sktransform.base import TorchEstimator
from sktransform.exceptions import DegenerateDataWarning
from sktransform.runtime._callbacks import FitProgress
from sktransform.utils._docs import fill_doc
from sktransform.utils._sklearn import Interval, fit_context
from sktransform.utils._typing import RandomState


@fill_doc
class ClassReplay(TorchEstimator):
    """Learn a small generator of rows for each class, and replay rows from it.

    Each class has a generator of its own: a variational autoencoder of its standardised
    rows with a Gaussian for the residuals of the decoder, or for a class of few rows
    that Gaussian alone. A new class is learned by :meth:`partial_fit` without changing
    the generators of the others and without their rows: a classifier of all classes is
    trained on rows drawn from the generators. Made for embeddings, but any rows of
    numbers will do.

    It is not a transformer: rows are drawn by :meth:`sample` and :meth:`fit_resample`,
    the latter also inside a pipeline of imbalanced-learn, which skips it at prediction.

    Parameters
    ----------
    min_rows : int, default=200
        Fewest rows of a class for which an autoencoder is trained; classes with fewer
        are drawn from a Gaussian with a shrunk covariance. Infinity: Gaussians alone.

    max_epochs : int, default=300
        Passes over the rows of a class.

    random_state : int, RandomState instance or None, default=None
        Seed of trainings and draws. With an int the generator of a class depends on
        its own rows alone, not on when it was learned nor on other classes.

    device : str, default="auto"
        %(device)s. Rows are drawn on the CPU.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.

    generators_ : list of dict
        A generator for each class: "mean" and "scale" of its columns, the "offset",
        "components" and "noise" of a Gaussian over the columns that vary, the weights
        of a "decoder" and the mixture of "latent" Gaussians that it decodes (both empty
        without one), and "n_rows".

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    LatentAugmenter : Augmented copies of given embeddings instead of new ones.

    Notes
    -----
    One autoencoder for each class of embeddings, for class-incremental learning, is the
    idea of [1]_. Two things are added. The decoder's residuals are measured and drawn
    too, with the covariance of [2]_: a decoder alone makes rows that vary too little.
    The decoded codes are drawn from a mixture of Gaussians fitted to the encoded rows
    [3]_, which need not be standard normal. A constant column stays constant.

    An autoencoder is better for classes of many rows with several modes in many
    columns; for a single cloud of rows the Gaussian is as good.

    Samples lie near training rows and can leak them: a class of one row is repeated.

    References
    ----------
    .. [1] E. Frascaroli et al., "CLIP with generative latent replay: a strong baseline
       for incremental learning", British Machine Vision Conference, 2024.
    .. [2] O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional
       covariance matrices", Journal of Multivariate Analysis 88(2), 2004.
    .. [3] P. Ghosh et al., "From variational to deterministic autoencoders",
       International Conference on Learning Representations, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransform.augmentation import ClassReplay
    >>> X, y = load_digits(return_X_y=True)
    >>> X, X_new, y, y_new = X[:900] / 16, X[900:] / 16, y[:900], y[900:]
    >>> replay = ClassReplay(random_state=0)
    >>> replay = replay.fit(X[y < 8], y[y < 8]).partial_fit(X[y >= 8], y[y >= 8])
    >>> model = LogisticRegression(max_iter=5000)
    >>> print(f"real rows: {model.fit(X, y).score(X_new, y_new):.2f}")
    real rows: 0.94
    >>> print(f"drawn ones: {model.fit(*replay.sample(90)).score(X_new, y_new):.2f}")
    drawn ones: 0.92
    """

    _parameter_constraints: dict = {
        **TorchEstimator._parameter_constraints,
        "min_rows": [Interval(Real, 2, None, closed="both")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        min_rows: int = 200,
        max_epochs: int = 300,
        random_state: RandomState = None,
        device: str = "auto",
    ) -> None:
        self.min_rows = min_rows
        self.max_epochs = max_epochs
        self.random_state = random_state
        self.device = device

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn a generator for each class, and forget others.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,)
            Their classes.

        Returns
        -------
        ClassReplay
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, or y holds no classes.
        """
        rows, labels = self._validate_labelled(X, y, reset=True)
        self._learn(rows, labels, {})
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn generators for new classes; those that are known stay as they are.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            All rows of the new classes. Rows of known ones are not used, which a
            :class:`~sktransform.exceptions.DegenerateDataWarning` says.

        y : array-like of shape (n_samples,)
            Their classes.

        Returns
        -------
        ClassReplay
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, has other columns than
            those that were learned, or y holds no classes.
        """
        is_first = not hasattr(self, "classes_")
        rows, labels = self._validate_labelled(X, y, reset=is_first)
        check_same_kind(labels, labels if is_first else self.classes_)
        known = {} if is_first else self._by_class()
        again = np.isin(labels, list(known)) if known else np.zeros(len(labels), bool)
        if again.any():
            warnings.warn(
                f"Class {labels[again][0]!r} has a generator already, which "
                "partial_fit leaves as it is: rows of known classes are not used. Call "
                "fit to learn them anew.",
                DegenerateDataWarning,
                stacklevel=2,
            )
        if not again.all():
            self._learn(rows[~again], labels[~again], known)
        return self

    def sample(
        self,
        n_per_class: int | Mapping[Any, int] = 100,
        *,
        classes: ArrayLike | None = None,
        random_state: RandomState = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw new rows of the classes.

        Parameters
        ----------
        n_per_class : int or dict, default=100
            Rows of each class, or a dict of class to number. More rows of a class
            begin with the same ones.

        classes : array-like, default=None
            The classes to draw. None draws all of them, or those of the dict.

        random_state : int, RandomState instance or None, default=None
            Seed of the draws. None takes that of the estimator, so that an int there
            gives the same rows every time.

        Returns
        -------
        X : ndarray of shape (n_new, n_features)
            The rows, class after class in sorted order, in the precision of the rows
            that were learned from.

        y : ndarray of shape (n_new,)
            Their classes.

        Raises
        ------
        ValueError
            If a class has no generator, or a number is negative.
        """
        check_is_fitted(self)
        counts = self._counts(n_per_class, classes)
        seed = self.random_state if random_state is None else random_state
        return self._drawn(counts, root_seed(seed))

    @fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X: ArrayLike, y: ArrayLike) -> tuple[Any, ...]:
        """Learn the classes, and return the rows followed by new ones.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,)
            Their classes.

        Returns
        -------
        X : ndarray, data frame or Tensor of shape (n_samples + n_new, n_features)
            The rows as they are, then new ones that fill every class up to the size of
            the largest; in the kind of container that X came in.

        y : ndarray or series of shape (n_samples + n_new,)
            Their classes.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, or y holds no classes.
        """
        rows, labels = self._validate_labelled(X, y, reset=True)
        self._learn(rows, labels, {})
        sizes = np.array([np.sum(labels == label) for label in self.classes_])
        missing = (sizes.max() - sizes).tolist()
        counts = dict(zip(self.classes_.tolist(), missing, strict=True))
        made, made_labels = self._drawn(counts, root_seed(self.random_state))
        return rows_below(X, rows, made), labels_below(y, labels, made_labels)

    def _validate_labelled(self, X, y, *, reset):
        """Return rows and their classes, checked."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None: give the class of each row."
            )
        rows = self._validate_rows(X, reset=reset)
        if isinstance(y, torch.Tensor):
            y = y.detach().cpu().numpy()
        labels = column_or_1d(y, warn=True)
        check_consistent_length(rows, labels)
        check_classification_targets(labels)
        return rows, labels

    def _learn(self, rows, labels, known):
        """Fit a generator for each class of the rows, beside those that are known."""
        device = self._runtime(rows).device
        if isinstance(rows, torch.Tensor):
            rows = rows.cpu().numpy()
        root = root_seed(self.random_state)
        learned, classes = dict(known), np.unique(labels)
        with FitProgress(self, max_iter=len(classes), task_name="class") as progress:
            for label in classes.tolist():
                own = rows[labels == label]
                if len(own) == 1:
                    warnings.warn(
                        f"Class {label!r} has a single row, which replay repeats.",
                        DegenerateDataWarning,
                        stacklevel=3,
                    )
                seed = stream_seed(root, _class_key(label))
                learned[label] = fit_generator(
                    own, self.min_rows, self.max_epochs, seed, device
                )
                progress.step()
        all_classes = np.concatenate([classes, self.classes_]) if known else classes
        self.classes_ = np.unique(all_classes)
        self.generators_ = [learned[label] for label in self.classes_.tolist()]

    def _by_class(self):
        """Return the generators under their classes."""
        return dict(zip(self.classes_.tolist(), self.generators_, strict=True))

    def _counts(self, n_per_class, classes):
        """Return how many rows of which class are to be drawn."""
        given = n_per_class if isinstance(n_per_class, dict) else {}
        if classes is None:
            classes = list(given) or self.classes_.tolist()
        classes = np.asarray(classes).tolist()
        known = set(self.classes_.tolist())
        for label in classes:
            if label not in known:
                raise ValueError(
                    f"Class {label!r} has no generator; fit it first, or give one of "
                    f"{self.classes_.tolist()}."
                )
        counts = {
            label: given.get(label, 0) if given else n_per_class for label in classes
        }
        for label, count in counts.items():
            if not isinstance(count, Integral) or count < 0:
                raise ValueError(
                    f"The number of rows of class {label!r} must be an integer of at "
                    f"least 0, got {count!r}."
                )
        return counts

    def _drawn(self, counts, root):
        """Return new rows and their classes."""
        rows, labels = [], []
        for label, generator in self._by_class().items():
            n_rows = int(counts.get(label, 0))
            seed = stream_seed(root, _class_key(label))
            rows.append(generate(generator, n_rows, seed))
            labels.append(np.full(n_rows, label, dtype=self.classes_.dtype))
        return np.concatenate(rows), np.concatenate(labels)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        # It is not a classifier, but its targets are classes.
        tags.classifier_tags = ClassifierTags()
        return tags


def _class_key(label):
    """Return a number for a class that is the same in every process."""
    return zlib.crc32(repr(label).encode())
