"""Table of the message codes."""

from veritape.wire.kis import codes


def test_only_two_codes_say_success() -> None:
    """KIS-044: rt_cd 0 is success, 1 and 9 are refusals."""
    assert {code for code, message in codes.WEBSOCKET.items() if message.rt_cd == "0"} == {
        "OPSP0000",
        "OPSP0001",
    }
    assert {message.rt_cd for message in codes.WEBSOCKET.values()} == {"0", "1", "9"}
    assert all(code.startswith(("EGW", "OPSQ")) for code in codes.REST)
