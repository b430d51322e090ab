# SPDX-License-Identifier: BSD-3-Clause
"""Modules are trained to known answers, and leave no trace but arrays."""

import copy
import functools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping, LRScheduler

from sktransform.runtime._training import load_module, train_module


class CountEvents(Callback):
    """A callback of skorch's kind that counts what it is told in a shared list."""

    def __init__(self, events):
        self.events = events

    def __deepcopy__(self, memo):
        return CountEvents(self.events)

    def on_epoch_end(self, net, **kwargs):
        self.events.append("epoch")

    def on_batch_end(self, net, training, loss, y_pred, **kwargs):
        assert torch.isfinite(loss)
        self.events.append("train" if training else "valid")


@pytest.fixture(scope="module")
def line():
    """Rows and targets of an exact linear map."""
    X = np.random.default_rng(0).normal(size=(300, 4))
    return X, X @ [[1.0], [-2.0], [3.0], [0.5]] + 4.0


build_linear = functools.partial(torch.nn.Linear, 4, 1)
fit_line = functools.partial(
    train_module,
    build_linear,
    criterion=torch.nn.MSELoss,
    learning_rate=0.05,
    max_epochs=5,
    random_state=0,
)


def test_a_linear_map_is_found_in_double_precision(line):
    X, y = line
    result = fit_line(X, y, max_epochs=600, dtype=torch.float64)
    assert result.state["weight"].dtype == np.float64
    assert_allclose(result.state["weight"], [[1.0, -2.0, 3.0, 0.5]], atol=1e-6)
    assert_allclose(result.state["bias"], [4.0], atol=1e-6)


def test_the_batches_of_an_epoch_hold_every_row_once(line):
    # Without a learning rate the mean over batches is the loss of all rows.
    X, y = line
    module = build_linear().double()
    with torch.no_grad():
        expected = torch.nn.functional.mse_loss(
            module(torch.from_numpy(X)), torch.from_numpy(y)
        )
    result = train_module(
        module,
        X,
        y,
        criterion=torch.nn.MSELoss,
        learning_rate=0.0,
        max_epochs=2,
        batch_size=64,
        validation=(X, y),
        dtype=torch.float64,
        random_state=0,
    )
    assert_allclose(result.loss_curve, float(expected), rtol=1e-12)
    assert_allclose(result.validation_curve, float(expected), rtol=1e-12)


def test_one_seed_gives_one_result_and_another_seed_another(line):
    one, same, other = (fit_line(*line, random_state=seed) for seed in (0, 0, 1))
    for name, values in one.state.items():
        assert_array_equal(values, same.state[name])
        assert (values != other.state[name]).any()
    assert_array_equal(one.loss_curve, same.loss_curve)


def test_noise_inside_the_module_follows_the_seed(line):
    X, _ = line

    def noisy():
        return torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 4))

    one, same = (
        train_module(noisy, X, criterion=torch.nn.MSELoss, max_epochs=3, random_state=5)
        for _ in range(2)
    )
    assert_array_equal(one.loss_curve, same.loss_curve)


def test_generators_are_restored_when_training_fails(line):
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="not finite"):
        fit_line(*line, learning_rate=1e30, max_epochs=50)
    assert_array_equal(torch.get_rng_state(), before)


def test_trainings_in_threads_keep_their_seeds(line):
    before = torch.get_rng_state()
    with ThreadPoolExecutor(3) as pool:
        together = list(
            pool.map(lambda seed: fit_line(*line, random_state=seed), range(3))
        )
    assert_array_equal(torch.get_rng_state(), before)
    for seed, result in enumerate(together):
        alone = fit_line(*line, random_state=seed)
        assert_array_equal(result.state["weight"], alone.state["weight"])


def test_a_module_given_is_copied(line):
    module = build_linear()
    before = copy.deepcopy(module.state_dict())
    result = train_module(module, *line, criterion=torch.nn.MSELoss, max_epochs=2)
    for name, values in module.state_dict().items():
        assert_array_equal(values, before[name])
        assert values.grad is None
        assert (result.state[name] != values.numpy()).any()
    assert module.training


