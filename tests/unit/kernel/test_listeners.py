"""Sockets that listen."""

import socket

import pytest
from tests.waiting import PATIENCE_S

from veritape.kernel.addresses import Address
from veritape.kernel.errors import UnavailableError
from veritape.kernel.listeners import bind


def test_a_busy_port_is_one_line() -> None:
    """GW-941: says who, why and what to do."""
    first = bind(Address("127.0.0.1", 0))
    port = first.getsockname()[1]
    with pytest.raises(UnavailableError) as refusal:
        bind(Address("127.0.0.1", port))
    assert (
        refusal.value.message
        == f"cannot listen on 127.0.0.1:{port}: in use by another program, perhaps another veritape: choose --port, or stop it"
    )
    first.close()
    with pytest.raises(
        UnavailableError, match=r"192\.0\.2\.1:7: not an address of this machine: choose --port$"
    ):
        bind(Address("192.0.2.1", 7))
    with pytest.raises(UnavailableError, match="cannot listen on nowhere"):
        bind(Address("nowhere.invalid", 1))


def test_the_caller_names_the_remedy_and_workers_share() -> None:
    """GW-551, EX-661: a port that is shared is had twice and only kept without listening; another one is refused as the caller says."""
    with bind(Address("127.0.0.1", 0), shared=True, listening=False) as kept:
        where = Address(*kept.getsockname())
        with bind(where, shared=True) as listener, socket.create_connection(where, timeout=PATIENCE_S):
            listener.settimeout(PATIENCE_S)
            accepted, _ = listener.accept()
            accepted.close()
            with pytest.raises(UnavailableError, match=r"veritape: choose listen\.decisions"):
                bind(where, remedy="choose listen.decisions")
