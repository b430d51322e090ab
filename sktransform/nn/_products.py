# SPDX-License-Identifier: BSD-3-Clause
"""Matrix products whose rows do not depend on each other, to the last bit."""

# Optimised products treat the columns that do not fill a register differently for
# different rows. Contiguous columns in multiples of this leave no such remainder.
_COLUMNS = 16


def row_stable_product(rows, matrix):
    """Return ``rows @ matrix`` such that equal rows give equal bits in any place.

    Together with blocks of a fixed number of rows this makes the result for a row
    independent of the rows that come with it.

    Parameters
    ----------
    rows : Tensor of shape (n_rows, n_inputs)
        The rows.

    matrix : Tensor of shape (n_inputs, n_outputs)
        The matrix, in any memory layout.

    Returns
    -------
    Tensor of shape (n_rows, n_outputs)
        The product.
    """
    n_inputs, n_outputs = matrix.shape
    padded = matrix.new_zeros((n_inputs, -(-n_outputs // _COLUMNS) * _COLUMNS))
    padded[:, :n_outputs] = matrix
    return (rows @ padded)[:, :n_outputs]
