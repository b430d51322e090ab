# SPDX-License-Identifier: BSD-3-Clause
"""Encoder of tables: any container as rows of numbers, and back."""

import dataclasses
from collections.abc import Hashable
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np
import torch
from sklearn.utils import check_array

from sktransform.augmentation._tabular.columns import CATEGORICAL, ColumnTable, resolved


@dataclass(frozen=True, eq=False)
class TableEncoder:
    """Encoder of tables of any container into rows of numbers, and decoder back.

    Categories become codes, missing cells NaN. The decoder writes only cells that have
    changed: all others keep the caller's very values. `columns` is all that has to be
    kept of a fit.
    """

    columns: ColumnTable

    @classmethod
    def from_table(cls, X, *, kinds=None, bounds="train", blocks="auto", shape=None):
        """Return the encoder of a training table (n, d): array, tensor or data frame.

        `kinds` maps columns to kinds that differ from those of the cells; `blocks` are
        columns that encode one category together; see `ColumnTable.from_arrays`.
        Raises ValueError for a column without numbers or categories.
        """
        frame = _frame(X)
        if frame is None:
            array = _array(X)
            names, categories, types = None, None, [array.dtype] * array.shape[1]
            rows = array
        else:
            check_array(np.zeros(frame.shape))  # refuses tables without cells
            names = tuple(map(str, frame.columns))
            categories = tuple(map(_categories, frame.iter_columns()))
            coded = zip(frame.iter_columns(), categories, strict=True)
            rows = np.stack([_coded(column, codes) for column, codes in coded], 1)
            types = list(frame.schema.values())
        found = ColumnTable.from_arrays(rows, bounds=bounds, blocks=(), shape=shape)
        wanted = _kinds(found, types, categories, kinds, names)
        if not isinstance(blocks, str):
            blocks = resolved(
                tuple(map(tuple, blocks)), _named(found, names), None, "blocks"
            )
        columns = ColumnTable.from_arrays(
            rows,
            kinds=wanted,
            bounds=bounds,
            blocks=blocks,
            names=names,
            categories=categories,
            shape=shape,
        )
        least, most = zip(*map(_range_of_type, types), strict=True)
        lower = np.maximum(columns.lower, least)
        upper = np.minimum(columns.upper, most)
        return cls(dataclasses.replace(columns, lower=lower, upper=upper))

    def encode(self, X):
        """Return a table as a tensor (n, d) that shares no memory with it.

        It is float32 if all numbers of the table are, else float64; a tensor stays on
        its device. Categories that the training table lacks are coded as missing, and
        decoded as what they are.
        """
        frame = _frame(X)
        if frame is None:
            if isinstance(X, torch.Tensor):
                _array(X)
                single = X.dtype == torch.float32
                dtype = torch.float32 if single else torch.float64
                return X.detach().to(dtype, copy=True)
            array = _array(X)
            single = array.dtype == np.float32
            dtype = np.float32 if single else np.float64
            return torch.from_numpy(np.array(array, dtype=dtype, order="C"))
        numbers = [dtype for dtype in frame.schema.values() if dtype.is_numeric()]
        single = numbers and all(dtype == nw.Float32 for dtype in numbers)
        coded = [
            _coded(column, codes)
            for column, codes in zip(
                frame.iter_columns(), self._categories, strict=True
            )
        ]
        rows = np.stack(coded, 1).astype(np.float32 if single else np.float64)
        return torch.from_numpy(rows)

    def decode(self, rows, X, sources=None):
        """Return transformed rows (m, d) in the container and the types of a table.

        `sources` (m,) are the rows of X that they are made of, None for all in order.
        A list comes back as an array. Raises ValueError if a cell has become missing in
        a column whose type has no missing cells.
        """
        frame = _frame(X)
        indices = np.arange(len(rows)) if sources is None else np.asarray(sources)
        if frame is None:
            return _decoded_array(rows, X, indices)
        before = self.encode(X)[torch.from_numpy(indices)]
        rows = rows.cpu()
        changed = (rows != before) & ~(rows.isnan() & before.isnan())
        rows, changed = rows.double().numpy(), changed.numpy()
        taken = frame[indices.tolist()]
        written = [
            _written(taken.get_column(name), rows[:, j], changed[:, j], self._codes(j))
            for j, name in enumerate(frame.columns)
            if changed[:, j].any()
        ]
        return nw.to_native(taken.with_columns(*written) if written else taken)

    def _codes(self, column):
        """Return the values of a column's codes, or an empty tuple."""
        return self._categories[column]

    @property
    def _categories(self):
        """Return the values of all columns' codes; of an array there are none."""
        return self.columns.categories or ((),) * self.columns.n_features


