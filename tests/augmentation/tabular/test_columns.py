# SPDX-License-Identifier: BSD-3-Clause
"""What a table of rows tells of its columns, and the sets made from that alone."""

import numpy as np
import pytest
import torch

from sktransform.augmentation.transforms import (
    ClassCutMix,
    ClassMixup,
    ColumnTable,
    GaussianNoise,
    ImageFlip,
    MarginalSwap,
    Scale,
    TrainingRows,
    default_transformations,
)


@pytest.fixture
def table():
    rng = np.random.RandomState(0)
    return np.column_stack(
        [
            rng.randn(60),
            rng.randint(0, 9, 60),
            np.eye(3)[rng.randint(3, size=60)],
            rng.rand(60) < 0.5,
            np.ones(60),
        ]
    )


def test_kinds_and_one_hot_blocks_are_found(table):
    columns = ColumnTable.from_arrays(table)
    expected = ("continuous", "integer", *["boolean"] * 4, "integer")
    assert columns.kinds == expected
    assert columns.blocks == ((2, 3, 4),)
    assert columns.of_kinds(("boolean",)) == (5,)
    assert columns.of_kinds(("categorical",)) == (2, 3, 4)
    assert columns.of_kinds(("continuous", "integer")) == (0, 1, 6)


def test_missing_cells_do_not_hide_a_kind(table):
    table[::5, 1] = np.nan
    columns = ColumnTable.from_arrays(table)
    assert columns.kinds[1] == "integer"
    assert columns.has_nan.tolist() == [False, True, *[False] * 5]
    assert columns.mean[1] == np.nanmean(table[:, 1])
    np.testing.assert_allclose(columns.sd[1], np.nanstd(table[:, 1]))


def test_a_column_without_any_value():
    table = np.column_stack([np.full(5, np.nan), np.arange(5.0)])
    columns = ColumnTable.from_arrays(table)
    assert columns.sd[0] == 0
    assert columns.lower[0] == -np.inf
    rows = torch.from_numpy(table)
    bound = GaussianNoise().bind(columns)
    reference = bound.fit(TrainingRows(rows, columns))
    result = bound.forward(rows, torch.ones(5, 1), reference, torch.arange(5))
    assert result[:, 0].isnan().all()
    swap = MarginalSwap(joint=False).bind(columns)
    reference = swap.fit(TrainingRows(rows, columns))
    result = swap.forward(rows, torch.ones(5, 1), reference, torch.arange(5))
    assert result[:, 0].isnan().all()


def test_numbers_near_overflow_stay_finite():
    table = np.array([[1e300, 1.0], [1e-300, 2.0], [5.0, 3.5]])
    columns, rows = ColumnTable.from_arrays(table), torch.from_numpy(table)
    reference = GaussianNoise().fit(TrainingRows(rows, columns))
    result = GaussianNoise().bind(columns)
    result = result.forward(rows, torch.ones(3, 1), reference, torch.arange(3))
    assert torch.isfinite(result).all()


def test_bounds(table):
    columns = ColumnTable.from_arrays(table)
    np.testing.assert_array_equal(columns.lower, table.min(0))
    np.testing.assert_array_equal(columns.upper, table.max(0))
    columns = ColumnTable.from_arrays(table, bounds="none")
    assert (columns.lower[:2] == -np.inf).all()
    assert (columns.lower[2:6] == 0).all(), "codes keep theirs"
    columns = ColumnTable.from_arrays(table, bounds=(-0.5, 7.7))
    assert columns.upper[:2].tolist() == [7.7, 7], "a whole number is within"
    for wrong in ("test", (1, 0), (1,)):
        with pytest.raises(ValueError, match="bounds must be"):
            ColumnTable.from_arrays(table, bounds=wrong)


def test_values_of_a_large_share():
    column = np.r_[np.zeros(30), np.full(20, 2.5), np.linspace(3, 4, 50)]
    columns = ColumnTable.from_arrays(np.column_stack([column, np.linspace(0, 1, 100)]))
    assert columns.atoms[:, 0].tolist() == [0, 2.5]
    assert np.isnan(columns.atoms[:, 1]).all()


def test_images_have_one_scale_for_a_channel():
    rng = np.random.RandomState(0)
    images = rng.rand(20, 4, 5, 2) * [1, 100]
    columns = ColumnTable.from_arrays(images.reshape(20, -1), shape=(4, 5, 2))
    np.testing.assert_allclose(columns.sd[:2], images.std((0, 1, 2)))
    np.testing.assert_array_equal(columns.upper[:2], images.max((0, 1, 2)))
    np.testing.assert_array_equal(columns.upper, np.tile(columns.upper[:2], 20))
    assert set(columns.kinds) == {"continuous"}
    whole = (images > 0.5).astype(int).reshape(20, -1)
    assert set(ColumnTable.from_arrays(whole, shape=(4, 5, 2)).kinds) == {"integer"}


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"shape": (2, 2)}, "shape=.* does not describe rows of 7"),
        ({"kinds": ["number"] * 7}, "unknown kinds"),
        ({"kinds": ["integer"]}, "1 entries"),
        ({"blocks": [(1, 2), (2, 3)]}, "none of them twice"),
    ],
)
def test_what_does_not_fit_is_refused(table, argument, message):
    with pytest.raises(ValueError, match=message):
        ColumnTable.from_arrays(table, **argument)


