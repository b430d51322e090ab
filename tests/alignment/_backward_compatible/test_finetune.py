# SPDX-License-Identifier: BSD-3-Clause
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from sktransform.alignment import BackwardCompatibleAligner, OrthogonalAligner
from sktransform.alignment._backward_compatible.finetune import contrastive_loss


def test_contrastive_loss_is_the_cross_entropy_with_the_own_class():
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(2, 6, 4, generator=generator).double()
    classes = torch.tensor([0, 0, 1, 1, 1, 2])
    unit = torch.nn.functional.normalize
    logits = unit(queries, dim=1) @ unit(keys, dim=1).T / 0.5
    losses = [
        -logits[row].log_softmax(0)[classes == classes[row]].mean() for row in range(6)
    ]
    torch.testing.assert_close(
        contrastive_loss(queries, keys, classes, 0.5), torch.stack(losses).mean()
    )


@pytest.fixture(scope="module")
def classes_in_two_spaces():
    """Rows of ten classes, whose old vectors hide the classes in a strong nuisance."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, 600)
    new = 2 * generator.normal(size=(10, 12))[labels]
    new += generator.normal(size=new.shape)
    old = new[:, :8] + 1.5 * generator.normal(size=(600, 8))
    return new, old, labels


def test_finetuned_maps_are_kept_if_held_out_rows_gain(classes_in_two_spaces):
    new, old, labels = classes_in_two_spaces
    aligner = BackwardCompatibleAligner(finetune=True, random_state=0)
    aligner.fit(new, old, labels=labels)
    before, after = aligner.finetune_losses_
    assert aligner.finetuned_
    assert after < before


def test_finetuned_map_keeps_the_bound(classes_in_two_spaces):
    new, old, labels = classes_in_two_spaces
    plain = OrthogonalAligner(lam=0.5).fit(new, old)
    finetuned = BackwardCompatibleAligner(
        OrthogonalAligner(lam=0.5), finetune=True, random_state=0
    ).fit(new, old, labels=labels)
    unit = np.linalg.svd(plain.coef_, compute_uv=False) / plain.singular_values_
    values = np.linalg.svd(finetuned.coef_[:8], compute_uv=False) / unit.mean()
    assert np.sqrt(np.sum((values**2 - 1) ** 2)) <= 0.5 * (1 + 1e-9)


def test_finetuning_that_does_not_help_is_dropped(classes_in_two_spaces):
    new = classes_in_two_spaces[0]
    # Squared errors alone, from their optimum on: training can only lose.
    settings = {"contrastive_weight": 0.0, "ridge": 1e-9, "random_state": 0}
    exact = new @ np.linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    plain = BackwardCompatibleAligner(**settings).fit(new, exact)
    finetuned = BackwardCompatibleAligner(finetune=True, **settings).fit(new, exact)
    assert not finetuned.finetuned_
    assert_array_equal(finetuned.coef_, plain.coef_)
    assert_array_equal(finetuned.forward_coef_, plain.forward_coef_)


def test_one_seed_gives_one_finetuned_pair(classes_in_two_spaces):
    new, old, labels = classes_in_two_spaces
    first, second = (
        BackwardCompatibleAligner(finetune=True, n_epochs=3, random_state=5).fit(
            new, old, labels=labels
        )
        for _ in range(2)
    )
    assert_allclose(first.coef_, second.coef_, rtol=0, atol=0)


def test_too_few_rows_for_finetuning_are_refused():
    with pytest.raises(ValueError, match="too few"):
        BackwardCompatibleAligner(finetune=True).fit(2 * np.eye(2, 3), np.eye(2))


def test_finetuning_of_the_default_stays_a_rotation_in_the_units_of_the_old_space(
    classes_in_two_spaces,
):
    new, old, labels = classes_in_two_spaces
    aligner = BackwardCompatibleAligner(finetune=True, random_state=0)
    aligner.fit(new, 0.01 * old, labels=labels)
    assert aligner.finetuned_
    values = np.linalg.svd(aligner.coef_[:8], compute_uv=False)
    assert_allclose(values, values[0])
