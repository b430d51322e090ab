# SPDX-License-Identifier: BSD-3-Clause
"""What it takes to map one row at a time."""

import time

import numpy as np
from _alignment_data import split
from _alignment_methods import OURS
from _report import figure, grouped, table

N_QUERIES, N_PAIRS = 2000, 300
PRECISIONS = {"double": np.float64, "single": np.float32}


def _bare_product(adapter, dtype):
    """Return the map without validation: two arrays and NumPy."""
    matrix = np.ascontiguousarray(adapter.coef_.T, dtype=dtype)
    intercept = adapter.intercept_.astype(dtype)
    return lambda row: row @ matrix + intercept


def _served_module(module):
    """Return a function from array to array that goes through a torch module."""
    import torch

    def transform(row):
        with torch.inference_mode():
            return module(torch.from_numpy(row)).numpy()

    return transform


def _bare_transforms(adapter):
    """Return name -> function of a precision for what an estimator's checks leave."""
    import torch

    def module(dtype):
        return adapter.torch_module(getattr(torch, np.dtype(dtype).name))

    def linear(dtype):
        ours = module(dtype)
        made = torch.nn.Linear(*adapter.coef_.T.shape).to(ours.coef.dtype)
        made.load_state_dict({"weight": ours.coef, "bias": ours.intercept})
        return _served_module(made)

    return {
        "bare NumPy product": lambda dtype: _bare_product(adapter, dtype),
        "torch.nn.Linear": linear,
        "torch_module() of the adapter": lambda dtype: _served_module(module(dtype)),
    }


def _transforms(rows, left_out):
    """Return name -> function of a precision that returns the transform of one row."""
    from sklearn.linear_model import Ridge

    from sktransform.alignment import BackwardCompatibleAligner, EmbeddingAdapter

    def whatever(transform):
        return lambda dtype: transform

    made = {"scikit-learn Ridge": whatever(Ridge().fit(rows.X, rows.Y).predict)}
    for name, method in OURS.items():
        if method.reason_absent:
            left_out.append(f"{name}: {method.reason_absent}")
        else:
            made[name] = whatever(method.fit(rows.X, rows.Y, 0))
    staged = BackwardCompatibleAligner().fit(rows.X, rows.Y)
    made["ours, backward compatible"] = whatever(staged.transform)
    adapter = EmbeddingAdapter(features="linear").fit(rows.X, rows.Y)
    return made | _bare_transforms(adapter)


def microseconds(transform, X):
    """Return the CPU time of a row in a loop over rows."""
    for row in X[:50]:
        transform(row[None])
    start = time.process_time()
    for row in X:
        transform(row[None])
    return (time.process_time() - start) / len(X) * 1e6


def records(arguments, left_out):
    """Yield a record for each way to map a row of the first pair of views."""
    pair = arguments.pairs[0]
    rows = split(pair, arguments.data, N_PAIRS, 0)
    X = np.resize(rows.X_new, (N_QUERIES, rows.X.shape[1]))
    for name, transform in _transforms(rows, left_out).items():
        record = {"data": pair, "method": name, "errors": {}}
        for precision, dtype in PRECISIONS.items():
            taken = microseconds(transform(dtype), X.astype(dtype))
            record[f"one_row_{precision}_us"] = taken
        yield record


def describe(record):
    """Return a record in a line."""
    taken = [figure(record[f"one_row_{name}_us"], ".1f") for name in PRECISIONS]
    return "{data}, {method}: {} and {} microseconds a row".format(*taken, **record)


def tables(found):
    """Return title -> table."""
    names = ("data", "method")
    columns = [
        (f"microseconds, {name}", f"one_row_{name}_us", ".1f") for name in PRECISIONS
    ]
    return {"One query": table(grouped(found, names), names, columns)}
