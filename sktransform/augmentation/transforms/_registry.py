# SPDX-License-Identifier: BSD-3-Clause
"""Transformations by name, so that a fitted law can be kept as plain records."""

import dataclasses

_REGISTRY: dict = {}


def register(cls):
    """Make a transformation's class known by its name.

    Parameters
    ----------
    cls : type
        The class. A definition that is run again replaces the former one.

    Raises
    ------
    TypeError
        If another class has the name.
    """
    known = _REGISTRY.get(cls.__name__)
    if known is not None and _address(known) != _address(cls):
        raise TypeError(
            f"A transformation named {cls.__name__} exists already, "
            f"{'.'.join(_address(known))}; give this one another name."
        )
    _REGISTRY[cls.__name__] = cls


def registered():
    """Return the known classes by name.

    Returns
    -------
    dict of str to type
        The classes, in the order of their definitions.
    """
    return dict(_REGISTRY)


def to_record(transformation):
    """Return a bound transformation as a dict of plain values.

    Parameters
    ----------
    transformation : Transformation
        The transformation, its columns bound to places.

    Returns
    -------
    dict
        The class's name under ``"kind"``, its fields under ``"parameters"``.
    """
    parameters = {
        field.name: _listed(getattr(transformation, field.name))
        for field in dataclasses.fields(transformation)
    }
    return {"kind": type(transformation).__name__, "parameters": parameters}


def from_record(record):
    """Return the transformation that `to_record` described.

    Parameters
    ----------
    record : dict
        What `to_record` returned.

    Returns
    -------
    Transformation
        An equal transformation.

    Raises
    ------
    ValueError
        If no transformation of that name has been defined.
    """
    if record["kind"] not in _REGISTRY:
        raise ValueError(
            f"No transformation named {record['kind']} is known here; import the "
            "module that defines it first."
        )
    return _REGISTRY[record["kind"]](**record["parameters"])


def _address(cls):
    return cls.__module__, cls.__qualname__


def _listed(value):
    return [_listed(item) for item in value] if isinstance(value, tuple) else value
