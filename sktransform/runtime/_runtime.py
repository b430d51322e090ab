# SPDX-License-Identifier: BSD-3-Clause
"""Runtime of one call: device and precision, and rows mapped block by block."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from scipy.sparse import csr_array
from sklearn.utils import check_random_state

from sktransform.utils._typing import Output, RandomState

# Rows of one block, by device. A function sees blocks of exactly this many rows, the
# last one padded: products of one shape can then give a row the same bits in any batch.
# Small on the CPU, where a single row waits for a whole block.
CPU_ROWS = 32
_BLOCK_ROWS = {"cpu": CPU_ROWS, "cuda": 16_384}

# Rows of a block on the CPU for maps that are asked for single rows most of the time,
# and that take much longer for a block than it takes to call them.
QUERY_ROWS = 8

# Numbers of one block of wide rows on an accelerator, 512 MB in float64.
_BLOCK_NUMBERS = 2**26

_NUMPY_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
_TORCH_DTYPES = {np.dtype(np.float32): torch.float32}
_CPU = torch.device("cpu")


class SparseRows:
    """Rows of a sparse table, of which a few at a time are made dense.

    They have a length and can be indexed, like the rows of an array. Functions that
    need dense rows raise an error.

    - `table` (n_samples, n_features): the rows; columns in order, none of them twice in
      a row.
    """

    def __init__(self, table):
        self.table = table

    @classmethod
    def from_table(cls, table):
        """Return the rows of a table, which is left as it is.

        The rows; they share the table's memory where they can.

        `table`: the table. Entries that it has twice are added.
        """
        parts = table.data, table.indices, table.indptr
        rows = csr_array(parts, shape=table.shape)
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
        return cls(rows)

    @property
    def shape(self):
        """Numbers of rows and features."""
        return self.table.shape

    @property
    def dtype(self):
        """The entries' NumPy dtype."""
        return self.table.dtype

    def __len__(self):
        return self.table.shape[0]

    def __getitem__(self, indices):
        return SparseRows(self.table[indices])

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Sparse data was passed, but dense data is required, since all rows "
            "are needed at once. Use 'X.toarray()' to convert it, if memory allows."
        )

    def toarray(self):
        """Return the rows as an array of shape (n_samples, n_features)."""
        return self.table.toarray()


def resolve_device(X, device):
    """Return the device on which to compute for this input.

    `device`: ``"auto"`` takes a tensor's own device, else CUDA if there is one, else
      the CPU. Any other string is what torch calls a device.
    """
    if device == "auto":
        if isinstance(X, torch.Tensor):
            return X.device
        return torch.device("cuda") if torch.cuda.is_available() else _CPU
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a torch device; use 'auto', 'cpu' or 'cuda'."
        ) from error
    if resolved.type not in _BLOCK_ROWS:
        raise ValueError(
            f"device={device!r} is not supported; use 'auto', 'cpu' or 'cuda'."
        )
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"device={device!r} is not available: torch finds no CUDA device here; "
            "use device='auto' or device='cpu'."
        )
    return resolved


