# SPDX-License-Identifier: BSD-3-Clause
"""Imitated transformations of embeddings: facts, control, draws, and the identity."""

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sktransform.augmentation import LatentAugmenter
from sktransform.augmentation.transforms import GaussianNoise, Shift, SignFlip
from sktransform.nn._conditioned import ConditionedMap, imitation_loss


def encode(X):
    """A fixed encoder that is not linear, from 4 to 12 numbers."""
    rng = np.random.default_rng(7)
    hidden = np.tanh(np.asarray(X) @ rng.normal(size=(4, 24)) / 2)
    return hidden @ rng.normal(size=(24, 12)) / 4 + 1


@pytest.fixture(scope="module")
def pairs():
    """Rows, of which the first column may be moved or the second turned about."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    sources = np.tile(np.arange(300), 4)
    params = np.column_stack(
        [rng.uniform(-1, 1, 1200), rng.integers(0, 2, 1200).astype(float)]
    )
    moved = X[sources].copy()
    moved[:, 0] += params[:, 0]
    moved[:, 1] *= 1 - 2 * params[:, 1]
    return X, encode(X), encode(moved), params


@pytest.fixture(scope="module")
def fitted(pairs):
    _, Z, Z_aug, params = pairs
    augmenter = LatentAugmenter(max_epochs=10, random_state=0)
    return augmenter.fit(Z, Z_aug=Z_aug, params=params, discrete=[1])


def quick(**kw):
    return LatentAugmenter(**{"max_epochs": 2, "n_copies": 1, "random_state": 0} | kw)


def test_the_map_is_the_identity_before_training():
    torch.manual_seed(0)
    module = ConditionedMap(12, [(1, None), (1, 3)], 16, 4, 2)
    rows = torch.randn(5, 14)
    rows[:, 13] = torch.tensor([0.0, 1, 2, 0, 1])
    assert torch.equal(module(rows), rows[:, :12])
    # The loss of the identity is what it leaves undone, for parameters and for none.
    target = torch.randn(5, 12)
    loss = imitation_loss(module, module(rows), rows, target)
    assert_allclose(loss.item(), (rows[:, :12] - target).square().mean().item())


def test_movements_at_rest_are_part_of_the_loss():
    torch.manual_seed(0)
    module = ConditionedMap(4, [(1, None)], 16, 4, 1)
    torch.nn.init.ones_(module.head.bias)
    rows = torch.zeros(3, 5)
    output = module(rows)
    # Rows without a parameter stay, yet the map is told that it would move them.
    assert torch.equal(output, rows[:, :4])
    assert imitation_loss(module, output, rows, rows[:, :4]).item() == 1


def test_copies_come_nearer_than_doing_nothing(fitted):
    found = fitted.fidelity_
    assert found["n_pairs"] == 240  # a fifth of the rows, with all their copies
    assert found["gain_interval"][0] > 0
    assert found["cosine"] > 0.99
    assert_allclose(found["gain"], found["cosine"] - found["control"])
    assert found["explained"] > 0.8
    report = fitted.report()
    assert list(report.index) == ["map", "doing nothing", "gain"]
    assert (report["low"] <= report["cosine"]).all()
    assert (report["cosine"] <= report["high"]).all()


def test_new_rows_follow_their_transformations(fitted):
    X = np.random.default_rng(1).normal(size=(200, 4))
    Z = encode(X)
    for params, moved in (
        ([0.8, 0], X + 0.8 * np.eye(4)[0]),
        ([-0.8, 0], X - 0.8 * np.eye(4)[0]),
        ([0, 1], X * [1, -1, 1, 1]),
    ):
        truth = encode(moved)
        imitated = fitted.apply(Z, np.tile(params, (200, 1)))
        left = np.square(imitated - truth).sum() / np.square(Z - truth).sum()
        assert left < 0.35


def test_without_a_parameter_nothing_moves(fitted, pairs):
    Z = pairs[1]
    assert_array_equal(fitted.apply(Z, np.zeros((300, 2))), Z)
    params = np.zeros((300, 2))
    params[::2, 0] = 0.5
    moved = fitted.apply(Z, params)
    assert_array_equal(moved[1::2], Z[1::2])
    assert (moved[::2] != Z[::2]).any(axis=1).all()


def test_transform_is_the_identity_and_a_copy(fitted, pairs):
    Z = pairs[1]
    out = fitted.transform(Z)
    assert_array_equal(out, Z)
    assert not np.shares_memory(out, Z)


def test_drawn_parameters_make_the_same_copies_again(fitted, pairs):
    Z = pairs[1][:20]
    copies, params = fitted.augment(Z, 3, random_state=0, return_params=True)
    assert copies.shape == (60, 12)
    assert params.shape == (60, 2)
    assert_array_equal(fitted.apply(np.tile(Z, (3, 1)), params), copies)
    assert_array_equal(fitted.augment(Z, 3, random_state=0), copies)
    assert not np.array_equal(fitted.augment(Z, 3, random_state=1), copies)
    # What is drawn are the parameters of training, together as they were.
    kept = {row.tobytes() for row in pairs[3]}
    assert all(row.tobytes() in kept for row in params)


def test_a_key_names_copies_of_a_fit_and_no_seed_draws_anew(pairs):
    Z = pairs[1][:50]
    first, second = quick().fit(Z), quick().fit(Z)
    runs = [
        [a.augment(Z, random_state=(k,)) for k in range(2)] for a in (first, second)
    ]
    assert not np.array_equal(*runs[0])
    assert_array_equal(runs[0], runs[1])
    before = joblib.hash(vars(first))
    assert not np.array_equal(first.augment(Z), first.augment(Z))
    assert joblib.hash(vars(first)) == before


def test_groups_share_their_draws(pairs):
    Z = pairs[1][:60]
    groups = np.arange(60) // 6
    shared = quick().fit(Z, groups=groups)
    _, params = shared.augment(Z, 2, random_state=0, return_params=True, groups=groups)
    for copy in (params[:60], params[60:]):
        assert_array_equal(copy, np.repeat(copy[::6], 6, axis=0))
    assert not np.array_equal(params[:60], params[60:])
    _, params = quick().fit(Z).augment(Z, random_state=0, return_params=True)
    assert len(np.unique(params, axis=0)) > 10


def test_held_out_rows_are_whole_groups(pairs):
    Z = pairs[1]
    groups = np.arange(300) // 30
    augmenter = quick().fit(Z, groups=groups)
    assert augmenter.fidelity_["n_pairs"] == 60
    few = quick().fit(Z, groups=groups // 5)
    assert few.fidelity_["n_pairs"] == 0
    assert np.isnan(few.fidelity_["gain"])


def test_an_encoder_is_asked_for_rows_and_their_copies(pairs):
    X = pairs[0]
    augmenter = LatentAugmenter(
        [Shift([0], max_sd=1.0), SignFlip([1])],
        encoder=encode,
        max_epochs=4,
        random_state=0,
    ).fit(X)
    assert_allclose(augmenter.transform(X), encode(X))
    assert augmenter.fidelity_["gain_interval"][0] > 0
    assert augmenter.augment(encode(X[:5])).shape == (5, 12)
    assert [c["n_states"] for c in augmenter.conditions_] == [0, 2]
    with pytest.raises(ValueError, match=r"must have shape \(n_samples, 12\)"):
        augmenter.augment(X)
    names = augmenter.get_feature_names_out()
    assert names[0] == "latentaugmenter0"


def test_noise_that_nothing_tells_of_is_no_gain():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(200, 12))
    augmenter = quick(transformations=[GaussianNoise(max_sd=1.0)]).fit(Z)
    assert augmenter.fidelity_["gain_interval"][0] < 0.01
    assert augmenter.fidelity_["explained"] < 0.1


def test_a_pipeline_trains_on_copies_and_predicts_on_embeddings(pairs):
    X = pairs[0]
    y = (X[:, 2] > 0).astype(int)
    model = make_pipeline(
        quick(transformations=[Shift([0])], encoder=encode), LogisticRegression()
    )
    model.fit(X, y)
    expected = model[-1].predict_proba(encode(X))
    assert_allclose(model.predict_proba(X), expected)
    assert model.score(X, y) > 0.9


def test_fit_transform_returns_clean_embeddings_and_copies(pairs):
    Z = pairs[1]
    augmenter = quick()
    out = augmenter.fit_transform(Z)
    is_clean = (out == Z).all(axis=1)
    # A copy is unchanged also where no transformation was drawn for it.
    p_none = (augmenter.parameters_ == 0).all(axis=1).mean()
    expected = 0.5 + 0.5 * p_none
    error = np.sqrt(expected * (1 - expected) / len(Z))
    assert abs(is_clean.mean() - expected) < 4 * error
    assert_array_equal(quick().fit_transform(Z), out)


def test_parameters_may_have_names(pairs):
    _, Z, Z_aug, params = pairs
    frame = pd.DataFrame(params, columns=["shift", "flip"])
    augmenter = quick().fit(Z, Z_aug=Z_aug, params=frame, discrete=[1])
    assert [c["name"] for c in augmenter.conditions_] == ["shift", "flip"]


def test_sources_say_whose_copies_they_are(pairs):
    _, Z, Z_aug, params = pairs
    order = np.random.default_rng(0).permutation(1200)
    kw = {"Z_aug": Z_aug[order], "params": params[order], "sources": order % 300}
    augmenter = quick().fit(Z, **kw, discrete=[1])
    direct = quick().fit(Z, Z_aug=Z_aug, params=params, discrete=[1])
    assert augmenter.fidelity_["n_pairs"] == direct.fidelity_["n_pairs"]
    assert_allclose(augmenter.fidelity_["control"], direct.fidelity_["control"])


def test_pickles_and_tensors_give_the_same_copies(fitted, pairs, tmp_path):
    Z = pairs[1][:40]
    expected = fitted.augment(Z, random_state=0)
    joblib.dump(fitted, tmp_path / "augmenter.joblib")
    loaded = joblib.load(tmp_path / "augmenter.joblib", mmap_mode="r")
    assert_array_equal(loaded.augment(Z, random_state=0), expected)
    tensor = fitted.augment(torch.from_numpy(Z), random_state=0)
    assert isinstance(tensor, torch.Tensor)
    assert_array_equal(tensor.numpy(), expected)
    single = fitted.augment(Z.astype(np.float32), random_state=0)
    assert single.dtype == np.float32
    assert_allclose(single, expected, atol=1e-4)


def test_wrong_usage_raises(fitted, pairs):
    _, Z, Z_aug, params = pairs
    with pytest.raises(ValueError, match="Z_aug needs params"):
        quick().fit(Z, Z_aug=Z_aug)
    with pytest.raises(ValueError, match="the same encoder"):
        quick().fit(Z, Z_aug=Z_aug[:, :3], params=params)
    with pytest.raises(ValueError, match="one row of params for each row of Z_aug"):
        quick().fit(Z, Z_aug=Z_aug, params=params[:5])
    with pytest.raises(ValueError, match="not a multiple of the 300"):
        quick().fit(Z, Z_aug=Z_aug[:301], params=params[:301])
    with pytest.raises(ValueError, match="row indices from 0 to 299"):
        quick().fit(Z, Z_aug=Z_aug[:1], params=params[:1], sources=[300])
    with pytest.raises(ValueError, match="one for each row of Z_aug"):
        quick().fit(Z, Z_aug=Z_aug, params=params, sources=[1.0])
    with pytest.raises(ValueError, match="is discrete and must hold integers"):
        quick().fit(Z, Z_aug=Z_aug, params=params, discrete=[0])
    with pytest.raises(ValueError, match="must be indices of the 2 columns"):
        quick().fit(Z, Z_aug=Z_aug, params=params, discrete=[2])
    with pytest.raises(ValueError, match="no transformation to learn"):
        quick(transformations=[]).fit(Z)
    with pytest.raises(
        ValueError, match="one row for each embedding, with the columns"
    ):
        fitted.apply(Z, params)
    with pytest.raises(ValueError, match="must be an integer of at least 1"):
        fitted.augment(Z, 0)
    with pytest.raises(ValueError, match="got a list with 'turn'"):
        quick(transformations=["turn"]).fit(Z)
    with pytest.raises(ValueError, match="give Z_aug too"):
        quick().fit(Z, params=params)
    grouped = quick().fit(Z, Z_aug=Z_aug, params=params)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        grouped.augment(Z, groups=[0, 1])
