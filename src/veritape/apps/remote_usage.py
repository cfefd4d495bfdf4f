"""``veritape usage --admin URL``: the figures of a gateway elsewhere, through its admin API (GW-703)."""

from typing import Any
from urllib.parse import quote

from veritape.apps.admin_client import AdminClient


def remote_figures(client: AdminClient, period: str, by: str, account: str | None) -> list[dict[str, Any]]:
    """Return the rows of a month, of one account or of all in the order of their ids.

    Callers without an account are not among them: the admin API tells of accounts.

    Raises:
        MisuseError: the gateway refuses, as for an account that it does not know.
        UnavailableError: nobody answers.
    """
    accounts = [account] if account is not None else [one["id"] for one in client.items("/accounts")]
    rows: list[dict[str, Any]] = []
    for one in accounts:
        path = f"/accounts/{quote(one, safe='')}/usage?period={period}&by={by}"
        rows += client.call("GET", path)["items"]
    return rows
