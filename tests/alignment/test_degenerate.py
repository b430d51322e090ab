# SPDX-License-Identifier: BSD-3-Clause
"""Views that do not vary: one rule and one warning for all aligners of pairs."""

import numpy as np
import pytest

from sktransform.alignment import (
    BackwardCompatibleAligner,
    EmbeddingAdapter,
    GaussianWeightedAligner,
    GivensAligner,
    OrthogonalAligner,
    PermutationAligner,
)
from sktransform.exceptions import DegenerateDataWarning

ALIGNERS = [
    OrthogonalAligner(),
    OrthogonalAligner(lam=0, scale=True),
    EmbeddingAdapter(),
    BackwardCompatibleAligner(n_extra=0),
    GaussianWeightedAligner(random_state=0),
    GivensAligner(),
    GivensAligner(unit_scale=False),
]
N_ROWS, WIDTH = 60, 5


def constant_rows(kind):
    generator = np.random.default_rng(1)
    rows = np.zeros((N_ROWS, WIDTH))
    if kind != "zero":
        rows += generator.normal(size=WIDTH)
    if kind == "constant but for rounding":
        rows += 1e-16 * generator.normal(size=rows.shape)
    return rows


def varying_rows():
    return np.random.default_rng(0).normal(size=(N_ROWS, WIDTH))


@pytest.mark.parametrize("kind", ["constant", "zero", "constant but for rounding"])
@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
def test_constant_targets_come_out_constant(aligner, kind):
    X, y = varying_rows(), constant_rows(kind)
    with pytest.warns(DegenerateDataWarning, match="y does not vary"):
        aligner.fit(X, y)
    mean = np.broadcast_to(y.mean(axis=0), X.shape)
    np.testing.assert_allclose(aligner.transform(10 * X), mean, atol=1e-13)


@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
def test_constant_rows_are_mapped_to_the_mean(aligner):
    X, y = constant_rows("constant"), varying_rows()
    with pytest.warns(DegenerateDataWarning, match="X does not vary"):
        aligner.fit(X, y)
    mean = np.broadcast_to(y.mean(axis=0), X.shape)
    np.testing.assert_allclose(aligner.transform(X), mean, atol=1e-13)


@pytest.mark.parametrize(
    "aligner",
    [each for each in ALIGNERS if hasattr(each, "inverse_transform")],
    ids=repr,
)
def test_inverse_of_a_constant_map_is_finite(aligner):
    X, y = varying_rows(), constant_rows("constant")
    with pytest.warns(DegenerateDataWarning, match="y does not vary"):
        aligner.fit(X, y)
    mean = np.broadcast_to(X.mean(axis=0), X.shape)
    np.testing.assert_allclose(aligner.inverse_transform(y), mean, atol=1e-13)


@pytest.mark.parametrize("signed", [False, True])
def test_units_stay_in_order_where_nothing_tells_them_apart(signed):
    X, y = varying_rows(), constant_rows("constant")
    with pytest.warns(DegenerateDataWarning, match="units stay in their order"):
        aligner = PermutationAligner(signed=signed).fit(X, y)
    np.testing.assert_array_equal(aligner.permutation_, np.arange(WIDTH))
    np.testing.assert_allclose(aligner.inverse_transform(aligner.transform(X)), X)


@pytest.mark.parametrize("aligner", [OrthogonalAligner(lam=np.inf), EmbeddingAdapter()])
def test_targets_along_one_line_come_out_along_it(aligner):
    X = varying_rows()
    direction = np.random.default_rng(2).normal(size=WIDTH)
    y = np.outer(X @ np.arange(1.0, WIDTH + 1), direction) + 3.0
    found = aligner.fit(X, y).transform(X)
    across = found - found.mean(axis=0)
    across -= np.outer(across @ direction, direction) / (direction @ direction)
    assert np.abs(across).max() <= 1e-9 * np.abs(y).max()
