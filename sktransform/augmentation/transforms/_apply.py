# SPDX-License-Identifier: BSD-3-Clause
"""The rows and cells that a transformation acts on, taken out and put back."""

import torch


def gathered(X, P, reference, seeds, labels):
    """Return what a transformation acts on: rows with parameters, touched columns.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Rows.

    P : Tensor of shape (n_rows, n_parameters)
        Parameters; rows of which all are 0 stay out.

    reference : dict of str to ndarray
        Holds the touched ``"columns"``.

    seeds : Tensor of int64, shape (n_rows,), or None
        Seeds of the rows.

    labels : Tensor of int64, shape (n_rows,), or None
        Labels of the rows.

    Returns
    -------
    acting : Tensor of int64 or slice
        Places of the rows that are acted on.

    cells : Tensor of shape (n_acting, n_touched)
        Their touched cells. Never to be written to.

    P : Tensor of float64, shape (n_acting, n_parameters)
        Their parameters.

    seeds : Tensor of int64, shape (n_acting,), or None
        Their seeds.

    labels : Tensor of int64, shape (n_acting,), or None
        Their labels.
    """
    P = P.to(X.device, torch.float64)
    changes = (P != 0).any(1)
    acting = slice(None) if bool(changes.all()) else changes.nonzero()[:, 0]
    places = _places(reference, X)
    if places is None:
        cells = X[acting]
    elif isinstance(acting, slice):
        cells = X[:, places]
    else:
        cells = X[acting[:, None], places]
    seeds = None if seeds is None else seeds.to(X.device)[acting]
    labels = None if labels is None else labels.to(X.device)[acting]
    return acting, cells, P[acting], seeds, labels


def scattered(X, acting, reference, cells):
    """Write cells to where `gathered` took them from, in place.

    Parameters
    ----------
    X : Tensor of shape (n_rows, n_features)
        Rows to write to.

    acting : Tensor of int64 or slice
        Places of the rows.

    reference : dict of str to ndarray
        Holds the touched ``"columns"``.

    cells : Tensor of shape (n_acting, n_touched)
        What to write.
    """
    places = _places(reference, X)
    if places is None:
        X[acting] = cells
    elif isinstance(acting, slice):
        X[:, places] = cells
    else:
        X[acting[:, None], places] = cells


def tensors_of(reference, X):
    """Return a reference's arrays as tensors beside X, numbers in its precision.

    Parameters
    ----------
    reference : dict of str to ndarray
        The arrays.

    X : Tensor
        Rows.

    Returns
    -------
    dict of str to Tensor
        The tensors. They may share the arrays' memory.
    """
    tensors = {}
    for name, values in reference.items():
        tensor = _tensor(values, X)
        tensors[name] = tensor.to(X.dtype) if tensor.is_floating_point() else tensor
    return tensors


def _places(reference, X):
    """Return the touched columns, or None if they are all, in order."""
    places = _tensor(reference["columns"], X)
    in_order = len(places) == X.shape[1] and bool((places.diff() == 1).all())
    return None if in_order else places


def _tensor(values, X):
    """Return an array as a tensor beside X."""
    # torch warns of memory that it may not write to, such as a memory map's.
    owned = values if values.flags.writeable else values.copy()
    return torch.as_tensor(owned, device=X.device)


def check_number(owner, name, value, *, least=0.0, most=float("inf"), among=()):
    """Raise ValueError unless a field is a number above one bound, up to another.

    Parameters
    ----------
    owner : object
        The declaration.

    name : str
        The field.

    value : object
        Its value.

    least : float, default=0.0
        The number must be larger.

    most : float, default=inf
        The number must not be larger; infinity itself is refused.

    among : tuple, default=()
        Further values that are welcome.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value in among or (is_number and least < value <= most and value < float("inf")):
        return
    also = "".join(f" or {other!r}" for other in among)
    upper = f" and at most {most:g}" if most < float("inf") else ""
    raise ValueError(
        f"{name} of {type(owner).__name__} must be a number above {least:g}{upper}"
        f"{also}, got {value!r}."
    )


def legal(X_new, X_old, columns, policy):
    """Return transformed cells made legal; cells that did not change stay as they are.

    In this order: values that hold a large share of their column are put back, the
    others are clipped to their bounds and rounded where the column is of whole
    numbers, and missing cells stay missing.

    Parameters
    ----------
    X_new : Tensor of shape (n_rows, n_columns)
        Transformed cells. May be written to.

    X_old : Tensor of shape (n_rows, n_columns)
        The cells before.

    columns : dict of str to Tensor
        Lower and upper bounds, ``"integer"``, and ``"atoms"`` where there are.

    policy : Transformation
        Whose `keeps_atoms` and `makes_missing` are asked.

    Returns
    -------
    Tensor of shape (n_rows, n_columns)
        Legal cells.
    """
    lower, upper = columns["lower"], columns["upper"]
    new = X_new
    if bool(torch.isfinite(lower).any() | torch.isfinite(upper).any()):
        # A cell that is outside already is not pulled in by a jump.
        new = torch.maximum(new, torch.minimum(lower, X_old))
        new = torch.minimum(new, torch.maximum(upper, X_old))
    integer = columns["integer"]
    if bool(integer.any()):
        new = new.round() if bool(integer.all()) else new.where(~integer, new.round())
        new = torch.where(X_new == X_old, X_old, new)
    if policy.keeps_atoms and len(columns["atoms"]):
        new = torch.where(is_atom(X_old, columns["atoms"]), X_old, new)
    keep = torch.isnan(X_old)
    if not policy.makes_missing:
        keep |= torch.isnan(new)
    return torch.where(keep, X_old, new)


def is_atom(cells, atoms):
    """Return which cells hold one of their column's atoms.

    Parameters
    ----------
    cells : Tensor of shape (n_rows, n_columns)
        The cells.

    atoms : Tensor of shape (n_atoms, n_columns)
        Values of each column, NaN where there are fewer.

    Returns
    -------
    Tensor of bool, shape (n_rows, n_columns)
        Which ones.
    """
    found = torch.zeros_like(cells, dtype=torch.bool)
    for values in atoms:
        found |= cells == values
    return found
