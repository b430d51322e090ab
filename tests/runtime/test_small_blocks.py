# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import torch

from sktransform.runtime._small_blocks import SmallBlocks

ROWS = np.zeros((10, 3))


def chosen(function):
    blocks = SmallBlocks(function, 32, torch.float64)
    return [blocks.rows_for(ROWS[:n]) for n in (1, 4, 5, 10)]


def test_a_few_rows_have_a_small_block():
    assert chosen(lambda X: 2 * X + 1) == [4, 4, 32, 32]


def test_no_block_is_small_where_the_bits_depend_on_it():
    # As products do that add up in another order when there are few rows.
    assert chosen(lambda X: X * (1 + 1e-15 if len(X) < 32 else 1)) == [32] * 4


def test_it_is_tried_once_for_each_number_of_threads():
    calls = []
    blocks = SmallBlocks(lambda X: calls.append(len(X)) or X, 8, torch.float32)
    for _ in range(3):
        blocks.rows_for(ROWS[:2])
    assert calls == [4, 4, 8]
    n_threads = torch.get_num_threads()
    torch.set_num_threads(n_threads + 1)
    try:
        blocks.rows_for(ROWS[:2])
    finally:
        torch.set_num_threads(n_threads)
    assert calls == [4, 4, 8] * 2
