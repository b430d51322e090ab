# SPDX-License-Identifier: BSD-3-Clause
"""Fitting block by block, and the sample behind it."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from sktransform.reduction import (
    GaussianWeightedLinearReducer,
    GaussianWeightedNeighborReducer,
)
from sktransform.reduction._gaussian_weighted.reservoir import (
    add_to_reservoir,
    empty_reservoir,
)


def _stream(rows, cuts, limit=50, weights=None):
    weights = np.ones(len(rows)) if weights is None else weights
    reservoir = empty_reservoir(rows[:0], 0)
    for part in np.split(np.arange(len(rows)), cuts):
        reservoir = add_to_reservoir(reservoir, rows[part], weights[part], limit)
    return reservoir


def test_sample_does_not_depend_on_the_blocks(rows):
    whole = _stream(rows, [])
    for cuts in ([1, 2, 3], [300], [50, 51, 599]):
        parts = _stream(rows, cuts)
        np.testing.assert_array_equal(parts["rows"], whole["rows"])
        assert parts["n_seen"] == 600


def test_every_row_is_equally_likely_to_be_kept():
    counts = np.zeros(40)
    positions = np.arange(40.0)[:, None]
    for seed in range(2000):
        reservoir = empty_reservoir(positions[:0], seed)
        for block in np.split(positions, [3, 25]):
            reservoir = add_to_reservoir(reservoir, block, np.ones(len(block)), 10)
        counts[reservoir["rows"].astype(int).ravel()] += 1
    # 2000 draws of 10 in 40: a standard deviation is 19.
    assert np.abs(counts - 500).max() < 5 * 19.4


def test_rows_without_weight_are_passed_over(rows):
    weights = np.zeros(600)
    weights[::3] = 2.0
    reservoir = _stream(rows, [100, 350], limit=1000, weights=weights)
    np.testing.assert_array_equal(reservoir["rows"], rows[::3])
    np.testing.assert_array_equal(reservoir["row_weights"], 2.0)


@pytest.mark.parametrize("cuts", [[300], [2, 10, 400]])
def test_blocks_that_fit_into_the_sample_are_fitted_as_one(rows, cuts):
    whole = GaussianWeightedLinearReducer(random_state=0).fit(rows)
    parts = GaussianWeightedLinearReducer(random_state=0)
    for block in np.split(rows, cuts):
        parts.partial_fit(block)
    np.testing.assert_array_equal(parts.transform(rows), whole.transform(rows))
    np.testing.assert_array_equal(parts.embedding_, parts.transform(rows))


def test_a_long_stream_serves_rows_that_it_did_not_keep(rows):
    reducer = GaussianWeightedLinearReducer(n_landmarks=150, random_state=0)
    for block in np.split(rows, 12):
        reducer.partial_fit(block)
    assert reducer.reservoir_["n_seen"] == 600
    assert len(reducer.reservoir_["rows"]) == 150
    whole = GaussianWeightedLinearReducer(random_state=0).fit(rows)
    assert reducer.score(rows) > 1.1 * whole.score(rows)


def test_a_full_sample_is_fitted_anew_for_each_tenth_that_changes(rows):
    reducer = GaussianWeightedLinearReducer(n_landmarks=200, random_state=0)
    reducer.partial_fit(rows[:200])
    before = reducer.map_
    reducer.partial_fit(rows[200:201])
    assert reducer.map_ is before
    reducer.partial_fit(rows[201:])
    assert reducer.map_ is not before


def test_blocks_of_other_width_are_refused_and_change_nothing(rows):
    reducer = GaussianWeightedLinearReducer(random_state=0).partial_fit(rows[:100])
    before = vars(reducer).copy()
    with pytest.raises(ValueError, match="X has 5 features"):
        reducer.partial_fit(rows[:, :5])
    assert vars(reducer) == before


def test_fit_begins_a_new_stream(rows):
    reducer = GaussianWeightedLinearReducer(random_state=0).partial_fit(rows[:100])
    reducer.fit(rows[:50])
    assert not hasattr(reducer, "reservoir_")
    reducer.partial_fit(rows[100:200])
    assert reducer.reservoir_["n_seen"] == 100


@pytest.mark.parametrize(
    "reducer",
    [
        GaussianWeightedLinearReducer(metric="geodesic"),
        GaussianWeightedLinearReducer(metric="precomputed"),
        GaussianWeightedLinearReducer(target_weight=0.5),
        GaussianWeightedNeighborReducer(target_weight=0.5),
    ],
)
def test_what_needs_more_than_rows_does_not_stream(reducer):
    assert not hasattr(reducer, "partial_fit")


# Neighbourhoods


def _to_keep_neighbors(**parameters):
    return GaussianWeightedNeighborReducer(max_iter=20, random_state=0, **parameters)


@pytest.mark.parametrize("anchored", [False, True])
def test_blocks_are_fitted_as_one_to_keep_neighbours(rows, anchored):
    weights = np.linspace(0.5, 2, 600)
    whole = _to_keep_neighbors(anchored=anchored).fit(rows, sample_weight=weights)
    parts = _to_keep_neighbors(anchored=anchored)
    for block in np.split(np.arange(600), [250]):
        parts.partial_fit(rows[block], sample_weight=weights[block])
    np.testing.assert_array_equal(parts.transform(rows), whole.transform(rows))
    np.testing.assert_array_equal(parts.loss_curve_, whole.loss_curve_)


def test_the_sample_for_neighbours_is_limited_and_refitted_by_tenths(rows):
    reducer = _to_keep_neighbors(n_landmarks=200).partial_fit(rows[:200])
    before = reducer.map_
    reducer.partial_fit(rows[200:202])
    assert reducer.map_ is before
    reducer.partial_fit(rows[202:])
    assert reducer.map_ is not before
    assert len(reducer.reservoir_["rows"]) == len(reducer.embedding_) == 200


def test_the_sample_for_neighbours_is_larger_by_itself():
    long = np.random.default_rng(0).normal(size=(2200, 2))
    kept = []
    for cls in (GaussianWeightedLinearReducer, GaussianWeightedNeighborReducer):
        reducer = cls(max_iter=1, n_gaussians=2, random_state=0)
        kept.append(len(reducer.partial_fit(long).reservoir_["rows"]))
    assert kept == [2000, 2200]


# Where blocks come from


@pytest.mark.parametrize(
    "reducer",
    [
        GaussianWeightedLinearReducer(),
        GaussianWeightedLinearReducer(solver="minibatch"),
        GaussianWeightedNeighborReducer(),
    ],
    ids=["majorize", "minibatch", "neighbors"],
)
def test_blocks_come_from_any_iterable_in_any_container(reducer, rows, tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    cuts = [slice(0, 100), slice(100, 350), slice(350, 600)]
    mapped = np.load(path, mmap_mode="r")
    sources = (
        [rows[cut] for cut in cuts],
        [mapped[cut] for cut in cuts],
        (rows[cut].copy() for cut in cuts),
        iter([torch.from_numpy(rows[cut]) for cut in cuts]),
        (pd.DataFrame(rows[cut]) for cut in cuts),
    )
    found = []
    for blocks in sources:
        fitted = clone(reducer)
        fitted.set_params(n_landmarks=300, max_iter=10, random_state=0)
        for block in blocks:
            fitted.partial_fit(block)
        found.append(fitted)
    for fitted in found[1:]:
        np.testing.assert_array_equal(fitted.embedding_, found[0].embedding_)
        np.testing.assert_array_equal(
            fitted.reservoir_["rows"], found[0].reservoir_["rows"]
        )


# A warm start


def test_an_outgrown_sample_is_fitted_from_the_map_before(rows):
    settings = {"n_landmarks": 150, "max_iter": 3, "random_state": 0}
    cold, warm = (
        GaussianWeightedLinearReducer(warm_start=warm_start, **settings)
        for warm_start in (False, True)
    )
    for reducer in (cold, warm):
        reducer.partial_fit(rows[:100]).partial_fit(rows[100:150])
    # All rows are still there, and the fit is that of all of them.
    np.testing.assert_array_equal(warm.embedding_, cold.embedding_)
    before = warm.transform(rows)
    for reducer in (cold, warm):
        reducer.partial_fit(rows[150:])
    np.testing.assert_array_equal(cold.reservoir_["rows"], warm.reservoir_["rows"])
    assert warm.loss_curve_[0] < cold.loss_curve_[0]
    assert _distance(warm, rows, before) < 0.5 * _distance(cold, rows, before)


def _distance(reducer, rows, before):
    """Return how far rows have moved, as a share of the size of the embedding."""
    moved = reducer.transform(rows) - before
    return np.linalg.norm(moved) / np.linalg.norm(before)


def test_a_new_stream_begins_without_the_map_before_it(rows):
    warm = GaussianWeightedLinearReducer(warm_start=True, random_state=0)
    warm.fit(rows[:200]).partial_fit(rows[200:400])
    fresh = GaussianWeightedLinearReducer(random_state=0).partial_fit(rows[200:400])
    np.testing.assert_array_equal(warm.embedding_, fresh.embedding_)


def test_memory_mapped_rows_are_read_in_place(rows, tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    mapped = np.load(path, mmap_mode="r")
    found = GaussianWeightedLinearReducer(n_landmarks=100, random_state=0).fit(mapped)
    expected = GaussianWeightedLinearReducer(n_landmarks=100, random_state=0).fit(rows)
    np.testing.assert_array_equal(found.embedding_, expected.embedding_)


MEASURED = """
import sys
import numpy as np
from pathlib import Path
from sktransform.reduction import GaussianWeightedLinearReducer

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

class Watched(GaussianWeightedLinearReducer):
    seen = 0

    def _assign(self, *arguments, **options):
        # Once after the solver, once after the embedding.
        Watched.seen = max(Watched.seen, anonymous())
        super()._assign(*arguments, **options)
        Watched.seen = max(Watched.seen, anonymous())

X = np.load(sys.argv[1], mmap_mode="r")
reducer = Watched(n_landmarks=500, max_iter=5, random_state=0)
reducer.fit(X[:600])
before = anonymous()
reducer.fit(X)
print((Watched.seen - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of memory")
def test_a_memory_map_larger_than_what_is_read_stays_on_disk(tmp_path):
    path = tmp_path / "rows.npy"
    rows = np.lib.format.open_memmap(
        path, mode="w+", dtype=np.float32, shape=(150_000, 100)
    )
    generator = np.random.default_rng(0)
    for start in range(0, len(rows), 50_000):
        rows[start : start + 50_000] = generator.random((50_000, 100), dtype=np.float32)
    rows.flush()
    finished = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    # The table has 57 MB, its embedding 1, the landmarks' distances 2.
    assert float(finished.stdout) < 20
