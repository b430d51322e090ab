# SPDX-License-Identifier: BSD-3-Clause
"""Tables of any container as rows of numbers, and back."""
