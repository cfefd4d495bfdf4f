"""Addresses of the shared store: a server, sentinels, a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.adapters.redis_address import (
    RedisAddress,
    StoreAddress,
    Topology,
    parse_redis_url,
    parse_store_url,
)
from veritape.kernel.errors import MisuseError

PLAIN = RedisAddress("store", 6379, "", False, "", "", 0)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("redis://127.0.0.1:6379/0", RedisAddress("127.0.0.1", 6379, "", False, "", "", 0)),
        ("redis://u:p@store", RedisAddress("store", 6379, "", False, "u", "p", 0)),
        ("rediss://:p%2F@[::1]:7/4", RedisAddress("::1", 7, "", True, "", "p/", 4)),
        ("unix:///run/redis.sock?db=2", RedisAddress("", 6379, "/run/redis.sock", False, "", "", 2)),
        ("unix://u:p@/run/redis.sock", RedisAddress("", 6379, "/run/redis.sock", False, "u", "p", 0)),
    ],
)
def test_a_server(text: str, address: RedisAddress) -> None:
    """GW-263: TLS, user, database number, unix socket."""
    assert parse_redis_url(text) == address
    assert parse_store_url(text) == StoreAddress(Topology.SERVER, (address,))


def test_sentinels_and_clusters() -> None:
    """GW-261, GW-263: several servers, the user of all, the name that sentinels know, each its usual port."""
    found = parse_store_url("rediss+sentinel://u:p@a:1,[::1],c/quota/3")
    servers = [
        PLAIN._replace(host=host, port=port, tls=True, username="u", password="p", database=3)
        for host, port in (("a", 1), ("::1", 26379), ("c", 26379))
    ]
    assert found == StoreAddress(Topology.SENTINEL, tuple(servers), "quota")
    found = parse_store_url("redis+cluster://a,b:7")
    assert found == StoreAddress(
        Topology.CLUSTER, (PLAIN._replace(host="a"), PLAIN._replace(host="b", port=7))
    )
    assert [one.place for one in found.servers] == [("a", 6379), ("b", 7)]


def test_secrets_are_laid_over_all_servers() -> None:
    """GW-263: a password file and the authorities; no file leaves the password of the address."""
    found = parse_store_url("rediss+cluster://u:old@a,b")
    assert {one.password for one in found.with_secrets("new", "/ca.pem").servers} == {"new"}
    kept = found.with_secrets("", "/ca.pem").servers
    assert [(one.password, one.tls_ca) for one in kept] == [("old", "/ca.pem")] * 2


@pytest.mark.parametrize(
    "text",
    ["", "http://h", "redis://", "redis://h/x", "redis://h:99999", "unix://", "redis://[::1", "redis://a,b",
     "redis+sentinel://h", "redis+sentinel://h/", "redis+cluster://a,,b", "redis+cluster://a/x", "redis+tls://h"],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_its_password(text: str) -> None:
    """GW-263, GW-941: the message tells no secret."""
    with pytest.raises(MisuseError, match=r"store\.url: not an address") as caught:
        parse_store_url(text.replace("//", "//u:secret@", 1))
    assert "secret" not in caught.value.message


def test_what_does_not_go_together() -> None:
    """GW-263, GW-941: a cluster has one database; the middleware takes one server."""
    with pytest.raises(MisuseError, match="only database 0"):
        parse_store_url("redis+cluster://a/1")
    with pytest.raises(MisuseError, match="one server is needed"):
        parse_redis_url("redis+cluster://a")


@given(st.text(), st.sampled_from(["", "redis://", "unix://", "rediss+cluster://", "redis+sentinel://a,"]))
def test_any_text_is_an_address_or_refused(text: str, scheme: str) -> None:
    """GW-941: nothing else happens."""
    try:
        found = parse_store_url(scheme + text)
    except MisuseError as error:
        assert error.message.startswith("store.url: ")  # noqa: PT017 - both ends are right
    else:
        assert all(one.host or one.socket for one in found.servers)
