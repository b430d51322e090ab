# SPDX-License-Identifier: BSD-3-Clause
"""Constants of the searches, each with the reason for its value.

They are read as attributes of this module, so that tests can make searches short.
"""

# Rounds of the range filter. Each halves at least one range or drops it; after six a
# single transformation would have reached 1/64, far below `MIN_RANGE`.
MAX_ROUNDS = 6

# Excess loss on held-out rows that is allowed, of the Brier score or of the squared
# error as a share of the target's variance. The acceptance test measures what helps:
# the filter only drops what clearly does harm.
TOLERANCE = 0.03

# A range below it is dropped: a copy would hardly differ from its row.
MIN_RANGE = 0.12

# Standard errors by which an excess must differ from 0 to count. With 1, one harmless
# transformation of six shrinks, which costs less than keeping a harmful one.
EXCESS_Z = 1.0

# Standard errors by which the estimator has to gain. With 2 the test lost clear gains
# of boosted trees on 100 to 300 rows.
GAIN_Z = 1.0

# A gain of more standard errors than this is accepted from one partition into folds;
# a smaller one is the mean over two, since the folds move it by about one error.
CLEAR_GAIN_Z = 2.0

# Least gain relative to the loss: after calibration, uninformative scores leave a tiny
# gain with an error that is smaller still.
MIN_RELATIVE_GAIN = 1e-3

# Steps of AdamW for a proxy network, and its width. Images and series have more to
# learn than the columns of a table.
TABLE_STEPS, TABLE_WIDTH = 220, 48
SHAPED_STEPS, SHAPED_WIDTH = 400, 64

# The primal-dual method trains one network instead of one a fold and round, and its
# multipliers need time to settle.
CONSTRAINED_STEP_FACTOR = 1.5

# Rows that a search sees at most: with more, ranges hardly change and cost grows.
MAX_SEARCH_ROWS = 2000

# Tables with fewer rows have more folds: models are cheap there, and leaving out a
# quarter of the rows would let copies make up for them, a gain that all rows lack.
SMALL_TABLE = 200
FILTER_FOLDS, FILTER_FOLDS_SMALL = 3, 6
ACCEPTANCE_FOLDS, ACCEPTANCE_FOLDS_SMALL = 4, 8


def proxy_size(shape):
    """Return the number of steps and the width of a proxy network."""
    if shape is None:
        return TABLE_STEPS, TABLE_WIDTH
    return SHAPED_STEPS, SHAPED_WIDTH


def n_folds(dataset, usual, small):
    """Return a number of folds: more for a small table."""
    is_small = dataset.columns.shape is None and len(dataset) < SMALL_TABLE
    return small if is_small else usual
