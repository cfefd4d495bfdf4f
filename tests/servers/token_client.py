"""A process that wants the account's token and prints a digest of it. Arguments: data directory, REST address, key, secret."""

import asyncio
import sys

from blake3 import blake3

from veritape.apps.broker_account import open_broker
from veritape.observer.adapters.replay_clock import ReplayClock
from veritape.observer.settings import RecordSettings


async def main(data: str, rest_url: str, appkey: str, appsecret: str) -> None:
    kis = {"appkey": appkey, "appsecret": appsecret, "rest_url": rest_url, "follow_replay_clock": True}
    settings = RecordSettings.model_validate({"observer": {"data_dir": data}, "kis": kis})
    clock = ReplayClock(rest_url)
    follower = await clock.start()
    rest, permits = open_broker(settings, clock, owner=False)
    tokens = await asyncio.gather(*(rest.token() for _ in range(10)))
    sys.stdout.write(" ".join({blake3(token.encode()).hexdigest() for token in tokens}) + "\n")
    await rest.close()
    permits.close()
    follower.cancel()


asyncio.run(main(*sys.argv[1:]))
