"""What stands behind the measured gateways: nginx that answers every request by itself, one worker.

An upstream is a part of every figure that is told for a whole machine, so it is the cheapest one that there is. Without nginx ours takes its place,
a Python program that costs three times as much, and that is said.
"""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import click

from veritape.apps.bench.gateway_peers import INSTALL, free_port, nginx_program, running
from veritape.apps.bench.gateway_server import Server
from veritape.apps.bench.gateway_upstream import upstream_process
from veritape.kernel.clock import Clock
from veritape.kernel.errors import UnavailableError

CONFIG: Final = """\
worker_processes 1;
master_process off;
daemon off;
pid FOLDER/origin.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  keepalive_requests 1000000000;
  default_type application/json;
  server { listen 127.0.0.1:PORT; location / { return 200 "{}"; } }
}
"""
"""It reads a body and drops it, like ours."""


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
    config = home / "nginx.conf"
    config.write_text(CONFIG.replace("FOLDER", str(home)).replace("PORT", str(port)))
    async with running([program, "-p", str(home), "-e", "stderr", "-c", str(config)], port, clock) as server:
        yield server
