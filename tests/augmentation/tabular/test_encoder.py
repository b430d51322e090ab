# SPDX-License-Identifier: BSD-3-Clause
"""Tables of any container as rows of numbers, and back."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.compose import make_column_selector

from sktransform.augmentation._tabular.columns import ColumnTable
from sktransform.augmentation._tabular.encoder import TableEncoder, is_frame
from sktransform.augmentation.transforms import MarginalSwap, Shift, TrainingRows


def _pandas():
    n = 40
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(
        {
            "amount": rng.lognormal(size=n),
            "single": rng.randn(n).astype(np.float32),
            "count": rng.randint(0, 50, n),
            "flag": rng.rand(n) < 0.5,
            "city": rng.choice(["Oslo", "Bergen", "Voss"], n),
            "size": pd.Categorical(
                rng.choice(["S", "M", "L"], n), ["S", "M", "L", "XL"], ordered=True
            ),
        },
        index=np.arange(n) * 10,
    )
    frame.loc[::7, "amount"] = np.nan
    frame.loc[::9, "city"] = None
    return frame


def _polars():
    frame = pl.from_pandas(_pandas())
    return frame.with_columns(pl.col("size").cast(pl.Enum(["S", "M", "L", "XL"])))


FRAMES = {
    "pandas": _pandas,
    "polars": _polars,
    "pyarrow": lambda: pa.Table.from_pandas(_pandas(), preserve_index=False),
}


@pytest.fixture(params=FRAMES)
def frame(request):
    return FRAMES[request.param]()


def _as_pandas(frame):
    if isinstance(frame, pd.DataFrame):
        return frame.reset_index(drop=True)
    return frame.to_pandas()


def _types(frame):
    if isinstance(frame, pa.Table):
        return frame.schema.types
    return list(frame.dtypes)


def test_kinds_and_codes_of_a_frame(frame):
    columns = TableEncoder.from_table(frame).columns
    assert columns.kinds == (
        "continuous",
        "continuous",
        "integer",
        "boolean",
        "categorical",
        "categorical",
    )
    assert columns.names == ("amount", "single", "count", "flag", "city", "size")
    assert columns.categories[4] == ("Bergen", "Oslo", "Voss")
    assert columns.has_nan.tolist() == [True, False, False, False, True, False]
    again = ColumnTable.from_state(columns.to_state())
    assert again.categories == columns.categories


def test_unchanged_rows_come_back_as_they_were(frame):
    table = TableEncoder.from_table(frame)
    back = table.decode(table.encode(frame), frame)
    assert type(back) is type(frame)
    assert _types(back) == _types(frame)
    pd.testing.assert_frame_equal(_as_pandas(back), _as_pandas(frame))


def test_changed_cells_are_written_in_their_types(frame):
    table = TableEncoder.from_table(frame)
    rows = table.encode(frame)
    # Each cell takes the value below it, where neither is missing.
    other = rows.roll(-1, 0)
    other = torch.where(rows.isnan() | other.isnan(), rows, other)
    back = table.decode(other, frame)
    assert _types(back) == _types(frame)
    before, after = _as_pandas(frame), _as_pandas(back)
    for name in before.columns:
        moved = before[name].shift(-1).where(before[name].notna(), None)
        for row in range(len(before) - 1):
            expected = before[name][row + 1]
            if pd.isna(before[name][row]) or pd.isna(expected):
                expected = before[name][row]
            found = after[name][row]
            assert found == expected or (pd.isna(found) and pd.isna(expected))
        assert len(moved) == len(after)


def test_rows_grow_and_are_taken_from_their_sources(frame):
    table = TableEncoder.from_table(frame)
    source = np.array([3, 3, 0, 39])
    grown = table.decode(table.encode(frame)[source], frame, source)
    expected = _as_pandas(frame).iloc[source].reset_index(drop=True)
    pd.testing.assert_frame_equal(_as_pandas(grown), expected)


def test_the_index_of_pandas_goes_with_its_row():
    frame = _pandas()
    table = TableEncoder.from_table(frame)
    back = table.decode(table.encode(frame)[[5, 5]], frame, [5, 5])
    assert back.index.tolist() == [50, 50]


def test_a_transformation_of_a_frame(frame):
    table = TableEncoder.from_table(frame)
    rows = table.encode(frame)
    training = TrainingRows(rows, table.columns)
    shift = Shift(["count"], max_sd=1.0).bind(table.columns)
    P = torch.full((len(rows), 1), 0.5)
    shifted = table.decode(shift.forward(rows, P, shift.fit(training)), frame)
    before, after = _as_pandas(frame), _as_pandas(shifted)
    step = 0.5 * before["count"].std(ddof=0)
    expected = (before["count"] + step).round().clip(upper=before["count"].max())
    assert (after["count"] == expected).all()
    pd.testing.assert_frame_equal(
        after.drop(columns="count"), before.drop(columns="count")
    )
    swap = MarginalSwap(["city", "size"]).bind(table.columns)
    swapped = swap.forward(rows, P, swap.fit(training), torch.arange(len(rows)))
    after = _as_pandas(table.decode(swapped, frame))
    assert set(after["city"].dropna()) == {"Bergen", "Oslo", "Voss"}
    assert (after["city"].isna() == before["city"].isna()).all()
    assert (after["size"] != before["size"]).any()


def test_unseen_categories_pass_through():
    frame = _pandas()
    table = TableEncoder.from_table(frame)
    new = frame.head(3).copy()
    new["city"] = ["Moss", "Oslo", "Moss"]
    rows = table.encode(new)
    assert rows[:, 4].isnan().tolist() == [True, False, True]
    rows[:, 4] = torch.where(rows[:, 4].isnan(), rows[:, 4], 2.0)
    assert table.decode(rows, new)["city"].tolist() == ["Moss", "Voss", "Moss"]


def test_a_selector_of_columns():
    frame = _pandas()
    columns = TableEncoder.from_table(frame).columns
    chosen = make_column_selector(dtype_include=np.floating)
    assert Shift(chosen).bind(columns, frame).columns == (0, 1)
    assert Shift(make_column_selector(pattern="^c")).columns is not None


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8, bool])
def test_arrays_come_back_in_their_type(dtype):
    array = np.random.RandomState(0).randint(0, 9, size=(20, 3)).astype(dtype)
    table = TableEncoder.from_table(array)
    rows = table.encode(array)
    assert rows.dtype == (torch.float32 if dtype == np.float32 else torch.float64)
    back = table.decode(rows.flip(0), array)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, array[::-1])
    rows[0, 0] = 5
    assert array[0, 0] == table.decode(table.encode(array), array)[0, 0]


def test_whole_numbers_stay_within_their_type():
    array = np.array([[250, 3], [1, 7]], dtype=np.uint8)
    frame = pl.DataFrame(array, schema={"a": pl.UInt8, "b": pl.UInt8})
    for X in (array, frame):
        table = TableEncoder.from_table(X, bounds="none")
        rows = table.encode(X)
        shift = Shift(max_sd=1.0).bind(table.columns)
        reference = shift.fit(TrainingRows(rows, table.columns))
        for p in (-1.0, 1.0):
            P = torch.full((2, 1), p)
            result = np.asarray(table.decode(shift.forward(rows, P, reference), X))
            assert (result == 255).any() == (p > 0)
            assert ((result > array) == (p > 0)).all()
    large = np.array([[2**62], [2**63 - 1]])
    table = TableEncoder.from_table(large, bounds="none")
    assert int(table.columns.upper[0]) < 2**63


def test_a_list_is_an_array():
    table = TableEncoder.from_table([[1.5, 2], [2.5, 3]])
    np.testing.assert_array_equal(
        table.decode(table.encode([[1.5, 2], [2.5, 3]]), [[1.5, 2], [2.5, 3]]),
        [[1.5, 2], [2.5, 3]],
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64])
def test_tensors_come_back_as_tensors(dtype):
    tensor = torch.arange(12).reshape(4, 3).to(dtype)
    table = TableEncoder.from_table(tensor)
    back = table.decode(table.encode(tensor), tensor)
    assert back.dtype == dtype
    assert torch.equal(back, tensor)
    rows = table.encode(tensor)
    rows += 1
    assert not torch.equal(rows.to(dtype), tensor), "no memory is shared"


def test_single_frames_stay_single():
    frame = pl.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}).with_columns(
        pl.col("a").cast(pl.Float32)
    )
    assert TableEncoder.from_table(frame).encode(frame).dtype == torch.float32


def test_declared_kinds_and_blocks():
    frame = _pandas().drop(columns="amount")
    table = TableEncoder.from_table(
        frame, kinds={"count": "categorical", 0: "continuous"}
    )
    assert table.columns.kinds[:2] == ("continuous", "categorical")
    with pytest.raises(ValueError, match="holds strings or categories"):
        TableEncoder.from_table(frame, kinds={"city": "continuous"})
    with pytest.raises(ValueError, match="no column named 'x'"):
        TableEncoder.from_table(frame, kinds={"x": "continuous"})
    codes = pd.DataFrame(np.eye(3)[[0, 1, 2, 1]], columns=list("abc"))
    assert TableEncoder.from_table(codes).columns.blocks == ((0, 1, 2),)
    assert TableEncoder.from_table(codes, blocks=[("a", "c")]).columns.blocks == (
        (0, 2),
    )


def test_missing_cells_need_a_type_that_has_them():
    frame = _pandas()
    table = TableEncoder.from_table(frame)
    rows = table.encode(frame)
    rows[0, 2] = np.nan
    with pytest.raises(ValueError, match="cell of column 'count' missing"):
        table.decode(rows, frame)
    whole = np.arange(6).reshape(3, 2)
    rows = TableEncoder.from_table(whole).encode(whole)
    rows[0, 0] = np.nan
    with pytest.raises(ValueError, match="no missing values"):
        TableEncoder.from_table(whole).decode(rows, whole)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (pd.DataFrame({"day": pd.to_datetime(["2020-01-01"] * 3)}), "'day' is of type"),
        (pl.DataFrame({"d": [1.5]}, schema={"d": pl.Decimal(9, 2)}), "'d' is of type"),
        (pd.DataFrame({"a": [1.0, np.inf, 2.0]}), "'a' contains infinity"),
        (np.array([[1.0, np.inf]]), "infinity"),
        (np.array([["a", "b"]], dtype=object), "could not convert"),
        (np.zeros(3), "Expected 2D array"),
    ],
)
def test_what_has_no_numbers_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder.from_table(X)


def test_frames_are_told_from_arrays():
    assert is_frame(_pandas())
    assert is_frame(_polars())
    assert not is_frame(np.zeros((2, 2)))
    assert not is_frame([[1]])


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_whole_numbers_beyond_double_precision_keep_their_value(dtype):
    X = np.column_stack([np.arange(8), 2**60 + np.arange(8)]).astype(dtype)
    table = TableEncoder.from_table(X)
    rows = table.encode(X)
    rows[:, 0] += 3
    for given in (X, torch.from_numpy(X.astype(np.int64))):
        new = np.asarray(table.decode(rows[[5, 1]], given, [5, 1]))
        assert_array_equal(new, [[8, 2**60 + 5], [4, 2**60 + 1]])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(index=range(3)), "0 feature"),
        (pd.DataFrame({"a": []}), "0 sample"),
        (pd.DataFrame({"a": [[1], [2]]}), "Column 'a' is of type .* drop it"),
    ],
)
def test_frames_without_cells_or_of_lists_are_refused(frame, message):
    with pytest.raises(ValueError, match=message):
        TableEncoder.from_table(frame)
