# SPDX-License-Identifier: BSD-3-Clause
import warnings

import joblib
import numpy as np
import pytest
import sklearn
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransform.alignment import UnpairedAligner
from sktransform.exceptions import DegenerateDataWarning, UnreliableAlignmentWarning
from sktransform.metrics import recall_at_k

# Less than the default takes, and enough for copies that are turned.
QUICK = {"n_candidates": 2, "random_state": 0}

# Enough where the question is what goes in and comes out, not how good it is.
LIGHT = {"n_candidates": 2, "max_iter": 2, "min_agreement": -1}
LIGHT["random_state"] = 0


def _turn(n_inputs, n_outputs, seed=0):
    """Return a matrix with orthonormal rows or columns."""
    size = max(n_inputs, n_outputs)
    square = np.random.default_rng(seed).normal(size=(size, size))
    return np.linalg.qr(square)[0][:n_inputs, :n_outputs]


@pytest.fixture(scope="module")
def digits():
    """Pixels that are not constant, in another order than the file's."""
    X = load_digits().data
    return np.random.default_rng(0).permutation(X[:, X.std(axis=0) > 0.5])


@pytest.fixture(scope="module")
def sides(digits):
    """900 rows, 897 other rows in a wider space, and all rows in both."""
    Y = digits @ _turn(digits.shape[1], 70) * 3 + 5
    return digits[:900], Y[900:], digits, Y


def _unrelated(n_rows=300):
    generator = np.random.default_rng(0)
    return generator.normal(size=(n_rows, 10)), generator.normal(size=(n_rows, 12))


@pytest.mark.parametrize("seed", range(2))
def test_a_turned_copy_is_found_without_any_pair(sides, seed):
    X, reference, X_all, Y_all = sides
    aligner = UnpairedAligner(n_candidates=4, random_state=seed)
    aligner.fit(X, reference=reference)
    assert aligner.agreement_ > 0.95
    assert aligner.pair_recall_ is None
    assert aligner.n_pairs_ == 0
    mapped = aligner.transform(X_all)
    assert recall_at_k(mapped - Y_all.mean(0), Y_all - Y_all.mean(0), k=1) > 0.9
    assert aligner.score(X_all, Y_all) > 0.9


def test_a_narrower_space_is_found_too(digits):
    turn = _turn(digits.shape[1], 20)
    Y = (digits - digits.mean(0)) @ np.linalg.svd(digits - digits.mean(0))[2].T[:, :20]
    Y = Y @ _turn(20, 20)
    aligner = UnpairedAligner(**QUICK).fit(digits[:900], reference=Y[900:])
    assert aligner.coef_.shape == turn.T.shape
    assert aligner.score(digits, Y) > 0.9


def test_a_cloud_is_mapped_to_itself_by_nearly_the_identity(digits):
    aligner = UnpairedAligner(**QUICK).fit(digits, reference=digits)
    error = aligner.transform(digits) - digits
    assert np.square(error).sum() < 0.01 * np.square(digits - digits.mean(0)).sum()


def test_unrelated_clouds_are_called_so():
    X, reference = _unrelated()
    with pytest.warns(
        UnreliableAlignmentWarning, match="agreement of independent maps is"
    ) as found:
        aligner = UnpairedAligner(**QUICK).fit(X, reference=reference)
    assert aligner.agreement_ < 0.5
    assert len(found) == 1
    assert found[0].filename == __file__


def _skewed(generator, n_rows, n_columns):
    """Turned independent columns of squared normals, of falling variance."""
    columns = generator.normal(size=(n_rows, n_columns)) ** 2
    columns *= np.arange(1, n_columns + 1) ** -1.4
    return columns @ np.linalg.qr(generator.normal(size=(n_columns, n_columns)))[0]


def test_unrelated_skewed_clouds_agree_and_are_not_trusted():
    generator = np.random.default_rng(0)
    X, reference = _skewed(generator, 500, 10), _skewed(generator, 500, 8)
    aligner = UnpairedAligner(n_candidates=4, random_state=0)
    with pytest.warns(UnreliableAlignmentWarning, match="mirrored maps") as found:
        aligner.fit(X, reference=reference)
    assert aligner.agreement_ > 0.5
    assert aligner.contrast_ < 0.87
    assert found[0].filename == __file__


