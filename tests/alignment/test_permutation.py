# SPDX-License-Identifier: BSD-3-Clause
import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.preprocessing import StandardScaler

from sktransform.alignment import PermutationAligner
from sktransform.exceptions import DegenerateDataWarning


def _views(normal, n_units=7):
    """Units, and the same in another order and scale, with noise."""
    X = normal(80, n_units) * np.linspace(1, 3, n_units) + np.arange(n_units)
    order = np.random.default_rng(1).permutation(n_units)
    Y = (X[:, order] + 0.3 * normal(80, n_units)) * 2 - 5
    return X, Y, order


def test_units_in_another_order_are_found(normal):
    X, Y, order = _views(normal)
    aligner = PermutationAligner().fit(X, Y)
    assert_array_equal(aligner.permutation_, order)
    pairs = zip(X[:, order].T, Y.T, strict=True)
    assert_allclose(aligner.correlations_, [np.corrcoef(*p)[0, 1] for p in pairs])


@pytest.mark.parametrize("signed", [False, True])
def test_no_other_matching_has_more_correlation(normal, signed):
    X, Y = normal(30, 5), normal(30, 5)
    aligner = PermutationAligner(signed=signed).fit(X, Y)
    table = np.corrcoef(X, Y, rowvar=False)[:5, 5:]
    gains = np.abs(table) if signed else table
    totals = [
        gains[list(inputs), range(5)].sum()
        for inputs in itertools.permutations(range(5))
    ]
    assert_allclose(gains[aligner.permutation_, range(5)].sum(), max(totals))
    assert_allclose(aligner.correlations_, table[aligner.permutation_, range(5)])


def test_each_unit_takes_the_mean_and_deviation_of_its_partner(normal):
    X, Y, _ = _views(normal)
    Z = PermutationAligner().fit(X, Y).transform(X)
    assert_allclose(Z.mean(0), Y.mean(0))
    assert_allclose(Z.std(0), Y.std(0))


def test_without_rescaling_values_are_passed_on(normal):
    X, Y, order = _views(normal)
    Z = PermutationAligner(rescale=False).fit(X, Y).transform(X)
    assert_array_equal(Z, X[:, order])


def test_negated_units_are_found_if_asked(normal):
    X, Y, order = _views(normal)
    signs = np.array([1, -1, 1, 1, -1, -1, 1])
    aligner = PermutationAligner(signed=True, rescale=False).fit(X, Y * signs)
    assert_array_equal(aligner.permutation_, order)
    assert_array_equal(np.sign(aligner.correlations_), signs)
    assert_array_equal(aligner.transform(X), X[:, order] * signs)
    # A negated unit has no partner among units as they are.
    plain = PermutationAligner().fit(X, Y * signs)
    assert np.all(plain.permutation_[signs < 0] != order[signs < 0])
    assert plain.coef_.min() == 0


def test_units_of_a_wider_target_without_a_partner_take_their_mean(normal):
    X, Y, order = _views(normal)
    Y = np.insert(Y, [2, 5], normal(80, 2), axis=1)
    aligner = PermutationAligner().fit(X, Y)
    assert_array_equal(aligner.permutation_, np.insert(order, [2, 5], -1))
    assert_array_equal(aligner.correlations_[[2, 6]], [0, 0])
    Z = aligner.transform(X)
    assert_allclose(Z[:, [2, 6]], np.tile(Y[:, [2, 6]].mean(0), (80, 1)))
    assert_allclose(aligner.inverse_transform(Z), X)


def test_units_that_a_narrower_target_lacks_come_back_as_their_mean(normal):
    X, Y, order = _views(normal)
    aligner = PermutationAligner().fit(X, Y[:, :4])
    assert_array_equal(aligner.permutation_, order[:4])
    back = aligner.inverse_transform(aligner.transform(X))
    assert_allclose(back[:, order[:4]], X[:, order[:4]])
    dropped = X[:, order[4:]]
    assert_allclose(back[:, order[4:]], np.tile(dropped.mean(0), (80, 1)))


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_inverse_is_exact(normal, signed, rescale):
    X, Y = normal(30, 6), normal(30, 6)
    aligner = PermutationAligner(signed=signed, rescale=rescale).fit(X, Y)
    assert_allclose(aligner.inverse_transform(aligner.transform(X)), X, atol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9])
