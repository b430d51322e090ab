# SPDX-License-Identifier: BSD-3-Clause
"""Small blocks for few rows, if they give the same bits as whole blocks."""

import torch

# Rows of a small block on the CPU.
FEW_ROWS = 4


class SmallBlocks:
    """Choose the number of rows of a block on the CPU.

    Few rows are mapped in a small block if this gives the same bits as a whole block.
    Whether it does depends on the matrix products of the machine, so it is tested once
    for each number of threads. That gains time where a block takes much longer than its
    call, as with a search among stored rows: see
    ``examples/benchmarks/mixture_forms.py``.

    - `function`: takes a tensor of shape (n_rows, n_features) on the CPU, returns one
      of as many rows.
    - `whole`: rows of a whole block, a multiple of 4.
    - `dtype`: precision of the rows.
    """

    def __init__(self, function, whole, dtype):
        self.function = function
        self._whole, self._dtype = whole, dtype
        self._few_are_alike = {}

    def rows_for(self, X):
        """Return the rows of a block with which to map these rows.

        Shapes: X (n_rows, n_features).
        """
        if X.shape[0] > FEW_ROWS:
            return self._whole
        # Threads share a product among them.
        n_threads = torch.get_num_threads()
        if n_threads not in self._few_are_alike:
            alike = self._has_same_bits_in_parts(X.shape[1])
            self._few_are_alike[n_threads] = alike
        return FEW_ROWS if self._few_are_alike[n_threads] else self._whole

    @torch.no_grad()
    def _has_same_bits_in_parts(self, n_features):
        """Return whether the function of rows has the same bits in small blocks."""
        generator = torch.Generator().manual_seed(0)
        shape = self._whole, n_features
        rows = torch.randn(shape, generator=generator, dtype=self._dtype)
        # Clones, because products depend on the alignment of memory too.
        parts = [self.function(part.clone()) for part in rows.split(FEW_ROWS)]
        return torch.equal(self.function(rows), torch.cat(parts))