def test_contrast_of_a_turned_copy_is_high(sides):
    X, reference, *_ = sides
    assert UnpairedAligner(**QUICK).fit(X, reference=reference).contrast_ > 0.94


def _unrelated_columns(kind, generator, shape):
    """Columns without a relation, of one kind."""
    n_columns = shape[1]
    normal = generator.normal(size=shape)
    if kind == "lognormal":
        return np.exp(normal)
    if kind == "gamma":
        return generator.gamma(1.5, size=shape) * np.arange(1, n_columns + 1) ** -0.5
    if kind == "squared":
        return normal**2 * np.arange(1, n_columns + 1) ** -1.0
    if kind == "heavy-tailed":
        return generator.standard_t(3, size=shape)
    if kind == "rectified":
        return np.maximum(normal @ generator.normal(size=(n_columns, n_columns)), 0)
    if kind == "clustered":
        return (
            3
            * generator.normal(size=(12, n_columns))[
                generator.integers(12, size=shape[0])
            ]
            + normal
        )
    return normal


@pytest.mark.slow
def test_hardly_any_unrelated_clouds_are_trusted():
    kinds = ["lognormal", "gamma", "squared", "heavy-tailed", "rectified", "clustered"]
    n_problems, n_trusted = 0, 0
    for kind in [*kinds, "isotropic"]:
        for widths in [(6, 6), (8, 12), (16, 10), (20, 20), (32, 40), (48, 48)]:
            generator = np.random.default_rng(n_problems)
            X, reference = (
                _unrelated_columns(kind, generator, (600, width))
                @ generator.normal(size=(width, width))
                for width in widths
            )
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UnreliableAlignmentWarning)
                UnpairedAligner(random_state=0).fit(X, reference=reference)
            n_problems += 1
            n_trusted += not caught
    assert n_problems >= 40
    assert n_trusted <= 0.05 * n_problems


def test_wrong_pairs_are_called_so():
    X, reference = _unrelated()
    pairs = np.stack([np.arange(100), np.arange(100)], axis=1)
    with pytest.warns(UnreliableAlignmentWarning, match="held-out pairs"):
        aligner = UnpairedAligner(**QUICK).fit(X, reference=reference, pairs=pairs)
    assert aligner.pair_recall_ < 0.2
    assert aligner.n_pairs_ == 100
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aligner.set_params(min_agreement=-1).fit(X, reference=reference, pairs=pairs)


def _views_of_factors(seed, n_rows=1200):
    """Two views that share 12 factors, each with noise of its own."""
    generator = np.random.default_rng(seed)
    factors = generator.normal(size=(n_rows, 12)) * np.arange(1, 13) ** -0.3
    views = [factors @ _turn(12, width, width + seed) for width in (30, 24)]
    return [view + 0.1 * generator.normal(size=view.shape) for view in views]


def test_few_pairs_decide_where_none_leave_it_open():
    # Normal factors look the same in a mirror: without pairs any sign will do.
    X, Y = _views_of_factors(0)
    known = np.full_like(Y[:600], np.nan)
    known[:12] = Y[:12]
    aligner = UnpairedAligner(min_agreement=-1, **QUICK)
    aligner.fit(X[:600], known, reference=Y[600:])
    assert aligner.n_pairs_ == 12
    assert aligner.pair_recall_ is None
    with_pairs = aligner.score(X, Y)
    alone = aligner.fit(X[:12], Y[:12]).score(X, Y)
    aligner.fit(X[:600], reference=Y[600:])
    without = aligner.score(X, Y)
    assert with_pairs > alone + 0.1, (with_pairs, alone, without)
    assert with_pairs > without + 0.1, (with_pairs, alone, without)


def test_held_out_pairs_find_each_other(sides):
    X, reference, _, Y = sides
    known = np.full((len(X), Y.shape[1]), np.nan)
    known[:40] = Y[:40]
    aligner = UnpairedAligner(**QUICK).fit(X, known, reference=reference)
    assert aligner.pair_recall_ == 1
    assert aligner.n_iter_ > 1


