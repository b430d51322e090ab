# SPDX-License-Identifier: BSD-3-Clause
"""Checks of the contract on the results of an estimator."""

import importlib.util
import re
import sys
import tempfile
from pathlib import Path
from unittest import SkipTest

import joblib
import numpy as np
from sklearn.base import clone

from sktransform.utils._contract_tools import (
    DOUBLE,
    SINGLE,
    assert_close,
    assert_finite,
    assert_keeps_state,
    assert_same,
    fit,
    outcome,
    rowwise,
    starting_anew,
    table,
    target,
)


def check_set_params_has_effect(name, estimator):
    """Check that a parameter set after a fit acts like one given to the constructor."""
    X = table()
    params = fit(starting_anew(estimator), X).get_params(deep=False)
    for key, value in params.items():
        if key == "warm_start":
            continue  # its effect is that a second fit is not like a first one
        if isinstance(value, bool):
            changed = not value
        elif isinstance(value, int):
            changed = value - 1 if value > 1 else value + 1
        elif isinstance(value, float):
            changed = value / 2
        else:
            continue
        constructed = type(estimator)(**{**params, key: changed})
        try:
            expected = outcome(fit(constructed, X), X)
        except ValueError:
            continue
        actual = outcome(fit(estimator.set_params(**{key: changed}), X), X)
        assert_same(actual, expected, f"{key}={changed} set after a fit")
        estimator.set_params(**{key: value})


def check_seed_and_global_state(name, estimator):
    """Check that fits with one seed agree and touch no global generator or setting."""
    X, torch = table(), sys.modules.get("torch")

    def settings():
        numpy_state = joblib.hash(np.random.get_state())  # noqa: NPY002
        if torch is None:
            return (numpy_state,)
        generator = torch.get_rng_state().numpy().tobytes()
        dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
        return numpy_state, generator, dtype, threads

    before = settings()
    first = outcome(fit(clone(estimator), X), X)
    second = outcome(fit(estimator, X), X)
    assert_same(second, first, "two fits with one seed")
    assert settings() == before, "a global generator or setting was changed"


def check_rows_are_independent(name, estimator):
    """Check that a row has the same bits alone, in another order and in a part."""
    # The kernels of matrix products treat rows by their index where widths are odd.
    for n_features in (6, 17, 257):
        fit(starting_anew(estimator), table(n_features=n_features))
        X = table(300, n_features, seed=1)
        for dtype in (np.float64, np.float32):
            for method, rows in rowwise(estimator, X.astype(dtype)):
                _check_rows(method, rows)


def _check_rows(method, rows):
    """Check that a method maps rows one by one."""
    whole = method(rows)
    for row in (0, 17, 299):
        assert_same(method(rows[[row]])[0], whole[row], "a row alone")
    order = np.random.default_rng(0).permutation(len(rows))
    assert_same(method(rows[order]), whole[order], "permuted rows")
    parts = np.concatenate([method(rows[:41]), method(rows[41:])])
    assert_same(parts, whole, "a table in two parts")


def check_batch_size_and_n_jobs(name, estimator):
    """Check that neither `batch_size` at transform nor `n_jobs` changes the results."""
    X, params = table(), estimator.get_params(deep=False)
    expected = outcome(fit(estimator, X), X)
    if "batch_size" in params:
        Z = outcome(estimator.set_params(batch_size=7), X)
        assert_same(Z, expected, "batch_size=7 at transform")
        estimator.set_params(batch_size=params["batch_size"])
    for n_jobs in (1, 2) if "n_jobs" in params else ():
        Z = outcome(fit(estimator.set_params(n_jobs=n_jobs), X), X)
        assert_same(Z, expected, f"n_jobs={n_jobs}")


