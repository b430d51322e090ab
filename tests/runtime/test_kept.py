# SPDX-License-Identifier: BSD-3-Clause
import copy
import gc
import pickle

import numpy as np
import pytest
import torch

from sktransform.runtime import Runtime
from sktransform.runtime._kept import _KEPT, built_once


class Owner:
    """An owner of fitted arrays that counts what is built from them."""

    def __init__(self):
        self.state = {"a": np.arange(3.0), "b": np.ones(())}
        self.n_built = 0

    def total(self, dtype=np.float64, name="total"):
        """Return the sum of all entries in the precision of a call."""
        runtime = Runtime.from_rows(np.empty((0, 1), dtype), "cpu")

        def build():
            self.n_built += 1
            parts = [runtime.tensor(v, runtime.dtype) for v in self.state.values()]
            return torch.stack([part.sum() for part in parts]).sum()

        return built_once(self, name, runtime, self.state, build)


def test_the_second_call_gets_what_the_first_has_built():
    owner = Owner()
    assert owner.total() is owner.total()
    assert owner.n_built == 1
    owner.total(name="another")
    assert owner.n_built == 2


def test_another_precision_is_built_anew():
    owner = Owner()
    assert owner.total().dtype == torch.float64
    assert owner.total(np.float32).dtype == torch.float32
    assert owner.total().dtype == torch.float64


def test_another_array_is_noticed():
    owner = Owner()
    assert owner.total() == 4
    owner.state["a"] = owner.state["a"] + 1
    assert owner.total() == 7
    owner.state = {"a": np.zeros(1)}
    assert owner.total() == 0
    owner.state = {"a": owner.state["a"], "b": np.full((), 5.0)}
    assert owner.total() == 5


def test_arrays_cannot_be_changed_unnoticed():
    owner = Owner()
    owner.total()
    with pytest.raises(ValueError, match="read-only"):
        owner.state["a"] += 1


def test_copies_and_pickles_hold_nothing_and_build_their_own():
    owner = Owner()
    before = len(pickle.dumps(owner))
    owner.total()
    assert len(pickle.dumps(owner)) == before
    for other in (copy.copy(owner), copy.deepcopy(owner)):
        other.state = {"a": np.full(1, 9.0)}
        assert other.total() == 9
    assert owner.total() == 4


def test_what_was_built_goes_with_its_owner():
    gc.collect()
    before = len(_KEPT)
    owner = Owner()
    owner.total()
    assert len(_KEPT) == before + 1
    del owner
    gc.collect()
    assert len(_KEPT) == before
