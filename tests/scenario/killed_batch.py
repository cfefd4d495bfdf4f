"""A batch that a test kills: one worker process, items of some hundredths of a second. Arguments: folder of the cache, items."""

import struct
import sys

from veritape.apps.executor_runtime import make_runtime
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.runtime.progress import Progress
from veritape.executor.settings import CacheSettings, ExecutorSettings


def main() -> None:
    settings = ExecutorSettings(workers=1, cache=CacheSettings(disk_path=sys.argv[1]))
    inputs = [struct.pack("<III", 1_500_000 + number, 0, 1) for number in range(int(sys.argv[2]))]
    with make_runtime(settings) as runtime:
        runtime.run_batch(guest_image("fibonacci"), inputs, show=tell)


def tell(progress: Progress) -> None:
    """Say how many items are finished, for the test that reads it."""
    sys.stdout.write(f"{progress.done}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
