# SPDX-License-Identifier: BSD-3-Clause
"""
Augmentation in a grid search
=============================

Augmented copies must not leak: a copy of a held-out row among the training rows would
bias every score. :class:`~sktransform.augmentation.AugmentedClassifier` makes the
copies inside ``fit``, so that there is no leakage in cross-validation, grid search and
pipelines. This example compares it with SMOTE and with training on repeated rows.
"""

import matplotlib.pyplot as plt
import numpy as np
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_resampling_pipeline
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sktransform.augmentation import (
    AugmentedClassifier,
    InvarianceAugmenter,
    transforms,
)
from sktransform.datasets import make_invariance_problem

# %%
# A problem with known invariances: half of the declared transformations keep the class,
# half do not.

X, y, declarations = make_invariance_problem(120, random_state=0)
X_test, y_test, _ = make_invariance_problem(5000, random_state=1)
transformations = [
    getattr(transforms, declaration["kind"])(**declaration["parameters"])
    for declaration in declarations
]


class Repeated(ClassifierMixin, BaseEstimator):
    """Train a classifier on each row nine times: the control."""

    def __init__(self, estimator):
        self.estimator = estimator

    def fit(self, X, y):
        self.estimator_ = clone(self.estimator).fit(np.tile(X, (9, 1)), np.tile(y, 9))
        self.classes_ = self.estimator_.classes_
        return self

    def predict(self, X):
        return self.estimator_.predict(X)


classifier = make_pipeline(StandardScaler(), SVC())
augmenter = InvarianceAugmenter(transformations)
candidates = {
    "plain": (classifier, ""),
    "repeated": (Repeated(classifier), "estimator__"),
    "augmented": (
        AugmentedClassifier(classifier, augmenter, random_state=0),
        "estimator__",
    ),
}

# %%
# By default SMOTE only balances classes; here its ``sampling_strategy`` makes all
# classes nine times as large. At prediction the pipeline of imbalanced-learn skips
# SMOTE.


def nine_times(y):
    """Return the number of rows that each class is to have."""
    classes, counts = np.unique(y, return_counts=True)
    return dict(zip(classes.tolist(), (9 * counts).tolist(), strict=True))


smote = SMOTE(sampling_strategy=nine_times, random_state=0)
candidates["SMOTE"] = (
    make_resampling_pipeline(*[s for _, s in classifier.steps[:1]], smote, SVC()),
    "",
)

# %%
# Each candidate is searched over the same grid, and held-out rows are neither changed
# nor copied. With 120 rows a cross-validated score is uncertain by several points, and
# each fold trains on 80 rows only; the score on 5000 test rows is more accurate.

scores = {}
for name, (estimator, prefix) in candidates.items():
    search = GridSearchCV(estimator, {f"{prefix}svc__C": [0.3, 3]}, cv=3).fit(X, y)
    scores[name] = search.best_score_, search.score(X_test, y_test)
    print(
        f"{name:10} cross-validated {scores[name][0]:.3f}   test {scores[name][1]:.3f}"
    )
    if name == "augmented":
        chosen = search.best_estimator_.augmenter_

# %%
# The status and range learned by the refitted augmenter, and the true invariances.

report = chosen.report()[["transformation", "status", "range"]]
report["true"] = [declaration["holds"] for declaration in declarations]
print(report.to_string(index=False))

# %%

figure, ax = plt.subplots(figsize=(5.6, 2.8), layout="constrained")
positions = np.arange(len(scores))
for position, (held_out, test) in zip(positions, scores.values(), strict=True):
    ax.plot([held_out, test], [position, position], color="0.7", zorder=0)
cross_validated, test = zip(*scores.values(), strict=True)
ax.plot(
    cross_validated, positions, "s", color="#0072B2", label="cross-validated, 120 rows"
)
ax.plot(test, positions, "o", color="#E69F00", label="test, 5000 rows")
ax.set_yticks(positions, scores)
ax.invert_yaxis()
ax.set_xlabel("accuracy")
ax.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
plt.show()
