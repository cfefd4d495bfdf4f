"""The tree of errors and its exit codes."""

from enum import StrEnum

import pytest

from veritape.kernel.errors import CheckFailedError, MisuseError, PeerError, UnavailableError, VeritapeError


class Reason(StrEnum):
    TORN = "torn"


@pytest.mark.parametrize(
    ("error", "exit_code"), [(PeerError, 1), (UnavailableError, 1), (CheckFailedError, 1), (MisuseError, 2)]
)
def test_every_error_is_expected_and_names_the_exit_code(error: type[VeritapeError], exit_code: int) -> None:
    raised = error("the tail is torn", Reason.TORN)
    assert isinstance(raised, VeritapeError)
    assert (raised.message, raised.reason, raised.exit_code, str(raised)) == (
        "the tail is torn",
        Reason.TORN,
        exit_code,
        "the tail is torn",
    )
