# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression

from sktransform.alignment import BackwardCompatibleAligner, OrthogonalAligner
from sktransform.metrics import recall_at_k


@pytest.fixture
def views():
    """New rows, and old ones that know a part of them, turned, with noise."""
    generator = np.random.default_rng(0)
    new = generator.normal(size=(400, 10)) * np.linspace(2, 1, 10) + 3
    turn = np.linalg.qr(generator.normal(size=(10, 6)))[0]
    old = new @ turn + 0.1 * generator.normal(size=(400, 6)) - 1
    return new, old


def test_first_columns_are_those_of_the_aligner(views):
    new, old = views
    aligner = OrthogonalAligner(lam=1.0).fit(new, old)
    both = BackwardCompatibleAligner(OrthogonalAligner(lam=1.0)).fit(new, old)
    assert_allclose(both.transform(new)[:, :6], aligner.transform(new))
    assert_allclose(both.score(new, old), aligner.score(new, old))


@pytest.mark.parametrize("n_old", [4, 6])
def test_old_vectors_that_are_a_part_of_the_new_are_met_exactly(views, n_old):
    new = views[0]
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(10, n_old)))[0]
    old = 0.3 * new @ turn + 5
    aligner = BackwardCompatibleAligner().fit(new, old)
    assert aligner.n_extra_ == 10 - n_old
    assert_allclose(aligner.transform(new)[:, :n_old], old, atol=1e-6)


def test_images_vary_as_much_as_old_vectors_even_if_little_is_explained(views):
    new = views[0]
    old = new[:, :6] + 5 * np.random.default_rng(1).normal(size=(400, 6))
    aligner = BackwardCompatibleAligner().fit(new, old)
    mapped = aligner.transform(new)[:, :6]
    assert_allclose(np.var(mapped, axis=0).sum(), np.var(old, axis=0).sum())
    assert_allclose(mapped.mean(axis=0), old.mean(axis=0))
    # Still a rotation, times a factor.
    gram = aligner.coef_[:6] @ aligner.coef_[:6].T
    assert_allclose(gram, gram[0, 0] * np.eye(6), atol=1e-9 * gram[0, 0])


def test_further_columns_are_principal_directions_of_what_is_left(views):
    new, old = views
    aligner = BackwardCompatibleAligner(n_extra=2).fit(new, old)
    first = aligner.transform(new)[:, :6]
    left = new - LinearRegression().fit(first, new).predict(first)
    axes = np.linalg.svd(left, full_matrices=False)[2][:2]
    extra = aligner.coef_[6:]
    lengths = np.linalg.norm(extra, axis=1)
    assert_allclose(np.abs(extra @ axes.T), np.diag(lengths), atol=1e-8)


def test_orthogonal_map_stays_orthogonal_with_all_its_columns(views):
    new, old = views
    aligner = BackwardCompatibleAligner().fit(new, old)
    assert aligner.n_extra_ == 4
    # The remainder lies off the first columns by less than the noise.
    gram = aligner.coef_ @ aligner.coef_.T
    unit = gram[0, 0]
    assert_allclose(gram[6:, 6:] / unit, np.eye(4), atol=1e-10)


def test_inverse_is_exact_if_no_direction_is_left_out(views):
    new, old = views
    aligner = BackwardCompatibleAligner().fit(new, old)
    assert_allclose(aligner.inverse_transform(aligner.transform(new)), new)


def test_a_map_onto_a_wider_space_leaves_nothing_over(views):
    new, old = views
    aligner = BackwardCompatibleAligner().fit(old, new)
    assert aligner.n_extra_ == 0
    assert aligner.transform(old).shape == new.shape


def test_padded_old_vectors_are_the_old_vectors(views):
    new, old = views
    padded = BackwardCompatibleAligner().fit(new, old).pad(old)
    assert_array_equal(padded[:, :6], old)
    assert_array_equal(padded[:, 6:], np.zeros((400, 4)))


def test_forward_is_the_regression_of_mapped_new_rows_on_old_ones(views):
    new, old = views
    aligner = BackwardCompatibleAligner(ridge=1e-12).fit(new, old)
    expected = LinearRegression().fit(old, aligner.transform(new)).predict(old)
    assert_allclose(aligner.forward(old), expected, atol=1e-6)


def test_weights_are_repetitions(views):
    new, old = views
    weights = np.random.default_rng(1).integers(0, 3, 400)
    weighted = BackwardCompatibleAligner().fit(new, old, sample_weight=weights)
    repeated = BackwardCompatibleAligner().fit(
        np.repeat(new, weights, 0), np.repeat(old, weights, 0)
    )
    assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)
    assert_allclose(weighted.forward_coef_, repeated.forward_coef_, atol=1e-9)


def test_new_queries_find_more_in_a_gallery_of_new_rows_with_the_further_columns():
    generator = np.random.default_rng(2)
    rows = generator.normal(size=(1000, 12))
    queries = rows + 0.7 * generator.normal(size=rows.shape)
    old = rows[:, :4] + 0.1 * generator.normal(size=(1000, 4))
    aligner = BackwardCompatibleAligner().fit(rows[:500], old[:500])
    mapped, gallery = aligner.transform(queries[500:]), aligner.transform(rows[500:])
    comparable = recall_at_k(mapped[:, :4], gallery[:, :4], metric="euclidean")
    extended = recall_at_k(mapped, gallery, metric="euclidean")
    assert extended > comparable + 0.3


def test_any_affine_aligner_may_give_the_first_columns(views):
    new, old = views
    aligner = OrthogonalAligner(lam=np.inf)
    both = BackwardCompatibleAligner(aligner).fit(new, old)
    assert_allclose(both.coef_[:6], aligner.fit(new, old).coef_)


def test_wrong_usage_raises(views):
    new, old = views
    aligner = BackwardCompatibleAligner().fit(new, old)
    with pytest.raises(ValueError, match="give old vectors"):
        aligner.forward(new)
    with pytest.raises(ValueError, match="give old vectors"):
        aligner.pad(new)
    with pytest.raises(ValueError, match="requires y"):
        BackwardCompatibleAligner().fit(new, None)
