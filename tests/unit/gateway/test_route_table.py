"""Where each path of a policy leads."""

import pytest
from tests.servers.gateway_world import sample_sources, unguarded

from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.route_table import left_out_lines, make_table
from veritape.kernel.errors import MisuseError


def test_a_route_that_asks_for_what_is_not_there_is_refused() -> None:
    """GW-103: never silently ignored."""
    text = unguarded(shipped_policy()).replace(
        b'scope = "trades:read" }', b'scope = "trades:read", client_fingerprint = true }'
    )
    with pytest.raises(MisuseError, match=r"routes\.trades: not_available: client_fingerprint"):
        make_table(read_policy(text, "f"), sample_sources())


def test_what_is_not_installed_is_left_out() -> None:
    """GW-144: routes of the fingerprint service and of verification are absent, and said so."""
    assert set(make_table(read_policy(shipped_policy(), "f"), sample_sources()).left_out) == {
        "self",
        "fp_health",
        "verify",
        "compare",
        "batch",
        "identify",
    }


def test_what_leaves_routes_out_is_said_with_its_remedy() -> None:
    """GW-144: a page whose folder is not set names the setting; a page that this version lacks is told apart."""
    policy, sources = read_policy(shipped_policy(), "f"), sample_sources()
    absent = (
        "routes left out, this version does not have them: self, fp_health, verify, compare, batch, identify"
    )
    assert set(left_out_lines(make_table(policy, sources))) == {absent}
    assert set(left_out_lines(make_table(policy, sources._replace(tape=None, receipts=None)))) == {
        absent,
        "routes left out, read.observer_dir is not set: trades, bars, completeness",
        "routes left out, read.receipts_dir is not set: receipts, receipt",
    }
