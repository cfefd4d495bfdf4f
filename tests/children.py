"""What the kernel tells of processes that tests start."""

import re
import signal
from pathlib import Path


def children_of(process_id: int) -> list[int]:
    """Return the process ids of the living ones; none when it has ended."""
    try:
        return [
            int(one) for one in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []


def answers_signals(process_id: int) -> bool:
    """Tell whether a process has handlers for Ctrl-C and SIGTERM: before that they are the kernel's and the interpreter's."""
    caught = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{process_id}/status").read_text())
    wanted = 1 << signal.SIGINT - 1 | 1 << signal.SIGTERM - 1
    return caught is not None and int(caught[1], 16) & wanted == wanted
