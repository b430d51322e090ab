# SPDX-License-Identifier: BSD-3-Clause
"""Linear maps under an exact bound on their distance from a rotation."""
