"""The command ``veritape``: a table of commands, each loaded when it is asked for.

A command's module is imported only when it runs, so an installation with one extra needs the libraries of that extra
alone, and ``--help`` answers at once.
"""

import importlib
import signal
import sys
from typing import NoReturn

import click

from veritape.apps.start import interrupt_from_now_on, status_of
from veritape.kernel.errors import VeritapeError

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("veritape.apps.up:up", "the chain until Ctrl-C, offline, on real recorded trades"),
    "demo": ("veritape.apps.demo:demo", "the chain for a minute, then a report of what it can prove"),
    "audit": ("veritape.apps.audit:audit", "what is complete and what is missing, per symbol and day"),
    "backup": ("veritape.apps.backup:backup", "the recording elsewhere: objects, manifest, read back"),
    "export": ("veritape.apps.export:export", "window files of sweeps, trades and events, from the journal"),
    "restore": ("veritape.apps.restore:restore", "a day from a backup into an empty folder"),
    "drill": ("veritape.apps.drill:drill", "restore, prove completeness again, delete"),
    "record": ("veritape.apps.record:record", "the observer against a real or replayed broker"),
    "replay": ("veritape.apps.replay:replay", "the simulated broker, for any client of its wire protocol"),
    "keys": ("veritape.apps.keys:keys", "create, list, rotate and revoke API keys"),
    "usage": ("veritape.apps.usage:usage", "what was used, and invoice lines that can be proven"),
    "serve": ("veritape.apps.serve:serve", "the gateway: keys, tiers, exact quotas, usage"),
    "compute": ("veritape.apps.compute:compute", "receipts over every sealed segment (executed, not proven)"),
    "guests": ("veritape.apps.guests:guests", "build, check and list guest programs"),
    "recheck": (
        "veritape.apps.recheck:recheck",
        "execute receipts again and compare the claims (not proven)",
    ),
    "bench": ("veritape.apps.bench.command:bench", "measured figures of the parts, peers side by side"),
    "run": ("veritape.apps.run:run", "execute a guest over one input or many, no proof"),
    "verify": ("veritape.apps.verify:verify", "check a proof; simulated receipts are refused"),
    "aggregate": ("veritape.apps.aggregate:aggregate", "explain how claims would become one proof"),
    "inclusion": ("veritape.apps.inclusion:inclusion", "show that a claim is in an aggregate"),
    "jobs": ("veritape.apps.jobs:jobs", "the executor's service alone: jobs over HTTP"),
    "cache": ("veritape.apps.cache:cache", "look at the receipt cache"),
}
"""Command name -> ("module:attribute" of its click command, one line of help)."""


class LazyGroup(click.Group):
    """A click group that imports a subcommand when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the table's order."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; a missing library is named with the extra that brings it."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module_name, _, attribute = COMMANDS[cmd_name][0].partition(":")
        try:
            command = getattr(importlib.import_module(module_name), attribute)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] == "veritape":
                raise
            raise click.ClickException(
                f"'{cmd_name}' needs the library {error.name!r}: install veritape[all]"
            ) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is not a click command")
        interrupt_from_now_on()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="veritape")
def veritape() -> None:
    """Record a market's tape, prove what you compute from it, serve it under quota, watch all of it."""


def _described(error: click.ClickException) -> str:
    """Return one line about bad usage: what is wrong, and where to read more."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    said = " ".join(error.format_message().split())
    return said if context is None else f"{said.rstrip('.')}: see {context.command_path} --help"


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 1 a check failed or the run could not go on, 2 bad usage or configuration."""
    try:
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        outcome = veritape.main(standalone_mode=False)
    except VeritapeError as error:
        click.echo(f"veritape: {error.message}", err=True)
        sys.exit(error.exit_code)
    except (
        click.exceptions.NoArgsIsHelpError
    ) as error:  # no command was named: the whole help says which there are
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"veritape: {_described(error)}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        exec("")  # noqa: S102 - ``python -m`` dies of the signal if it came inside the last ``exec`` of a text (a dataclass made)
        sys.exit(status_of(sys.argv))
    sys.exit(outcome if isinstance(outcome, int) else 0)
