# SPDX-License-Identifier: BSD-3-Clause
"""What an augmenter returns, draws, records, replays and undoes."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import joblib
import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import get_tags

from sktransform.augmentation import InvarianceAugmenter
from sktransform.augmentation._policy import policy
from sktransform.augmentation.transforms import (
    ClassMixup,
    GaussianNoise,
    MarginalSwap,
    QuantileJitter,
    Rotate,
    Scale,
    Shift,
)

pytestmark = pytest.mark.usefixtures("quick_search")

QUICK = {"n_copies": 1, "random_state": 0}


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(40, 4))


@pytest.fixture
def y(X):
    return (X[:, 0] > 0).astype(int)


def kept(*transformations, **settings):
    """Return an augmenter that keeps all transformations."""
    settings = {"bounds": "none", "random_state": 0, **settings}
    return InvarianceAugmenter(list(transformations), learn=False, **settings)


def test_transform_and_its_inverse_change_nothing(X, y):
    augmenter = InvarianceAugmenter([Shift()], **QUICK).fit(X, y)
    assert_array_equal(augmenter.transform(X), X)
    assert_array_equal(augmenter.inverse_transform(X), X)


def test_fit_transform_leaves_half_of_the_rows_as_they_are():
    X = np.random.default_rng(0).normal(size=(4000, 3))
    views = kept(Shift()).fit_transform(X)
    clean = (views == X).all(1).mean()
    assert abs(clean - 0.5) < 4 * np.sqrt(0.5 * 0.5 / len(X))


def test_augment_returns_blocks_without_the_rows_themselves(X):
    copies, params = (
        kept(Shift([0])).fit(X).augment(X, 3, random_state=1, return_params=True)
    )
    assert copies.shape == (120, 4)
    assert_array_equal(copies[:, 1:], np.tile(X[:, 1:], (3, 1)))
    assert not (copies[:, 0] == np.tile(X[:, 0], 3)).any()
    assert_array_equal(params["source"], np.tile(np.arange(40), 3))
    assert_array_equal(params["copy"], np.repeat(np.arange(3), 40))


def test_a_record_brings_back_the_same_bits(X, y, monkeypatch):
    augmenter = kept(Rotate([0, 1]), GaussianNoise(), ClassMixup(), MarginalSwap([3]))
    augmenter.fit(X, y)
    copies, params = augmenter.augment(X, 2, random_state=3, return_params=True, y=y)
    assert set(params["transformation"]) == {0, 1, 2, 3}
    assert_array_equal(augmenter.apply(X, params), copies)
    # Also from a text file, in other units of work, and for some of the rows alone.
    text = pd.DataFrame(params).to_json(double_precision=15)
    table = pd.DataFrame(json.loads(text)).astype({"seed": np.int64})
    assert_allclose(augmenter.apply(X, table), copies, atol=1e-12)
    monkeypatch.setattr(policy, "_BATCH_SIZE", 7)
    assert_array_equal(augmenter.apply(X, params), copies)
    some = {name: column[params["row"] >= 50] for name, column in params.items()}
    assert_array_equal(augmenter.apply(X, some), copies[50:])


def test_exact_transformations_are_undone(X):
    augmenter = kept(Rotate([0, 1]), Scale([2]), Shift(), GaussianNoise()).fit(X)
    copies, params = augmenter.augment(X, 2, random_state=0, return_params=True)
    assert_allclose(
        augmenter.inverse_augment(copies, params), np.tile(X, (2, 1)), atol=1e-12
    )


@pytest.mark.parametrize(
    ("transformation", "message"),
    [
        (MarginalSwap([0]), r"MarginalSwap.* has no inverse"),
        (QuantileJitter([0]), r"QuantileJitter.* only an approximate inverse"),
    ],
)
def test_what_cannot_be_undone_is_named(X, transformation, message):
    augmenter = kept(transformation).fit(X)
    copies, params = augmenter.augment(X, return_params=True, random_state=0)
    with pytest.raises(ValueError, match=message):
        augmenter.inverse_augment(copies, params)


def test_clipped_cells_are_not_undone_silently(X):
    augmenter = kept(Shift(max_sd=5.0), bounds="train").fit(X)
    copies, params = augmenter.augment(X, return_params=True, random_state=0)
    with pytest.raises(ValueError, match=r"Shift.* clipped or rounded"):
        augmenter.inverse_augment(copies, params)
    assert augmenter.inverse_augment(copies, params, allow_lossy=True).shape == (
        X.shape
    )


def test_a_key_names_copies_of_a_fit(X):
    augmenter = kept(Shift()).fit(X)
    first, second = (augmenter.augment(X, random_state=(0, k)) for k in range(2))
    assert (first != second).any()
    again = clone(augmenter).fit(X)
    assert_array_equal(again.augment(X, random_state=(0, 1)), second)
    assert_array_equal(again.augment(X, random_state=(0, 0)), first)
    other = clone(augmenter).set_params(random_state=1).fit(X)
    assert (other.augment(X, random_state=(0, 0)) != first).any()
    with pytest.raises(ValueError, match="must be a tuple of integers"):
        augmenter.augment(X, random_state=(0, "a"))


def _in_a_process(augmenter, X):
    return augmenter.augment(X)


def test_without_a_seed_calls_and_processes_differ_and_the_fit_stays(X):
    augmenter = kept(Shift()).fit(X)
    before = joblib.hash(vars(augmenter))
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        jobs = [pool.submit(_in_a_process, augmenter, X) for _ in range(4)]
        made = [augmenter.augment(X), augmenter.augment(X)]
        made += [job.result() for job in jobs]
    assert len({copy.tobytes() for copy in made}) == len(made)
    assert joblib.hash(vars(augmenter)) == before


@pytest.mark.parametrize("batch_size", [1, 7, 10_000])
def test_neither_batches_nor_global_seeds_change_the_bits(
    X, y, batch_size, monkeypatch
):
    augmenter = InvarianceAugmenter([Shift(), GaussianNoise()], **QUICK)
    expected = augmenter.fit_transform(X, y)
    np.random.seed(batch_size)  # noqa: NPY002
    torch.manual_seed(batch_size)
    state = torch.get_rng_state()
    monkeypatch.setattr(policy, "_BATCH_SIZE", batch_size)
    other = clone(augmenter).set_params(n_jobs=2)
    assert_array_equal(other.fit_transform(X, y), expected)
    assert_array_equal(other.excess_, augmenter.excess_)
    assert torch.equal(torch.get_rng_state(), state)


def test_groups_share_their_draws(X):
    groups = np.arange(40) // 4
    augmenter = kept(Shift([0])).fit(X)
    moved = augmenter.augment(X, random_state=0, groups=groups)[:, 0] - X[:, 0]
    of_groups = moved.reshape(10, 4)
    assert_allclose(of_groups, of_groups[:, :1] * np.ones(4), atol=1e-12)
    assert len(np.unique(of_groups[:, 0].round(9))) == 10


def test_mixed_frames_come_back_in_their_types():
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": generator.integers(20, 60, 50),
            "pay": generator.normal(size=50),
            "job": pd.Categorical(generator.choice(["a", "b", "c"], 50)),
        }
    )
    augmenter = InvarianceAugmenter(learn=False, random_state=0).fit(frame)
    copies = augmenter.augment(frame, 2, random_state=0)
    assert list(copies.dtypes) == list(frame.dtypes)
    assert copies["age"].between(frame["age"].min(), frame["age"].max()).all()
    assert set(copies["job"]) <= {"a", "b", "c"}
    assert len(copies) == 100


def test_a_missing_target_is_asked_for(X):
    with pytest.raises(ValueError, match="learn=False"):
        InvarianceAugmenter([Shift()]).fit(X)


def test_classes_that_the_fit_has_not_seen_are_refused(X, y):
    augmenter = kept(ClassMixup()).fit(X, y)
    with pytest.raises(ValueError, match="which the fit has not seen"):
        augmenter.augment(X, y=y + 7)


def test_a_record_of_another_fit_is_refused(X):
    copies = kept(Shift(), Scale()).fit(X)
    _, params = copies.augment(X, return_params=True, random_state=0)
    with pytest.raises(ValueError, match="same fit"):
        kept(Shift()).fit(X).apply(X, params)
    with pytest.raises(ValueError, match="X has 3 rows"):
        copies.apply(X[:3], params)
    with pytest.raises(ValueError, match="row -4, but X has 40 rows"):
        copies.apply(X, {**params, "source": params["source"] - 4})
    del params["p_1"]
    with pytest.raises(ValueError, match="no column 'p_1'"):
        copies.apply(X, params)


def test_lines_of_a_record_may_come_in_any_order(X):
    augmenter = kept(Shift([0]), Rotate([1, 2])).fit(X)
    copies, params = augmenter.augment(X, random_state=0, return_params=True)
    turned = {name: column[::-1] for name, column in params.items()}
    assert_array_equal(augmenter.apply(X, turned), copies[::-1])


def test_records_put_together_need_numbers_of_their_own(X):
    augmenter = kept(Shift([0]), Rotate([1, 2])).fit(X)
    first, second = (augmenter.augment(X, return_params=True) for _ in range(2))
    names = list(first[1])
    both = {name: np.concatenate([first[1][name], second[1][name]]) for name in names}
    with pytest.raises(ValueError, match="several lines with the same row and order"):
        augmenter.apply(X, both)
    both["row"] = np.concatenate([first[1]["row"], 40 + second[1]["row"]])
    assert_array_equal(augmenter.apply(X, both), np.vstack([first[0], second[0]]))


def test_a_report_names_what_was_found(X, y):
    augmenter = InvarianceAugmenter([Shift([3]), Rotate([0, 1])], **QUICK).fit(X, y)
    report = augmenter.report()
    assert list(report["transformation"]) == augmenter.names_
    assert set(report["status"]) <= {"rejected", "shrunk", "kept", "inconclusive"}
    assert augmenter.chosen_ in {"none", "policy", "unshrunk"}
    assert not (augmenter.active_ & (augmenter.range_ == 0)).any()


def test_an_empty_policy_augments_nothing(X):
    augmenter = InvarianceAugmenter([Shift()], **QUICK)
    augmenter.fit(X, np.zeros(len(X), dtype=int))
    assert augmenter.chosen_ == "none"
    assert_array_equal(augmenter.augment(X, random_state=0), X)


def test_fit_transform_keeps_all_rows_and_leaves_those_without_weight(X, y):
    # Every other row weighs nothing; the draws of 400 rows tell a half from less.
    X, y = np.tile(X, (20, 1)), np.tile(y, 20)
    weight, groups = np.tile([0.0, 1.0], 400), np.arange(800) // 4
    augmenter = kept(Shift([0]))
    views = augmenter.fit_transform(X, y, sample_weight=weight, groups=groups)
    assert views.shape == X.shape
    assert_array_equal(views[::2], X[::2])
    changed = (views[1::2, 0] != X[1::2, 0]).mean()
    assert abs(changed - 0.5) < 4 * np.sqrt(0.5 * 0.5 / 400)
    alone = clone(augmenter).fit_transform(X[1::2], y[1::2], groups=groups[1::2])
    assert_array_equal(views[1::2], alone)


def test_groups_of_another_length_are_refused(X, y):
    augmenter = kept(Shift([0])).fit(X, y)
    with pytest.raises(ValueError, match=r"inconsistent numbers.*\[40, 5\]"):
        augmenter.augment(X, groups=np.arange(5))
    with pytest.raises(ValueError, match=r"inconsistent numbers.*\[40, 40, 5\]"):
        augmenter.fit_transform(X, y, groups=np.arange(5))


@pytest.mark.parametrize("n_copies", [0, 1.5, "2"])
def test_copies_are_counted_in_whole_numbers(X, n_copies):
    with pytest.raises(ValueError, match="must be an integer of at least 1"):
        kept(Shift()).fit(X).augment(X, n_copies)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_record_may_be_a_frame_of_any_library(X, library):
    pytest.importorskip(library)
    augmenter = kept(Shift([0]), Rotate([1, 2])).fit(X)
    copies, params = augmenter.augment(X, 2, random_state=0, return_params=True)
    frame = nw.from_dict(params, backend=library).to_native()
    assert_array_equal(augmenter.apply(X, frame), copies)
    undone = augmenter.inverse_augment(copies, frame)
    assert_allclose(undone, np.tile(X, (2, 1)), atol=1e-12)


def test_frames_without_names_keep_their_types():
    frame = pd.DataFrame({0: [0.5, 1.5, 2.5, 0.25], 1: ["a", "b", "a", "b"]})
    augmenter = kept(Shift([0])).fit(frame)
    pd.testing.assert_frame_equal(augmenter.transform(frame), frame)
    assert list(augmenter.fit_transform(frame)[1]) == list(frame[1])


def test_without_a_transformation_a_record_has_only_unchanged_rows(X):
    copies, params = kept().fit(X).augment(X, return_params=True)
    assert_array_equal(copies, X)
    assert set(params["transformation"]) == {-1}


def test_tags_say_what_is_needed_and_what_is_random():
    learns = get_tags(InvarianceAugmenter())
    assert learns.target_tags.required
    assert learns.non_deterministic
    declared = get_tags(InvarianceAugmenter(learn=False))
    assert not declared.target_tags.required
    assert learns.input_tags.allow_nan
    asks = InvarianceAugmenter(estimator=LogisticRegression())
    assert not get_tags(asks).input_tags.allow_nan


def test_names_of_transformations_of_many_columns_are_short():
    X = np.random.default_rng(0).random((60, 200))
    augmenter = InvarianceAugmenter(learn=False).fit(X, np.arange(60) % 2)
    assert max(map(len, augmenter.names_)) < 150
    assert any("), ..., (" in name for name in augmenter.names_)


def test_names_of_columns(X, y):
    frame = pd.DataFrame(X, columns=list("abcd"))
    augmenter = kept(Shift(["a"])).fit(frame, y)
    assert augmenter.n_features_in_ == 4
    assert list(augmenter.feature_names_in_) == list("abcd")
    assert list(augmenter.get_feature_names_out()) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        augmenter.transform(frame[list("dcba")])


def test_columns_of_a_pipeline(X, y):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=list("xyxy") * 10)
    chosen = ColumnTransformer(
        [("own", kept(Shift()), ["a", "b"]), ("rest", OneHotEncoder(), ["kind"])]
    )
    trained = chosen.fit_transform(frame, y)
    later = chosen.transform(frame)
    assert_array_equal(later[:, :2], X[:, :2])
    assert (trained[:, :2] != X[:, :2]).any()
    assert_array_equal(trained[:, 2:], later[:, 2:])
    assert list(chosen.get_feature_names_out()[:2]) == ["own__a", "own__b"]