def test_rows_are_never_written_to(line):
    X, y = (values.copy() for values in line)
    X.setflags(write=False)
    y.setflags(write=False)
    fit_line(X, y)
    assert_array_equal(X, line[0])


def test_weights_of_the_lowest_validation_loss_are_kept(line):
    # The held-out rows obey another slope, near the start: descent passes it by.
    X = np.ones((64, 1))
    start = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(start.weight)
    result = train_module(
        start,
        X,
        3 * X,
        validation=(X, 1 * X),
        criterion=torch.nn.MSELoss,
        optimizer=torch.optim.SGD,
        learning_rate=0.05,
        max_epochs=40,
        random_state=0,
    )
    best = np.argmin(result.validation_curve)
    assert 0 < best < result.n_epochs - 1
    assert result.best_epoch == best
    # Gradient descent on (weight - 3)^2 has this closed form after best + 1 steps.
    assert_allclose(result.state["weight"], 3 * (1 - 0.9 ** (best + 1)), rtol=1e-5)
    assert result.validation_curve[-1] > 2 * result.validation_curve[best]


def test_without_validation_the_lowest_training_loss_decides(line):
    result = fit_line(*line, learning_rate=3.0, max_epochs=30)
    assert result.validation_curve is None
    assert result.best_epoch == np.argmin(result.loss_curve)


def test_patience_ends_a_training_without_progress(line):
    X, y = line
    result = fit_line(X, y, validation=(X, y), learning_rate=0.0, patience=3)
    assert (result.best_epoch, result.n_epochs) == (0, 4)
    assert result.loss_curve.shape == result.validation_curve.shape == (4,)


def test_a_loss_sees_the_module_the_rows_and_the_targets(line):
    X, y = line

    def ridge(module, output, X, y):
        assert X.shape[1] == 4
        return ((output - y) ** 2).mean() + 0.5 * (module.weight**2).sum()

    result = fit_line(
        X,
        y,
        criterion=None,
        loss=ridge,
        max_epochs=400,
        batch_size=300,
        dtype=torch.float64,
    )
    centred = X - X.mean(axis=0)
    expected = np.linalg.solve(
        centred.T @ centred + 150 * np.eye(4), centred.T @ (y - y.mean())
    )
    assert_allclose(result.state["weight"], expected.T, atol=1e-6)


def test_a_loss_without_targets_gets_none(line):
    def spread(module, output, X, y):
        assert y is None
        return -output.var() + (module.weight.norm() - 1) ** 2 * 100

    result = fit_line(line[0], criterion=None, loss=spread)
    assert result.loss_curve[-1] < result.loss_curve[0]


@pytest.mark.parametrize("both", [{}, {"loss": lambda *_: 0}])
def test_exactly_one_of_criterion_and_loss(line, both):
    criterion = {"criterion": torch.nn.MSELoss} if both else {}
    with pytest.raises(ValueError, match="one of criterion and loss"):
        train_module(build_linear, line[0], **criterion, **both)


def test_class_labels_stay_whole_numbers(X):
    labels = load_iris().target
    result = train_module(
        lambda: torch.nn.Linear(4, 3),
        X,
        labels,
        criterion=torch.nn.CrossEntropyLoss,
        learning_rate=0.1,
        max_epochs=100,
        random_state=0,
    )
    logits = X @ result.state["weight"].T + result.state["bias"]
    assert np.mean(logits.argmax(axis=1) == labels) > 0.95


def test_parameters_of_the_criterion_are_trained_on_a_copy(line):
    class Shifted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.shift = torch.nn.Parameter(torch.zeros(()))

        def forward(self, output, y):
            return ((output + self.shift - y) ** 2).mean()

    # Without its shift, a map through the origin misses the line's constant 4.
    through_origin = functools.partial(torch.nn.Linear, 4, 1, bias=False)
    criterion = Shifted()
    curves = [
        train_module(
            through_origin,
            *line,
            criterion=criterion,
            learning_rate=0.05,
            max_epochs=200,
            random_state=0,
        ).loss_curve
        for criterion in (criterion, torch.nn.MSELoss)
    ]
    assert curves[0][-1] < 1e-3
    assert curves[1].min() > 10
    assert criterion.shift.item() == 0.0


