# SPDX-License-Identifier: BSD-3-Clause
"""What a type checker must find in code that uses the package; never run.

mypy reads this file in `make lint`. An `ignore` that hides no error fails there too: each
of them says that a wrong call is found.
"""

from typing import assert_type

import numpy as np

import sktransform
from sktransform import AugmentedClassifier, GaussianWeightedLinearReducer
from sktransform.alignment import EmbeddingAdapter, OrthogonalAligner, givens_angles
from sktransform.augmentation import ClassReplay, InvarianceAugmenter
from sktransform.datasets import make_invariance_problem, make_swiss_roll
from sktransform.inspection import EmbeddingDisplay
from sktransform.metrics import recall_at_k, stress

X, sheet = make_swiss_roll(100, random_state=0)
assert_type(X, np.ndarray)

reducer = GaussianWeightedLinearReducer(n_components=2, random_state=0)
assert_type(reducer.fit(X), GaussianWeightedLinearReducer)
assert_type(reducer.fit([[0, 1], [2, 3]]), GaussianWeightedLinearReducer)
assert_type(reducer.score(X), float)
assert_type(reducer.centers_, np.ndarray)
assert_type(stress(X, sheet), float)
assert_type(recall_at_k(X, X, k=5), float)
assert_type(sktransform.__version__, str)

rows, labels, _ = make_invariance_problem(random_state=np.random.RandomState(0))
model = AugmentedClassifier(object(), InvarianceAugmenter(shape=(8, 8)))
assert_type(model.fit(rows, labels), AugmentedClassifier)
assert_type(model.predict(rows), np.ndarray)
assert_type(ClassReplay().fit(rows, labels).sample(10), tuple[np.ndarray, np.ndarray])
assert_type(EmbeddingDisplay.from_estimator(reducer, X), EmbeddingDisplay)

aligner = OrthogonalAligner(lam=0)
assert_type(aligner.fit(X, sheet), OrthogonalAligner)
assert_type(aligner.merge(aligner), OrthogonalAligner)
assert_type(givens_angles(np.eye(3)), np.ndarray)
assert_type(EmbeddingAdapter().expected_recall(1000), tuple[float, float, float])

GaussianWeightedLinearReducer(n_components="two")  # type: ignore[arg-type]
GaussianWeightedLinearReducer(components=2)  # type: ignore[call-arg]
InvarianceAugmenter(shape="8 x 8")  # type: ignore[arg-type]
stress(X)  # type: ignore[call-arg]
recall_at_k(X, X, 5)  # type: ignore[call-arg]
make_swiss_roll(100, random_state="zero")  # type: ignore[arg-type]
OrthogonalAligner(lambda_=0)  # type: ignore[call-arg]
aligner.fit(X)  # type: ignore[call-arg]