def is_frame(X):
    """Tell whether a table is a frame of pandas, polars, pyarrow or another library."""
    return _frame(X) is not None


def _frame(X):
    """Return a data frame as narwhals sees it, or None for anything else."""
    if isinstance(X, (np.ndarray, torch.Tensor, list, tuple)):
        return None
    frame = nw.from_native(X, pass_through=True, eager_only=True)
    return frame if isinstance(frame, nw.DataFrame) else None


def _array(X):
    """Return an array of numbers, checked; missing cells are welcome."""
    if isinstance(X, torch.Tensor):
        X = X.detach().cpu().numpy()
    array = check_array(X, dtype=None, ensure_all_finite="allow-nan")
    if array.dtype.kind not in "biuf":
        array = check_array(array, dtype=np.float64, ensure_all_finite="allow-nan")
    return array


def _range_of_type(dtype):
    """Return the least and the largest number that a column's type holds."""
    if isinstance(dtype, np.dtype):
        is_whole = dtype.kind in "iu"
    else:
        name = str(dtype).lower()
        is_whole = dtype.is_integer() and name in np.sctypeDict
        dtype = np.dtype(name) if is_whole else None
    if not is_whole:
        return -np.inf, np.inf
    limits = np.iinfo(dtype)
    # int64's maximum is not representable in float64: the number below it is.
    most = float(limits.max)
    return float(limits.min), most if int(most) <= limits.max else np.nextafter(most, 0)


def _decoded_array(rows, X, indices):
    """Return rows as an array or a tensor of the type of X."""
    if isinstance(X, torch.Tensor):
        if X.is_floating_point():
            return rows.to(X.device, X.dtype)
        whole = _whole(rows.cpu().numpy(), X.detach().cpu().numpy()[indices])
        return torch.from_numpy(whole).to(X.device)
    given = np.asarray(X)
    values = rows.cpu().numpy()
    if given.dtype.kind in "biu":
        return _whole(values, given[indices])
    return values.astype(given.dtype, copy=False) if given.dtype.kind == "f" else values


def _whole(values, given):
    """Return numbers in the type of those given, which stay where they are the same."""
    if np.isnan(values).any():
        raise ValueError(
            "A transformation made a cell of X missing, but the dtype of X has no "
            "missing values; use Mask(fill='median'), or give floating-point columns."
        )
    # Above 2**53 float64 cannot tell neighbouring integers apart: keep the given ones.
    same = values == given.astype(values.dtype)
    return np.where(same, given, np.rint(values).astype(given.dtype))


def _categories(column):
    """Return the values of a column that is coded, sorted; () for numbers."""
    dtype = column.dtype
    if dtype.is_integer() or dtype.is_float() or dtype == nw.Boolean:
        return ()
    if column.dtype in (nw.String, nw.Categorical, nw.Object) or isinstance(
        column.dtype, nw.Enum
    ):
        present = [value for value in column.to_list() if not _is_missing(value)]
        if all(isinstance(value, Hashable) for value in present):
            return tuple(sorted(set(present), key=lambda v: (type(v).__name__, str(v))))
    raise ValueError(
        f"Column {column.name!r} is of type {column.dtype}, which cannot be "
        "augmented; convert it to numbers or categories, or drop it."
    )


