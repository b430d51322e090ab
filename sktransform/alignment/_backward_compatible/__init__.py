# SPDX-License-Identifier: BSD-3-Clause
"""New vectors that compare with old ones, and the order of a backfill."""
