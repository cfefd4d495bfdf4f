"""Errors of the executor's commands in the form that ``--json`` promises (EX-632, 633)."""

import functools
import json
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import click

from veritape.kernel.errors import VeritapeError

P = ParamSpec("P")
R = TypeVar("R")


def reports(schema: str, kind: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a command print its document also when it ends with an error; the line on stderr stays the command line's.

    Args:
        schema: name and version of the command's documents.
        kind: ``simulated`` or ``stark``.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def call(*args: P.args, **options: P.kwargs) -> R:
            try:
                return command(*args, **options)
            except VeritapeError as error:
                if options["as_json"]:
                    click.echo(json.dumps(error_document(schema, kind, error)))
                raise

        return call

    return decorate


def error_document(schema: str, kind: str, error: VeritapeError) -> dict[str, Any]:
    """Return the document of a command that ended with an error."""
    reason = None if error.reason is None else str(error.reason)
    return {"schema": schema, "kind": kind, "ok": False, "reason": reason, "detail": error.message}
