# SPDX-License-Identifier: BSD-3-Clause
"""The probe as an estimator, for a gate that has nobody else to ask."""

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from sktransform.augmentation._features import ProbeFeatures
from sktransform.augmentation._probe import train_probes
from sktransform.augmentation._streams import root_seed
from sktransform.augmentation._target import Target


class _ProbeEstimator(BaseEstimator):
    """One small network; the rows are those of the engine, already coded."""

    def __init__(self, columns, *, n_steps=220, n_hidden=48, random_state=None):
        self.columns = columns
        self.n_steps = n_steps
        self.n_hidden = n_hidden
        self.random_state = random_state

    def _fit(self, X, target):
        self._features = ProbeFeatures(self.columns)
        self._probe = train_probes(
            self._features(torch.as_tensor(X)),
            target,
            [torch.arange(len(X))],
            None,
            root=root_seed(self.random_state),
            n_steps=self.n_steps,
            n_hidden=self.n_hidden,
        )
        return self

    def _outputs(self, X):
        return self._probe.one(0, self._features(torch.as_tensor(X))).double().numpy()


class ProbeClassifier(ClassifierMixin, _ProbeEstimator):
    """A small network of classes."""

    def fit(self, X, y, sample_weight=None):
        """Train on rows (n, d), labels (n,) and weights (n,)."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        return self._fit(X, Target.of(codes, True, sample_weight))

    def decision_function(self, X):
        """Return logits (n, n_classes), or their difference for two classes."""
        outputs = self._outputs(X)
        if len(self.classes_) == 2:
            return outputs[:, 1] - outputs[:, 0]
        return outputs

    def predict(self, X):
        """Return the likeliest class of each row."""
        return self.classes_[self._outputs(X).argmax(1)]


class ProbeRegressor(RegressorMixin, _ProbeEstimator):
    """A small network of numbers."""

    def fit(self, X, y, sample_weight=None):
        """Train on rows (n, d), numbers (n,) or (n, n_outputs), and weights (n,)."""
        y = np.asarray(y, np.float64)
        columns = y.reshape(len(y), -1)
        self._mean, spread = columns.mean(0), columns.std(0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._is_column = y.ndim == 2
        return self._fit(X, Target.of(y, False, sample_weight))

    def predict(self, X):
        """Return the expected numbers of each row."""
        numbers = self._outputs(X) * self._spread + self._mean
        return numbers if self._is_column else numbers[:, 0]
