# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.spatial.distance import pdist, squareform

from sktransform.utils._validation import check_distances

DISTANCES = squareform(pdist(np.random.default_rng(0).normal(size=(6, 2))))


def _with(row, column, value):
    wrong = DISTANCES.copy()
    wrong[row, column] = value
    return wrong


MISTAKES = {
    "no square": (DISTANCES[:4], r"distances must be a square matrix .* \(4, 6\)"),
    "condensed": (pdist(DISTANCES), "Expected 2D array, got 1D array"),
    "other rows": (
        DISTANCES[:4, :4],
        r"distances must be the distances between the 6 rows of X, got .* \(4, 4\)",
    ),
    "negative": (-DISTANCES, "distances must hold distances of at least 0"),
    "diagonal": (_with(2, 2, 1.0), "distances must have a zero diagonal"),
    "asymmetric": (_with(1, 2, 9.0), "distances must be a symmetric matrix"),
    "nan": (_with(1, 2, np.nan), "Input distances contains NaN"),
    "infinity": (_with(1, 2, np.inf), "Input distances contains infinity"),
    "words": (np.full((6, 6), "far"), "could not convert string to float"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_gets_one_clear_sentence(mistake):
    wrong, sentence = MISTAKES[mistake]
    with pytest.raises(ValueError, match=sentence):
        check_distances(wrong, "distances", n_rows=6)


def test_messages_may_begin_with_the_circumstances():
    with pytest.raises(ValueError, match=r"^With metric='precomputed' X must be a sq"):
        check_distances(
            DISTANCES[:4], "X", subject="With metric='precomputed' X", n_rows=4
        )


def test_right_distances_are_left_as_they_are():
    for given in (DISTANCES, DISTANCES.tolist(), torch.from_numpy(DISTANCES)):
        found = check_distances(given, "distances", n_rows=6)
        np.testing.assert_array_equal(found, DISTANCES)


def test_rounding_of_single_precision_is_removed():
    noise = 1e-7 * np.random.default_rng(0).uniform(size=(6, 6))
    found = check_distances((DISTANCES + noise).astype(np.float32), "distances")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diagonal(found), 0)
    np.testing.assert_allclose(found, DISTANCES, atol=1e-6)


def test_sparse_distances_are_refused():
    with pytest.raises((TypeError, ValueError)):
        check_distances(scipy.sparse.csr_array(DISTANCES), "distances")
