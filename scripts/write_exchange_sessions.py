#!/usr/bin/env python3
"""Write src/veritape/observer/calendars/xkrx.json: the sessions of KRX as exchange_calendars knows them.

usage: scripts/write_exchange_sessions.py [--check]    --check compares and exits 1 when the table is not current
"""

import json
import sys
import warnings
from datetime import date, timedelta
from pathlib import Path

import exchange_calendars

TABLE = Path(__file__).resolve().parents[1] / "src" / "veritape" / "observer" / "calendars" / "xkrx.json"
FIRST, LAST = "2013-01-01", "2035-12-31"
"""Span of the table. What the government announces later, as substitute holidays, comes with upgrades of the library."""
SATURDAY = 5


def table() -> dict[str, object]:
    """Return the sessions: usual hours by era, closed weekdays, days with other hours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pandas warns about the library's own code
        calendar = exchange_calendars.get_calendar("XKRX", start=FIRST, end=LAST)
        schedule = calendar.schedule.tz_localize(None)
        hours = {
            day.date(): [row[name].tz_convert("Asia/Seoul").strftime("%H:%M") for name in ("open", "close")]
            for day, row in schedule.iterrows()
        }
    eras = [["20130101", "09:00", "15:00"], ["20160801", "09:00", "15:30"]]
    closed, special = [], {}
    day, last = date.fromisoformat(FIRST), date.fromisoformat(LAST)
    while day <= last:
        text = f"{day:%Y%m%d}"
        if day not in hours and day.weekday() < SATURDAY:
            closed.append(text)
        usual = next(era[1:] for era in reversed(eras) if era[0] <= text)
        if day in hours and hours[day] != usual:
            special[text] = hours[day]
        day += timedelta(days=1)
    return {
        "format": "veritape.exchange-sessions.v1",
        "source": f"exchange_calendars {exchange_calendars.__version__} XKRX",
        "first": FIRST.replace("-", ""),
        "last": LAST.replace("-", ""),
        "usual": eras,
        "closed": closed,
        "special": special,
    }


def main() -> int:
    """Write or check the table."""
    text = json.dumps(table(), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        if TABLE.read_text() == text:
            return 0
        print(f"{TABLE.name} is not current: run scripts/write_exchange_sessions.py", file=sys.stderr)
        return 1
    TABLE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
