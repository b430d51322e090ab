# SPDX-License-Identifier: BSD-3-Clause
"""Base of transformations: declaration, application within bounds, record."""

import dataclasses
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike

from sktransform.augmentation._tabular.columns import (
    NUMERIC,
    ColumnTable,
    as_builtins,
    check_touched,
    resolved,
)
from sktransform.augmentation._tabular.dataset import TrainingRows

_REGISTRY: dict = {}


def register(cls):
    """Make a transformation's class known by its name; TypeError if another one has it.

    A definition that is run again replaces the former one.
    """
    known = _REGISTRY.get(cls.__name__)
    if known is not None and _address(known) != _address(cls):
        raise TypeError(
            f"A transformation named {cls.__name__} exists already, "
            f"{'.'.join(_address(known))}; give this one another name."
        )
    _REGISTRY[cls.__name__] = cls


def registered():
    """Return the known classes by name, in the order of their definitions."""
    return dict(_REGISTRY)


def to_record(transformation):
    """Return a bound transformation as a dict of its "kind" and "parameters"."""
    parameters = {
        field.name: _listed(getattr(transformation, field.name))
        for field in dataclasses.fields(transformation)
    }
    return {"kind": type(transformation).__name__, "parameters": parameters}


def from_record(record):
    """Return the transformation that `to_record` described."""
    if record["kind"] not in _REGISTRY:
        raise ValueError(
            f"No transformation named {record['kind']} is registered; import the "
            "module that defines it first."
        )
    return _REGISTRY[record["kind"]](**record["parameters"])


def _address(cls):
    return cls.__module__, cls.__qualname__


def _listed(value):
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


#: Makes a subclass of Transformation a declaration; the base's repr is kept.
declaration = dataclass(frozen=True, repr=False)


