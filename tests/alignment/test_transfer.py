# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import ortho_group
from sklearn.exceptions import NotFittedError

from sktransform.alignment import (
    EmbeddingAdapter,
    GaussianWeightedAligner,
    GivensAligner,
    OrthogonalAligner,
    PermutationAligner,
    transfer_bilinear,
    transfer_operator,
)


@pytest.mark.parametrize(("n_features", "n_outputs"), [(4, 4), (4, 6)])
def test_operators_do_the_same_in_both_spaces(normal, n_features, n_outputs):
    coef, operator = normal(n_outputs, n_features), normal(n_features, n_features)
    x = normal(5, n_features)
    carried = transfer_operator(coef, operator)
    assert carried.shape == (n_outputs, n_outputs)
    assert_allclose(x @ operator @ coef.T, x @ coef.T @ carried)


@pytest.mark.parametrize(("n_features", "n_outputs"), [(4, 4), (4, 6)])
def test_forms_give_the_same_numbers_in_both_spaces(normal, n_features, n_outputs):
    coef, form = normal(n_outputs, n_features), normal(n_features, n_features)
    x, z = normal(5, n_features), normal(3, n_features)
    carried = transfer_bilinear(coef, form)
    assert_allclose(x @ form @ z.T, (x @ coef.T) @ carried @ (z @ coef.T).T)


def test_into_a_narrower_space_an_operator_is_least_squares(normal):
    coef, operator = normal(3, 5), normal(5, 5)
    expected = np.linalg.lstsq(coef.T, operator @ coef.T, rcond=None)[0]
    assert_allclose(transfer_operator(coef, operator), expected)


def test_of_a_rotation_operators_and_forms_are_the_same(normal):
    rotation, operator = ortho_group(4, seed=0).rvs(), normal(4, 4)
    expected = rotation.T @ operator @ rotation
    assert_allclose(transfer_operator(rotation.T, operator), expected)
    assert_allclose(transfer_bilinear(rotation.T, operator), expected)


def test_operators_one_after_the_other_stay_so(normal):
    coef, first, second = normal(6, 4), normal(4, 4), normal(4, 4)
    both = transfer_operator(coef, first) @ transfer_operator(coef, second)
    assert_allclose(transfer_operator(coef, first @ second), both, atol=1e-12)


@pytest.mark.parametrize(
    "aligner", [GivensAligner(2), OrthogonalAligner(lam=0), PermutationAligner()]
)
def test_aligners_carry_what_steers_deviations(normal, aligner):
    X, operator = normal(50, 4), normal(4, 4)
    aligner.fit(X, normal(50, 6))
    mean = X.mean(0)
    steered = aligner.transform(mean + (X - mean) @ operator)
    centre = aligner.transform(mean[None])
    carried = transfer_operator(aligner, operator)
    assert_allclose(steered, centre + (aligner.transform(X) - centre) @ carried)


@pytest.mark.parametrize("transfer", [transfer_operator, transfer_bilinear])
def test_wrong_usage_raises(normal, transfer):
    with pytest.raises(ValueError, match=r"has shape \(3, 3\), but the aligner's map"):
        transfer(normal(3, 5), normal(3, 3))
    with pytest.raises(ValueError, match=r"takes one of shape \(5, 5\)"):
        transfer(normal(3, 5), normal(5, 4))
    with pytest.raises(NotFittedError):
        transfer(GivensAligner(), np.eye(3))
    rows = normal(30, 3)
    views = rows, rows @ normal(3, 3)
    for bent in (GaussianWeightedAligner(), EmbeddingAdapter(features="nystroem")):
        with pytest.raises(ValueError, match="its map is not affine"):
            transfer(bent.fit(*views), np.eye(3))