def check_precision(name, estimator):
    """Check that single and double precision agree, and transformers keep it."""
    X = table().astype(np.float32)
    single, double = fit(clone(estimator), X), fit(estimator, X.astype(np.float64))
    expected = outcome(double, X.astype(np.float64))
    keeps = hasattr(estimator, "transform")
    assert expected.dtype == np.float64 or not keeps, f"float64 gives {expected.dtype}"
    for fitted, what in ((single, "fit in float32"), (double, "fit in float64")):
        Z = outcome(fitted, X)
        assert Z.dtype == np.float32 or not keeps, f"{what}: float32 gives {Z.dtype}"
        assert_close(Z, expected, SINGLE, what)


def check_constant_column(name, estimator):
    """Check that a constant column gives finite results."""
    X = table()
    X[:, 2] = 3.0
    assert_finite(fit(estimator, X), X)


def check_duplicate_rows(name, estimator):
    """Check that repeated rows give finite results, the same for each copy."""
    X = np.tile(table(5), (12, 1))
    assert_finite(fit(estimator, X), X)
    Z = outcome(estimator, X)
    assert_same(Z, np.concatenate([Z[:5]] * 12), "copies of rows")


def _check_small(estimator, X, words):
    """Check that a table too small gives finite results or a clear ValueError."""
    try:
        fit(estimator, X)
    except ValueError as error:
        if not re.search(words, str(error)):
            raise AssertionError(f"unclear message: {error}") from error
    else:
        assert_finite(estimator, X)


def check_one_sample(name, estimator):
    """Check that one sample gives finite results or a ValueError that says why."""
    _check_small(estimator, table(1), "sample")


def check_one_feature(name, estimator):
    """Check that one feature gives finite results or a ValueError that says why."""
    _check_small(estimator, table(n_features=1), "feature|n_components")


def check_fewer_samples_than_features(name, estimator):
    """Check that fewer samples than features give finite results."""
    X = table(8, 12)
    assert_finite(fit(estimator, X), X)


def _check_layout(estimator, X):
    """Check that rows in another layout give the same results."""
    plain = np.array(X, order="C")
    expected = outcome(fit(clone(estimator), plain), plain)
    assert_close(outcome(fit(estimator, X), X), expected, DOUBLE, "this layout")