@dataclass(frozen=True)
class Transformation:
    """Base of transformations: a change of rows by parameters, the identity at 0.

    A transformation is an immutable declaration without data. Its `fit` returns
    statistics of training rows, the reference, a dict of arrays that the other methods
    take. Subclasses are frozen dataclasses that implement `_forward`, and, if needed,
    `_fit`, `_inverse` and `_describe`. Each subclass is registered by its name, so that
    a policy can be stored as plain records.

    Parameters
    ----------
    columns : object, default=None
        Columns to transform: indices, names, a slice, a boolean mask, or a callable
        that takes the table and returns one of these, such as
        :class:`sklearn.compose.make_column_selector`. None selects all columns of the
        kinds that the transformation supports.

    See Also
    --------
    default_transformations : Chooses transformations by the kinds of the columns.

    Examples
    --------
    >>> import torch
    >>> from sktransform.augmentation.transforms import ColumnTable, Shift, TrainingRows
    >>> rows = torch.tensor([[0.0, 1.5], [2.0, 0.5], [1.5, 2.5]])
    >>> columns = ColumnTable.from_arrays(rows, bounds="none")
    >>> shift = Shift([0], max_sd=1.0).bind(columns)
    >>> reference = shift.fit(TrainingRows(rows, columns))
    >>> shift.forward(rows, torch.tensor([[0.0], [1.0], [-1.0]]), reference)[:, 0]
    tensor([0.0000, 2.8498, 0.6502])
    """

    columns: Any = None
    _: KW_ONLY

    #: Number of parameters of one application.
    n_parameters: ClassVar[int] = 1
    #: Number of states, including the identity, if discrete; otherwise None.
    n_states: ClassVar[int | None] = None
    #: "exact", "seeded" (exact given the row's seed), "lossy", or None for no inverse.
    inverse_contract: ClassVar[str | None] = None
    #: Whether forward needs the rows' class labels.
    needs_labels: ClassVar[bool] = False
    #: Whether the row's seed determines further random numbers, such as noise.
    uses_seeds: ClassVar[bool] = False
    #: Whether cells of several columns are combined; these must have no missing cells.
    mixes_columns: ClassVar[bool] = False
    #: Kinds of the columns that the transformation supports.
    cell_kinds: ClassVar[tuple] = NUMERIC
    #: Whether frequent values, at least 15 % of their column, are not changed.
    keeps_atoms: ClassVar[bool] = False
    #: Whether the transformation may make cells missing.
    makes_missing: ClassVar[bool] = False
    #: Whether equal parameters and seeds give the same copies, bit for bit.
    replay: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            register(cls)

    def __post_init__(self):
        # Lists become tuples, so that declarations compare and hash by value.
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, as_builtins(getattr(self, field.name)))
        self._check()

    @property
    def discrete(self) -> bool:
        """Whether the parameter is a state and not a number from a continuous range."""
        return self.n_states is not None

    def __repr__(self):
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if not _is_default(field, getattr(self, field.name))
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def bind(self, columns: ColumnTable, X: ArrayLike | None = None) -> Self:
        """Return the transformation with its columns as indices.

        Parameters
        ----------
        columns : ColumnTable
            The columns of the table, by which names are resolved.

        X : array-like or data frame, default=None
            The original table, for a callable selector.

        Returns
        -------
        Transformation
            The bound transformation, which can be stored as a record.

        Raises
        ------
        ValueError
            If a column does not exist, or has a kind that the transformation does not
            support.
        """
        found = resolved(self.columns, columns, X, type(self).__name__)
        if found is None:
            found = columns.of_kinds(self.cell_kinds)
        bound = dataclasses.replace(self, columns=found)
        bound._check_kinds(columns)
        return bound

    def fit(self, training: TrainingRows) -> dict[str, np.ndarray]:
        """Return the reference: statistics of training rows for the other methods.

        Parameters
        ----------
        training : TrainingRows
            The rows. Columns that are not yet indices are bound to their table.

        Returns
        -------
        dict of str to ndarray
            The reference that the other methods take.

        Raises
        ------
        ValueError
            If columns or shape do not fit, if labels are needed and missing, or if
            columns that are mixed have missing cells.
        """
        bound = self.bind(training.columns)
        if bound.needs_labels and training.labels is None:
            raise ValueError(
                f"{type(self).__name__} mixes rows of one class and needs y; give y, "
                "or remove this transformation if there are no classes."
            )
        indices = np.array(bound._touched, dtype=np.int64)
        if self.mixes_columns and training.columns.has_nan[indices].any():
            raise ValueError(self._missing_message())
        columns = training.columns
        limits = {
            "columns": indices,
            "lower": columns.lower[indices],
            "upper": columns.upper[indices],
            "integer": np.array([columns.kinds[j] == "integer" for j in indices], bool),
        }
        if self.keeps_atoms:
            limits["atoms"] = columns.atoms[:, indices]
        return {**limits, **bound._fit(training, indices)}

    def sample(
        self, n_rows: int, scale: float, generator: torch.Generator
    ) -> torch.Tensor:
        """Draw parameters uniformly from the range.

        Parameters
        ----------
        n_rows : int
            Number of applications.

        scale : float
            Range as a fraction of the declared range, from 0 to 1. A discrete
            transformation ignores it and draws one of its states other than the
            identity.

        generator : torch.Generator
            Generator of the random numbers.

        Returns
        -------
        Tensor of float64, shape (n_rows, n_parameters)
            Parameters in [-scale, scale], or states of at least 1.
        """
        shape = (n_rows, self.n_parameters)
        if self.discrete:
            drawn = torch.randint(
                1, self.n_states, shape, generator=generator, device=generator.device
            )
            return drawn.double()
        drawn = torch.rand(
            shape, generator=generator, dtype=torch.float64, device=generator.device
        )
        return drawn.mul_(2).sub_(1).mul_(scale)

    @torch.no_grad()
    def forward(
        self,
        X: torch.Tensor,
        P: torch.Tensor,
        reference: Mapping[str, np.ndarray],
        seeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        *,
        return_exact: bool = False,
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return transformed rows with allowed values in all cells.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_features)
            Rows in the units of the table.

        P : Tensor of shape (n_rows, n_parameters)
            Parameters. Rows whose parameters are all 0 are returned unchanged, bit for
            bit.

        reference : dict of str to ndarray
            What `fit` returned.

        seeds : Tensor of int64, shape (n_rows,), default=None
            Seeds of the rows, needed if `uses_seeds`.

        labels : Tensor of int64, shape (n_rows,), default=None
            Classes of the rows, needed if `needs_labels`.

        return_exact : bool, default=False
            Whether to return for which rows the inverse is exact too.

        Returns
        -------
        rows : Tensor of shape (n_rows, n_features)
            The rows, in the precision of X.

        exact : Tensor of bool, shape (n_rows,)
            Rows in which no cell was clipped or rounded to a whole number, so that the
            inverse is exact up to rounding. Returned only if `return_exact` is True.
        """
        self._check_needs(seeds, labels)
        acting, cells, P, seeds, labels = gathered(X, P, reference, seeds, labels)
        invertible = self.inverse_contract in ("exact", "seeded")
        exact = torch.ones(len(X), dtype=torch.bool, device=X.device)
        result = X.clone()
        if len(cells):
            self._refuse_missing(cells)
            tensors = tensors_of(reference, X)
            raw = self._forward(cells, P, tensors, seeds, labels)
            new = within_bounds(raw, cells, tensors, self)
            scattered(result, acting, reference, new)
            if return_exact:
                exact[acting] = self._unclipped(raw, new, cells, tensors) & invertible
        return (result, exact) if return_exact else result

    @torch.no_grad()
    def inverse(
        self,
        X: torch.Tensor,
        P: torch.Tensor,
        reference: Mapping[str, np.ndarray],
        seeds: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Invert `forward`.

        Parameters
        ----------
        X : Tensor of shape (n_rows, n_features)
            Transformed rows.

        P : Tensor of shape (n_rows, n_parameters)
            The parameters that `forward` took.

        reference : dict of str to ndarray
            What `fit` returned.

        seeds : Tensor of int64, shape (n_rows,), default=None
            The seeds that `forward` took.

        Returns
        -------
        Tensor of shape (n_rows, n_features)
            The original rows: exact up to rounding if `inverse_contract` is ``"exact"``
            or ``"seeded"`` and no cell was clipped or rounded, and approximate if it is
            ``"lossy"``.

        Raises
        ------
        ValueError
            If the transformation has no inverse.
        """
        if self.inverse_contract is None:
            raise ValueError(f"{self!r} has no inverse, since it overwrites cells.")
        self._check_needs(seeds, None, labels_needed=False)
        acting, cells, P, seeds, _ = gathered(X, P, reference, seeds, None)
        result = X.clone()
        if len(cells):
            self._refuse_missing(cells)
            tensors = tensors_of(reference, X)
            old = self._inverse(cells, P, tensors, seeds)
            if "atoms" in tensors:
                old = torch.where(is_atom(cells, tensors["atoms"]), cells, old)
            scattered(result, acting, reference, old)
        return result

    def magnitude(self, P: torch.Tensor) -> torch.Tensor:
        """Return the magnitude of parameters, their distance from the identity.

        Parameters
        ----------
        P : Tensor of shape (n_rows, n_parameters)
            Parameters.

        Returns
        -------
        Tensor of shape (n_rows,)
            From 0, the identity, to 1, the end of the declared range; 1 for every
            state of a discrete transformation but the identity.
        """
        return P.abs().amax(1).clamp(max=1)

    def describe(self, P: torch.Tensor) -> dict[str, np.ndarray]:
        """Return parameters in natural units.

        Parameters
        ----------
        P : Tensor of shape (n_rows, n_parameters)
            Parameters.

        Returns
        -------
        dict of str to ndarray of shape (n_rows,)
            Values by name, such as an angle in degrees.
        """
        described = self._describe(P.detach().cpu().double())
        return {name: np.asarray(values) for name, values in described.items()}

    # What subclasses write. `X` holds the touched columns of the rows to change alone;
    # the reference's arrays have become tensors.

    def _check(self):
        """Raise ValueError if the declaration makes no sense."""

    def _fit(self, training, indices):
        """Return the reference beside columns and limits."""
        return {}

    def _forward(self, X, P, reference, seeds, labels):
        raise NotImplementedError

    def _inverse(self, X, P, reference, seeds):
        raise NotImplementedError

    def _describe(self, P):
        return {"parameter": P[:, 0]}

    @property
    def _touched(self):
        """Indices of the touched columns, in the order that `_forward` sees."""
        return self.columns

    @classmethod
    def _variants(cls):
        """Return declarations that show each support of the class once."""
        return (cls(),)

    # How rows get to them.

    def _check_kinds(self, columns):
        """Refuse columns of kinds that it may not touch."""
        check_touched(type(self).__name__, self._touched, self.cell_kinds, columns)

    def _check_needs(self, seeds, labels, *, labels_needed=True):
        if self.uses_seeds and seeds is None:
            raise ValueError(
                f"{type(self).__name__} draws random numbers for each row; give seeds."
            )
        if self.needs_labels and labels_needed and labels is None:
            raise ValueError(
                f"{type(self).__name__} depends on the labels of the rows; give labels."
            )

    def _refuse_missing(self, cells):
        if self.mixes_columns and bool(torch.isnan(cells).any()):
            raise ValueError(self._missing_message())

    def _missing_message(self):
        return (
            f"{type(self).__name__} mixes columns that have missing cells; impute them "
            "first, or leave these columns out."
        )

    def _unclipped(self, raw, new, old, reference):
        """Return rows of which no cell was moved into its bounds."""
        same = (raw == new) | torch.isnan(old)
        if "atoms" in reference:
            same |= is_atom(old, reference["atoms"])
        return same.all(1)


