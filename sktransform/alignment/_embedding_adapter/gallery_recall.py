# SPDX-License-Identifier: BSD-3-Clause
"""Recall in a gallery of any size, from ranks in smaller galleries.

A row of the gallery is nearer to a query than the query's partner with a probability p
that differs from query to query. With p distributed as Beta(a, b) the number of nearer
rows is beta-binomial in a gallery of any size: the two parameters are estimated on the
ranks at hand, and say what a larger gallery gives.
"""

import numpy as np
from scipy.special import expit, logit
from scipy.stats import betabinom

# Ranks above this one count alike: what a larger gallery does to the first rank is seen
# in the first ones, and far ranks are not beta-binomial.
_LAST_RANK = 2

# Grid of the parameters, uniform in their logarithms: the prior.
_A = np.geomspace(0.01, 8, 40)[:, None]
_B = np.geomspace(0.2, 20_000, 50)

# Quantiles of the interval.
_INTERVAL = 0.025, 0.975

# Error of the model, in logits for each factor e from the galleries at hand to the
# wanted one. Measured: without it intervals are too narrow.
_EXTRAPOLATION = 0.2


def expected_recall(ranks, sizes, gallery_size, k):
    """Return recall@k expected in a gallery of some size, with a 95 % interval.

    Returned: the recall, and the lower and upper end of the interval.

    `sizes`: rows of the gallery that the query searched, the partner included.
    `gallery_size`: rows of the gallery that is asked about.

    Shapes: ranks (n_queries,), sizes (n_queries,).
    """
    weights = _posterior(np.minimum(ranks, _LAST_RANK + 1), sizes)
    recalls = betabinom.cdf(min(k, gallery_size) - 1, gallery_size - 1, _A, _B)
    order = np.argsort(recalls, axis=None)
    shares = np.cumsum(weights.ravel()[order])
    ends = recalls.ravel()[order][np.searchsorted(shares, _INTERVAL)]
    factor = gallery_size / np.average(sizes)
    widening = _EXTRAPOLATION * np.log(max(factor, 1.0))
    low, high = logit(np.clip(ends, 1e-12, 1 - 1e-12))
    low, high = expit(low - widening), expit(high + widening)
    return float((weights * recalls).sum()), float(low), float(high)


def _posterior(ranks, sizes):
    """Return the probability of each pair of parameters, shape (n_a, n_b)."""
    cases, counts = np.unique(np.stack([ranks, sizes]), axis=1, return_counts=True)
    likelihood = np.zeros((len(_A), len(_B)))
    for (rank, size), count in zip(cases.T, counts, strict=True):
        if rank <= _LAST_RANK:
            terms = betabinom.logpmf(rank - 1, size - 1, _A, _B)
        else:
            terms = betabinom.logsf(_LAST_RANK - 1, size - 1, _A, _B)
        likelihood += count * terms
    weights = np.exp(likelihood - likelihood.max())
    return weights / weights.sum()
