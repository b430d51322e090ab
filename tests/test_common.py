# SPDX-License-Identifier: BSD-3-Clause
"""scikit-learn's checks and the package's own contract, for every estimator."""

import functools

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import estimator_checks as sklearn_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from sktransform.augmentation import InvarianceAugmenter
from sktransform.augmentation._search import constants
from sktransform.augmentation.transforms import GaussianNoise, Shift
from sktransform.utils.discovery import all_estimators
from sktransform.utils.estimator_checks import (
    CONTRACT_CHECKS,
    parametrize_with_contract,
)

# Estimator -> check -> why it fails, in words. An entry whose check passes is an error.
_OWN_DRAWS = "each row has a draw of its own, which a weight does not give twice"
_OWN_PRODUCTS = "the linear model inside has other bits in products of other shapes"
_RANDOM_PAIRS = (
    "a row is drawn as often as it weighs, its copies are its own neighbours"
)
EXPECTED_FAILURES: dict[str, dict[str, str]] = {
    "AugmentedClassifier": {"check_rows_are_independent": _OWN_PRODUCTS},
    "AugmentedRegressor": {
        "check_rows_are_independent": _OWN_PRODUCTS,
        "check_sample_weight_equivalence_on_dense_data": _OWN_DRAWS,
    },
    "GaussianWeightedNeighborReducer": {
        "check_sample_weight_equivalence_on_dense_data": _RANDOM_PAIRS,
        "check_sample_weight_equivalence_on_sparse_data": _RANDOM_PAIRS,
    },
}

# Policies are accepted by the losses of few copies.
QUICK = {"n_copies": 1}

# Estimator -> parameters that make it quick on the small tables of the checks.
PARAMETERS: dict[str, dict] = {
    "GaussianWeightedNeighborReducer": {"max_iter": 30},
    "UnpairedAligner": {"n_candidates": 2, "max_iter": 5},
    "AugmentedClassifier": {
        "estimator": LogisticRegression(),
        "augmenter": InvarianceAugmenter([Shift()], **QUICK),
    },
    "AugmentedRegressor": {
        "estimator": Ridge(),
        "augmenter": InvarianceAugmenter([Shift()], **QUICK),
    },
    "ConstrainedAugmenter": {"transformations": [Shift()]},
    "InvarianceAugmenter": {"transformations": [Shift(), GaussianNoise()], **QUICK},
    "LatentAugmenter": {"max_epochs": 2, "n_copies": 1},
    "InvarianceResampler": {"augmenter": InvarianceAugmenter([Shift()], **QUICK)},
}

# Estimator -> further settings that the contract must hold for.
VARIANTS: dict[str, list[dict]] = {
    "GaussianWeightedLinearReducer": [
        {"metric": "geodesic"},
        {"warm_start": True},
        {"solver": "minibatch", "max_iter": 20},
    ],
    "GaussianWeightedNeighborReducer": [
        {"anchored": True, "max_iter": 30},
        {"warm_start": True, "max_iter": 30},
    ],
    "EmbeddingAdapter": [
        {"features": "nystroem"},
        {"metric": "euclidean"},
        {"calibrate": None, "ridge": 0.1},
    ],
    "AugmentedClassifier": [
        {
            "estimator": LogisticRegression(),
            "augmenter": InvarianceAugmenter([GaussianNoise()], learn=False),
            "n_copies": 2,
            "tta": 2,
        }
    ],
    "AugmentedRegressor": [
        {
            "estimator": Ridge(),
            "augmenter": InvarianceAugmenter([Shift()], learn=False),
            "n_copies": 2,
        }
    ],
    "ClassReplay": [{"min_rows": 10, "max_epochs": 2}],
    "GivensAligner": [{"n_sweeps": 3}],
    "PermutationAligner": [{"signed": True}, {"rescale": False}],
    "RelativeEncoder": [
        {"similarities": ["cosine", "euclidean", "l1", "chebyshev"]},
        {"anchors": "farthest", "similarities": "l1"},
        {"similarities": ["cosine", "l1"], "combination": "sum"},
        {"similarities": ["geodesic", "l1"], "combination": "attention"},
    ],
}