def _is_default(field, value):
    return field.default is not dataclasses.MISSING and field.default == value


def gathered(X, P, reference, seeds, labels):
    """Return the rows and cells that a transformation acts on.

    They are the rows whose parameters `P` are not all 0. Returned are their indices,
    their touched cells (never to be written to), parameters, seeds and labels.
    """
    P = P.to(X.device, torch.float64)
    changes = (P != 0).any(1)
    acting = slice(None) if bool(changes.all()) else changes.nonzero()[:, 0]
    columns = _touched_columns(reference, X)
    if columns is None:
        cells = X[acting]
    elif isinstance(acting, slice):
        cells = X[:, columns]
    else:
        cells = X[acting[:, None], columns]
    seeds = None if seeds is None else seeds.to(X.device)[acting]
    labels = None if labels is None else labels.to(X.device)[acting]
    return acting, cells, P[acting], seeds, labels


def scattered(X, acting, reference, cells):
    """Write cells to where `gathered` took them from, in place."""
    columns = _touched_columns(reference, X)
    if columns is None:
        X[acting] = cells
    elif isinstance(acting, slice):
        X[:, columns] = cells
    else:
        X[acting[:, None], columns] = cells


def tensors_of(reference, X):
    """Return a reference's arrays as tensors, in the device and precision of X."""
    tensors = {}
    for name, values in reference.items():
        tensor = _tensor(values, X)
        tensors[name] = tensor.to(X.dtype) if tensor.is_floating_point() else tensor
    return tensors


