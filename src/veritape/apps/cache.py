"""``veritape cache``: look at the disk layer of the receipt cache."""

import json
from pathlib import Path
from typing import Any

import click

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.apps.executor_runtime import CACHE, executor_settings
from veritape.apps.recorded_days import require_folder
from veritape.executor.adapters.cache.disk import DiskLayer, read_secret
from veritape.executor.cache.entries import check_simulated
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.kernel.errors import PeerError


@click.group()
@click.option("--path", type=click.Path(path_type=Path), help="Folder of the cache; default: the settings'.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings of the executor.")
@click.pass_context
def cache(context: click.Context, path: Path | None, config: Path | None) -> None:
    """Look at the receipts that are kept on disk (executed, not proven)."""
    settings = executor_settings(config)
    if path is not None:
        require_folder(path, "--path", "the cache's folder")
    chosen = path or (Path(settings.cache.disk_path) if settings.cache.disk_path else Path.home() / CACHE)
    secret = read_secret(Path(settings.cache.secret_file)) if settings.cache.secret_file else None
    limit = settings.cache.disk_bytes or settings.sizes().cache_disk_bytes
    layer = DiskLayer(
        chosen, limit, SystemClock().wall_ns(), settings.cache.ttl_s * NANOSECONDS or None, secret
    )
    context.obj = (chosen, layer)
    context.call_on_close(layer.close)


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def stats(found: tuple[Path, DiskLayer], as_json: bool) -> None:
    """Say how much is kept."""
    path, layer = found
    document = {
        "schema": "veritape.cache/1",
        "ok": True,
        "path": str(path),
        "receipts": len(layer),
        "bytes": layer.held_bytes,
    }
    text = f"{document['receipts']:,} receipts (executed, not proven), {document['bytes']:,} bytes in {path}"
    click.echo(json.dumps(document) if as_json else text)


@cache.command()
@click.pass_obj
def clear(found: tuple[Path, DiskLayer]) -> None:
    """Delete every receipt that is kept."""
    click.echo(f"{found[1].clear():,} receipts deleted")


@cache.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def verify(found: tuple[Path, DiskLayer], as_json: bool) -> int:
    """Read every entry again: checksum, MAC, receipt, key; exit 1 when one is damaged."""
    document = examine(found[1])
    if as_json:
        click.echo(json.dumps(document))
    else:
        for one in document["damaged"]:
            click.echo(f"{one['file']}: {one['reason']}")
        click.echo(f"{document['receipts']:,} receipts read, {len(document['damaged'])} damaged")
    return int(bool(document["damaged"]))


def examine(layer: DiskLayer) -> dict[str, Any]:
    """Return what every file of the layer holds, or why it is refused."""
    sponge = compiled_simulator().sponge
    count, damaged = 0, list[dict[str, str]]()
    for name, held in layer.entries():
        try:
            if isinstance(held, PeerError):
                raise held
            for key, data in held.items():
                check_simulated(key, data, sponge)
                count += 1
        except PeerError as error:
            damaged.append({"file": name, "reason": str(error.reason)})
    return {"schema": "veritape.cache/1", "ok": not damaged, "receipts": count, "damaged": damaged}
