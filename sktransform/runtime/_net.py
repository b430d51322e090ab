# SPDX-License-Identifier: BSD-3-Clause
"""skorch's net on its shortest path, for :func:`_training.train_module` alone."""

import contextlib
import copy

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback


class ReportEpochs(Callback):
    """Forward the ends of a net's epochs to scikit-learn's callbacks.

    A request to stop is left on the net as ``stops``, not raised at once: the other
    callbacks still hear of the epoch.

    - `progress`: the estimator's progress.
    - `attributes`: takes the module's state as a dict of arrays and returns the
      estimator's fitted attributes.
    """

    def __init__(self, progress, attributes=None):
        self.progress = progress
        self.attributes = attributes

    def on_epoch_end(self, net, **kwargs):
        """Report one epoch."""

        def attributes():
            return self.attributes(state_arrays(net.module.state_dict()))

        net.stops = self.progress.step(attributes if self.attributes else None)


class Batches:
    """Batches of a dataset, sliced from its tensors whole.

    torch's DataLoader fetches and collates row by row, which for small modules takes
    longer than the training step itself.
    """

    def __init__(self, dataset, batch_size, shuffle=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __iter__(self):
        X, y = self.dataset.X, self.dataset.y
        if not self.shuffle:
            for start in range(0, len(X), self.batch_size):
                rows = slice(start, start + self.batch_size)
                yield X[rows], None if y is None else y[rows]
            return
        for rows in torch.randperm(len(X), device=X.device).split(self.batch_size):
            yield X[rows], None if y is None else y[rows]


class Net(NeuralNet):
    """skorch's net with the parts of its loop that a silent training needs."""

    def __init__(
        self, module, *, sees_module, patience, amp, notifies_batches, **kwargs
    ):
        super().__init__(module, **kwargs)
        self.sees_module = sees_module
        self.patience = patience
        self.amp = amp
        self.notifies_batches = notifies_batches
        self.stops = False
        self.autocast = contextlib.nullcontext()
        on_cuda = self.device.type == "cuda"
        if amp:
            half = torch.float16 if on_cuda else torch.bfloat16
            self.autocast = torch.autocast(self.device.type, half)
        self.scaler = torch.amp.GradScaler("cuda", enabled=amp and on_cuda)

    def get_default_callbacks(self):
        return []

    def initialize_module(self):
        self.module_ = self.module
        return self

    def initialize_criterion(self):
        self.criterion_ = self.criterion
        return self

    def torch_compile(self, module, name):
        """Compile the module, and leave the criterion as it is."""
        return super().torch_compile(module, name) if name == "module" else module

    def train(self, dataset):
        """Fit, but unlike skorch's `fit` let the user's interrupt through."""
        self.initialize()
        self.notify("on_train_begin", X=dataset, y=None)
        self.fit_loop(dataset)
        self.notify("on_train_end", X=dataset, y=None)

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        train, valid = self.get_split_datasets(X, y)
        train_batches = self.get_iterator(train, training=True)
        valid_batches = None if valid is None else self.get_iterator(valid)
        self.best_epoch_, self.best_loss_, self.best_state_ = 0, np.inf, None
        for epoch in range(self.max_epochs):
            self.notify("on_epoch_begin", dataset_train=train, dataset_valid=valid)
            self.run_single_epoch(train_batches, True, "train", self.train_step)
            self.run_single_epoch(valid_batches, False, "valid", self.validation_step)
            self._keep_best(epoch)
            try:
                self.notify("on_epoch_end", dataset_train=train, dataset_valid=valid)
            except KeyboardInterrupt:
                # This is how skorch's own callbacks end a training.
                if not self.notifies_batches:
                    raise
                break
            if self.stops or epoch - self.best_epoch_ == self.patience:
                break
        return self

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        if iterator is None:
            return
        self._set_training(training)
        losses, counts = [], []
        for batch in iterator:
            if self.notifies_batches:
                self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            losses.append(step["loss"].detach())
            counts.append(len(batch[0]))
            if self.notifies_batches:
                self.history.record_batch(f"{prefix}_loss", losses[-1].item())
                self.history.record_batch(f"{prefix}_batch_size", counts[-1])
                self.notify("on_batch_end", batch=batch, training=training, **step)
        total = torch.stack(losses).cpu().double() @ torch.tensor(counts).double()
        mean = float(total) / sum(counts)
        self.history.record(f"{prefix}_loss", mean)
        self.history.record(f"{prefix}_batch_count", len(counts))
        noun = "training" if training else "validation"
        check_finite(f"{noun} loss of epoch {len(self.history)}", mean)

    def train_step(self, batch, **fit_params):
        steps = []

        def evaluate():
            self.optimizer_.zero_grad()
            steps.append(self._forward(batch))
            self.scaler.scale(steps[-1]["loss"]).backward()
            if self.notifies_batches:
                self.scaler.unscale_(self.optimizer_)
                self.notify(
                    "on_grad_computed",
                    named_parameters=list(self.get_all_learnable_params()),
                    batch=batch,
                    training=True,
                )
            return steps[-1]["loss"]

        if self.scaler.is_enabled():
            evaluate()
            self.scaler.step(self.optimizer_)
            self.scaler.update()
        else:
            self.optimizer_.step(evaluate)
        return steps[0]

    def validation_step(self, batch, **fit_params):
        with torch.no_grad():
            return self._forward(batch)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        if self.sees_module:
            return self.criterion_(self.module_, y_pred, X, y_true)
        return self.criterion_(y_pred, X if y_true is None else y_true)

    def _forward(self, batch):
        X, y = batch
        with self.autocast:
            output = self.module_(X)
            return {"loss": self.get_loss(output, y, X=X), "y_pred": output}

    def _keep_best(self, epoch):
        """Copy the weights if no epoch before had so low a loss."""
        record = self.history[-1]
        loss = record.get("valid_loss", record["train_loss"])
        if loss < self.best_loss_:
            self.best_epoch_, self.best_loss_ = epoch, loss
            self.best_state_ = copy.deepcopy(self.module.state_dict())


def state_arrays(state):
    """Return a module's state as arrays of their own."""
    return {name: tensor.cpu().numpy().copy() for name, tensor in state.items()}


def check_finite(what, values):
    """Raise one sentence about a training that diverged."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"The training diverged, since the {what} is not finite; lower the "
            "learning rate, or scale the data to a common range."
        )
