"""Query parameters as data: one table serves the check of a query and its description (GW-741, GW-743)."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason

FIELDS_LIMIT: Final = 16
"""Parameters of one query."""


class Parameter(NamedTuple):
    """One parameter of a route."""

    name: str
    pattern: str
    """Regular expression of the whole value."""
    description: str
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    largest: int = 0
    """Greatest value of an integer; 0 for text."""


SYMBOL: Final = Parameter("symbol", "[0-9A-Z]{1,12}", "Symbol, as 005930.", required=True)
DAY: Final = Parameter("day", "[0-9]{8}", "Business date, YYYYMMDD.", required=True)
CURSOR: Final = Parameter(
    "cursor", "[A-Za-z0-9_-]{1,256}", "Where the page begins: next_cursor of the page before."
)
LIMIT: Final = Parameter("limit", "[1-9][0-9]{0,3}", "Items of a page.", default="100", largest=1_000)


def read_query(query: bytes, parameters: Sequence[Parameter]) -> dict[str, str]:
    """Return the parameters of a query, those left out with their default if they have one.

    Raises:
        RefusedError: ``bad_parameter``: unknown, repeated, missing, out of range or not UTF-8; the detail names a known one.
    """
    known = {parameter.name: parameter for parameter in parameters}
    found: dict[str, str] = {}
    for name, value in _pairs(query):
        parameter = known.get(name)
        if parameter is None:
            raise _bad(f"an unknown parameter; known are {', '.join(known) or 'none'}")
        if name in found:
            raise _bad(f"{name}: given twice")
        if not _fits(parameter, value):
            raise _bad(f"{name}: {_expectation(parameter)}")
        found[name] = value
    for parameter in parameters:
        if parameter.required and parameter.name not in found:
            raise _bad(f"{parameter.name}: missing; {_expectation(parameter)}")
        if parameter.default:
            found.setdefault(parameter.name, parameter.default)
    return found


def schema(parameter: Parameter) -> Mapping[str, object]:
    """Return a parameter's JSON schema."""
    if parameter.largest:
        whole: dict[str, object] = {"type": "integer", "minimum": 1, "maximum": parameter.largest}
        return {**whole, "default": int(parameter.default)} if parameter.default else whole
    text: dict[str, object] = {"type": "string"}
    if parameter.choices:
        text["enum"] = list(parameter.choices)
    else:
        text["pattern"] = f"^{parameter.pattern}$"
    return {**text, "default": parameter.default} if parameter.default else text


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict",
            max_num_fields=FIELDS_LIMIT,
        )  # fmt: skip
    except ValueError as error:
        raise _bad("the query cannot be read") from error


def _fits(parameter: Parameter, value: str) -> bool:
    if re.fullmatch(parameter.pattern, value) is None:
        return False
    if parameter.choices and value not in parameter.choices:
        return False
    return not parameter.largest or int(value) <= parameter.largest


def _expectation(parameter: Parameter) -> str:
    if parameter.largest:
        return f"an integer from 1 to {parameter.largest}"
    return (
        f"one of {', '.join(parameter.choices)}" if parameter.choices else f"must match {parameter.pattern}"
    )


def _bad(detail: str) -> RefusedError:
    return RefusedError(Reason.BAD_PARAMETER, detail)