def test_the_state_is_plain_and_comes_back(table):
    columns = ColumnTable.from_arrays(table, names=list("abcdefg"), categories=[()] * 7)
    state = columns.to_state()
    plain = (np.ndarray, list, str, type(None))
    assert all(isinstance(value, plain) for value in state.values())
    again = ColumnTable.from_state(state)
    for name, value in vars(columns).items():
        np.testing.assert_equal(getattr(again, name), value)


def test_other_rows_give_other_statistics_and_keep_what_is_allowed(table):
    columns = ColumnTable.from_arrays(table)
    fold = columns.refitted(table[:20])
    np.testing.assert_allclose(fold.mean, table[:20].mean(0))
    np.testing.assert_array_equal(fold.upper, columns.upper)
    assert fold.kinds == columns.kinds
    assert fold.blocks == columns.blocks


def test_half_a_one_hot_code_is_refused(table):
    columns = ColumnTable.from_arrays(table)
    with pytest.raises(ValueError, match=r"columns \(2, 3, 4\) together"):
        MarginalSwap([0, 2]).bind(columns)
    with pytest.raises(ValueError, match="column 2 is boolean"):
        GaussianNoise([2, 3, 4]).bind(columns)


def test_the_default_set_of_a_table(table):
    rng = np.random.RandomState(1)
    near = table[:, :1] + 0.3 * rng.randn(60, 1)
    table = np.column_stack([table, near, rng.randn(60)])
    columns = ColumnTable.from_arrays(table)
    chosen = default_transformations(table, columns)
    groups = [t.columns for t in chosen if isinstance(t, GaussianNoise)]
    assert sorted(groups) == [(0, 7), (1,), (8,)], "correlated together, constants out"
    assert [t.columns for t in chosen if isinstance(t, Scale)] == groups
    swaps = [t.columns for t in chosen if isinstance(t, MarginalSwap)]
    assert swaps == [*groups, (2, 3, 4), (5,)]
    assert all(t.discrete for t in chosen if isinstance(t, MarginalSwap))
    (cutmix,) = (t for t in chosen if isinstance(t, ClassCutMix))
    assert cutmix.columns == tuple(swaps)
    assert [t.n_neighbors for t in chosen if isinstance(t, ClassMixup)] == [None, 5]
    without = default_transformations(table, columns, labelled=False)
    assert without == chosen[:-3]
    training = TrainingRows(torch.from_numpy(table), columns, torch.arange(60) % 2)
    for transformation in chosen:
        transformation.fit(training)


def test_the_default_set_of_many_columns_is_small():
    rng = np.random.RandomState(0)
    for table in (
        rng.randn(80, 40),
        np.column_stack([rng.randn(80, 20), rng.rand(80, 60) < 0.5]),
        (rng.rand(80, 60) < 0.5).astype(float),
    ):
        columns = ColumnTable.from_arrays(table, blocks=())
        chosen = default_transformations(table, columns)
        swaps = [t.columns for t in chosen if isinstance(t, MarginalSwap)]
        assert 3 <= len(swaps) <= 14
        assert sorted(j for group in swaps for j in group) == list(
            range(table.shape[1])
        )


def test_columns_of_frequent_values_alone_have_no_noise():
    rng = np.random.RandomState(0)
    table = np.column_stack([rng.randint(1, 4, 90), rng.randn(90)])
    chosen = default_transformations(table, ColumnTable.from_arrays(table))
    assert [t.columns for t in chosen if isinstance(t, GaussianNoise)] == [(1,)]
    assert [t.columns for t in chosen if isinstance(t, MarginalSwap)] == [(0,), (1,)]


@pytest.mark.parametrize("table", [np.ones((9, 3)), np.ones((9, 1))], ids=["3", "1"])
def test_constant_tables_have_nothing_to_change(table):
    assert default_transformations(table, ColumnTable.from_arrays(table)) == ()


def test_missing_cells_do_not_stop_the_default_set(table):
    table[::3, 0] = np.nan
    chosen = default_transformations(table, ColumnTable.from_arrays(table))
    assert len(chosen) > 6


def test_the_default_sets_of_images_and_series():
    rows = np.random.RandomState(0).rand(6, 196)
    columns = ColumnTable.from_arrays(rows, shape=(14, 14))
    chosen = default_transformations(rows, columns)
    assert len(chosen) == 8
    assert chosen[0].max_pixels == 4
    assert sum(isinstance(t, ImageFlip) for t in chosen) == 2
    series = default_transformations(rows, ColumnTable.from_arrays(rows, shape=196))
    for transformation, shape in ((chosen, (14, 14)), (series, (196,))):
        columns = ColumnTable.from_arrays(rows, shape=shape)
        training = TrainingRows(torch.from_numpy(rows), columns)
        for each in transformation:
            bound = each.bind(columns)
            P = bound.sample(6, 1.0, torch.Generator().manual_seed(0))
            reference = bound.fit(training)
            result = bound.forward(training.rows, P, reference, torch.arange(6))
            assert torch.isfinite(result).all()