def test_known_rows_of_y_are_pairs(sides):
    X, reference, _, Y = sides
    known = np.full((len(X), Y.shape[1]), np.nan)
    known[[5, 17, 3]] = Y[[5, 17, 3]]
    by_y = UnpairedAligner(**LIGHT).fit(X, known, reference=reference)
    indices = len(reference) + np.arange(3)
    together = np.vstack([reference, Y[[3, 5, 17]]])
    pairs = np.stack([[3, 5, 17], indices], axis=1)
    by_indices = UnpairedAligner(**LIGHT).fit(
        X, reference=together, pairs=np.vstack([pairs[::-1], pairs[:1]])
    )
    assert_array_equal(by_indices.coef_, by_y.coef_)
    assert by_indices.n_pairs_ == by_y.n_pairs_ == 3


def test_tables_of_a_list_are_one_table(sides):
    X, reference, *_ = sides
    whole = UnpairedAligner(**LIGHT).fit(X, reference=reference)
    parts = [reference[:100], reference[100:]]
    listed = UnpairedAligner(**LIGHT).fit(X, reference=parts)
    rows = UnpairedAligner(**LIGHT).fit(X, reference=reference.tolist())
    assert_array_equal(listed.coef_, whole.coef_)
    assert_array_equal(rows.coef_, whole.coef_)


def test_tensors_are_taken_as_arrays_are(sides):
    X, reference, _, Y = sides
    known = np.full((len(X), Y.shape[1]), np.nan)
    known[:3] = Y[:3]
    pairs = np.array([[4, 0]])
    expected = UnpairedAligner(**LIGHT).fit(X, known, reference=reference, pairs=pairs)
    X, known, reference, pairs = map(torch.tensor, (X, known, reference, pairs))
    aligner = UnpairedAligner(**LIGHT).fit(X, known, reference=reference, pairs=pairs)
    assert_allclose(aligner.coef_, expected.coef_)
    assert isinstance(aligner.transform(X), torch.Tensor)
    assert_allclose(aligner.score(X, known), expected.score(X.numpy(), known.numpy()))


def test_more_rows_than_a_step_takes(sides, monkeypatch):
    limit = "sktransform.alignment._unpaired.search._STEP_ROWS"
    monkeypatch.setattr(limit, 450)
    X, reference, X_all, Y_all = sides
    aligner = UnpairedAligner(**QUICK).fit(X, reference=reference)
    assert aligner.score(X_all, Y_all) > 0.9


def test_the_inverse_leads_back(sides):
    X, reference, *_ = sides
    aligner = UnpairedAligner(**LIGHT).fit(X, reference=reference)
    assert_allclose(aligner.inverse_transform(aligner.transform(X)), X, atol=1e-8)


def test_rows_that_are_not_known_do_not_count_in_a_score(sides):
    X, reference, _, Y = sides
    aligner = UnpairedAligner(**LIGHT).fit(X, reference=reference)
    known, weights = Y[: len(X)].copy(), np.arange(1.0, len(X) + 1)
    known[50:] = np.nan
    expected = aligner.score(X[:50], Y[:50], sample_weight=weights[:50])
    assert_allclose(aligner.score(X, known, sample_weight=weights), expected)
    known[:] = np.nan
    assert aligner.score(X, known) == aligner.score(X) == aligner.agreement_


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give rows of the other space as reference"),
        ({"y": np.full((60, 3), np.nan)}, "has no known row"),
        ({"y": np.zeros((59, 3))}, "inconsistent numbers of samples"),
        ({"y": [[1.0, np.nan]] * 60}, "NaN in some but not all columns of a row"),
        ({"reference": np.full((9, 3), np.nan)}, "Input reference contains NaN"),
        ({"reference": np.full((9, 3), np.inf)}, "Input reference contains inf"),
        ({"reference": np.zeros(9)}, "Expected 2D array"),
        ({"reference": np.ones((9, 3)), "y": np.ones((60, 4))}, "have 3, 4 columns"),
        ({"reference": [np.ones((9, 3)), np.ones((9, 2))]}, "have 3, 2, 3 columns"),
        (
            {"reference": np.ones((9, 3)), "pairs": [[0, 9]]},
            "60 rows of X and the 9 rows of",
        ),
        (
            {"reference": np.ones((9, 3)), "pairs": [[-1, 0]]},
            "must hold indices, from 0",
        ),
        ({"reference": np.ones((9, 3)), "pairs": [0, 1]}, r"of shape \(n_pairs, 2\)"),
        ({"reference": np.ones((9, 3)), "pairs": [[0.5, 1]]}, "must be integers"),
        ({"y": np.ones((60, 3)), "pairs": [[0, 0]]}, "60 rows of X and the 0 rows of"),
    ],
)
def test_bad_input_is_refused_in_a_sentence_and_changes_nothing(arguments, message):
    X, reference = _unrelated(60)
    aligner = UnpairedAligner(n_candidates=2, max_iter=2, random_state=0)
    aligner.set_params(min_agreement=-1).fit(X, reference=reference)
    before = joblib.hash(vars(aligner))
    with pytest.raises(ValueError, match=message):
        aligner.fit(X[:, :8], **arguments)
    assert joblib.hash(vars(aligner)) == before


