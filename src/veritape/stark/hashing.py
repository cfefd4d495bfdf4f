"""Poseidon2 over KoalaBear and the sponge H, in the readable form that defines what is right.

Poseidon2 (eprint 2023/323) permutes 16 field elements in 8 full rounds, four before and four after 20 partial ones. A
full round adds constants to all lanes, cubes all lanes and mixes them with the external matrix; a partial round does so
with lane 0 alone and mixes with 1 + diag(V). Nothing here is typed from a list: the 148 constants come out of the Grain
shift register that the paper prescribes (ST-069).

``sponge`` is H of EX-272: the tag and the length stand in the capacity, so no two inputs of different tag or length share
a state, and no padding rule is needed.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

from veritape.stark.field import INVERSE_OF_TWO, P, inverse

WIDTH = 16
"""Lanes of the permutation."""

RATE = 8
"""Lanes that the sponge overwrites per block, and elements of a digest."""

HALF_FULL_ROUNDS = 4
"""Full rounds on either side of the partial ones."""

PARTIAL_ROUNDS = 20
"""Rounds that cube lane 0 alone."""

TAG_LANE, LENGTH_LANE = 8, 9
"""Capacity lanes that hold the tag and the length."""

Digest: TypeAlias = tuple[int, ...]
"""Eight canonical elements."""

Sponge: TypeAlias = Callable[[int, int, Sequence[int]], Digest]
"""H(tag, length, elements), passed in as a value: ``sponge`` here, or its compiled twin."""

_GRAIN_BITS = 80
_GRAIN_TAPS = (62, 51, 38, 23, 13, 0)
_GRAIN_DROPPED = 160
_CONSTANT_BITS = 31


def _grain_bits() -> Iterator[int]:
    """Yield the register's filtered bits: of each pair, the second where the first is 1."""
    start = "01" + "0000" + f"{_CONSTANT_BITS:012b}" + f"{WIDTH:012b}"
    start += f"{2 * HALF_FULL_ROUNDS:010b}" + f"{PARTIAL_ROUNDS:010b}" + "1" * 30
    register = [int(bit) for bit in start]

    def clock() -> int:
        bit = sum(register[tap] for tap in _GRAIN_TAPS) % 2
        register.pop(0)
        register.append(bit)
        return bit

    for _ in range(_GRAIN_DROPPED):
        clock()
    while True:
        first, second = clock(), clock()
        if first:
            yield second


def _constants() -> tuple[int, ...]:
    bits = _grain_bits()
    found: list[int] = []
    while len(found) < 2 * HALF_FULL_ROUNDS * WIDTH + PARTIAL_ROUNDS:
        number = int("".join(str(bit) for bit in islice(bits, _CONSTANT_BITS)), 2)
        if number < P:
            found.append(number)
    return tuple(found)


ROUND_CONSTANTS = _constants()
"""148 numbers: 64 of the first full rounds, 20 of the partial rounds, 64 of the last full rounds (ST-069)."""

DIAGONAL = tuple(
    value % P
    for value in (
        -2, 1, 2, INVERSE_OF_TWO, 3, 4, -INVERSE_OF_TWO, -3, -4, inverse(2**8), inverse(8), inverse(2**24),
        -inverse(2**8), -inverse(8), -inverse(16), -inverse(2**24),
    )
)  # fmt: skip
"""V of the internal matrix 1 + diag(V) (ST-060)."""

BLOCK_MATRIX = ((2, 3, 1, 1), (1, 2, 3, 1), (1, 1, 2, 3), (3, 1, 1, 2))
"""M4 of the external matrix circ(2 M4, M4, M4, M4)."""


def permute(state: Sequence[int]) -> list[int]:
    """Return Poseidon2 of 16 canonical elements. Source: eprint 2023/323, section 6."""
    first = HALF_FULL_ROUNDS * WIDTH
    lanes = _mix_external(list(state))
    for offset in range(0, first, WIDTH):
        lanes = _full_round(lanes, ROUND_CONSTANTS[offset : offset + WIDTH])
    for constant in ROUND_CONSTANTS[first : first + PARTIAL_ROUNDS]:
        lanes[0] = pow(lanes[0] + constant, 3, P)
        total = sum(lanes)
        lanes = [(total + weight * lane) % P for weight, lane in zip(DIAGONAL, lanes, strict=True)]
    for offset in range(first + PARTIAL_ROUNDS, len(ROUND_CONSTANTS), WIDTH):
        lanes = _full_round(lanes, ROUND_CONSTANTS[offset : offset + WIDTH])
    return lanes


def sponge(tag: int, length: int, elements: Sequence[int]) -> Digest:
    """Return H(tag, elements) with ``length`` in the capacity (EX-272; B of EX-273 passes the bytes' number)."""
    state = [0] * WIDTH
    state[TAG_LANE], state[LENGTH_LANE] = tag, length
    for start in range(0, max(len(elements), 1), RATE):
        block = [int(element) for element in elements[start : start + RATE]]
        state[:RATE] = block + [0] * (RATE - len(block))
        state = permute(state)
    return tuple(state[:RATE])


def _full_round(lanes: Sequence[int], constants: Sequence[int]) -> list[int]:
    return _mix_external([pow(lane + c, 3, P) for lane, c in zip(lanes, constants, strict=True)])


def _mix_external(lanes: Sequence[int]) -> list[int]:
    mixed = [
        sum(weight * lane for weight, lane in zip(row, lanes[block : block + 4], strict=True))
        for block in range(0, WIDTH, 4)
        for row in BLOCK_MATRIX
    ]
    columns = [sum(mixed[lane % 4 :: 4]) for lane in range(WIDTH)]
    return [(lane + column) % P for lane, column in zip(mixed, columns, strict=True)]