def _coded(column, categories):
    """Return a column's cells as numbers in float64, NaN for missing ones."""
    if categories:
        codes = {value: float(code) for code, value in enumerate(categories)}
        cells = [
            np.nan if _is_missing(value) else codes.get(value, np.nan)
            for value in column.to_list()
        ]
        return np.array(cells, dtype=np.float64)
    if not column.dtype.is_numeric() and column.dtype != nw.Boolean:
        return np.full(len(column), np.nan)
    if column.dtype == nw.Boolean:
        cells = [np.nan if _is_missing(v) else float(v) for v in column.to_list()]
        return np.array(cells, dtype=np.float64)
    cells = column.cast(nw.Float64).to_numpy()
    if np.isinf(cells).any():
        raise ValueError(f"Column {column.name!r} contains infinity.")
    return cells


def _is_missing(value):
    """Tell None, NaN, NaT and pandas' NA from values."""
    if value is None:
        return True
    # NaN differs from itself; comparing pandas' NA gives NA, which has no truth value.
    same = value == value
    return not (isinstance(same, (bool, np.bool_)) and bool(same))


def _kinds(found, types, categories, declared, names):
    """Return the kind of each column: from its type, its cells, and as declared."""
    kinds = list(found.kinds)
    for j, dtype in enumerate(types):
        if categories is not None and not dtype.is_numeric():
            kinds[j] = "boolean" if dtype == nw.Boolean else "categorical"
        elif categories is None and dtype.kind == "b":
            kinds[j] = "boolean"
        elif categories is not None and found.shape is not None:
            kinds[j] = "integer" if dtype.is_integer() else "continuous"
    for key, kind in (declared or {}).items():
        (index,) = resolved(key, _named(found, names), None, "kinds")
        coded = categories is not None and len(categories[index]) > 0
        if coded and kind not in CATEGORICAL:
            raise ValueError(
                f"kinds declares column {key!r} {kind}, but it holds strings or "
                "categories; convert it to numbers first."
            )
        kinds[index] = kind
    return kinds


def _named(columns, names):
    """Return a table of columns that knows names, to look some up."""
    return ColumnTable(**{**vars(columns), "names": names})


def _written(column, rows, changed, categories):
    """Return a column of the same type in which changed cells are written."""
    native = nw.to_native(column)
    dtype = column.dtype
    if dtype.is_float() and isinstance(getattr(native, "dtype", None), np.dtype):
        values = np.where(changed, rows, column.to_numpy())
    else:
        values = column.to_list()
        for index in np.flatnonzero(changed):
            values[index] = _cell(rows[index], dtype, categories)
    written = nw.from_native(_like(native, values, column.name), series_only=True)
    return written.alias(column.name)


def _cell(value, dtype, categories):
    """Return a number in the type of the column."""
    if np.isnan(value):
        return None
    if categories:
        return categories[int(value)]
    if dtype == nw.Boolean:
        return bool(value)
    return float(value) if dtype.is_float() else round(value)


def _like(native, values, name):
    """Return a column of values of the native type of another."""
    namespace = nw.get_native_namespace(native)
    if namespace.__name__ == "pyarrow":
        return namespace.chunked_array([_arrow_like(namespace, native, values)])
    if namespace.__name__ == "polars":
        return namespace.Series(name, values, dtype=native.dtype)
    dtype = native.dtype
    counts = isinstance(dtype, np.dtype) and dtype.kind in "iub"
    if counts and any(value is None for value in values):
        raise ValueError(
            f"A transformation made a cell of column {name!r} missing, but the dtype "
            "of the column has no missing values; use Mask(fill='median'), or another "
            "dtype."
        )
    return namespace.Series(values, index=native.index, dtype=dtype, name=name)


def _arrow_like(pyarrow, native, values):
    """Return an array of an Arrow type; a dictionary keeps its order."""
    if not pyarrow.types.is_dictionary(native.type):
        return pyarrow.array(values, type=native.type, from_pandas=False)
    known = native.unify_dictionaries().chunk(0).dictionary.to_pylist()
    code_of = {value: code for code, value in enumerate(known)}
    codes = [
        None if value is None else code_of.setdefault(value, len(code_of))
        for value in values
    ]
    return pyarrow.DictionaryArray.from_arrays(
        pyarrow.array(codes, type=native.type.index_type),
        pyarrow.array(list(code_of), type=native.type.value_type),
        ordered=native.type.ordered,
    )
