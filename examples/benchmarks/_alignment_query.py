# SPDX-License-Identifier: BSD-3-Clause
"""What it takes to map one row at a time."""

import time

import numpy as np
from _alignment_data import split
from _alignment_methods import OURS
from _report import figure, grouped, table

N_QUERIES, N_PAIRS = 2000, 300


def _bare_product(coef, intercept):
    matrix = coef.T.copy()
    return lambda row: row @ matrix + intercept


def _torch_module(module):
    """Return a function from array to array that holds the module's tensors itself."""
    import torch

    def transform(row):
        with torch.inference_mode():
            return module(torch.from_numpy(row)).numpy()

    return transform


def _modules(coef, intercept):
    """Return name -> transform for what is faster than an estimator can be."""
    import torch

    from sktransform.nn._affine import AffineMap

    linear = torch.nn.Linear(*coef.T.shape, dtype=torch.float64)
    state = {"weight": torch.from_numpy(coef), "bias": torch.from_numpy(intercept)}
    linear.load_state_dict(state)
    ours = AffineMap(torch.from_numpy(coef), torch.from_numpy(intercept))
    return {
        "bare NumPy product": _bare_product(coef, intercept),
        "torch.nn.Linear": _torch_module(linear),
        "our torch module": _torch_module(ours),
    }


def _transforms(rows, left_out):
    """Return name -> transform of one row, as an array of shape (1, n_features)."""
    from sklearn.linear_model import Ridge

    made = {"scikit-learn Ridge": Ridge().fit(rows.X, rows.Y).predict}
    for name, method in OURS.items():
        if method.reason_absent:
            left_out.append(f"{name}: {method.reason_absent}")
        else:
            made[name] = method.fit(rows.X, rows.Y, 0)
    coef = np.linalg.lstsq(rows.X, rows.Y)[0].T.copy()
    return made | _modules(coef, rows.Y.mean(axis=0))


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
        taken = microseconds(transform, X)
        yield {"data": pair, "method": name, "one_row_us": taken, "errors": {}}


def describe(record):
    """Return a record in a line."""
    taken = figure(record["one_row_us"], ".1f")
    return "{data}, {method}: {taken} microseconds a row".format(**record, taken=taken)


def tables(found):
    """Return title -> table."""
    names = ("data", "method")
    columns = [("microseconds", "one_row_us", ".1f")]
    return {"One query": table(grouped(found, names), names, columns)}
