# SPDX-License-Identifier: BSD-3-Clause
"""Facts of every transformation: identity, seeds, inverse, bounds, records."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, clone

from sktransform.augmentation.transforms import (
    ColumnTable,
    Shift,
    TrainingRows,
    Transformation,
)
from sktransform.augmentation.transforms._base import (
    from_record,
    registered,
    to_record,
)

PUBLIC = {
    name: cls
    for name, cls in registered().items()
    if cls.__module__.startswith("sktransform.") and cls is not Transformation
}
VARIANTS = [variant for cls in PUBLIC.values() for variant in cls._variants()]

N_ROWS = 60


def _shape(transformation):
    name = type(transformation).__name__
    if name.startswith("Image") or name == "RandomField":
        return (6, 6, 2)
    if name.startswith("Series") or name == "SmoothWarp":
        return (24, 3)
    return None


def _training(transformation, dtype=torch.float64, bounds="none"):
    rng = np.random.RandomState(0)
    shape = _shape(transformation)
    rows = rng.randn(N_ROWS, 72 if shape else 5) + 3
    if not shape:
        rows[:, 4] = rng.choice([0.0, 1.0, 2.0], N_ROWS)  # a column of categories
    rows = torch.from_numpy(rows).to(dtype)
    kinds = "auto" if shape else ["continuous"] * 4 + ["categorical"]
    columns = ColumnTable.from_arrays(rows, shape=shape, kinds=kinds, bounds=bounds)
    labels = torch.arange(N_ROWS) % 3
    return TrainingRows(rows, columns, labels)


def _drawn(transformation, training, scale=1.0):
    """Return bound transformation, reference, parameters, seeds and labels."""
    bound = transformation.bind(training.columns)
    generator = torch.Generator().manual_seed(1)
    P = bound.sample(N_ROWS, scale, generator)
    seeds = torch.arange(N_ROWS) * 7919 + 13
    return bound, bound.fit(training), P, seeds


def _each(function):
    return pytest.mark.parametrize("transformation", VARIANTS, ids=repr)(function)


@_each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zero_is_the_identity_bit_for_bit(transformation, dtype):
    training = _training(transformation, dtype)
    bound, reference, P, seeds = _drawn(transformation, training)
    P[::2] = 0
    X = training.rows.clone()
    X[0, 0] = -0.0
    result = bound.forward(X, P, reference, seeds, training.labels)
    assert result.dtype == dtype
    assert torch.equal(result[::2].view(torch.uint8), X[::2].view(torch.uint8))
    assert not torch.equal(result[1::2], X[1::2])
    assert X[0, 0].signbit(), "the input is never written to"


@_each
def test_a_row_is_the_same_whatever_rows_come_with_it(transformation):
    training = _training(transformation, bounds="train")
    bound, reference, P, seeds = _drawn(transformation, training)
    labels = training.labels
    whole = bound.forward(training.rows, P, reference, seeds, labels)
    again = bound.forward(training.rows, P, reference, seeds, labels)
    assert torch.equal(whole, again)
    order = torch.from_numpy(np.random.RandomState(3).permutation(N_ROWS))
    for rows in (*order[:20].split(1), *order.split(7)):
        part = bound.forward(
            training.rows[rows], P[rows], reference, seeds[rows], labels[rows]
        )
        assert torch.equal(part, whole[rows])


@_each
def test_the_inverse_keeps_its_contract(transformation):
    training = _training(transformation)
    bound, reference, P, seeds = _drawn(transformation, training)
    changed, exact = bound.forward(
        training.rows, P, reference, seeds, training.labels, return_exact=True
    )
    if bound.inverse_contract is None:
        assert not exact.any()
        with pytest.raises(ValueError, match="has no inverse"):
            bound.inverse(changed, P, reference, seeds)
        return
    error = (bound.inverse(changed, P, reference, seeds) - training.rows).abs()
    if bound.inverse_contract == "lossy":
        assert not exact.any()
        assert error.max() > 1e-9
    else:
        assert exact.all()
        assert error.max() < 1e-12


@_each
def test_clipped_rows_are_not_called_exact(transformation):
    if transformation.inverse_contract not in ("exact", "seeded"):
        return
    training = _training(transformation, bounds="train")
    bound, reference, P, seeds = _drawn(transformation, training)
    changed, exact = bound.forward(
        training.rows, P, reference, seeds, return_exact=True
    )
    error = (bound.inverse(changed, P, reference, seeds) - training.rows).abs()
    assert (error.amax(1)[exact] < 1e-12).all()
    assert (error.amax(1)[~exact] > 1e-12).all()


@_each
def test_bounds_hold_and_missing_cells_stay_missing(transformation):
    training = _training(transformation, bounds="train")
    X = training.rows.clone()
    bound = transformation.bind(training.columns)
    if not bound.mixes_columns:
        X[::3, 1] = torch.nan
        columns = ColumnTable.from_arrays(
            X, shape=training.columns.shape, kinds=training.columns.kinds
        )
        training = TrainingRows(X, columns, training.labels)
    bound, reference, P, seeds = _drawn(transformation, training)
    result = bound.forward(X, P, reference, seeds, training.labels)
    assert (result.isnan() == X.isnan()).all()
    lower, upper = map(
        torch.from_numpy, (training.columns.lower, training.columns.upper)
    )
    assert not (result < lower - 1e-12).any()
    assert not (result > upper + 1e-12).any()


@_each
def test_mixing_refuses_missing_cells(transformation):
    if not transformation.mixes_columns:
        return
    training = _training(transformation)
    bound, reference, P, seeds = _drawn(transformation, training)
    X = training.rows.clone()
    X[5, 1] = torch.nan
    with pytest.raises(ValueError, match="impute them"):
        bound.forward(X, P, reference, seeds, training.labels)
    columns = ColumnTable.from_arrays(
        X, shape=training.columns.shape, kinds=training.columns.kinds
    )
    with pytest.raises(ValueError, match="impute them"):
        bound.fit(TrainingRows(X, columns, training.labels))


@_each
def test_magnitude_and_description(transformation):
    training = _training(transformation)
    bound, _, P, _ = _drawn(transformation, training, scale=0.5)
    magnitude = bound.magnitude(P)
    assert magnitude.shape == (N_ROWS,)
    if bound.discrete:
        assert (magnitude == 1).all()
        assert set(P.flatten().tolist()) <= set(range(1, bound.n_states))
    else:
        assert 0.3 < magnitude.max() <= 0.5
        assert P.shape == (N_ROWS, bound.n_parameters)
    assert (bound.magnitude(torch.zeros_like(P)) == 0).all()
    described = bound.describe(P)
    assert all(values.shape == (N_ROWS,) for values in described.values())


@_each
def test_parameters_are_uniform_on_the_range(transformation):
    bound = transformation.bind(_training(transformation).columns)
    if bound.discrete:
        return
    P = bound.sample(4000, 0.5, torch.Generator().manual_seed(0))
    assert P.abs().max() <= 0.5
    assert abs(float(P[:, 0].mean())) < 0.02
    assert abs(float(P[:, 0].std()) - 1 / np.sqrt(12)) < 0.01


@_each
def test_precisions_agree(transformation):
    results = []
    for dtype in (torch.float32, torch.float64):
        training = _training(transformation)
        training = TrainingRows(
            training.rows.to(dtype), training.columns, training.labels
        )
        bound, reference, P, seeds = _drawn(transformation, training)
        results.append(
            bound.forward(training.rows, P, reference, seeds, training.labels)
        )
    assert results[0].dtype == torch.float32
    torch.testing.assert_close(results[0].double(), results[1], rtol=1e-4, atol=1e-4)


@_each
def test_records_bring_equal_declarations_back(transformation):
    bound = transformation.bind(_training(transformation).columns)
    record = to_record(bound)
    assert set(record) == {"kind", "parameters"}
    plain = (int, float, str, bool, list, type(None))
    assert all(isinstance(value, plain) for value in record["parameters"].values())
    assert from_record(record) == bound
    assert hash(from_record(record)) == hash(bound)


@_each
def test_declarations_are_copied_by_value(transformation):
    for copied in (
        copy.deepcopy(transformation),
        pickle.loads(pickle.dumps(transformation)),
    ):
        assert copied == transformation
        assert repr(copied) == repr(transformation)
    field = next(iter(transformation.__dataclass_fields__))
    with pytest.raises(AttributeError):
        setattr(transformation, field, None)


@_each
def test_seeds_and_labels_are_asked_for(transformation):
    training = _training(transformation)
    bound, reference, P, seeds = _drawn(transformation, training)
    if bound.needs_labels:
        with pytest.raises(ValueError, match="needs y"):
            bound.fit(TrainingRows(training.rows, training.columns))
        with pytest.raises(ValueError, match="labels"):
            bound.forward(training.rows, P, reference, seeds)
    if bound.uses_seeds:
        with pytest.raises(ValueError, match="give seeds"):
            bound.forward(training.rows, P, reference, None, training.labels)


@_each
def test_references_are_arrays_that_may_be_read_only(transformation):
    training = _training(transformation)
    bound, reference, P, seeds = _drawn(transformation, training)
    assert all(isinstance(values, np.ndarray) for values in reference.values())
    expected = bound.forward(training.rows, P, reference, seeds, training.labels)
    for values in reference.values():
        values.setflags(write=False)
    result = bound.forward(training.rows, P, reference, seeds, training.labels)
    assert torch.equal(result, expected)


@_each
def test_no_rows_are_welcome(transformation):
    training = _training(transformation)
    bound, reference, P, seeds = _drawn(transformation, training)
    empty = bound.forward(
        training.rows[:0], P[:0], reference, seeds[:0], training.labels[:0]
    )
    assert empty.shape == (0, training.rows.shape[1])


def test_global_generators_are_left_alone():
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for transformation in VARIANTS:
        training = _training(transformation)
        bound, reference, P, seeds = _drawn(transformation, training)
        bound.forward(training.rows, P, reference, seeds, training.labels)
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


def test_columns_by_name_slice_mask_and_callable():
    rows = np.random.RandomState(0).randn(10, 4)
    columns = ColumnTable.from_arrays(rows, names=["a", "b", "c", "d"])
    for selection in (["b", "c"], [1, 2], slice("b", "c"), slice(1, 3), [-3, -2]):
        assert Shift(selection).bind(columns).columns == (1, 2)
    assert Shift([False, True, True, False]).bind(columns).columns == (1, 2)
    assert Shift("d").bind(columns).columns == (3,)
    assert Shift(2).bind(columns).columns == (2,)
    assert Shift(np.array([1, 2])).bind(columns).columns == (1, 2)
    assert Shift(lambda X: [0, 3]).bind(columns, rows).columns == (0, 3)
    assert Shift().bind(columns).columns == (0, 1, 2, 3)
    assert Shift([]).bind(columns).columns == ()


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ([4], "does not exist"),
        ([1, 1], "twice"),
        (["z"], "no column named 'z'"),
        ([1.5], "columns are indices"),
        ([True, False], "mask"),
        (lambda X: [0], "needs the table"),
    ],
)
def test_wrong_columns_are_refused_in_a_sentence(selection, message):
    columns = ColumnTable.from_arrays(
        np.random.RandomState(0).randn(10, 4), names=list("abcd")
    )
    with pytest.raises(ValueError, match=message):
        Shift(selection).bind(columns)


def test_names_need_a_table_with_names():
    columns = ColumnTable.from_arrays(np.random.RandomState(0).randn(10, 4))
    with pytest.raises(ValueError, match="has no column names"):
        Shift(["a"]).bind(columns)


def test_categories_are_not_computed_with():
    rows = np.random.RandomState(0).randn(10, 2)
    columns = ColumnTable.from_arrays(rows, kinds=["continuous", "categorical"])
    assert Shift().bind(columns).columns == (0,)
    with pytest.raises(ValueError, match="column 1 is categorical; remove this"):
        Shift([0, 1]).bind(columns)


def test_two_transformations_of_one_name_are_refused():
    with pytest.raises(TypeError, match="Shift exists already"):
        type("Shift", (Transformation,), {"__module__": "elsewhere"})


def test_an_unknown_record_raises_with_a_remedy():
    with pytest.raises(ValueError, match="import the module that defines it"):
        from_record({"kind": "NeverDefined", "parameters": {}})


def test_a_transformation_of_ones_own():
    @dataclass(frozen=True)
    class Doubling(Transformation):
        inverse_contract = "exact"

        def _forward(self, X, P, reference, seeds, labels):
            return X * (2**P).to(X.dtype)

        def _inverse(self, X, P, reference, seeds):
            return X * (2**-P).to(X.dtype)

    rows = torch.from_numpy(np.random.RandomState(0).randn(5, 3))
    columns = ColumnTable.from_arrays(rows, bounds="none")
    reference = Doubling([0]).fit(TrainingRows(rows, columns))
    doubled = Doubling([0]).forward(rows, torch.ones(5, 1), reference)
    assert torch.equal(doubled[:, 0], 2 * rows[:, 0])
    assert torch.equal(doubled[:, 1:], rows[:, 1:])
    assert from_record(to_record(Doubling([0]))) == Doubling((0,))


def test_estimators_take_them_as_parameters():
    class Holder(BaseEstimator):
        def __init__(self, transformations=None):
            self.transformations = transformations

    holder = Holder([Shift([0]), Shift([1], max_sd=2.0)])
    assert clone(holder).transformations == holder.transformations


@pytest.mark.parametrize("value", [0, -1, "x", None, np.nan, np.inf, True])
def test_senseless_sizes_are_refused(value):
    with pytest.raises(ValueError, match="max_sd of Shift must be a number above 0"):
        Shift(max_sd=value)
