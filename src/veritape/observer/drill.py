"""What a drill finds: each difference with its reason, and the statement of the whole (OB-762, OB-763)."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from veritape.observer.manifests import BackupReason, LineFigures, Totals

FORMAT: Final = "veritape.drill.v1"
"""Name of the JSON document."""


class Difference(NamedTuple):
    """One thing that is not as it was written."""

    reason: BackupReason
    """What kind of thing."""
    detail: str
    """Which one, for people."""


class Proven(NamedTuple):
    """What a drill looked at."""

    target: str
    """Where the backup lies."""
    manifest: str
    """Name of the manifest that was restored; empty when none could be read."""
    day: str
    """Its day."""
    files: int
    """Files restored."""
    bytes: int
    """Their size."""
    lines: int
    """Lines whose figures were compared."""
    differences: tuple[Difference, ...]
    """Everything that is wrong."""

    @property
    def passed(self) -> bool:
        """Whether the backup is what the recording was: no difference, and something was compared."""
        return not self.differences and bool(self.files)

    def document(self, duration_ms: int) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "format": FORMAT,
            "target": self.target,
            "manifest": self.manifest,
            "day": self.day,
            "files": self.files,
            "bytes": self.bytes,
            "lines": self.lines,
            "differences": [{"reason": one.reason.value, "detail": one.detail} for one in self.differences],
            "duration_ms": duration_ms,
            "passed": self.passed,
        }


def compare(
    said: Mapping[str, LineFigures], found: Mapping[str, LineFigures], who: str, by: str
) -> list[Difference]:
    """Return a difference for each line whose figures are not the same.

    Args:
        said: code -> figures as they were written down.
        found: code -> figures as computed from the restored files.
        who: names the first, for people.
        by: names the second.
    """
    differences = []
    for code in sorted({*said, *found}):
        one, other = said.get(code), found.get(code)
        if one != other:
            detail = f"{code}: {who} has {_shown(one)}, {by} {_shown(other)}"
            differences.append(Difference(BackupReason.AUDIT_DIFFERS, detail))
    return differences


def compare_sealed(sealed: Mapping[str, Totals], lines: Mapping[str, LineFigures]) -> list[Difference]:
    """Return a difference for each line whose segments do not add up to what its ledger recorded."""
    none = Totals(trades=0, shares=0, value_krw=0)
    return [
        Difference(
            BackupReason.AUDIT_DIFFERS,
            f"{code}: the segments hold {_totals(sealed.get(code, none))}, the ledger {_totals(recorded)}",
        )
        for code in sorted({*sealed, *lines})
        if sealed.get(code, none) != (recorded := lines[code].recorded if code in lines else none)
    ]


def text(document: Mapping[str, Any]) -> str:
    """Return the form for people."""
    verdict = "passed" if document["passed"] else f"FAILED: {len(document['differences'])} differences"
    head = (
        f"drill of {document['manifest'] or 'nothing'} from {document['target']}: {verdict}; {document['files']} files,"
        f" {document['bytes']:,} bytes, {document['lines']} lines compared, {document['duration_ms'] / 1000:.1f} s"
    )
    return "\n".join([head, *(f"  {one['reason']}: {one['detail']}" for one in document["differences"])])


def _shown(line: LineFigures | None) -> str:
    if line is None:
        return "nothing"
    return f"{line.status}, recorded {_totals(line.recorded)}, residual {_totals(line.residual)}"


def _totals(totals: Totals) -> str:
    shares, value = ("?" if one is None else f"{one:,}" for one in (totals.shares, totals.value_krw))
    return f"{totals.trades:,} trades {shares} shares {value} won"
