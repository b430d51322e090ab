# SPDX-License-Identifier: BSD-3-Clause
"""An estimator with a trained module, from its fit to its pickle."""

import pickle
import pickletools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransform.base import TorchTransformer
from sktransform.runtime import FitProgress
from sktransform.runtime._training import load_module, train_module
from sktransform.utils._sklearn import fit_context


class Autoencoder(torch.nn.Module):
    def __init__(self, n_features, n_components):
        super().__init__()
        self.encode = torch.nn.Linear(n_features, n_components)
        self.decode = torch.nn.Linear(n_components, n_features)

    def forward(self, X):
        return self.decode(self.encode(X))


class LinearAutoencoder(TorchTransformer):
    """The least that an estimator with a trained module has to write."""

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "n_components": [int],
        "max_iter": [int],
        "random_state": ["random_state"],
    }

    def __init__(self, n_components=2, *, max_iter=20, device="cpu", random_state=None):
        self.n_components = n_components
        self.max_iter = max_iter
        self.device = device
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        X = self._validate_rows(X, reset=True)
        runtime = self._runtime(X)
        with FitProgress(self, max_iter=self.max_iter, X=X, y=y) as progress:
            result = train_module(
                self._build,
                X,
                criterion=torch.nn.MSELoss,
                learning_rate=0.05,
                max_epochs=self.max_iter,
                batch_size=50,
                random_state=self.random_state,
                device=runtime.device,
                dtype=runtime.dtype,
                progress=progress,
                reconstruction_attributes=lambda state: {"state_": state},
            )
        self.state_ = result.state
        self.loss_curve_ = result.loss_curve
        self.n_iter_ = result.n_epochs
        return self

    def transform(self, X):
        X = self._validate_rows(X, reset=False)
        return self._runtime(X).map(self._module(X).encode, X)

    def inverse_transform(self, X):
        return self._runtime(X).map(self._module(X).decode, X)

    def score(self, X, y=None):
        return -np.mean((self.inverse_transform(self.transform(X)) - X) ** 2)

    def _build(self):
        return Autoencoder(self.n_features_in_, self.n_components)

    def _module(self, X):
        runtime = self._runtime(X)
        return load_module(
            self._build, self.state_, device=runtime.device, dtype=runtime.dtype
        )


class StopAfter:
    """A callback of scikit-learn's kind that ends a fit after some iterations."""

    def __init__(self, iterations):
        self.iterations = iterations

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        return context.task_id + 1 == self.iterations


def test_a_linear_autoencoder_reaches_the_error_of_pca(X):
    pca = PCA(2).fit(X)
    best = np.mean((pca.inverse_transform(pca.transform(X)) - X) ** 2)
    autoencoder = LinearAutoencoder(2, max_iter=200, random_state=0).fit(X)
    error = -autoencoder.score(X)
    assert best <= error < 1.01 * best
    assert_allclose(autoencoder.loss_curve_.min(), best, rtol=0.05)


def test_global_generators_are_left_as_they_were(X):
    numpy_before = np.random.get_state()[1:]  # noqa: NPY002
    torch_before = torch.get_rng_state()
    autoencoder = LinearAutoencoder(max_iter=2, random_state=0).fit(X)
    autoencoder.transform(X)
    assert_array_equal(torch.get_rng_state(), torch_before)
    numpy_after = np.random.get_state()[1:]  # noqa: NPY002
    assert_array_equal(numpy_after[0], numpy_before[0])
    assert numpy_after[1:] == numpy_before[1:]


def test_an_interrupt_reaches_the_user_and_undoes_the_fit(X, monkeypatch):
    def interrupted(module, rows):
        raise KeyboardInterrupt

    autoencoder = LinearAutoencoder(max_iter=2)
    monkeypatch.setattr(Autoencoder, "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        autoencoder.fit(X)
    assert not hasattr(autoencoder, "n_features_in_")


def test_an_interrupt_at_the_end_of_an_epoch_reaches_the_user_too(X, monkeypatch):
    def interrupted(progress, reconstruction_attributes=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(FitProgress, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LinearAutoencoder(max_iter=2).fit(X)


@pytest.mark.usefixtures("callbacks")
def test_a_callback_of_scikit_learn_stops_the_training(X):
    autoencoder = LinearAutoencoder(max_iter=50, random_state=0)
    autoencoder.set_callbacks(StopAfter(4)).fit(X)
    assert autoencoder.n_iter_ == len(autoencoder.loss_curve_) == 4
    short = LinearAutoencoder(max_iter=4, random_state=0).fit(X)
    assert_array_equal(autoencoder.transform(X), short.transform(X))


def test_scores_of_each_epoch_fall_with_the_loss(X, callbacks):
    monitor = callbacks.ScoringMonitor(scoring={"error": LinearAutoencoder.score})
    autoencoder = LinearAutoencoder(max_iter=8, random_state=0)
    autoencoder.set_callbacks(monitor).fit(X, y=np.zeros(len(X)))
    scores = [row["error"] for row in monitor.get_logs().data]
    assert len(scores) == 8
    assert scores[-1] == autoencoder.score(X)
    assert scores[-1] > scores[0]


def test_progress_bar_in_a_pipeline(X, capsys, callbacks):
    pipeline = make_pipeline(StandardScaler(), LinearAutoencoder(max_iter=2))
    pipeline.set_callbacks(callbacks.ProgressBar(max_propagation_depth=None)).fit(X)
    assert capsys.readouterr().out.count("LinearAutoencoder - fit") == 1


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_bar_in_a_grid_search(X, capsys, n_jobs, callbacks):
    pipeline = make_pipeline(
        StandardScaler(), LinearAutoencoder(max_iter=20, random_state=0)
    )
    grid = {"linearautoencoder__n_components": [1, 3]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(callbacks.ProgressBar(max_propagation_depth=None)).fit(X)
    assert search.best_params_ == {"linearautoencoder__n_components": 3}
    # Two candidates in two folds, and the refit.
    assert capsys.readouterr().out.count("LinearAutoencoder - fit") == 5


def test_a_pickle_holds_arrays_alone(X):
    autoencoder = LinearAutoencoder(max_iter=2, random_state=0).fit(X)
    assert all(type(values) is np.ndarray for values in autoencoder.state_.values())
    pickled = pickle.dumps(autoencoder)
    strings = [argument for _, argument, _ in pickletools.genops(pickled)]
    modules = {str(argument).split(".")[0] for argument in strings}
    assert not modules & {"torch", "skorch"}
    loaded = pickle.loads(pickled)
    assert_array_equal(loaded.transform(X), autoencoder.transform(X))