# Checks that scikit-learn runs on its own estimators, outside its default set.
FURTHER_CHECKS = (
    sklearn_checks.check_dataframe_column_names_consistency,
    sklearn_checks.check_estimators_partial_fit_n_features,
    sklearn_checks.check_get_feature_names_out_error,
    sklearn_checks.check_global_output_transform_pandas,
    sklearn_checks.check_global_set_output_transform_polars,
    sklearn_checks.check_param_validation,
    sklearn_checks.check_set_output_transform,
    sklearn_checks.check_set_output_transform_pandas,
    sklearn_checks.check_set_output_transform_polars,
    sklearn_checks.check_transformer_get_feature_names_out,
    sklearn_checks.check_transformer_get_feature_names_out_pandas,
)

CONTRACT_NAMES = {check.__name__ for check in CONTRACT_CHECKS}
ESTIMATORS = [cls(**PARAMETERS.get(name, {})) for name, cls in all_estimators()]
VARIED_ESTIMATORS = [
    cls(**variant)
    for name, cls in all_estimators()
    for variant in VARIANTS.get(name, [])
]


@pytest.fixture(autouse=True)
def quick_search(monkeypatch):
    """Let policies be learned by few steps of small networks."""
    monkeypatch.setattr(constants, "TABLE_STEPS", 3)
    monkeypatch.setattr(constants, "MAX_ROUNDS", 2)


# Small tables and short fits are what the checks are made of.
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sktransform.exceptions.DegenerateDataWarning"),
    pytest.mark.filterwarnings(
        "ignore::sktransform.exceptions.UnreliableAlignmentWarning"
    ),
]


def _expected_failures(estimator):
    return EXPECTED_FAILURES.get(type(estimator).__name__, {})


def _expected_in_contract(estimator):
    expected = _expected_failures(estimator)
    return {check: expected[check] for check in CONTRACT_NAMES & set(expected)}


def _further_cases():
    for estimator in ESTIMATORS:
        name = type(estimator).__name__
        for check in FURTHER_CHECKS:
            asks_for_outputs = (
                "output" in check.__name__ or "names_out" in check.__name__
            )
            if asks_for_outputs and not hasattr(estimator, "transform"):
                continue
            reason = _expected_failures(estimator).get(check.__name__)
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            case = functools.partial(check, name, estimator)
            yield pytest.param(case, marks=marks, id=f"{name}-{check.__name__}")


# Expected failures are strict, by `xfail_strict` in pyproject.toml.
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=_expected_failures)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Some of these checks mix arrays and frames on purpose.
@pytest.mark.filterwarnings("ignore:X .* feature names, but:UserWarning")
@pytest.mark.parametrize("check", list(_further_cases()))
def test_further_scikit_learn_checks(check):
    check()


# Groups far apart, of which the tables of the checks consist, fall into parts.
@pytest.mark.filterwarnings("ignore::sktransform.exceptions.DisconnectedGraphWarning")
@parametrize_with_contract(
    ESTIMATORS + VARIED_ESTIMATORS, expected_failed_checks=_expected_in_contract
)
def test_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("table", [EXPECTED_FAILURES, PARAMETERS, VARIANTS])
def test_tables_name_estimators_that_exist(table):
    assert set(table) <= {name for name, _ in all_estimators()}


def test_expected_failures_name_checks_that_exist():
    for name, failures in EXPECTED_FAILURES.items():
        for check, reason in failures.items():
            known = check in CONTRACT_NAMES or hasattr(sklearn_checks, check)
            assert known, f"{name}: {check} is no check"
            assert len(reason.split()) > 2, f"{name}: {check} has no reason in words"
