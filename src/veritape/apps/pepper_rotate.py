"""``veritape keys pepper-rotate``: change the secret of the digests while keys go on serving (GW-403, GW-703)."""

from contextlib import closing
from pathlib import Path

import click

from veritape.apps.key_access import open_keys
from veritape.apps.key_audit import audited
from veritape.apps.serve import gateway_settings
from veritape.gateway.adapters.key_store import KeyStore
from veritape.gateway.adapters.peppers import change_pepper, forget_previous, read_pepper
from veritape.gateway.keys import pepper_id
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.telemetry.audit_log import AuditKind


@click.command("pepper-rotate")
@click.option("--config", type=click.Path(path_type=Path), help="The gateway's settings file.")
@click.option(
    "--new", type=click.Path(path_type=Path), help="File with the new pepper: 32 bytes or more, mode 0600."
)
def pepper_rotate(config: Path | None, new: Path | None) -> None:
    """Put a new pepper in place, or tell how many keys still use the one before.

    Each key moves to the new pepper when it is used; rotate or revoke those that never are. When none is left, the
    one before ends, and the pepper can change again. Make a pepper with: head -c 32 /dev/urandom
    """
    settings = gateway_settings(config)
    store, present = open_keys(settings)
    wall_us = SystemClock().wall_ns() // 1_000
    with closing(store):
        left = sum(store.count_under(one, wall_us) for one in store.peppers[1:])
        if new is not None:
            left = _change(settings, store, present, read_pepper(new), left, wall_us)
        elif not left:
            forget_previous(settings.data_dir)
            store.tell_peppers()
    click.echo(f"{left} keys still use the pepper before")


def _change(
    settings: GatewaySettings, store: KeyStore, present: bytes, following: bytes, left: int, wall_us: int
) -> int:
    """Change the pepper; return how many keys use the one before.

    Raises:
        MisuseError: keys still use a pepper that would end, or it is the present one.
    """
    if left:
        raise MisuseError(
            f"--new: {left} keys still use the pepper before: rotate or revoke them first (see keys list)"
        )
    if following == present:
        raise MisuseError("--new: this is the present pepper")
    audited(settings, AuditKind.KEY_ROTATED, f"pepper:{pepper_id(following)}", {"before": pepper_id(present)})
    change_pepper(settings.data_dir, settings.keys.pepper_file, following)
    store.tell_peppers()
    return store.count_under(present, wall_us)
