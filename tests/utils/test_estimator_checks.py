# SPDX-License-Identifier: BSD-3-Clause
"""The contract accepts a sound transformer, and each of its checks can fail."""

import sys
from numbers import Integral

import numpy as np
import pytest
import sklearn
import torch
from packaging.version import Version
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.validation import check_is_fitted

from sktransform.base import TorchTransformer
from sktransform.runtime import FitProgress
from sktransform.utils._sklearn import Interval, check_sample_weight, fit_context
from sktransform.utils.estimator_checks import (
    CONTRACT_CHECKS,
    check_transformer,
    parametrize_with_contract,
)


class Projector(ClassNamePrefixFeaturesOutMixin, TorchTransformer):
    """Principal components, as sound as the contract asks."""

    _parameter_constraints: dict = {
        **TorchTransformer._parameter_constraints,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }
    _inverse_contract = "least_squares"

    def __init__(self, n_components=2, *, device="auto", random_state=None):
        self.n_components = n_components
        self.device = device
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        with FitProgress(self, max_iter=0):
            self._learn(self._validate_rows(X, reset=True), sample_weight)
        return self

    def _learn(self, rows, sample_weight):
        runtime = self._runtime(rows)
        X = runtime.tensor(rows)
        weight = torch.ones(len(X), device=X.device, dtype=X.dtype)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X.cpu().numpy())
            weight = runtime.tensor(sample_weight)
        mean = weight @ X / weight.sum()
        _, _, axes = torch.linalg.svd(weight.sqrt()[:, None] * (X - mean))
        axes = axes[: self.n_components]
        largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
        self.mean_, self.axes_ = runtime.arrays(mean, axes * largest.sign())

    @property
    def _n_features_out(self):
        return len(self.axes_)

    def transform(self, X):
        check_is_fitted(self)
        return self._map(_encode, self._validate_rows(X, reset=False))

    def inverse_transform(self, X):
        check_is_fitted(self)
        # Rows of codes have a width of their own.
        codes = Projector()
        codes.n_features_in_ = self._n_features_out
        return self._map(_decode, codes._validate_rows(X, reset=False))

    def _map(self, function, rows):
        runtime = self._runtime(rows)
        mean, axes = runtime.tensors(self.mean_, self.axes_, dtype=runtime.dtype)
        return runtime.map(lambda block: function(block, mean, axes), rows)


def _encode(X, mean, axes):
    return _product(X - mean, axes.T)


def _decode(Z, mean, axes):
    return _product(Z, axes) + mean


def _product(rows, matrix):
    # The bits of an optimised product depend on the row's index in its block.
    return (rows[:, :, None] * matrix).sum(1)