_CLOUD = np.random.default_rng(0).normal(size=(100, 6))


@pytest.mark.parametrize(
    ("X", "reference", "named"),
    [
        (np.zeros((5, 3)), np.ones((4, 2)), "X and of reference"),
        (np.eye(3)[:1], np.eye(2)[:1], "X and of reference"),
        (np.eye(3)[:2], np.repeat(np.eye(2), 40, axis=0), "X and of reference"),
        (_CLOUD, np.ones((100, 5)), "reference"),
        (_CLOUD, np.zeros((100, 5)), "reference"),
        (_CLOUD, 1e6 + 1e-10 * _CLOUD, "reference"),
        (_CLOUD, _CLOUD[:, :1] * np.arange(1.0, 6.0), "reference"),
        (np.full((50, 3), 7.0), _CLOUD, "X"),
        (_CLOUD[:, :1] * np.ones(4) + 3.0, _CLOUD, "X"),
    ],
)
def test_rows_that_say_nothing_give_the_mean_of_the_reference(X, reference, named):
    aligner = UnpairedAligner(n_candidates=2, random_state=0)
    with pytest.warns(DegenerateDataWarning, match=f"The rows of {named} do not"):
        aligner.fit(X, reference=reference)
    expected = np.broadcast_to(reference.mean(0), (len(X), reference.shape[1]))
    assert_allclose(aligner.transform(X), expected)
    assert aligner.agreement_ == 0.0
    assert aligner.n_iter_ == 0


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_a_pipeline_hands_the_reference_on(sides):
    X, reference, X_all, Y_all = sides
    aligner = UnpairedAligner(**QUICK).set_fit_request(reference=True, pairs=True)
    pipeline = make_pipeline(StandardScaler(with_std=False), aligner)
    pipeline.fit(X, reference=reference, pairs=None)
    expected = UnpairedAligner(**QUICK).fit(X - X.mean(0), reference=reference)
    assert_allclose(pipeline[-1].coef_, expected.coef_)
    assert pipeline.score(X_all, Y_all) > 0.9


@pytest.mark.usefixtures("routing")
def test_a_search_keeps_known_pairs_with_their_rows(sides):
    X, _, _, Y = sides
    X, reference = X[:300], Y[300:600]  # of equal length: the search would split it
    known = np.full((300, Y.shape[1]), np.nan)
    known[::2] = Y[:300:2]
    aligner = UnpairedAligner(**QUICK).set_fit_request(reference=True)
    search = GridSearchCV(aligner, {"shrinkage": [0.5, 1.0]}, cv=2, error_score="raise")
    for given in (reference, [reference]):
        search.fit(X, known, reference=given)
        assert search.best_score_ > 0.9
        assert search.best_estimator_.n_pairs_ == 150
    # The list came whole to each part of the rows.
    half = UnpairedAligner(**QUICK).fit(X[150:], known[150:], reference=[reference])
    score = search.cv_results_["split0_test_score"][0]
    assert_allclose(half.score(X[:150], known[:150]), score)


@pytest.mark.usefixtures("routing")
def test_a_search_without_pairs_compares_agreements(sides):
    X, reference, *_ = sides
    aligner = UnpairedAligner(**QUICK).set_fit_request(reference=True)
    search = GridSearchCV(aligner, {"n_components": [1, 20]}, cv=2)
    search.set_params(estimator__min_agreement=-1)
    search.fit(X[:400], reference=reference)
    assert search.best_params_ == {"n_components": 20}


def test_callbacks_hear_of_each_candidate(sides, fit_recorder):
    X, reference, *_ = sides
    recorder = fit_recorder()
    aligner = UnpairedAligner(**LIGHT).set_callbacks(recorder)
    aligner.fit(X, reference=reference)
    assert recorder.n_reports == 3
