# SPDX-License-Identifier: BSD-3-Clause
"""Proxy networks: training, weights."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from sktransform.augmentation._search.proxy import (
    ProxyClassifier,
    ProxyNetworks,
    ProxyRegressor,
    ProxyTrainer,
)
from sktransform.augmentation._tabular.dataset import (
    Target,
)
from sktransform.augmentation.transforms import (
    ColumnTable,
)


@pytest.mark.parametrize("kind", [ProxyClassifier, ProxyRegressor])
def test_a_proxy_follows_the_heavy_rows(kind):
    X = np.tile(np.random.default_rng(0).normal(size=(40, 2)), (2, 1))
    y = np.repeat([0, 1], 40)
    columns = ColumnTable.from_arrays(torch.from_numpy(X))
    proxy = kind(columns, n_steps=60, n_hidden=48, random_state=0)
    predicted = proxy.fit(X, y, np.where(y == 1, 9.0, 1.0)).predict(X)
    assert_allclose(predicted.mean(), 0.9, atol=0.1)


@pytest.mark.parametrize("is_classes", [True, False])
def test_a_proxy_trains_as_torch_would_train_it(is_classes):
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(50, 4, generator=generator)
    y = np.arange(50) % 3 if is_classes else X[:, :2].numpy() ** 2
    target = Target.from_labels(y, is_classes)
    networks = ProxyNetworks.untrained(2, 4, target.n_outputs, 8, generator)
    trainer = ProxyTrainer(
        networks, [torch.arange(30), torch.arange(10, 50)], 40, generator
    )
    own = torch.nn.Parameter(networks.parameters.clone())
    optimizer = torch.optim.AdamW([own], lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=40)
    for _ in range(40):
        rows = trainer.draw()
        outputs = trainer.outputs(X[rows])
        slope = target.training_gradient(outputs, target.values[rows])
        trainer.step(slope / 32)
        outputs = X[rows]
        *hidden, (matrix, offset) = ProxyNetworks(own, networks.sizes).layers()
        for weight, constant in hidden:
            outputs = (outputs @ weight + constant).relu()
        losses = target.training_loss(outputs @ matrix + offset, target.values[rows])
        optimizer.zero_grad()
        losses.mean(1).sum().backward()
        own.grad.mul_((1 / own.grad.norm(dim=1, keepdim=True)).clamp(max=1))
        optimizer.step()
        schedule.step()
    assert_allclose(networks.parameters, own.detach(), atol=1e-5)