class Supervised(Projector):
    """Requires a target, which the checks must then provide."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        if y is None:
            raise ValueError("Supervised requires y to be passed, but it is None.")
        with FitProgress(self, max_iter=0):
            self._learn(self._validate_rows(X, reset=True), sample_weight)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class OneToOne(Projector):
    """Keeps every dimension, so that its inverse is exact."""

    _inverse_contract = "exact"

    def __init__(self, n_components=6, *, device="auto", random_state=None):
        super().__init__(n_components, device=device, random_state=random_state)


# What a good citizen of scikit-learn alone does not keep.
PCA_FAILURES = {
    "check_rows_are_independent": "products of other shapes have other bits",
    "check_inverse_transform": "declares no contract",
    "check_containers": "float32 frames of polars and pyarrow become float64",
    "check_tensors": "returns arrays for tensors",
    "check_failed_fit_keeps_names": "sets the names before it looks at the rows",
    "check_precision": "fitted in float64, it returns float64 for float32 rows",
}


if Version(sklearn.__version__) < Version("1.8"):
    PCA_FAILURES["check_nan_and_infinity"] = "inverse_transform takes infinity"

# scikit-learn has them from 1.9 on.
without_callbacks = pytest.mark.filterwarnings(
    "ignore:check_interrupted_fit. the estimator takes no callbacks"
)


def _expected_failures(estimator):
    return PCA_FAILURES if isinstance(estimator, PCA) else {}


@parametrize_with_contract(
    [Projector(), Supervised(), OneToOne(), PCA(2)],
    expected_failed_checks=_expected_failures,
)
def test_sound_transformers_pass(estimator, check):
    check(estimator)


def learning(after):
    """Return a violator that goes on after it has learned."""

    class Violator(Projector):
        def _learn(self, rows, sample_weight):
            super()._learn(rows, sample_weight)
            after(self, rows, sample_weight)

    return Violator()


def mapping(transform=lambda Z, X: Z, inverse=lambda X, Z: X, contract="least_squares"):
    """Return a violator that maps rows or codes differently."""

    class Violator(Projector):
        _inverse_contract = contract

        def transform(self, X):
            return transform(super().transform(X), X)

        def inverse_transform(self, X):
            return inverse(super().inverse_transform(X), X)

    return Violator()


def failing(is_small):
    """Return a violator that fails, without a word why, on some shapes."""

    def after(self, rows, sample_weight):
        if is_small(*rows.shape):
            raise ValueError("matrix is singular")

    return learning(after)


class Acting(Projector):
    """Its constructor works out what `set_params` then cannot change."""

    def __init__(self, n_components=2, *, device="auto", random_state=None):
        super().__init__(n_components, device=device, random_state=random_state)
        self._scale = n_components

    def transform(self, X):
        return super().transform(X) * self._scale


class Batched(Projector):
    """Maps a row by the size of its batch."""

    def __init__(self, batch_size=10):
        super().__init__()
        self.batch_size = batch_size

    def transform(self, X):
        return super().transform(X) * (1 + self.batch_size / 1e6)


class Parallel(Projector):
    """Learns something else with more workers."""

    def __init__(self, n_jobs=1):
        super().__init__()
        self.n_jobs = n_jobs

    def _learn(self, rows, sample_weight):
        super()._learn(rows, sample_weight)
        self.mean_ = self.mean_ + self.n_jobs / 1e6


class Forgetful(Projector):
    """Leaves half of what it learned out of its pickle."""

    def __getstate__(self):
        return {**super().__getstate__(), "mean_": np.zeros(len(self.mean_))}


class Overwriting(Projector):
    """Writes into the arrays of the fit before."""

    def _learn(self, rows, sample_weight):
        old = getattr(self, "mean_", None)
        super()._learn(rows, sample_weight)
        if old is not None:
            old[:] = self.mean_


class Holder:
    """An object that no file format knows."""


class Holding(Projector):
    """Keeps an object beside its arrays."""

    def _learn(self, rows, sample_weight):
        super()._learn(rows, sample_weight)
        self.holder_ = Holder()


class Framed(Projector):
    """Reads the columns of frames in another order."""

    def _validate_rows(self, X, *, reset, min_samples=1):
        rows = super()._validate_rows(X, reset=reset, min_samples=min_samples)
        return rows[:, ::-1] ** 3 if hasattr(X, "columns") else rows


class Lenient(Projector):
    """Takes NaN and infinity for zero."""

    def _validate_rows(self, X, *, reset, min_samples=1):
        X = np.nan_to_num(X, posinf=0, neginf=0)
        return super()._validate_rows(X, reset=reset, min_samples=min_samples)


class HalfNew(Projector):
    """Forgets as soon as a fit begins, and does not find back."""

    def fit(self, X, y=None, sample_weight=None):
        vars(self).pop("mean_", None)
        return super().fit(X, y, sample_weight)


class Renamed(Projector):
    """Takes the names before it looks at the rows."""

    def fit(self, X, y=None, sample_weight=None):
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return super().fit(X, y, sample_weight)


class Deaf(Projector):
    """Takes callbacks and never calls them."""

    def set_callbacks(self, *callbacks):
        return self


class Unnamed(Projector):
    """Answers with arrays whatever output was asked for."""

    def set_output(self, *, transform=None):
        return self


def _draw(self, rows, weight):
    np.random.normal()  # noqa: NPY002


def _shift(self, rows, weight):
    self.mean_ = self.mean_ + np.random.default_rng().normal()


def _coarsen(self, rows, weight):
    if rows.dtype == np.float32:
        self.mean_ = self.mean_.round(1)


def _keep_tensor(self, rows, weight):
    self._cache = {"mean": [torch.from_numpy(self.mean_)]}


def _standardise(self, rows, weight):
    with np.errstate(all="ignore"):
        self.mean_ = self.mean_ / (rows.std(axis=0) > 0)


def _misread(self, rows, weight):
    if not rows.flags["C_CONTIGUOUS"]:
        self.mean_ = self.mean_ + 1


def _scale_weights(self, rows, weight):
    if weight is not None:
        weight /= weight.sum()


def _overwrite(result, given):
    given[0] += 1
    return result


VIOLATIONS = [
    ("check_set_params_has_effect", "set after a fit", Acting()),
    ("check_seed_and_global_state", "global generator", learning(_draw)),
    (
        "check_seed_and_global_state",
        "global generator",
        learning(lambda *_: torch.manual_seed(3)),
    ),
    ("check_seed_and_global_state", "two fits", learning(_shift)),
    ("check_rows_are_independent", "row alone", mapping(lambda Z, X: Z - Z.mean(0))),
    (
        "check_rows_are_independent",
        "row alone",
        mapping(inverse=lambda X, Z: X + Z.sum()),
    ),
    ("check_batch_size_and_n_jobs", "batch_size=7", Batched()),
    ("check_batch_size_and_n_jobs", "n_jobs=2", Parallel()),
    ("check_precision", "gives float64", mapping(lambda Z, X: Z.astype("f8"))),
    ("check_precision", "values differ", learning(_coarsen)),
    ("check_pickle", "after pickle", Forgetful()),
    ("check_joblib_memory_map", "read-only", Overwriting()),
    ("check_skops", "the file holds", Holding()),
    ("check_state_is_numpy", "holder_", Holding()),
    ("check_state_is_numpy", "_cache", learning(_keep_tensor)),
    ("check_constant_column", "NaN or infinity", learning(_standardise)),
    (
        "check_duplicate_rows",
        "copies of rows",
        mapping(lambda Z, X: Z + 1e-9 * np.arange(len(Z))[:, None]),
    ),
    ("check_one_sample", "unclear", failing(lambda n, p: n == 1)),
    ("check_one_feature", "unclear", failing(lambda n, p: p == 1)),
    ("check_fewer_samples_than_features", "singular", failing(lambda n, p: n < p)),
    ("check_read_only_memory_map", "read-only", mapping(_overwrite)),
    ("check_fortran_order", "this layout", learning(_misread)),
    ("check_negative_strides", "this layout", learning(_misread)),
    ("check_inverse_transform", "is None", mapping(contract=None)),
    ("check_inverse_transform", "not exact", mapping(contract="exact")),
    (
        "check_inverse_transform",
        "rows: no better",
        mapping(inverse=lambda X, Z: -3 * X),
    ),
    (
        "check_inverse_transform",
        "float64 rows",
        mapping(inverse=lambda X, Z: X.astype("f8")),
    ),
    (
        "check_inverse_transform",
        "has shape",
        mapping(inverse=lambda X, Z: X[:, 1:]),
    ),
    ("check_containers", "pandas, float64: values differ", Framed()),
    ("check_set_output", "ndarray.* came out", Unnamed()),
    ("check_tensors", "ndarray.* came out", mapping(lambda Z, X: np.asarray(Z))),
    (
        "check_tensors",
        "float32 came out",
        mapping(lambda Z, X: Z.float() if isinstance(Z, torch.Tensor) else Z),
    ),
    ("check_nan_and_infinity", "no ValueError", Lenient()),
    ("check_nan_and_infinity", "has changed", HalfNew()),
    ("check_failed_fit", "has changed", HalfNew()),
    ("check_failed_fit_keeps_names", "has changed", Renamed()),
    ("check_interrupted_fit", "has changed", HalfNew()),
    ("check_interrupted_fit", "never called", Deaf()),
    ("check_input_is_untouched", "input of transform", mapping(_overwrite)),
    (
        "check_input_is_untouched",
        "input of inverse_transform",
        mapping(inverse=_overwrite),
    ),
    ("check_input_is_untouched", "sample_weight", learning(_scale_weights)),
]
CHECKS = {check.__name__: check for check in CONTRACT_CHECKS}


@pytest.mark.parametrize(("check", "message", "violator"), VIOLATIONS)
@pytest.mark.filterwarnings("ignore:X has feature names")  # Framed mistreats frames
def test_every_check_catches_a_violator(check, message, violator):
    with pytest.raises((AssertionError, ValueError), match=message):
        CHECKS[check]("Violator", violator)


def test_every_check_has_a_violator():
    assert {check for check, _, _ in VIOLATIONS} == set(CHECKS)


def test_a_failure_names_the_check_and_the_estimator():
    with pytest.raises(
        AssertionError, match="Violator fails check_rows_are_independent"
    ):
        check_transformer(mapping(lambda Z, X: Z - Z.mean(0)))


@without_callbacks
def test_a_check_that_cannot_run_is_skipped_with_a_reason(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.warns(SkipTestWarning, match="check_tensors: torch is not loaded"):
        check_transformer(Projector())


@without_callbacks
def test_the_checked_estimator_is_not_changed():
    estimator = Projector()
    check_transformer(estimator)
    assert vars(estimator) == vars(Projector())


def test_an_expected_failure_must_name_a_check():
    with pytest.raises(ValueError, match="check_of_nothing"):
        parametrize_with_contract(
            [Projector()], expected_failed_checks=lambda _: {"check_of_nothing": "no"}
        )


def test_an_expected_failure_is_strict():
    parametrized = parametrize_with_contract(
        [PCA()], expected_failed_checks=lambda _: PCA_FAILURES
    )
    (_, cases) = parametrized.args
    marks = [mark for case in cases for mark in case.marks]
    assert {mark.kwargs["reason"] for mark in marks} == set(PCA_FAILURES.values())
    assert all(mark.kwargs["strict"] for mark in marks)