def test_constant_units_correlate_with_nothing(normal, constant):
    X, Y, order = _views(normal)
    X, Y = np.insert(X, 3, constant, axis=1), np.insert(Y, 0, -constant, axis=1)
    aligner = PermutationAligner(signed=True).fit(X, Y)
    shifted = order + (order >= 3)
    assert_array_equal(aligner.permutation_, np.insert(shifted, 0, 3))
    assert aligner.correlations_[0] == 0
    Z = aligner.transform(X)
    assert_allclose(Z[:, 0], -constant, atol=1e-12)
    assert_allclose(aligner.inverse_transform(Z), X, atol=1e-6)


def test_a_large_offset_costs_no_match(normal):
    X, Y, order = _views(normal)
    plain, moved = (PermutationAligner().fit(X + s, Y - s) for s in (0.0, 1e6))
    assert_array_equal(moved.permutation_, order)
    assert_allclose(moved.correlations_, plain.correlations_, rtol=1e-8)


# The first block has one row, of which the aligner warns.
@pytest.mark.filterwarnings("ignore::sktransform.exceptions.DegenerateDataWarning")
@pytest.mark.parametrize("widths", [(6, 6), (4, 6), (6, 4)])
def test_blocks_in_any_order_give_what_all_rows_give(normal, widths):
    X, Y = normal(90, widths[0]) + 100, normal(90, widths[1])
    weights = np.random.default_rng(1).uniform(0.5, 2, 90)
    whole = PermutationAligner().fit(X, Y, sample_weight=weights)
    blocks = PermutationAligner()
    for indices in np.split(np.random.default_rng(2).permutation(90), [1, 30, 32]):
        blocks.partial_fit(X[indices], Y[indices], sample_weight=weights[indices])
    assert_array_equal(blocks.permutation_, whole.permutation_)
    assert_allclose(blocks.coef_, whole.coef_, rtol=1e-9)
    assert_allclose(blocks.intercept_, whole.intercept_, rtol=1e-9)
    assert_allclose(blocks.correlations_, whole.correlations_, atol=1e-9)


def test_merged_aligners_have_seen_all_rows(normal):
    X, Y, _ = _views(normal)
    whole = PermutationAligner().fit(X, Y)
    first = PermutationAligner().fit(X[:30], Y[:30])
    second = PermutationAligner().fit(X[30:], Y[30:])
    merged = first.merge(second)
    assert_allclose(merged.coef_, whole.coef_, rtol=1e-9, atol=0)
    assert_allclose(merged.intercept_, whole.intercept_, rtol=1e-9)
    assert [a.moments_["weight"] for a in (first, second, merged)] == [30, 50, 80]


def test_a_new_fit_forgets_and_further_blocks_add(normal):
    X, Y, _ = _views(normal)
    aligner = PermutationAligner().fit(Y, X).fit(X[:30], Y[:30])
    aligner.partial_fit(X[30:], Y[30:])
    assert_allclose(aligner.coef_, PermutationAligner().fit(X, Y).coef_, atol=1e-12)


def test_weights_are_repetitions(normal):
    X, Y, _ = _views(normal)
    weights = np.random.default_rng(1).integers(0, 3, 80)
    weighted = PermutationAligner().fit(X, Y, sample_weight=weights)
    repeated = PermutationAligner().fit(
        np.repeat(X, weights, 0), np.repeat(Y, weights, 0)
    )
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-12)


def test_one_row_is_only_moved():
    with pytest.warns(DegenerateDataWarning, match="units stay in their order"):
        aligner = PermutationAligner().fit([[1.0, 2.0]], [[5.0, 3.0, 4.0]])
    assert_allclose(aligner.transform([[1.0, 2.0]]), [[5.0, 3.0, 4.0]])
    assert_array_equal(aligner.correlations_, [0, 0, 0])


def test_wrong_usage_raises(normal):
    X, Y, _ = _views(normal)
    aligner = PermutationAligner().fit(X, Y)
    with pytest.raises(ValueError, match="different spaces cannot be merged"):
        aligner.merge(PermutationAligner().fit(X, Y[:, :3]))
    with pytest.raises(ValueError, match="must be of class PermutationAligner"):
        aligner.merge(StandardScaler().fit(X))
    before = aligner.coef_.copy()
    with pytest.raises(ValueError, match="y has 3 columns"):
        aligner.partial_fit(X, Y[:, :3])
    with pytest.raises(ValueError, match="requires y"):
        aligner.fit(X, None)
    assert_array_equal(aligner.coef_, before)
