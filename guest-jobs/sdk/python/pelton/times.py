"""Times as RFC 3339 writes them, with or without a fraction: Python leaves it out where it is zero."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-9]{2})(?:\.([0-9]+))?"
    r"(Z|z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch


def microseconds(text: str) -> int | None:
    """Microseconds since 1970-01-01 00:00:00 UTC of a time such as ``2024-05-02T10:11:12.123456+00:00``; ``None`` where
    the text is none, or of a year outside 1 to 9999. Digits beyond the microsecond are cut off; second 60 is the first of
    the next minute.

    >>> microseconds("2024-05-02T10:11:12+00:00")
    1714644672000000
    """
    time = _TIME(text)
    if time is None:
        return None
    day, minute, second, fraction, zone = time.groups(default="0")
    if int(second) > 60:
        return None
    try:
        # The expression has held the hours to below 24: newer versions of Python read `24:00` as the next day.
        start = datetime.fromisoformat(f"{day}T{minute}:00{zone.upper()}")
    except ValueError:
        return None
    return (start - _EPOCH) // _MICROSECOND + int(second) * 1_000_000 + int(f"{fraction:0<6}"[:6])
