# SPDX-License-Identifier: BSD-3-Clause
"""Solvers: functions from a problem to a fitted map."""
