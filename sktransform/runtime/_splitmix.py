# SPDX-License-Identifier: BSD-3-Clause
"""SplitMix64: a counter-based generator whose states are hashes of a seed.

Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
All numbers are int64 tensors that stand for 64 bits; sums and products wrap around.
"""

# The step of the counter, and the multipliers of the finaliser, as signed numbers.
STEP = -7046029254386353131  # 0x9E3779B97F4A7C15
_FIRST = -4658895280553007687  # 0xBF58476D1CE4E5B9
_SECOND = -7723592293110705685  # 0x94D049BB133111EB


def mix64(bits):
    """Return well mixed bits, shape as given, in place."""
    bits.bitwise_xor_(shift_right(bits, 30)).mul_(_FIRST)
    bits.bitwise_xor_(shift_right(bits, 27)).mul_(_SECOND)
    return bits.bitwise_xor_(shift_right(bits, 31))


def shift_right(bits, n_bits):
    """Return bits shifted right with zeros coming in; torch's shift keeps the sign."""
    return (bits >> n_bits).bitwise_and_((1 << (64 - n_bits)) - 1)