@dataclass(frozen=True)
class Runtime:
    """Device and precision of one call.

    Parameters
    ----------
    device : torch.device
        Device of the computation.

    dtype : torch.dtype
        Precision of the input rows and of the results.

    output_device : torch.device or None
        Device of the results: that of an input tensor, or None for NumPy arrays.
    """

    device: torch.device
    dtype: torch.dtype
    output_device: torch.device | None

    @classmethod
    def from_rows(
        cls, X: np.ndarray | SparseRows | torch.Tensor, device: str = "auto"
    ) -> Self:
        """Return the runtime for validated rows.

        Parameters
        ----------
        X : ndarray, SparseRows or Tensor of floating point
            The validated input.

        device : str, default="auto"
            See :func:`resolve_device`.

        Returns
        -------
        Runtime
            The runtime.
        """
        is_tensor = isinstance(X, torch.Tensor)
        dtype = X.dtype if is_tensor else _TORCH_DTYPES.get(X.dtype, torch.float64)
        return cls(resolve_device(X, device), dtype, X.device if is_tensor else None)

    def tensor(self, values: Any, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """Return values as a tensor on the device, never sharing memory with them.

        Parameters
        ----------
        values : array-like or Tensor
            Numbers of any shape, also with read-only memory or negative strides.

        dtype : torch.dtype, default=torch.float64
            The tensor's precision; closed forms are solved in float64.

        Returns
        -------
        Tensor
            A tensor of its own.
        """
        if isinstance(values, torch.Tensor):
            return values.detach().to(self.device, dtype, copy=True)
        copied = np.array(values, dtype=_NUMPY_DTYPES.get(dtype), order="C")
        return torch.from_numpy(copied).to(self.device, dtype)

    def tensors(
        self, *values: Any, dtype: torch.dtype = torch.float64
    ) -> tuple[torch.Tensor, ...]:
        """Return several values as tensors, see :meth:`tensor`.

        Parameters
        ----------
        *values : array-like or Tensor
            Numbers of any shape.

        dtype : torch.dtype, default=torch.float64
            The tensors' precision.

        Returns
        -------
        tuple of Tensor
            Tensors of their own.
        """
        return tuple(self.tensor(value, dtype) for value in values)

    def module(
        self,
        module_class: Callable[..., torch.nn.Module],
        state: Mapping[str, np.ndarray],
    ) -> torch.nn.Module:
        """Return a module built from fitted arrays, in the rows' precision.

        Parameters
        ----------
        module_class : type
            A module whose constructor takes the state's names as keywords.

        state : dict of str to ndarray
            The fitted arrays.

        Returns
        -------
        torch.nn.Module
            The module, on the device, in evaluation mode.
        """
        tensors = {name: self.tensor(a, self.dtype) for name, a in state.items()}
        return module_class(**tensors).eval()

    def generator(self, random_state: RandomState) -> torch.Generator:
        """Return a local torch generator on the device.

        Parameters
        ----------
        random_state : int, RandomState instance or None
            Seed of the generator.

        Returns
        -------
        torch.Generator
            The generator. torch's global generator is not used.
        """
        seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
        return torch.Generator(self.device).manual_seed(int(seed))

    @torch.no_grad()
    def map(
        self,
        function: Callable[..., Any],
        X: np.ndarray | SparseRows | torch.Tensor,
        cpu_rows: int = CPU_ROWS,
    ) -> Output:
        """Apply a function of rows to all rows, block by block.

        Parameters
        ----------
        function : callable
            Maps a tensor of shape (rows, n_features) to one of shape (rows, ...), such
            that each output row depends only on the same input row.

        X : ndarray, SparseRows or Tensor of shape (n_samples, n_features)
            The rows, in any memory layout. Sparse and dense rows give the same bits.

        cpu_rows : int, default=32
            Number of rows of a block on the CPU. Use the same number for every call
            with one function, because the last bits of the results usually depend on
            it.

        Returns
        -------
        ndarray or Tensor of shape (n_samples, ...)
            The results in the precision of X: a tensor on the device of X if X is a
            tensor, else an array. The result of a row does not depend on the other
            rows.
        """
        n_samples, rows = X.shape[0], cpu_rows
        if self.device.type != "cpu":
            rows = _block_rows(self.device.type, X.shape[1])
        block = torch.zeros((rows, X.shape[1]), dtype=self.dtype, device=self.device)
        if n_samples <= rows:  # a single row should not wait for what many need
            _copy_rows(X, block)
            return self._returned(function(block)[:n_samples])
        result = None
        for start in range(0, n_samples, rows):
            stop = min(start + rows, n_samples)
            _copy_rows(X[start:stop], block)
            block[stop - start :].zero_()
            values = function(block)
            if result is None:
                result = torch.empty(
                    (n_samples, *values.shape[1:]),
                    dtype=self.dtype,
                    device=self.output_device or "cpu",
                )
            result[start:stop] = values[: stop - start]
        return result if self.output_device is not None else result.numpy()

    def _returned(self, values):
        """Return values as the caller's rows came, without sharing memory."""
        if self.output_device is not None:
            return values.to(self.output_device, self.dtype, copy=True).contiguous()
        return np.array(values.cpu().numpy(), _NUMPY_DTYPES[self.dtype], order="C")

    @staticmethod
    def arrays(*tensors: torch.Tensor) -> tuple[np.ndarray, ...]:
        """Return tensors as NumPy arrays of the same precision.

        Parameters
        ----------
        *tensors : Tensor or ndarray
            Tensors on any device; arrays are returned unchanged.

        Returns
        -------
        tuple of ndarray
            The arrays.
        """
        return tuple(
            tensor.detach().cpu().numpy()
            if isinstance(tensor, torch.Tensor)
            else tensor
            for tensor in tensors
        )

    @classmethod
    def state(cls, tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
        """Return a dict of tensors as a dict of NumPy arrays.

        Parameters
        ----------
        tensors : dict of str to Tensor
            Named tensors.

        Returns
        -------
        dict of str to ndarray
            Named arrays.
        """
        return dict(zip(tensors, cls.arrays(*tensors.values()), strict=True))


def _block_rows(device_type, n_features):
    """Return the number of rows of a block, the same for all rows of one width."""
    widest = max(CPU_ROWS, _BLOCK_NUMBERS // n_features)
    return min(_BLOCK_ROWS[device_type], widest)


def _copy_rows(rows, block):
    """Write rows to the top of a block.

    Always a copy, even where a view would do: the results of optimised matrix
    products depend on the alignment of memory, and a block has one alignment.
    """
    if isinstance(rows, SparseRows):
        rows = rows.toarray()
    if isinstance(rows, torch.Tensor):
        block[: len(rows)].copy_(rows)
    elif block.device.type == "cpu":
        block.numpy()[: len(rows)] = rows
    else:
        block[: len(rows)].copy_(torch.from_numpy(np.array(rows, order="C")))
