# SPDX-License-Identifier: BSD-3-Clause
"""Searches for a policy: range filter, acceptance test, primal-dual training."""
