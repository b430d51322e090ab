# SPDX-License-Identifier: BSD-3-Clause
"""Discovery of estimators, and the package's own contract as reusable checks."""
