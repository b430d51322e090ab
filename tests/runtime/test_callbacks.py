# SPDX-License-Identifier: BSD-3-Clause
"""Fit loops report to scikit-learn's callbacks, at any depth."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransform.runtime import FitProgress
from sktransform.utils._sklearn import CallbackSupportMixin, fit_context


class Halver(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Halve a shift a few times; its score is the number of halvings."""

    _parameter_constraints: dict = {"max_iter": [int]}

    def __init__(self, max_iter=4):
        self.max_iter = max_iter

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        shift = 1.0
        with FitProgress(self, max_iter=self.max_iter, X=X, y=y) as progress:
            for iteration in range(self.max_iter):
                shift /= 2
                now = {"shift_": shift, "n_iter_": iteration + 1}
                if progress.step(lambda now=now: now):
                    break
        self.shift_, self.n_iter_ = shift, now["n_iter_"]
        return self

    def transform(self, X):
        return np.asarray(X) + self.shift_

    def score(self, X, y=None):
        return float(self.n_iter_)


class Recorder:
    """Keep the hooks that were called, and stop after some iterations."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context):
        self.calls.append(f"end {context.task_name}")
        return self.calls.count("end iteration") == self.stop_after


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(12, 2))


def test_without_callbacks_nothing_is_reported(X):
    with FitProgress(object(), max_iter=1) as progress:
        assert [progress.step() for _ in range(3)] == [False] * 3
    assert Halver(max_iter=5).fit(X).n_iter_ == 5


@pytest.mark.usefixtures("callbacks")
def test_hooks_are_called_in_order(X):
    recorder = Recorder()
    Halver(max_iter=2).set_callbacks(recorder).fit(X)
    assert recorder.calls == [
        "setup",
        "begin fit",
        *["begin iteration", "end iteration"] * 2,
        "end fit",
        "teardown",
    ]


@pytest.mark.usefixtures("callbacks")
def test_a_callback_stops_the_loop_and_the_fit_still_ends(X):
    recorder = Recorder(stop_after=3)
    halver = Halver(max_iter=50).set_callbacks(recorder).fit(X)
    assert halver.n_iter_ == 3
    assert recorder.calls[-2:] == ["end fit", "teardown"]


@pytest.mark.usefixtures("callbacks")
def test_an_error_in_the_loop_leaves_only_the_teardown(X):
    recorder = Recorder()
    halver = Halver().set_callbacks(recorder)

    def fail(estimator, context):
        raise RuntimeError("no more")

    recorder.on_fit_task_end = fail
    with pytest.raises(RuntimeError, match="no more"):
        halver.fit(X)
    assert recorder.calls[-2:] == ["begin iteration", "teardown"]
    assert not hasattr(halver, "n_iter_")


@pytest.mark.usefixtures("callbacks")
def test_more_iterations_than_promised_are_refused(X):
    progress = FitProgress(Halver(), max_iter=1)
    assert progress.step() is False
    with pytest.raises(ValueError, match="maximum number of children"):
        progress.step()


def test_scoring_sees_the_estimator_of_each_iteration(X, callbacks):
    monitor = callbacks.ScoringMonitor(scoring={"halvings": Halver.score})
    Halver(max_iter=3).set_callbacks(monitor).fit(X, y=np.zeros(12))
    scores = [row["halvings"] for row in monitor.get_logs().data]
    assert scores == [1.0, 2.0, 3.0]


def test_progress_bar_in_a_pipeline_shows_the_iterations(X, capsys, callbacks):
    pipeline = make_pipeline(StandardScaler(), Halver())
    pipeline.set_callbacks(callbacks.ProgressBar(max_propagation_depth=None)).fit(X)
    assert "Halver - fit" in capsys.readouterr().out


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_bar_in_a_grid_search_of_pipelines(X, capsys, n_jobs, callbacks):
    pipeline = make_pipeline(StandardScaler(), Halver())
    search = GridSearchCV(pipeline, {"halver__max_iter": [2, 3]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(callbacks.ProgressBar(max_propagation_depth=None)).fit(X)
    assert search.best_params_ == {"halver__max_iter": 3}
    # Two candidates in two folds, and the refit.
    assert capsys.readouterr().out.count("Halver - fit") == 5
