# SPDX-License-Identifier: BSD-3-Clause
"""
Augment a table of mixed columns
================================

For a table of mixed columns it is usually unknown which changes of a row keep its
label. The default transformations depend on the kinds of the columns only. On such
tables augmentation seldom improves a model; the acceptance test then chooses "none",
while augmentation without learning may lower the accuracy.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sktransform.augmentation import AugmentedClassifier, InvarianceAugmenter
from sktransform.inspection import AcceptanceDisplay, AugmentedExamplesDisplay


def made_table(n_rows, seed=0):
    """Return a made table of people, and whether their income is high."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 70, n_rows),
            "hours": np.where(
                rng.random(n_rows) < 0.5, 40, rng.integers(10, 60, n_rows)
            ),
            "gain": np.where(
                rng.random(n_rows) < 0.8, 0.0, rng.lognormal(8, 1, n_rows).round(2)
            ),
            "work": rng.choice(["craft", "office", "sales", "trade"], n_rows),
            "married": rng.random(n_rows) < 0.5,
        }
    )
    score = (
        0.06 * (X["age"] - 40)
        + 0.07 * (X["hours"] - 38)
        + 0.3 * np.log1p(X["gain"])
        + X["work"].map({"craft": -1.0, "office": 1.0, "sales": 0.3, "trade": -0.5})
        + 0.8 * X["married"]
    )
    return X, (score + rng.logistic(size=n_rows) > 1).astype(int).to_numpy()


X, y = made_table(4300)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=300, stratify=y, random_state=0
)

# %%
# The default transformations are noise and scaling for numeric columns, swaps of cells
# for all columns, and mixing of rows within a class. Categories are only swapped, never
# computed with; whole numbers stay whole; noise does not change frequent values, such
# as a gain of 0.

encode = make_column_transformer(
    (StandardScaler(), make_column_selector(dtype_include="number")),
    remainder=OneHotEncoder(handle_unknown="ignore", sparse_output=False),
)
classifiers = {
    "logistic regression": make_pipeline(encode, LogisticRegression()),
    "boosted trees": make_pipeline(
        encode, HistGradientBoostingClassifier(max_iter=40, random_state=0)
    ),
}
models = {
    name: AugmentedClassifier(classifier, InvarianceAugmenter(), random_state=0)
    for name, classifier in classifiers.items()
}
for name, model in models.items():
    model.fit(X_train, y_train)
    plain = classifiers[name].fit(X_train, y_train).score(X_test, y_test)
    augmented = model.score(X_test, y_test)
    print(
        f"{name:20} chosen: {model.augmenter_.chosen_:8} "
        f"plain {plain:.3f}   after the choice {augmented:.3f}"
    )

# %%
# For comparison, augmentation without learning: all transformations at their full
# range.

for name, classifier in classifiers.items():
    blind = AugmentedClassifier(
        classifier, InvarianceAugmenter(learn=False), random_state=0
    )
    accuracy = blind.fit(X_train, y_train).score(X_test, y_test)
    print(f"{name:20} all transformations   {accuracy:.3f}")

# %%
# The acceptance test of each classifier: no augmentation, the control of repeated rows,
# and the candidates of the range filter. The interval is one standard error of the
# difference.

figure, axes = plt.subplots(2, 1, figsize=(6.4, 4.4), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    if model.augmenter_.acceptance_losses_:
        AcceptanceDisplay.from_estimator(model.augmenter_, ax=ax)
    ax.set_title(name, fontsize="medium")

# %%
# Three rows and augmented copies of them by all transformations: every cell has an
# allowed value of its column.

everything = InvarianceAugmenter(learn=False).fit(X_train, y_train)
AugmentedExamplesDisplay.from_estimator(
    everything, X_train.iloc[:3], n_views=4, random_state=0
)
plt.show()
