"""The base field: integers modulo the KoalaBear prime (ST-020, ST-024).

*Canonical* means an integer in [0, P). Whatever is hashed, stored or sent is canonical; a decoder refuses a word that
is not, and never reduces it.
"""

P = 2130706433
"""The KoalaBear prime, 2^31 - 2^24 + 1: products fit 64 bits, and x^3 is a permutation."""

INVERSE_OF_TWO = (P + 1) // 2
"""1/2 in the field."""


def inverse(element: int) -> int:
    """Return 1/element.

    Raises:
        ZeroDivisionError: the element is zero.
    """
    if element % P == 0:
        raise ZeroDivisionError("zero has no inverse")
    return pow(element, P - 2, P)
