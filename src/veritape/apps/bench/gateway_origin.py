"""What stands behind the measured gateways: nginx that answers every request by itself, one worker.

An upstream is a part of every figure that is told for a whole machine, so it is the cheapest one that there is. Without nginx ours takes its place,
a Python program that costs three times as much, and that is said.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import click

from veritape.apps.bench.gateway_peers import INSTALL, NGINX_HEAD, free_port, nginx_program, nginx_server
from veritape.apps.bench.gateway_server import Server
from veritape.apps.bench.gateway_upstream import upstream_process
from veritape.kernel.clock import Clock
from veritape.kernel.errors import UnavailableError

CONFIG: Final = """\
  default_type application/json;
  server { listen 127.0.0.1:PORT; location / { return 200 "{}"; } }
}
"""
"""How its configuration ends. It reads a body and drops it, like ours; one process is enough."""


@contextlib.asynccontextmanager
async def origin(folder: Path, clock: Clock) -> AsyncIterator[Server]:
    """Run an upstream that answers every request with ``{}``.

    Args:
        folder: for its files.
        clock: the machine's.

    Raises:
        UnavailableError: it does not start.
    """
    try:
        program = nginx_program()
    except UnavailableError:
        click.echo(f"the upstream is our own, dearer than nginx would be: {INSTALL} installs nginx", err=True)
        with upstream_process() as server:
            yield server
        return
    port, home = free_port(), folder / "origin"
    home.mkdir()
    text = "master_process off;\n" + NGINX_HEAD + CONFIG
    async with nginx_server(program, home, text, {"PORT": str(port)}, port, clock) as server:
        yield server
