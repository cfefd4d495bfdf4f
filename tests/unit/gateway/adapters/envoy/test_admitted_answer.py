"""The bytes of an answer that admits: those that the generated messages make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.adapters.envoy.admitted_answer import AdmittedAnswer, field_writer, size_bytes
from veritape.gateway.adapters.envoy.messages_pb2 import (
    CheckResponse,
    HeaderValue,
    HeaderValueOption,
    OkHttpResponse,
    Status,
)
from veritape.gateway.fast_quota import Tally, judge, plan_of
from veritape.gateway.quota import Limits, Mode, make_rule
from veritape.gateway.rate_fields import AdmittedFields

WALL_US = 1_795_187_045_000_000
MINUTE, HOUR = make_rule(100, 60, 150), make_rule(3_000, 3_600, 3_000)
LIMITS = [Limits(MINUTE), Limits(MINUTE, HOUR, 50_000_000), Limits(), Limits(month_mu=1_000_000_000)]


def generated(fields: list[tuple[str, str]]) -> bytes:
    """Return the same by the messages."""
    options = [HeaderValueOption(header=HeaderValue(key=name, value=value)) for name, value in fields]
    return CheckResponse(
        status=Status(), ok_response=OkHttpResponse(response_headers_to_add=options)
    ).SerializeToString()


@pytest.mark.parametrize("limits", LIMITS)
def test_an_answer_is_what_the_messages_make(limits: Limits) -> None:
    """GW-612, GW-504: id and rate fields byte for byte, for each kind of limits and mode, over a month's end."""
    plan, tally = plan_of(limits, 1_000, 7), Tally()
    answer, fields = AdmittedAnswer(plan, "free"), AdmittedFields(plan, "free", legacy=False)
    for number in range(40):
        verdict = judge(plan, tally, number * 700_000, WALL_US + number * 86_400_000_000)
        verdict = verdict._replace(mode=Mode.LEASE if number % 3 == 2 else Mode.EXACT)
        named = "a" * (1 + number % 64)
        told = [(name.decode(), value.decode()) for name, value in fields.of(verdict)]
        assert answer.of(named, verdict) == generated([("X-Request-Id", named), *told])


@given(st.integers(0, 2**40))
def test_sizes_are_those_of_protocol_buffers(size: int) -> None:
    """GW-612: seven bits a byte, the lowest first."""
    found = size_bytes(size)
    assert sum((octet & 0x7F) << 7 * place for place, octet in enumerate(found)) == size
    assert [octet >> 7 for octet in found] == [1] * (len(found) - 1) + [0]


@given(st.text("abc-", min_size=1, max_size=300), st.lists(st.text(min_size=1, max_size=200), max_size=4))
def test_a_field_is_what_the_messages_make(name: str, values: list[str]) -> None:
    """GW-612: of any length."""
    write = field_writer(name.encode())
    written = b"".join(write(value.encode()) for value in values)
    made = OkHttpResponse(
        response_headers_to_add=[
            HeaderValueOption(header=HeaderValue(key=name, value=value)) for value in values
        ]
    )
    assert written == made.SerializeToString()


def test_a_long_answer_says_its_length() -> None:
    """GW-612: above the lengths that are written beforehand."""
    plan = plan_of(LIMITS[0], 1_000, 7)
    verdict = judge(plan, Tally(), 0, WALL_US)
    answer = CheckResponse.FromString(AdmittedAnswer(plan, "free").of("a" * 3_000, verdict))
    assert answer.ok_response.response_headers_to_add[0].header.value == "a" * 3_000
