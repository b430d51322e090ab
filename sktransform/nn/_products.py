# SPDX-License-Identifier: BSD-3-Clause
"""Matrix products in which the bits of a row do not depend on the other rows."""

# Optimised products treat the columns that do not fill a register differently for
# different rows. Contiguous columns in multiples of this leave no such remainder.
_COLUMNS = 16


def padded_columns(matrix):
    """Return a contiguous copy of a matrix, padded with columns of 0 if needed.

    The product of rows and this copy is that of :func:`row_stable_product` before the
    added columns are dropped. Store the copy if one matrix multiplies many rows.

    The matrix, and zeros to its right.

    Shapes: matrix (n_inputs, n_outputs) -> (n_inputs, n_padded).
    """
    n_inputs, n_outputs = matrix.shape
    padded = matrix.new_zeros((n_inputs, -(-n_outputs // _COLUMNS) * _COLUMNS))
    padded[:, :n_outputs] = matrix
    return padded


def row_stable_product(rows, matrix):
    """Return ``rows @ matrix`` such that equal rows give equal bits.

    Together with blocks of a fixed number of rows this makes the result for a row
    independent of the rows that come with it.

    Shapes: rows (n_rows, n_inputs), matrix (n_inputs, n_outputs) -> (n_rows,
    n_outputs).
    """
    return (rows @ padded_columns(matrix))[:, : matrix.shape[1]]
