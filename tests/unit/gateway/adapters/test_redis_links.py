"""Which connection the settings ask for."""

from pathlib import Path

import pytest
from tests.servers.certificates import write_certificate

from veritape.gateway.adapters.redis_address import parse_store_url
from veritape.gateway.adapters.redis_cluster import ClusterLink
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_links import open_link, store_address
from veritape.gateway.adapters.redis_py_link import RedisPyLink
from veritape.gateway.settings import StoreClient, StoreSettings
from veritape.kernel.errors import MisuseError
from veritape.kernel.settings import Secret


def test_the_switch_and_the_address_choose() -> None:
    """GW-261: our client or redis-py's, to one server, by sentinels, or to each server of a cluster."""
    for client, link in ((StoreClient.OWN, RedisLink), (StoreClient.REDIS_PY, RedisPyLink)):
        for url in ("redis://h", "redis+sentinel://h/name"):
            assert type(open_link(parse_store_url(url), 1, client)) is link
        assert type(open_link(parse_store_url("redis+cluster://h"), 1, client)) is ClusterLink


def test_how_the_store_is_named(tmp_path: Path) -> None:
    """GW-263, GW-706: password and authorities from files; authorities without TLS, or that are none, are refused by name."""
    files, secret = write_certificate(tmp_path), tmp_path / "secret"
    secret.write_text("pw\n")
    settings = StoreSettings(url=Secret("rediss://u@h"), password_file=secret, tls_ca=files.certificate)
    (server,) = store_address(settings).servers
    assert (server.password, server.tls_ca) == ("pw", str(files.certificate))
    with pytest.raises(MisuseError, match=r"begin store\.url with rediss"):
        store_address(settings.model_copy(update={"url": Secret("redis://h")}))
    watched = {"url": Secret("redis+sentinel://h/name"), "tls_ca": None, "sentinel_password_file": secret}
    found = store_address(settings.model_copy(update=watched))
    assert (found.sentinel_password, found.servers[0].password) == ("pw", "pw")
    with pytest.raises(MisuseError, match=r"store\.sentinel_password_file: cannot read .*none"):
        store_address(settings.model_copy(update=watched | {"sentinel_password_file": tmp_path / "none"}))
    with pytest.raises(MisuseError, match=r"begin store\.url with redis\+sentinel"):
        store_address(settings.model_copy(update=watched | {"url": Secret("redis://h")}))
    for bad in (secret, tmp_path / "none"):
        with pytest.raises(MisuseError, match=rf"store.tls_ca: cannot read {bad} as certificates"):
            store_address(settings.model_copy(update={"tls_ca": bad}))
