"""Claims against the worked example."""

from dataclasses import replace

import pytest
from tests.worked_example import EMPTY, FIRST, PROGRAM, SECOND, THIRD

from veritape.executor.claims import Claim, ClaimReason, claim_digest, list_digest, parse_claim
from veritape.kernel.errors import PeerError
from veritape.stark.hashing import sponge


def test_the_claims_are_those_of_the_worked_example() -> None:
    """EX-284, EX-286, EX-287: program id, bytes, digests of three claims, of a list of one and of all three."""
    assert PROGRAM.hex() == "be1eed22a1ead456ed3e2f0952dce40e44ec7d07c9070e3303615935f7d7490d"
    assert FIRST.to_bytes().hex() == (
        "5654434c01000000be1eed22a1ead456ed3e2f0952dce40e44ec7d07c9070e3303615935f7d7490d"
        "87bf826bc497ed7b55fccb3c09b9d60a2402047419f6fe54638042594b78d935"
        "b925a76074c1a73a67b894409fe72f578d52d97e1bf7d450c527a15ac9152f3a07000000000000000300000000000000"
    )
    assert [claim_digest(claim, sponge).hex() for claim in (FIRST, SECOND, THIRD)] == [
        "9ff4474e13690c76c6e7cb66da38b24e1c534f574f0eda7eeb082e283f1b986b",
        "ced1b13795a2676061da1516b472470bc76a437ca61af35454dd9747a217b679",
        "e64ce26093e76b57d360886f9dbbb41b8c25a82d7d9c0c34e851084dba20cc2c",
    ]
    assert (
        list_digest([FIRST], sponge).hex()
        == "e3ab6132c6c45604699c287e97681830248f7751f49fc20d5ed01657f056ff34"
    )
    assert list_digest([FIRST, SECOND, THIRD], sponge).hex() == (
        "a6ebc2570ffbb72e9acd6b78aaea1205bbad9b6c15f0744c4100bf501931f321"
    )


def test_order_and_number_are_bound() -> None:
    """EX-285: (a, b, c) and (a, b, c, c) differ, and so do two orders."""
    lists = ([FIRST, SECOND, THIRD], [FIRST, SECOND, THIRD, THIRD], [SECOND, FIRST, THIRD])
    assert len({list_digest(claims, sponge) for claims in lists}) == 3


@pytest.mark.parametrize(
    "other",
    [
        replace(FIRST, program_id=EMPTY), replace(FIRST, input_digest=EMPTY), replace(FIRST, journal_digest=PROGRAM),
        replace(FIRST, exit_code=8), replace(FIRST, exit_code=7 + (1 << 16)), replace(FIRST, journal_bytes=4),
        replace(FIRST, cycles=4), replace(FIRST, cycles=3 + (1 << 32)),
    ],
)  # fmt: skip
def test_every_field_changes_the_digest(other: Claim) -> None:
    """EX-808: digests differ when any field differs; the bytes give the claim back."""
    assert claim_digest(other, sponge) != claim_digest(FIRST, sponge)
    assert parse_claim(other.to_bytes()) == other


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ClaimReason.BAD_LENGTH),
        (b"VTCX" + FIRST.to_bytes()[4:], ClaimReason.WRONG_DOMAIN),
        (b"VTCL\2\0" + FIRST.to_bytes()[6:], ClaimReason.UNSUPPORTED_VERSION),
        (b"VTCL\1\0\1\0" + FIRST.to_bytes()[8:], ClaimReason.RESERVED_NOT_ZERO),
        (replace(FIRST, program_id=b"\xff" * 32).to_bytes(), ClaimReason.NONCANONICAL_DIGEST),
        (replace(FIRST, journal_bytes=2).to_bytes(), ClaimReason.BAD_LENGTH),
        (replace(FIRST, journal_bytes=1_048_580).to_bytes(), ClaimReason.BAD_LENGTH),
        (replace(FIRST, cycles=0).to_bytes(), ClaimReason.BAD_CYCLES),
        (replace(FIRST, cycles=(1 << 40) + 1).to_bytes(), ClaimReason.BAD_CYCLES),
    ],
)
def test_each_bad_claim_has_its_reason(data: bytes, expected: ClaimReason) -> None:
    """EX-283: the rules of each field."""
    with pytest.raises(PeerError) as caught:
        parse_claim(data)
    assert caught.value.reason is expected


def test_a_list_has_between_one_and_65536_claims() -> None:
    """EX-285: none, and one too many, are refused."""
    for claims, expected in (([], ClaimReason.EMPTY_LIST), ([FIRST] * 65_537, ClaimReason.TOO_MANY_CLAIMS)):
        with pytest.raises(PeerError) as caught:
            list_digest(claims, sponge)
        assert caught.value.reason is expected
