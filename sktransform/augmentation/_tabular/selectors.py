# SPDX-License-Identifier: BSD-3-Clause
"""Columns as users name them, turned into places."""

import numpy as np

from sktransform.augmentation._tabular.columns import NUMERIC


def plain(value):
    """Return sequences and arrays as tuples of plain values, all else as it is.

    Parameters
    ----------
    value : object
        A field of a declaration.

    Returns
    -------
    object
        What compares and hashes by value, where it can.
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, range)):
        return tuple(plain(item) for item in value)
    return value


def resolved(selection, columns, X, owner):
    """Return selected columns as places, nested as they were.

    Parameters
    ----------
    selection : object
        Places, names, a slice, a boolean mask, sequences of these, or a callable of
        the table. None stays None.

    columns : ColumnTable
        The table's columns.

    X : array-like or data frame
        The table, for a callable. None if it is not at hand.

    owner : str
        Who asks, for messages.

    Returns
    -------
    tuple
        Places from 0 on, or tuples of them.

    Raises
    ------
    ValueError
        If a column does not exist, is chosen twice, or cannot be looked up.
    """
    if selection is None:
        return None
    if callable(selection):
        if X is None:
            raise ValueError(
                f"{owner} chooses its columns by a callable, which needs the table "
                "itself: bind it with X."
            )
        selection = plain(list(selection(X)))
    if isinstance(selection, (int, str)) and not isinstance(selection, bool):
        selection = (selection,)
    if isinstance(selection, slice):
        places = tuple(range(*_slice_of_places(selection, columns, owner)))
    elif _is_mask(selection):
        places = _masked(selection, columns, owner)
    else:
        places = tuple(_place(item, columns, owner) for item in selection)
    flat = [j for item in places for j in (item if isinstance(item, tuple) else [item])]
    if len(set(flat)) != len(flat):
        raise ValueError(f"{owner} has a column twice in {selection!r}.")
    return places


def check_touched(owner, touched, kinds, columns):
    """Raise ValueError where columns may not be touched.

    Parameters
    ----------
    owner : str
        Who would touch them, for messages.

    touched : sequence of int
        Places of the columns.

    kinds : sequence of str
        Kinds that may be touched; columns of one category only together.

    columns : ColumnTable
        The table's columns.
    """
    for block in columns.blocks:
        if set(touched) & set(block) and not set(touched) >= set(block):
            raise ValueError(
                f"{owner} may touch the columns {block} only together, since they "
                "encode one category; give all or none."
            )
    allowed = set(columns.of_kinds(kinds))
    for j in touched:
        if j not in allowed:
            name = repr(columns.names[j]) if columns.names else j
            kind = "one-hot" if columns.kinds[j] in NUMERIC else columns.kinds[j]
            raise ValueError(
                f"{owner} may touch {' and '.join(kinds)} columns, but column {name} "
                f"is {kind}; leave it out."
            )


def _place(item, columns, owner):
    """Return the place of one column, or of each column of a group."""
    if isinstance(item, tuple):
        return tuple(_place(each, columns, owner) for each in item)
    if isinstance(item, str):
        if columns.names is None:
            raise ValueError(
                f"{owner} names column {item!r}, but the table has no names; give "
                "places."
            )
        if item not in columns.names:
            raise ValueError(f"{owner}: the table has no column named {item!r}.")
        return columns.names.index(item)
    if isinstance(item, bool) or not isinstance(item, int):
        raise ValueError(
            f"{owner}: columns are places, names, a slice, a mask or a callable, got "
            f"{item!r}."
        )
    if not -columns.n_features <= item < columns.n_features:
        raise ValueError(
            f"{owner}: column {item} does not exist; the table has "
            f"{columns.n_features} columns."
        )
    return item % columns.n_features


def _is_mask(selection):
    return len(selection) > 0 and all(isinstance(item, bool) for item in selection)


def _masked(mask, columns, owner):
    if len(mask) != columns.n_features:
        raise ValueError(
            f"{owner}: a mask of columns needs {columns.n_features} entries, got "
            f"{len(mask)}."
        )
    return tuple(int(j) for j in np.flatnonzero(mask))


def _slice_of_places(selection, columns, owner):
    """Return start, stop and step; of names, the stop is included."""
    ends = [selection.start, selection.stop]
    for which, end in enumerate(ends):
        if isinstance(end, str):
            ends[which] = _place(end, columns, owner) + which
    return slice(*ends, selection.step).indices(columns.n_features)
