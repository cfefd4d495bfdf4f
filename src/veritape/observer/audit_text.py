"""The audit for people: one row a line sorted by status and code, then totals (OB-677)."""

from collections.abc import Mapping
from typing import Any

from veritape.observer.severity import Severity


def text(audit: Mapping[str, Any], last_seal: str) -> str:
    """Return the rows of an audit document."""
    lines = sorted(audit["lines"], key=lambda line: (line["status"], line["code"]))
    anchored = sum(line["anchor"] is not None for line in lines)
    contradictions = sum(line["contradictions"] for line in lines)
    duplicates = sum(line["duplicates"] for line in lines)
    head = (
        f"day {audit['day']}  venue {audit['venue']}  anchored {anchored}/{len(lines)}  contradictions {contradictions}"
        f"  duplicates {duplicates}  last seal {last_seal[:8] or '-'}"
    )
    columns = (
        f"{'code':7} {'status':19} {'trades':>9} {'recorded':>9} {'backfilled':>10} {'residual':>8} {'shares missing':>20}"
        f" {'value missing KRW':>18}  {'gaps l/m/h':>10}  watched"
    )
    rows = [head, columns, *(_row(line) for line in lines)]
    rows += [_gap_row(gap) for gap in audit["gaps"]]
    rows += [f"{line['code']:7} {words}" for line in lines for words in line["differences"]]
    if audit["anomalies"]:
        rows.append(f"anomaly day: {', '.join(audit['anomalies'])}")
    return "\n".join([*rows, _total(audit)])


def _row(line: Mapping[str, Any]) -> str:
    end = line["anchor"] or {"trades": None, "shares": 0}
    residual, trades = line["residual"], end["trades"]
    share = f"{100 * residual['shares'] / end['shares']:.3f}%" if end["shares"] else "-"
    counts = [sum(gap["severity"] == severity for gap in line["gaps"]) for severity in Severity]
    watched = " ".join(f"{clock_text(start)}-{clock_text(end_s)}" for start, end_s in line["watched"]) or "-"
    return (
        f"{line['code']:7} {line['status']:19} {'?' if trades is None else f'{trades:,}':>9}"
        f" {line['recorded']['trades']:>9,} {line['backfilled']['trades']:>10,} {residual['trades']:>8,}"
        f" {residual['shares']:>13,} {share:>6} {residual['value_krw']:>18,}"
        f"  {'/'.join(map(str, counts)):>10}  {watched}"
    )


def _gap_row(gap: Mapping[str, Any]) -> str:
    right = gap["right"]
    until = "now" if right is None else clock_text(right["event_s"])
    least = "at least " if gap["trades"]["min"] < gap["trades"]["max"] else ""
    return (
        f"{gap['scope']:11}{gap['cause']} {clock_text(gap['left']['event_s'])}-{until}, {gap['duration_s']} s in session,"
        f" {least}{gap['residual']['trades']:,} trades missing, {gap['severity']}, {gap['state']}"
    )


def _total(audit: Mapping[str, Any]) -> str:
    totals, sweeps = audit["totals"], audit["sweeps"]
    verdict = "every line closes" if audit["closed"] else "NOT every line closes"
    return (
        f"total   {verdict}: recorded {totals['recorded']['trades']:,}, backfilled {totals['backfilled']['trades']:,},"
        f" residual {totals['residual']['trades']:,} trades;"
        f" sweeps {sweeps['received']:,} of {sweeps['expected']:,} in {sweeps['cycles']} cycles"
    )


def clock_text(seconds: int) -> str:
    """Return a second of the day as HH:MM:SS."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
