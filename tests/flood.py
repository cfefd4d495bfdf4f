"""A worker under a flood of random keys, addresses, tokens and paths: what it remembers afterwards, and its memory.

Run as a process of its own, so that its memory is its own: ``python -m tests.flood FOLDER COUNT SHARE``.
"""

import asyncio
import json
import os
import random
import sys
from ipaddress import IPv4Address
from pathlib import Path

from tests.servers.gateway_world import World
from tests.tokens import AUDIENCE, ISSUER, SECRET, claims, hs256

from veritape.executor.adapters.workers.machine import process_peak_bytes
from veritape.gateway.adapters.token_verifier import TokenVerifier, Trust
from veritape.gateway.keys import Environment, make_key
from veritape.gateway.policy import Route
from veritape.gateway.problems import RefusedError
from veritape.gateway.token_keys import secret_key
from veritape.gateway.tokens import Algorithm, TokenIssuer


async def call(world: World, route: Route, number: int, credential: tuple[bytes, bytes] | None) -> None:
    """Pass the gate as a request of an address of its own would."""
    visit = world.gate.visit(str(number), IPv4Address(0x0B00_0000 + number), [])
    try:
        world.gate.bar(visit)
        await world.gate.identify(visit, route, [credential] if credential else [], b"")
        await world.gate.charge(visit, route)
    except RefusedError:
        world.gate.note_failure(visit)
    finally:
        world.gate.release(visit)


async def flood(folder: Path, count: int, share: int) -> dict[str, int]:
    """Send ``count`` requests of each kind to a worker whose bounds are a share of the real ones."""
    world, source = World(folder), random.Random(7)
    world.key()
    issuer = TokenIssuer(ISSUER, AUDIENCE, Algorithm.HS256, "", "")
    tokens = TokenVerifier(world.clock, trust=Trust({ISSUER: issuer}, {ISSUER: secret_key(SECRET)}))
    world.gate.tokens = tokens
    remembering = (world.finder.keys, world.finder.accounts, tokens.tokens)
    for one in remembering:
        one.found_limit //= share
        one.unknown_limit //= share
    world.gate.guard.groups_limit //= share
    world.memory.subjects_limit //= share
    keyed = next(route for route in world.gate.policy.routes if route.name == "trades")
    anonymous = keyed._replace(anonymous=True)
    for number in range(count):
        key = make_key(Environment.LIVE, source.randbytes(96))
        await call(world, keyed, number, (b"x-api-key", key.encode()))
        await call(world, anonymous, number, None)
        if number < count // 10:  # a token is signed here at five times the price of its check
            text = hs256(claims(jti=str(number), sub=f"a{number}"))
            await call(world, keyed, number, (b"authorization", f"Bearer {text}".encode()))
        world.gateway.table.paths.match(f"/v1/{source.randbytes(8).hex()}")
    world.close()
    return {
        "keys": len(world.finder.keys),
        "accounts": len(world.finder.accounts),
        "tokens": len(tokens.tokens),
        "groups": len(world.gate.guard),
        "subjects": len(world.memory),
        "months": len(world.memory.months),
        "rss_mib": process_peak_bytes(os.getpid()) >> 20,
    }


if __name__ == "__main__":
    left = asyncio.run(flood(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.write(json.dumps(left))