def _touched_columns(reference, X):
    """Return the indices of the touched columns, or None if they are all, in order."""
    columns = _tensor(reference["columns"], X)
    in_order = len(columns) == X.shape[1] and bool((columns.diff() == 1).all())
    return None if in_order else columns


def _tensor(values, X):
    """Return an array as a tensor beside X."""
    # torch warns of memory that it may not write to, such as a memory map's.
    owned = values if values.flags.writeable else values.copy()
    return torch.as_tensor(owned, device=X.device)


def check_number(owner, name, value, *, least=0.0, most=float("inf"), among=()):
    """Raise ValueError unless a field is a number in (least, most], or among others."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value in among or (is_number and least < value <= most and value < float("inf")):
        return
    also = "".join(f" or {other!r}" for other in among)
    upper = f" and at most {most:g}" if most < float("inf") else ""
    raise ValueError(
        f"{name} of {type(owner).__name__} must be a number above {least:g}{upper}"
        f"{also}, got {value!r}."
    )


def within_bounds(X_new, X_old, columns, transformation):
    """Return transformed cells within their bounds; unchanged cells stay as they are.

    In this order: frequent values of a column are put back, others are clipped to their
    bounds and rounded where the column is of integers, and missing cells stay missing.
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
    if transformation.keeps_atoms and len(columns["atoms"]):
        new = torch.where(is_atom(X_old, columns["atoms"]), X_old, new)
    keep = torch.isnan(X_old)
    if not transformation.makes_missing:
        keep |= torch.isnan(new)
    return torch.where(keep, X_old, new)


def is_atom(cells, atoms):
    """Return which cells hold one of their column's frequent values (n_atoms, d)."""
    found = torch.zeros_like(cells, dtype=torch.bool)
    for values in atoms:
        found |= cells == values
    return found
