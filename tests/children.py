"""The processes that a process of a test has started."""

from pathlib import Path


def children_of(process_id: int) -> list[int]:
    """Return the process ids of the living ones; none when it has ended."""
    try:
        return [
            int(one) for one in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []
