# SPDX-License-Identifier: BSD-3-Clause
"""Class replay: one generator of rows per class, so that rows need not be stored."""

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
    """Learn a small generator of rows for each class, and sample rows from it.

    The generator of a class is a variational autoencoder of its standardised rows with
    a Gaussian for the residuals of the decoder, or, for a class of few rows, a Gaussian
    alone. :meth:`partial_fit` learns generators of new classes without changing those
    of earlier classes and without their rows. A classifier of all classes can then be
    trained on rows sampled from the generators. It is intended for embeddings, but
    accepts any numeric rows.

    It is not a transformer. Rows are sampled by :meth:`sample`, and by
    :meth:`fit_resample`, which a pipeline of imbalanced-learn calls in training and
    skips at prediction.

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
        One generator for each class: "mean" and "scale" of the columns; "offset",
        "components" and "noise" of a Gaussian over the columns that vary; the weights
        of the "decoder" and the Gaussian mixture of its "latent" codes (both empty
        without an autoencoder); and "n_rows".

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, if they are all strings.

    See Also
    --------
    LatentAugmenter : Returns augmented copies of given embeddings.

    Notes
    -----
    One autoencoder for each class of embeddings, for class-incremental learning, was
    proposed in [1]_. There are two additions. The residuals of the decoder are sampled
    too, with the shrunk covariance of [2]_, because the output of a decoder alone
    varies too little. The latent codes are sampled from a Gaussian mixture fitted to
    the encoded rows [3]_, since their distribution need not be standard normal. A
    constant column stays constant.

    An autoencoder is better for classes of many rows with several modes in many
    columns; for a class with a single mode the Gaussian is as good.

    Samples are close to training rows and may disclose them; the generator of a class
    with one row repeats this row.

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
        """Learn a generator for each class, and discard earlier generators.

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
            If X is not numeric, finite and two-dimensional, or if y has no class
            labels.
        """
        rows, labels = self._validate_labelled(X, y, reset=True)
        self._learn(rows, labels, {})
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Learn generators for new classes without changing those of known classes.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            All rows of the new classes. Rows of known classes are ignored, with a
            :class:`~sktransform.exceptions.DegenerateDataWarning`.

        y : array-like of shape (n_samples,)
            Their classes.

        Returns
        -------
        ClassReplay
            The fitted estimator.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, if its columns differ from
            those of earlier calls, or if y has no class labels.
        """
        is_first = not hasattr(self, "classes_")
        rows, labels = self._validate_labelled(X, y, reset=is_first)
        check_same_kind(labels, labels if is_first else self.classes_)
        known = {} if is_first else self._by_class()
        again = np.isin(labels, list(known)) if known else np.zeros(len(labels), bool)
        if again.any():
            warnings.warn(
                f"Class {labels[again].tolist()[0]!r} has a generator already: "
                "partial_fit ignores rows of known classes. Call "
                "fit to learn all generators anew.",
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
        """Sample new rows of the classes.

        Parameters
        ----------
        n_per_class : int or dict, default=100
            Number of rows of each class, or a dict from classes to numbers. With the
            same seed, a larger sample of a class begins with the rows of a smaller one.

        classes : array-like, default=None
            The classes to sample. None samples all classes, or those of the dict.

        random_state : int, RandomState instance or None, default=None
            Seed of the draws. None uses `random_state` of the estimator; if that is an
            int, every call returns the same rows.

        Returns
        -------
        X : ndarray of shape (n_new, n_features)
            The rows, class after class in sorted order, in the precision of the
            training rows.

        y : ndarray of shape (n_new,)
            Their classes.

        Raises
        ------
        ValueError
            If a class has no generator, or if a number of rows is negative.
        """
        check_is_fitted(self)
        counts = self._counts(n_per_class, classes)
        seed = self.random_state if random_state is None else random_state
        return self._drawn(counts, root_seed(seed))

    @fit_context(prefer_skip_nested_validation=True)
    def fit_resample(self, X: ArrayLike, y: ArrayLike) -> tuple[Any, ...]:
        """Learn the generators, and return the rows followed by new rows.

        Parameters
        ----------
        X : array-like, data frame or Tensor of shape (n_samples, n_features)
            The rows.

        y : array-like of shape (n_samples,)
            Their classes.

        Returns
        -------
        X : ndarray, data frame or Tensor of shape (n_samples + n_new, n_features)
            The unchanged rows, then new rows that fill every class up to the size of
            the largest class, in the container of X.

        y : ndarray or series of shape (n_samples + n_new,)
            Their classes.

        Raises
        ------
        ValueError
            If X is not numeric, finite and two-dimensional, or if y has no class
            labels.
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
                        f"Class {label!r} has a single row; its samples are copies of "
                        "this row.",
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
                    f"Class {label!r} has no generator; fit this class first, or give "
                    f"one of {self.classes_.tolist()}."
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
