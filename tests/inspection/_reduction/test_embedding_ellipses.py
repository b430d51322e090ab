# SPDX-License-Identifier: BSD-3-Clause
"""Facts about the ellipses of expansion in the picture of an embedding."""

import numpy as np
import pytest

from sktransform.inspection import EmbeddingDisplay
from sktransform.reduction import GaussianWeightedLinearReducer


@pytest.fixture(scope="module")
def reducer(wine_rows):
    return GaussianWeightedLinearReducer(n_components=2, random_state=0).fit(wine_rows)


def test_ellipses_are_those_of_the_expansion(reducer, wine_rows):
    display = EmbeddingDisplay.from_estimator(reducer, wine_rows, n_ellipses=8)
    local, rows = reducer.expansion(wine_rows), display.ellipses_rows_
    assert len(rows) == 8
    np.testing.assert_array_equal(display.ellipses, local.ellipses)
    np.testing.assert_array_equal(display.ellipses_.get_array(), local.expansion[rows])
    np.testing.assert_array_equal(
        display.ellipses_.get_offsets(), reducer.embedding_[rows]
    )
    # One factor enlarges all half axes.
    factors = [
        display.ellipses_.get_widths() / local.singular_values[rows, 0],
        display.ellipses_.get_heights() / local.singular_values[rows, 1],
    ]
    np.testing.assert_allclose(factors, factors[0][0], rtol=1e-6)
    turned = np.radians(display.ellipses_.get_angles())
    long = np.column_stack([np.cos(turned), np.sin(turned)])
    spread = np.einsum("ni,nij,nj->n", long, local.ellipses[rows], long)
    np.testing.assert_allclose(spread, local.singular_values[rows, 0] ** 2)


def test_scale_is_centred_at_one(reducer, wine_rows):
    display = EmbeddingDisplay.from_estimator(reducer, wine_rows, n_ellipses=8)
    low, high = display.ellipses_.get_clim()
    assert low * high == pytest.approx(1)
    assert display.ellipses_colorbar_.ax.get_ylabel() == "expansion"
    display.plot()
    assert display.ellipses_ is None


def test_rows_of_unknown_expansion_have_no_ellipse():
    embedding = np.random.default_rng(0).normal(size=(20, 3))
    ellipses = np.broadcast_to(np.diag([4.0, 1.0, 9.0]), (20, 3, 3))
    expansion = np.where(np.arange(20) < 5, 1.5, np.nan)
    display = EmbeddingDisplay.from_embedding(
        embedding, ellipses=ellipses, expansion=expansion, n_ellipses=9
    )
    assert set(display.ellipses_rows_) == {0, 1, 2, 3, 4}
    # Of three components the picture shows the shadow on two.
    display.plot(components=(2, 1), n_ellipses=3)
    ratios = display.ellipses_.get_widths() / display.ellipses_.get_heights()
    np.testing.assert_allclose(ratios, 3)
    with pytest.raises(ValueError, match="not positive and finite at any row"):
        EmbeddingDisplay.from_embedding(
            embedding, ellipses=ellipses, expansion=expansion * np.nan, n_ellipses=2
        )


def test_ellipses_without_numbers_are_refused():
    with pytest.raises(ValueError, match="Ellipses need the expansion"):
        EmbeddingDisplay.from_embedding(np.zeros((4, 2)), n_ellipses=2)
