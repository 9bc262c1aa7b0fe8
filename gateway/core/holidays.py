"""Bank holidays of England and Wales, 2026 to 2028, as data (domain 4.3: shipped, never fetched).

By the Banking and Financial Dealings Act 1971 and the usual substitute days; the list is that of the GOV.UK
bank-holidays feed, division ``england-and-wales``. A day proclaimed later (a royal event) is added here.

After the last year only weekends are left out, so deadlines then fall early by at most the holidays in
between: strict for the receiver, never late for the subject. :func:`holidays_known_until` lets an operator's
check warn in time.
"""

from __future__ import annotations

from datetime import date, timedelta

BANK_HOLIDAYS = frozenset(
    date(year, month, day)
    for year, days in {
        2026: ((1, 1), (4, 3), (4, 6), (5, 4), (5, 25), (8, 31), (12, 25), (12, 28)),
        2027: ((1, 1), (3, 26), (3, 29), (5, 3), (5, 31), (8, 30), (12, 27), (12, 28)),
        2028: ((1, 3), (4, 14), (4, 17), (5, 1), (5, 29), (8, 28), (12, 25), (12, 26)),
    }.items()
    for month, day in days
)


def holidays_known_until() -> date:
    """The last day for which the list is complete."""
    return date(max(BANK_HOLIDAYS).year, 12, 31)


NOTICE = timedelta(days=183)
"""How long before the list ends an operator is warned: a release with a longer one takes its time."""


def holidays_end_soon(today: date) -> bool:
    """Whether the list ends within half a year of ``today``, or has ended."""
    return today + NOTICE > holidays_known_until()
