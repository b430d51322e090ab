# SPDX-License-Identifier: BSD-3-Clause
"""Facts about what a fitted map tells about itself."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import special_ortho_group
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import NearestNeighbors

from sktransform.reduction import GaussianWeightedLinearReducer


def _reducer(**parameters):
    return GaussianWeightedLinearReducer(**{"random_state": 0, **parameters})


def _set_map(reducer, **state):
    """Replace parts of the fitted map: facts need maps that are known."""
    reducer.map_ = {**reducer.map_, **state}
    return reducer


@pytest.fixture(scope="module")
def plane():
    """Return planar rows in four dimensions, turned there."""
    flat = np.random.default_rng(0).uniform(size=(400, 2)) * [3, 1]
    rotation = special_ortho_group.rvs(4, random_state=0)
    return np.column_stack([flat, np.zeros((400, 2))]) @ rotation + 2


@pytest.fixture(scope="module")
def plane_reducer(plane):
    return _reducer(n_gaussians=1, ridge=0.0).fit(plane)


# Tangent directions


def test_tangent_directions_are_those_of_the_nearest_rows(reducer, blobs):
    tangent = reducer.tangent_directions(blobs)
    assert tangent.shape == (180, 5, 2)
    nearest = NearestNeighbors(n_neighbors=12).fit(blobs).kneighbors(blobs)[1]
    for row in (0, 77, 179):
        neighbors = blobs[nearest[row]]
        right = np.linalg.svd(neighbors - neighbors.mean(axis=0))[2][:2]
        cosines = (tangent[row].T * right).sum(axis=1)
        np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-10)
    peaks = np.take_along_axis(tangent, np.abs(tangent).argmax(axis=1)[:, None], 1)
    assert (peaks > 0).all()


def test_tangent_directions_of_a_plane_span_it(plane_reducer, plane):
    tangent = plane_reducer.tangent_directions(plane)
    projections = tangent @ tangent.transpose(0, 2, 1)
    centered = plane - plane.mean(axis=0)
    axes = np.linalg.svd(centered)[2][:2]
    np.testing.assert_allclose(projections, [axes.T @ axes] * 400, atol=1e-8)


def test_tangent_directions_ignore_repeated_rows(reducer, blobs):
    repeated = blobs.repeat(20, axis=0)
    np.testing.assert_allclose(
        reducer.tangent_directions(repeated)[::20],
        reducer.tangent_directions(blobs),
        atol=1e-9,
    )


def test_with_reference_rows_a_row_does_not_depend_on_its_batch(reducer, blobs):
    new = blobs[:70] + 0.1
    for method in (
        reducer.tangent_directions,
        lambda X, reference: reducer.influence(X, tangent=True, reference=reference),
        lambda X, reference: reducer.expansion(X, reference=reference).log_area,
        lambda X, reference: reducer.expansion(X, reference=reference).ellipses,
        reducer.distortion,
    ):
        together = method(new, reference=blobs)
        alone = np.concatenate([method(row[None], reference=blobs) for row in new])
        np.testing.assert_array_equal(alone, together)


# Expansion


def test_images_of_the_tangent_agree_with_finite_differences(reducer, blobs):
    X, step = blobs[::20], 1e-5
    tangent = reducer.tangent_directions(X, reference=blobs)
    images = np.stack(
        [
            (reducer.transform(X + step * t) - reducer.transform(X - step * t))
            / (2 * step)
            for t in tangent.transpose(2, 0, 1)
        ],
        axis=2,
    )
    found = reducer.expansion(X, reference=blobs)
    np.testing.assert_allclose(
        found.ellipses, images @ images.transpose(0, 2, 1), atol=1e-6
    )
    singular_values = np.linalg.svd(images, compute_uv=False)
    np.testing.assert_allclose(found.singular_values, singular_values, atol=1e-6)
    np.testing.assert_allclose(
        found.log_area, np.log(singular_values).sum(axis=1), atol=1e-5
    )


def test_an_isometry_has_no_expansion_and_no_distortion(plane_reducer, plane):
    found = plane_reducer.expansion(plane)
    np.testing.assert_allclose(found.singular_values, 1, atol=1e-6)
    np.testing.assert_allclose(found.log_area, 0, atol=1e-6)
    np.testing.assert_allclose(found.anisotropy, 1, atol=1e-6)
    np.testing.assert_allclose(found.expansion, 1, atol=1e-6)
    # The Frobenius norm itself is the square root of two.
    np.testing.assert_allclose(found.frobenius, 1, atol=1e-6)
    np.testing.assert_allclose(found.ellipses, [np.eye(2)] * 400, atol=1e-6)
    np.testing.assert_allclose(plane_reducer.distortion(plane), 0, atol=1e-6)


def test_a_gently_curved_sheet_is_mapped_almost_isometrically():
    generator = np.random.default_rng(0)
    angle, height = generator.uniform(-0.5, 0.5, 800), generator.uniform(0, 1, 800)
    X = np.column_stack([np.sin(angle), height, np.cos(angle)])
    found = _reducer(n_gaussians=12).fit(X).expansion(X)
    assert abs(np.median(found.expansion) - 1) < 0.02
    assert np.median(found.anisotropy) < 1.05


def test_a_known_stretch_is_read_from_the_pushed_forward_ellipse(plane):
    stretched = _reducer(n_gaussians=1, ridge=0.0).fit(plane)
    stretch = np.array([[3.0], [0.5]])
    _set_map(stretched, components=stretched.map_["components"] * stretch)
    found = stretched.expansion(plane)
    np.testing.assert_allclose(found.singular_values, [[3.0, 0.5]] * 400, rtol=1e-5)
    np.testing.assert_allclose(found.expansion, np.sqrt(1.5), rtol=1e-5)
    np.testing.assert_allclose(found.anisotropy, 6, rtol=1e-5)
    np.testing.assert_allclose(found.frobenius, np.sqrt(9.25 / 2), rtol=1e-5)
    # Push-forward: one matrix of the embedding, of the size of the embedding.
    np.testing.assert_allclose(found.ellipses, [np.diag([9, 0.25])] * 400, atol=1e-4)
    # Pull-back: one of the features, with the same eigenvalues and zeros.
    jacobian = stretched.jacobian(plane[:1])[0]
    pull_back = np.linalg.eigvalsh(jacobian.T @ jacobian)
    assert pull_back.shape == (4,)
    np.testing.assert_allclose(pull_back, [0, 0, 0.25, 9], atol=1e-4)


def test_neighbours_on_a_line_leave_the_expansion_undefined():
    line = np.linspace(0, 1, 40)[:, None] * [1.0, 2.0, 3.0]
    far = line[-1] + np.random.default_rng(0).normal(size=(60, 3)) + 50
    reducer = _reducer(n_gaussians=3).fit(np.concatenate([line, far]))
    found = reducer.expansion(line)
    assert np.isnan(found.log_area).all()
    assert np.isnan(found.singular_values).all()
    assert np.isfinite(found.ellipses).all()
    assert np.isfinite(reducer.expansion(far).log_area).all()


def test_more_components_than_tangent_directions(blobs):
    reducer = _reducer(n_components=4).fit(blobs)
    found = reducer.expansion(blobs, n_neighbors=3)
    assert found.singular_values.shape == (180, 2)
    assert found.ellipses.shape == (180, 4, 4)


# Features


def test_influence_of_one_chart_in_closed_form(blobs):
    reducer = _reducer(n_gaussians=1).fit(blobs)
    expected = np.abs(reducer.components_[0]).sum(axis=0)
    found = reducer.influence(blobs, scaled=False)
    np.testing.assert_allclose(found, [expected] * 180, atol=1e-12)
    norms = np.linalg.norm(reducer.components_[0], axis=0) * blobs.std(axis=0)
    np.testing.assert_allclose(
        reducer.suppression(blobs), [1 - norms / norms.max()] * 180, atol=1e-9
    )


def test_influence_along_the_tangent_is_the_projected_jacobian(reducer, blobs):
    tangent = reducer.tangent_directions(blobs)
    projected = reducer.jacobian(blobs) @ tangent @ tangent.transpose(0, 2, 1)
    np.testing.assert_allclose(
        reducer.influence(blobs, tangent=True, scaled=False),
        np.abs(projected).sum(axis=1),
        atol=1e-12,
    )


def test_a_feature_that_the_map_ignores_is_suppressed_and_null():
    X = np.random.default_rng(0).normal(size=(300, 3))
    reducer = _reducer(n_gaussians=1).fit(X)
    components = np.array([[[1.0, 0, 0], [0, 0, 1.0]]])
    _set_map(reducer, components=components)
    np.testing.assert_array_equal(reducer.suppression(X)[:, 1], 1)
    for found in (reducer.null_directions(X), reducer.null_directions(X, local=True)):
        directions = found.directions.reshape(-1, 3)
        np.testing.assert_allclose(directions, [[0, 1, 0]] * len(directions), atol=1e-7)
        np.testing.assert_allclose(found.magnitudes, 0, atol=1e-7)


def test_what_pca_does_not_show_are_its_next_axes(blobs):
    reducer = _reducer(ridge=1e12, n_gaussians=1).fit(blobs)
    found = reducer.null_directions(blobs, 2)
    axes = np.linalg.svd(blobs - blobs.mean(axis=0))[2][2:4]
    # Both are lost entirely, so the order within their plane is free.
    np.testing.assert_allclose(
        found.directions.T @ found.directions, axes.T @ axes, atol=1e-6
    )
    np.testing.assert_allclose(found.magnitudes, 0, atol=1e-6)


def test_global_null_direction_is_the_least_moved_in_the_mean(reducer, blobs):
    found = reducer.null_directions(blobs, 3)
    jacobian = reducer.jacobian(blobs)
    metric = np.einsum("nqd,nqe->de", jacobian, jacobian) / len(blobs)
    # Three and two components fill all five features.
    np.testing.assert_allclose(
        found.magnitudes**2, np.linalg.eigvalsh(metric)[:3], rtol=1e-8
    )
    for direction, magnitude in zip(found.directions, found.magnitudes, strict=True):
        np.testing.assert_allclose(metric @ direction, magnitude**2 * direction)


def test_local_null_directions_are_not_moved(reducer, blobs):
    found = reducer.null_directions(blobs, 2, local=True)
    assert found.directions.shape == (180, 2, 5)
    moved = np.einsum("nqd,nkd->nkq", reducer.jacobian(blobs), found.directions)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=2), 0, atol=1e-6)
    np.testing.assert_allclose(found.magnitudes, 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=2), 1)


# Distortion


def test_distortion_is_the_stress_of_a_row(reducer, blobs):
    targets, embedded = cdist(blobs, blobs), cdist(*[reducer.embedding_] * 2)
    squared = ((targets - embedded) ** 2).sum(axis=1) / (targets**2).sum(axis=1)
    np.testing.assert_allclose(reducer.distortion(blobs), np.sqrt(squared))
    # Weighted by the rows' own distances, its mean square is the squared stress.
    power = (targets**2).sum(axis=1)
    assert np.sqrt(power @ squared / power.sum()) == pytest.approx(
        reducer.stress_, rel=1e-7
    )


def test_sampled_partners_are_fixed_and_near_all_of_them(reducer, blobs):
    sampled = reducer.distortion(blobs, n_partners=120)
    np.testing.assert_array_equal(sampled, reducer.distortion(blobs, n_partners=120))
    assert np.abs(sampled - reducer.distortion(blobs, n_partners=None)).max() < 0.1


def test_equal_rows_have_no_distortion(reducer, blobs):
    np.testing.assert_array_equal(reducer.distortion(blobs[[0, 0, 0]]), 0)


# Published quantities


def test_published_quantities_of_one_chart_in_closed_form(blobs):
    reducer = _reducer(n_gaussians=1).fit(blobs)
    found = reducer.published_quantities(blobs)
    magnitudes = np.abs(reducer.components_[0]).sum(axis=0)
    shares = magnitudes / magnitudes.sum()
    np.testing.assert_allclose(found.global_influence, shares)
    np.testing.assert_allclose(found.local_influence, [shares] * 180)
    np.testing.assert_allclose(found.skewness, shares.var())
    norm = np.linalg.norm(reducer.components_[0])
    np.testing.assert_allclose(found.frobenius_norm, norm)


def test_published_quantities_of_many_charts(reducer, blobs):
    found = reducer.published_quantities(blobs)
    squared = ((blobs[:, None] - reducer.centers_) ** 2).sum(axis=2)
    weights = np.exp(-squared / reducer.widths_)
    weights /= weights.sum(axis=1, keepdims=True)
    blended = np.einsum("nm,mqd->nqd", weights, reducer.components_)
    magnitudes = np.abs(blended).sum(axis=1)
    shares = magnitudes / magnitudes.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.local_influence, shares, atol=1e-10)
    np.testing.assert_allclose(
        found.frobenius_norm, np.linalg.norm(blended, axis=(1, 2))
    )
    assert found.global_influence.sum() == pytest.approx(1)
    assert (found.skewness >= 0).all()


def test_skewness_is_largest_when_one_feature_does_everything():
    X = np.random.default_rng(0).normal(size=(50, 4))
    reducer = _reducer(n_gaussians=1).fit(X)
    for components, expected in (
        ([[1.0, 0, 0, 0], [-2.0, 0, 0, 0]], 3 / 16),  # (d - 1) / d^2
        ([[1.0, 1, 1, 1], [2.0, 2, 2, 2]], 0),
    ):
        _set_map(reducer, components=np.array([components]))
        skewness = reducer.published_quantities(X).skewness
        np.testing.assert_allclose(skewness, expected, atol=1e-15)


# Containers and mistakes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_give_tensors_of_their_precision(reducer, blobs, dtype):
    X = torch.from_numpy(blobs).to(dtype)
    results = {
        "tangent": (reducer.tangent_directions(X), reducer.tangent_directions(blobs)),
        "suppression": (reducer.suppression(X), reducer.suppression(blobs)),
        "distortion": (reducer.distortion(X), reducer.distortion(blobs)),
    }
    for method in ("expansion", "published_quantities", "null_directions"):
        found, expected = getattr(reducer, method)(X), getattr(reducer, method)(blobs)
        assert set(found) == set(expected)
        results |= {name: (found[name], expected[name]) for name in found}
    for name, (found, expected) in results.items():
        assert isinstance(expected, np.ndarray), name
        assert found.dtype == dtype, name
        np.testing.assert_allclose(found, expected, atol=2e-3, err_msg=name)


def test_projected_data_are_explained_in_their_features():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(150, 4)) @ generator.normal(size=(4, 130)) + 7
    reducer = _reducer().fit(X)
    assert reducer.tangent_directions(X).shape == (150, 130, 2)
    assert reducer.suppression(X).shape == (150, 130)
    assert reducer.null_directions(X).directions.shape == (1, 130)
    found = reducer.published_quantities(X)
    assert found.local_influence.shape == (150, 130)
    assert found.global_influence.sum() == pytest.approx(1)


def test_mistakes_get_one_clear_sentence(reducer, blobs):
    for count in (0, -3):
        with pytest.raises(ValueError, match=f"n_partners == {count}, must be >= 1"):
            reducer.distortion(blobs, n_partners=count)
    for method, name in (
        (reducer.expansion, "n_neighbors"),
        (reducer.null_directions, "n_directions"),
    ):
        with pytest.raises(TypeError, match=f"{name} must be an instance of int"):
            method(blobs, **{name: 2.5})
    with pytest.raises(ValueError, match="number of distinct reference rows, got 12"):
        reducer.expansion(blobs[:5])
    with pytest.raises(
        ValueError, match="needs 6 directions of the data, but there are"
    ):
        reducer.null_directions(blobs, 4)
    with pytest.raises(
        ValueError, match="needs 5 directions of the data, but there are"
    ):
        reducer.null_directions(blobs, 3, local=True, n_neighbors=5)
    with pytest.raises(ValueError, match="3 features, but GaussianWeighted"):
        reducer.distortion(blobs, reference=blobs[:, :3])
    with pytest.raises(NotFittedError):
        _reducer().expansion(blobs)