def check_read_only_memory_map(name, estimator):
    """Check that a read-only memory map gives the same results."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(path := Path(folder) / "rows.npy", table())
        _check_layout(estimator, np.load(path, mmap_mode="r"))


def check_fortran_order(name, estimator):
    """Check that columns that are contiguous in memory give the same results."""
    _check_layout(estimator, np.asfortranarray(table()))


def check_negative_strides(name, estimator):
    """Check that rows and columns that run backwards give the same results."""
    _check_layout(estimator, table()[::-1, ::-1])


def check_inverse_transform(name, estimator):
    """Check that the inverse does what its contract declares, and keeps precision."""
    X = table()
    contract = getattr(fit(estimator, X), "_inverse_contract", None)
    if not hasattr(estimator, "inverse_transform"):
        assert contract is None, f"a contract, {contract!r}, without an inverse"
        return
    contracts = ("exact", "least_squares")
    assert contract in contracts, f"_inverse_contract is {contract!r}"
    for dtype, tolerance in ((np.float64, DOUBLE), (np.float32, SINGLE)):
        rows = X.astype(dtype)
        codes = estimator.transform(rows)
        inverse = estimator.inverse_transform(codes)
        assert inverse.shape == rows.shape, f"the inverse has shape {inverse.shape}"
        assert inverse.dtype == dtype, f"{dtype} codes give {inverse.dtype} rows"
        if contract == "exact":
            assert_close(inverse, rows, tolerance, "the inverse is not exact")
        else:
            assert _r2(rows, inverse) > 0, "rows: no better than predicting the mean"
            again = estimator.transform(inverse)
            assert _r2(codes, again) > 0, "codes: no better than predicting the mean"


def _r2(expected, predicted):
    """Return the share of the total sum of squares that a prediction explains."""
    residual = np.square(expected - predicted).sum()
    return 1 - residual / np.square(expected - expected.mean(axis=0)).sum()


def check_containers(name, estimator):
    """Check that a frame gives the numbers and the precision that an array gives."""
    frames = dict(_frames())
    if not frames:
        raise SkipTest("none of pandas, polars and pyarrow is installed")
    for library, make_frame in frames.items():
        for dtype, tolerance in ((np.float64, DOUBLE), (np.float32, SINGLE)):
            X = table().astype(dtype)
            expected = outcome(fit(clone(estimator), X), X)
            frame = make_frame(X, [f"column {i}" for i in range(X.shape[1])])
            fitted = fit(clone(estimator), frame, y=target(estimator, X))
            Z = np.asarray(outcome(fitted, frame))
            what = f"{library}, {np.dtype(dtype)}"
            keeps = hasattr(fitted, "transform")
            assert Z.dtype == expected.dtype or not keeps, f"{what} gives {Z.dtype}"
            assert_close(Z, expected, tolerance, what)


def _frames():
    """Return (library, function of rows and names) of the installed libraries."""
    if importlib.util.find_spec("pandas"):
        pandas = importlib.import_module("pandas")
        yield "pandas", lambda X, names: pandas.DataFrame(X, columns=names)
    if importlib.util.find_spec("polars"):
        polars = importlib.import_module("polars")
        yield "polars", lambda X, names: polars.DataFrame(X, schema=names)
    if importlib.util.find_spec("pyarrow"):
        pyarrow = importlib.import_module("pyarrow")
        yield "pyarrow", lambda X, names: pyarrow.table(list(X.T.copy()), names=names)


def check_set_output(name, estimator):
    """`set_output` gives frames of the same numbers under the names of the outputs."""
    if not hasattr(estimator, "set_output"):
        raise SkipTest("the estimator has no set_output")
    X = table()
    expected = outcome(fit(estimator, X), X)
    names = list(estimator.get_feature_names_out())
    libraries = [lib for lib in ("pandas", "polars") if importlib.util.find_spec(lib)]
    if not libraries:
        raise SkipTest("neither pandas nor polars is installed")
    for library in libraries:
        frame = estimator.set_output(transform=library).transform(X)
        assert type(frame).__module__.startswith(library), f"{type(frame)} came out"
        assert list(frame.columns) == names, f"{library}: {list(frame.columns)}"
        assert_same(frame.to_numpy(), expected, library)


def check_tensors(name, estimator):
    """Check that tensors give tensors of the same values, precision and device."""
    torch = sys.modules.get("torch")
    if torch is None:
        raise SkipTest("torch is not loaded")
    if not hasattr(estimator, "transform"):
        raise SkipTest("predictions are arrays, and the rows any estimator's")
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        for dtype, tolerance in ((np.float64, DOUBLE), (np.float32, SINGLE)):
            _check_tensor(torch, device, clone(estimator), dtype, tolerance)


def _check_tensor(torch, device, estimator, dtype, tolerance):
    """Check one device and precision; infinity must be refused as in arrays."""
    X = table().astype(dtype)
    y = target(estimator, X)
    expected = fit(clone(estimator), X, y=y)
    tensor = torch.from_numpy(X).to(device)
    goal = None if y is None else torch.from_numpy(y).to(device)
    fit(estimator, tensor, y=goal)
    methods = zip(rowwise(estimator, tensor), rowwise(expected, X), strict=True)
    for (method, rows), (reference, reference_rows) in methods:
        Z, what = method(rows), f"{method.__name__} on {device}, {tensor.dtype}"
        assert isinstance(Z, torch.Tensor), f"{what}: {type(Z)} came out"
        assert Z.device == tensor.device, f"{what}: {Z.device} came out"
        assert Z.dtype == tensor.dtype, f"{what}: {Z.dtype} came out"
        assert not Z.requires_grad, f"{what}: the result asks for gradients"
        assert_close(Z.cpu(), reference(reference_rows), tolerance, what)
    bad = tensor.clone()
    bad[3, 1] = torch.inf
    for call in (
        lambda: fit(estimator, bad, y=goal),
        lambda: estimator.transform(bad),
    ):
        assert_keeps_state(estimator, call, f"inf on {device}", match="infinity")
