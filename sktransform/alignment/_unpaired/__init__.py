# SPDX-License-Identifier: BSD-3-Clause
"""Maps between two spaces whose rows are not paired."""
