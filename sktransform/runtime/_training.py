# SPDX-License-Identifier: BSD-3-Clause
"""Modules trained through skorch: arrays go in, arrays come out.

Import this file from where it is needed: skorch takes a moment to load, and estimators
with a closed form have no use for it.
"""

import contextlib
import copy
import threading
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from sktransform.runtime._net import (
    Batches,
    Net,
    ReportEpochs,
    check_finite,
    state_arrays,
)
from sktransform.runtime._runtime import Runtime

_SEED_LOCK = threading.RLock()


@dataclass(frozen=True)
class TrainingResult:
    """Result of a training, in NumPy arrays.

    - `state`: the module's parameters and buffers after the best epoch, under the names
      of its `state_dict`.
    - `loss_curve` (n_epochs,): the mean training loss of each epoch, taken while its
      weights were changing.
    - `validation_curve` (n_epochs,): the mean validation loss after each epoch.
    - `best_epoch`: the epoch whose weights were kept: an index into the curves.
    - `n_epochs`: the number of epochs that were run.
    """

    state: dict[str, np.ndarray]
    loss_curve: np.ndarray
    validation_curve: np.ndarray | None
    best_epoch: int
    n_epochs: int


def train_module(
    module,
    X,
    y=None,
    *,
    criterion=None,
    loss=None,
    optimizer=torch.optim.Adam,
    learning_rate=1e-3,
    max_epochs=100,
    batch_size=256,
    validation=None,
    patience=None,
    random_state=None,
    device="cpu",
    dtype=torch.float32,
    progress=None,
    reconstruction_attributes=None,
    callbacks=(),
    amp=False,
    compile=False,
):
    """Train a copy of a module and return its best weights.

    The weights of the epoch with the lowest validation loss are kept, or without
    validation rows those with the lowest training loss. Neither NumPy's nor torch's
    global generator is changed when `random_state` is given, and one seed gives one
    result, bit for bit, on the CPU. All rows are held on the device. Within a process
    trainings wait for each other, because torch's noise has one generator.

    `module`: the module, which is copied; or a function without arguments that makes
      it, whose initial weights are then drawn from `random_state`.
    `y`: the targets; whole numbers stay whole numbers. None stands for X itself.
    `criterion`: called as ``criterion(output, y)``. Its own parameters are trained too,
      and forgotten.
    `loss`: instead of a criterion, where more is needed than output and target: called
      as ``loss(module, output, X, y)`` with the module in training and the rows of one
      batch; y is None if there is none.
    `optimizer`: an optimizer's class, or a partial of it with more settings.
    `max_epochs`: the greatest number of passes over the rows, at least 1.
    `validation`: rows held out, ``(X,)`` or ``(X, y)``.
    `patience`: stop after this many epochs without a lower loss; None never does.
    `random_state`: seed of initial weights, order of rows and noise in the module. None
      draws it from NumPy's global generator, as scikit-learn does.
    `progress`: told of every epoch, and may stop the training.
    `reconstruction_attributes`: takes the module's state as a dict of arrays and
      returns the estimator's fitted attributes; called only if one of scikit-learn's
      callbacks asks.
    `callbacks`: copied before use; they get all of skorch's notifications.
    `amp`: whether to compute in mixed precision: bfloat16 on the CPU, scaled float16 on
      CUDA.

    Shapes: X (n_samples, ...), y (n_samples, ...).
    """
    if (criterion is None) == (loss is None):
        raise ValueError(
            "Exactly one of criterion and loss must be given, got "
            f"criterion={criterion!r} and loss={loss!r}."
        )
    runtime = Runtime(torch.device(device), dtype, None)
    dataset = _dataset(runtime, X, y)
    held_out = None if validation is None else _dataset(runtime, *validation)
    reports = []
    if progress is not None:
        reports.append(ReportEpochs(progress, reconstruction_attributes))
    with _local_seed(random_state, runtime.device):
        net = Net(
            _own(module).to(runtime.device, dtype),
            criterion=_own_criterion(criterion if loss is None else loss, runtime),
            sees_module=loss is not None,
            patience=patience,
            amp=amp,
            notifies_batches=bool(callbacks),
            optimizer=optimizer,
            lr=learning_rate,
            max_epochs=max_epochs,
            batch_size=batch_size,
            iterator_train=Batches,
            iterator_train__shuffle=True,
            iterator_valid=Batches,
            train_split=None if held_out is None else predefined_split(held_out),
            callbacks=[*reports, *copy.deepcopy(list(callbacks))],
            verbose=0,
            device=runtime.device,
            compile=compile,
        )
        net.train(dataset)
    return _result(net)


def load_module(module, state, *, device="cpu", dtype=torch.float32):
    """Return a module with trained weights, ready to transform.

    The module is new and in evaluation mode.

    `module`: as for :func:`train_module`. A function runs on torch's meta device, where
      no weights are drawn; all tensors of its module must be in the `state_dict`.
    """
    with torch.device("meta"):
        loaded = _own(module)
    tensors = {name: torch.tensor(values) for name, values in state.items()}
    loaded.load_state_dict(tensors, assign=True)
    return loaded.to(torch.device(device), dtype).eval()


def _dataset(runtime, X, y=None):
    """Return rows and targets on the device; whole-numbered targets stay whole."""
    if y is not None:
        is_tensor = isinstance(y, torch.Tensor)
        is_real = (
            y.is_floating_point() if is_tensor else np.asarray(y).dtype.kind == "f"
        )
        y = runtime.tensor(y, runtime.dtype if is_real else torch.int64)
    return Dataset(runtime.tensor(X, runtime.dtype), y)


def _own(module):
    """Return a copy of a module, or the module that a function makes."""
    return copy.deepcopy(module) if isinstance(module, torch.nn.Module) else module()


def _own_criterion(criterion, runtime):
    """Return a criterion that the caller does not share."""
    if isinstance(criterion, type):
        criterion = criterion()
    if isinstance(criterion, torch.nn.Module):
        return copy.deepcopy(criterion).to(runtime.device, runtime.dtype)
    return criterion


@contextlib.contextmanager
def _local_seed(random_state, device):
    """Seed torch's global generators of the CPU and a device, and restore them.

    One thread at a time: the generators are the process's, and two threads that take
    turns would neither follow their seeds nor put back what they found.
    """
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    on_cuda = device.type == "cuda"
    with _SEED_LOCK, torch.random.fork_rng(devices=[device] if on_cuda else []):
        # Not torch.manual_seed: it would seed the other devices too.
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _result(net):
    """Return the trained state as NumPy arrays, free of skorch and torch."""
    state = state_arrays(net.best_state_)
    for name, _ in net.module.named_parameters():
        check_finite(f"trained parameter {name!r}", state[name])
    has_validation = net.train_split is not None
    return TrainingResult(
        state=state,
        loss_curve=np.array(net.history[:, "train_loss"]),
        validation_curve=(
            np.array(net.history[:, "valid_loss"]) if has_validation else None
        ),
        best_epoch=net.best_epoch_,
        n_epochs=len(net.history),
    )
