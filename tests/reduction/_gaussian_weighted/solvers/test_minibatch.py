# SPDX-License-Identifier: BSD-3-Clause
"""The minibatch solver: what it reaches, what it reads, and how it follows a stream."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.spatial.distance import pdist, squareform
from sklearn.datasets import load_digits, make_swiss_roll

from sktransform.reduction import GaussianWeightedLinearReducer
from sktransform.reduction._gaussian_weighted.rows import Frame
from sktransform.reduction._gaussian_weighted.solvers.minibatch import shuffled_batches
from sktransform.reduction._gaussian_weighted.solvers.pair_loss import stress_gradient
from sktransform.runtime._runtime import Runtime


def _reducer(**parameters):
    settings = {"solver": "minibatch", "random_state": 0, **parameters}
    return GaussianWeightedLinearReducer(**settings)


@pytest.fixture(scope="module")
def digits():
    X = load_digits().data
    return X[np.random.default_rng(0).permutation(len(X))]


# The gradient


def test_errors_are_summed_over_pairs():
    generator = np.random.default_rng(0)
    Y, D = generator.normal(size=(9, 2)), generator.random((9, 9))
    weights, D = generator.random(9) + 0.5, D + D.T
    np.fill_diagonal(D, 0)
    loss, _ = stress_gradient(*map(torch.from_numpy, (Y, D, weights)))
    errors = np.outer(weights, weights) * (squareform(pdist(Y)) - D) ** 2
    assert loss.item() == pytest.approx(np.triu(errors, 1).sum(), rel=1e-7)


def test_gradient_is_that_of_automatic_differentiation():
    generator = torch.Generator().manual_seed(0)
    kind = {"generator": generator, "dtype": torch.float64}
    Y = torch.randn((9, 2), **kind).requires_grad_()
    D, weights = torch.rand((9, 9), **kind), torch.rand(9, **kind) + 0.5
    D = (D + D.T).fill_diagonal_(0)
    first, second = torch.triu_indices(9, 9, 1)
    distances = (Y[first] - Y[second]).norm(dim=1)
    errors = (distances - D[first, second]).square()
    (errors * weights[first] * weights[second]).sum().backward()
    _, gradient = stress_gradient(Y.detach(), D, weights)
    torch.testing.assert_close(gradient, Y.grad, rtol=1e-6, atol=1e-7)


def test_rows_on_one_point_pull_nowhere():
    Y = torch.ones((3, 2), dtype=torch.float64)
    D = torch.ones((3, 3), dtype=torch.float64).fill_diagonal_(0)
    loss, gradient = stress_gradient(Y, D, torch.ones(3, dtype=torch.float64))
    assert loss.item() == pytest.approx(3, rel=1e-3)
    assert not gradient.any()


@pytest.mark.parametrize("n_rows", [2, 3, 16, 257])
def test_each_pass_has_every_row_of_weight_once(n_rows):
    X = np.arange(float(n_rows + 1))[:, None]
    weights = np.append(np.ones(n_rows), 0.0)
    one = torch.ones(1, dtype=torch.float64)
    batches = shuffled_batches(
        X,
        weights,
        Frame(0 * one, one[0], None),
        Runtime.from_rows(X, "cpu"),
        batch_size=2 if n_rows == 3 else 16,
        random_state=np.random.RandomState(0),
    )
    for _ in range(2):
        seen = []
        while len(seen) < n_rows:
            batch = next(batches).Z[:, 0].tolist()
            assert 2 <= len(batch) <= 16
            seen += batch
        assert sorted(seen) == list(range(n_rows))


# A fit


@pytest.mark.parametrize(("name", "bound"), [("roll", 1.005), ("digits", 1.015)])
def test_stress_is_close_to_that_of_majorisation(name, bound, digits):
    X = digits[:900] if name == "digits" else make_swiss_roll(600, random_state=0)[0]
    found = _reducer(max_iter=400).fit(X)
    expected = _reducer(solver="majorize").fit(X)
    assert found.score(X) > bound * expected.score(X)
    assert found.stress_ == pytest.approx(-found.score(X), rel=0.01)


def test_what_was_best_is_kept_and_recorded(rows):
    reducer = _reducer(max_iter=250).fit(rows)
    assert reducer.n_iter_ == 250
    assert len(reducer.loss_curve_) == 1 + 84  # every third step, and the last
    assert reducer.loss_curve_.min() < reducer.loss_curve_[0]
    np.testing.assert_array_equal(reducer.embedding_, reducer.transform(rows))


def test_a_few_rows_of_a_long_table_do_not_decide(rows):
    # Twenty rows give the units and the charts, and all of them the map.
    settings = {"n_landmarks": 20, "n_gaussians": 5, "max_iter": 200}
    found = _reducer(**settings).fit(rows)
    sampled = _reducer(**{**settings, "max_iter": 60, "solver": "majorize"}).fit(rows)
    assert len(found.reservoir_["rows"]) == 20
    assert found.score(rows) > 0.9 * sampled.score(rows)


def test_the_seed_decides_and_global_generators_do_not(rows):
    first = _reducer(max_iter=20).fit(rows)
    np.random.seed(7)  # noqa: NPY002
    torch.manual_seed(7)
    np.testing.assert_array_equal(
        _reducer(max_iter=20).fit(rows).embedding_, first.embedding_
    )
    other = _reducer(max_iter=20, random_state=1).fit(rows)
    assert not np.array_equal(other.embedding_, first.embedding_)


def test_a_large_ridge_returns_pca(rows):
    found = _reducer(ridge=1e6, max_iter=100).fit(rows)
    centred = rows - rows.mean(0)
    scores = np.linalg.svd(centred, full_matrices=False)[2][:2]
    expected = pdist(centred @ scores.T)
    np.testing.assert_allclose(pdist(found.embedding_), expected, rtol=1e-2, atol=1e-2)


def test_weight_zero_is_absence(rows):
    weights = np.ones(600)
    weights[::3] = 0
    found = _reducer(max_iter=20).fit(rows, sample_weight=weights)
    expected = _reducer(max_iter=20).fit(rows[weights > 0])
    np.testing.assert_array_equal(found.transform(rows), expected.transform(rows))


def test_heavy_rows_are_served_better(rows):
    weights = np.where(np.arange(600) < 60, 50.0, 1.0)
    found = _reducer(max_iter=200).fit(rows, sample_weight=weights)
    plain = _reducer(max_iter=200).fit(rows)
    assert found.score(rows[:60]) > plain.score(rows[:60])


def test_sparse_rows_are_fitted_like_dense_ones(rows):
    table = rows * (rows > 0)
    found = _reducer(max_iter=20).fit(scipy.sparse.csr_array(table))
    dense = _reducer(max_iter=20).fit(table)
    np.testing.assert_array_equal(found.transform(table), dense.transform(table))
    assert not hasattr(found, "reservoir_")


def test_wide_sparse_rows_are_fitted():
    table = scipy.sparse.random_array((300, 400), density=0.05, rng=0, format="csr")
    found = _reducer(max_iter=60).fit(table)
    assert found.loss_curve_.min() < 0.9 * found.loss_curve_[0]


def test_callbacks_see_each_report_and_may_stop(rows, fit_recorder):
    recorder = fit_recorder()
    _reducer(max_iter=300).set_callbacks(recorder).fit(rows)
    assert recorder.n_reports == 100
    stopped = _reducer(max_iter=300).set_callbacks(fit_recorder(stop_after=3))
    assert stopped.fit(rows).n_iter_ == 9


def test_a_warm_start_begins_where_the_map_is(rows):
    reducer = _reducer(warm_start=True, max_iter=200).fit(rows)
    reached, stress = reducer.loss_curve_.min(), reducer.stress_
    before = reducer.transform(rows)
    reducer.set_params(max_iter=30).fit(rows)
    assert reducer.loss_curve_[0] == pytest.approx(reached, rel=1e-3)
    assert reducer.stress_ < 1.005 * stress
    moved = np.linalg.norm(reducer.embedding_ - before) / np.linalg.norm(before)
    assert moved < 0.1


def test_more_charts_start_near_the_map_and_lower_its_stress(rows):
    reducer = _reducer(warm_start=True, n_gaussians=10, max_iter=200).fit(rows)
    reached, stress = reducer.loss_curve_.min(), reducer.stress_
    reducer.set_params(n_gaussians=30).fit(rows)
    assert len(reducer.widths_) == 30
    assert reducer.loss_curve_[0] < 1.05 * reached
    assert reducer.stress_ < stress


def test_solvers_go_on_from_each_other(rows):
    reducer = _reducer(warm_start=True, max_iter=100).fit(rows)
    reached = reducer.stress_
    reducer.set_params(solver="majorize", n_gaussians=60).fit(rows)
    assert len(reducer.map_["widths"]) == 60
    assert reducer.stress_ < 1.01 * reached
    reducer.set_params(solver="minibatch").fit(rows)
    assert reducer.stress_ < 1.01 * reached


# A stream


@pytest.mark.parametrize("cuts", [[300], [2, 10, 400]])
def test_blocks_that_fit_into_the_sample_are_fitted_as_one(rows, cuts):
    whole, parts = _reducer(max_iter=20).fit(rows), _reducer(max_iter=20)
    for block in np.split(rows, cuts):
        parts.partial_fit(block)
    np.testing.assert_array_equal(parts.transform(rows), whole.transform(rows))
    np.testing.assert_array_equal(parts.reservoir_["rows"], whole.reservoir_["rows"])


def test_a_stream_goes_on_from_fit_as_from_its_first_block(rows):
    fitted = _reducer(max_iter=20, n_landmarks=100).fit(rows[:400])
    streamed = _reducer(max_iter=20, n_landmarks=100).partial_fit(rows[:400])
    np.testing.assert_array_equal(fitted.transform(rows), streamed.transform(rows))
    for reducer in (fitted, streamed):
        reducer.partial_fit(rows[400:])
        assert reducer.reservoir_["n_seen"] == 600
    np.testing.assert_array_equal(fitted.transform(rows), streamed.transform(rows))


def test_every_block_moves_the_map_and_leaves_the_charts(rows):
    reducer = _reducer(max_iter=50, n_landmarks=100).fit(rows[:300])
    for start in range(300, 340, 10):
        before, centers = reducer.transform(rows), reducer.centers_
        # The sample may change or not: the rows are seen.
        reducer.partial_fit(rows[start : start + 10])
        assert not np.array_equal(reducer.transform(rows), before)
        np.testing.assert_allclose(reducer.centers_, centers, rtol=1e-12, atol=1e-12)
        assert reducer.n_iter_ == 50
    assert reducer.continuation_["stream"]["n_steps"] == 200


def test_a_drifting_stream_is_followed():
    # Variance wanders from two columns to two others.
    generator = np.random.default_rng(0)
    late = np.linspace(0, 1, 4000)[:, None]
    deviations = (1 - late) * [2, 2, 0.3, 0.3] + late * [0.3, 0.3, 2, 2]
    X = deviations * generator.normal(size=(4000, 4))
    reducer = _reducer(max_iter=200, n_landmarks=400).partial_fit(X[:400])
    first = -reducer.score(X), -reducer.score(X[-500:])
    for start in range(400, 4000, 400):
        reducer.partial_fit(X[start : start + 400])
    assert -reducer.score(X) < 0.7 * first[0]
    assert -reducer.score(X[-500:]) < 0.2 * first[1]


def test_a_stream_reaches_what_a_fit_to_all_rows_does(digits):
    settings = {"n_landmarks": 300, "max_iter": 300}
    whole, parts = _reducer(**settings).fit(digits), _reducer(**settings)
    for block in np.split(digits, range(300, 1797, 300)):
        parts.partial_fit(block)
    sampled = _reducer(n_landmarks=300, solver="majorize").fit(digits)
    assert -parts.score(digits) < 1.01 * -whole.score(digits)
    assert -parts.score(digits) < -sampled.score(digits)


def test_a_stream_is_interrupted_by_nothing_it_keeps(rows):
    through = _reducer(max_iter=20, n_landmarks=100).fit(rows[:300])
    stored = pickle.loads(pickle.dumps(through))
    for start in (300, 450):
        through.partial_fit(rows[start : start + 150])
        stored = pickle.loads(pickle.dumps(stored.partial_fit(rows[start:][:150])))
    np.testing.assert_array_equal(through.embedding_, stored.embedding_)
    assert isinstance(through.continuation_["stream"]["parameters"], np.ndarray)


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (np.full((50, 6), np.nan), "contains NaN"),
        (np.ones((50, 5)), "X has 5 features"),
    ],
)
def test_a_wrong_block_changes_nothing(rows, block, sentence):
    reducer = _reducer(max_iter=20, n_landmarks=100).fit(rows[:300])
    reducer.partial_fit(rows[300:400])
    before, stored = vars(reducer).copy(), pickle.dumps(vars(reducer))
    with pytest.raises(ValueError, match=sentence):
        reducer.partial_fit(block)
    assert vars(reducer) == before
    assert pickle.dumps(vars(reducer)) == stored


def test_other_components_do_not_go_on(rows):
    reducer = _reducer(max_iter=20, n_landmarks=100).fit(rows[:300])
    reducer.set_params(n_components=3)
    with pytest.raises(ValueError, match="partial_fit continues a map with n_comp"):
        reducer.partial_fit(rows[300:])


def test_rows_of_a_block_without_weight_are_passed_over(rows):
    settings = {"max_iter": 20, "n_landmarks": 100}
    found, expected = (_reducer(**settings).fit(rows[:300]) for _ in range(2))
    weights = np.tile([1.0, 0.0], 50)
    found.partial_fit(rows[300:400], sample_weight=weights)
    expected.partial_fit(rows[300:400:2])
    np.testing.assert_array_equal(found.transform(rows), expected.transform(rows))


# What is read


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of memory")
def test_a_memory_map_is_read_a_batch_at_a_time(tmp_path):
    path = tmp_path / "rows.npy"
    shape = 150_000, 100
    table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    generator = np.random.default_rng(0)
    for start in range(0, len(table), 50_000):
        table[start : start + 50_000] = generator.random((50_000, 100), np.float32)
    table.flush()
    finished = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    # The table has 57 MB; its embedding, weights and order have 1 each.
    assert float(finished.stdout) < 20


MEASURED = """
import sys
import numpy as np
from pathlib import Path
from sktransform.reduction import GaussianWeightedLinearReducer
from sktransform.reduction._gaussian_weighted.solvers import minibatch

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

seen, make_batch = [], minibatch.batch_of

def watched(*arguments):
    seen.append(anonymous())
    return make_batch(*arguments)

minibatch.batch_of = watched
X = np.load(sys.argv[1], mmap_mode="r")
settings = {"solver": "minibatch", "n_landmarks": 500, "random_state": 0}
reducer = GaussianWeightedLinearReducer(max_iter=50, **settings).fit(X[:600])
before = anonymous()
reducer.fit(X)
print((max(seen + [anonymous()]) - before) / 1024)
"""
