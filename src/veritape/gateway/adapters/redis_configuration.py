"""Looks at how the servers of the store are set (GW-259, GW-260)."""

from veritape.gateway.adapters.store_link import Link
from veritape.gateway.store_keeping import ASKED, UNKNOWN, what_it_forgets, why_it_evicts
from veritape.kernel.errors import CheckFailedError


async def check_configuration(link: Link) -> list[str]:
    """Return what to warn of, a line each, the same line once however many servers it is true of.

    Raises:
        CheckFailedError: ``redis_evicts``.
        StoreError: no answer.
    """
    warnings: dict[str, None] = {}
    for server in link.servers:
        found = await server.call([b"CONFIG", b"GET", *map(str.encode, ASKED)])
        if not isinstance(found, list):
            warnings[UNKNOWN] = None
            continue
        texts = [bytes(word).decode() for word in found]
        parameters = dict(zip(texts[::2], texts[1::2], strict=True))
        if (why := why_it_evicts(parameters)) is not None:
            raise CheckFailedError(why)
        warnings.update(dict.fromkeys(what_it_forgets(parameters)))
    return list(warnings)