def test_the_quadratic_is_solved_by_lbfgs_in_one_epoch(line):
    optimizer = functools.partial(torch.optim.LBFGS, max_iter=50)
    result = fit_line(
        *line,
        optimizer=optimizer,
        learning_rate=1.0,
        max_epochs=1,
        batch_size=300,
        dtype=torch.float64,
    )
    assert_allclose(result.state["weight"], [[1.0, -2.0, 3.0, 0.5]], atol=1e-4)


@pytest.mark.parametrize(
    ("values", "learning_rate", "sentence"),
    [
        (np.nan, 0.05, "the training loss of epoch 1 is not finite; lower"),
        (1.0, 1e30, "is not finite; lower the learning rate, or scale the data"),
    ],
)
def test_a_loss_that_is_not_finite_is_named(line, values, learning_rate, sentence):
    X, y = line
    with pytest.raises(ValueError, match=sentence):
        fit_line(X * values, y, learning_rate=learning_rate, max_epochs=30)


def test_mixed_precision_learns_and_rounds(line):
    half, single = (fit_line(*line, max_epochs=150, amp=amp) for amp in (True, False))
    assert half.state["weight"].dtype == np.float32
    assert_allclose(half.state["weight"], single.state["weight"], atol=0.05)
    assert (half.state["weight"] != single.state["weight"]).any()


def test_a_compiled_module_gives_the_weights_their_plain_names(line, monkeypatch):
    compiled = []
    torch_compile = torch.compile

    def compile_quickly(module):
        compiled.append(type(module))
        return torch_compile(module, backend="eager")

    monkeypatch.setattr(torch, "compile", compile_quickly)
    result = fit_line(*line, compile=True)
    assert compiled == [torch.nn.Linear]
    for name, values in fit_line(*line).state.items():
        assert_array_equal(result.state[name], values)


def test_callbacks_of_skorch_are_copied_and_told_everything(line):
    X, y = line
    events = []
    scheduler = LRScheduler(policy="StepLR", step_size=1)
    stopper = EarlyStopping(monitor="valid_loss", patience=2, threshold=0.0)
    callbacks = [
        CountEvents(events),
        scheduler,
        ("clipping", GradientNormClipping(gradient_clip_value=1.0)),
        stopper,
    ]
    before = [dict(vars(part)) for part in (scheduler, stopper)]
    result = fit_line(
        X,
        y,
        validation=(X, -y),
        callbacks=callbacks,
        batch_size=100,
        max_epochs=20,
    )
    assert [dict(vars(part)) for part in (scheduler, stopper)] == before
    # The held-out targets are reversed: no epoch improves on the first.
    assert result.n_epochs == 3
    assert events == [*["train"] * 3, *["valid"] * 3, "epoch"] * 3


def test_training_is_the_same_with_and_without_listeners(line):
    listened = fit_line(*line, callbacks=[CountEvents([])])
    assert_array_equal(listened.loss_curve, fit_line(*line).loss_curve)


def test_a_loaded_module_is_of_its_own_and_leaves_the_generator(line):
    result = fit_line(*line)
    before = torch.get_rng_state()
    module = load_module(build_linear, result.state, dtype=torch.float64)
    assert_array_equal(torch.get_rng_state(), before)
    assert not module.training
    assert module.weight.dtype == torch.float64
    with torch.no_grad():
        module.weight.zero_()
    assert result.state["weight"].all()


def test_buffers_come_back_with_the_weights(line):
    def build():
        return torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))

    X, y = line
    result = train_module(
        build,
        X,
        y,
        criterion=torch.nn.MSELoss,
        max_epochs=60,
        batch_size=300,
        random_state=0,
    )
    loaded = load_module(build, result.state)
    assert result.state["0.num_batches_tracked"] == result.best_epoch + 1
    assert_allclose(result.state["0.running_mean"], X.mean(axis=0), atol=0.01)
    with torch.no_grad():
        predicted = loaded(torch.from_numpy(X).float()).numpy()
    assert predicted.shape == y.shape
