# SPDX-License-Identifier: BSD-3-Clause
"""Cells made legal after a transformation, and declarations checked before."""

import torch


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
