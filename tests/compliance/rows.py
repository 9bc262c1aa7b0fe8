"""The findings and duties that the gateway answers to: domain.md section 7, one row each.

A test proves a row by the mark ``@pytest.mark.row("F4")``. ``docs/compliance.md`` is made from these rows,
the tests that name them and what became of each (``make compliance``).
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Row(NamedTuple):
    """What was found or is owed, and what the gateway does about it."""

    duty: str
    feature: str


ROWS: Final[dict[str, Row]] = {
    "F1": Row(
        "ICO finding 1; s.38(3) DPA 2018: victims and perpetrators told apart",
        "a role per assertion; a handover of somebody who is only a victim holds nothing of an offender's",
    ),
    "S38_2": Row("s.38(2) DPA 2018: fact told from opinion", "a kind and an author of every assertion"),
    "S38_5A": Row(
        "s.38(4) DPA 2018: verified before it is sent", "no sending without a verification in 5 days"
    ),
    "S38_5B": Row("s.38(5)(b) DPA 2018: what a reader needs to judge it", "the quality block in every leg"),
    "S38_5C": Row(
        "s.38(5)(c) DPA 2018; finding 14: recipients told without delay",
        "a correction reaches every recipient of any version, before other traffic",
    ),
    "F3": Row(
        "Finding 3: informal lists of people", "no list, no search, no export; signed attestation of purge"
    ),
    "F4": Row("Finding 4; s.39 DPA 2018: no longer than necessary", "review dates; purge by key destruction"),
    "F5": Row("Finding 5; s.37 DPA 2018: blanket sharing", "each section sealed to those who may read it"),
    "F6": Row("Finding 6: sharing without agreements", "a register of sharing agreements, in date"),
    "F7": Row(
        "Finding 7; s.64 DPA 2018: no impact assessment", "a node does not start without its references"
    ),
    "F7_STATS": Row("s.149 Equality Act 2010: monitoring", "figures in aggregate, counts under 5 suppressed"),
    "F8": Row(
        "Finding 8: no oversight or audit", "a log in which what is removed, edited or cut off is found"
    ),
    "F9": Row(
        "Finding 9; s.40, s.66 DPA 2018: unencrypted transfer",
        "sealed end to end; no plaintext on broker, disk or log",
    ),
    "F10": Row(
        "Finding 10; s.62 DPA 2018: who looked", "every opening on record before the plaintext leaves"
    ),
    "S62_ERASURE": Row("s.62 DPA 2018: log of erasure", "the log of what was erased holds nothing of it"),
    "S62_4": Row(
        "s.62(4) DPA 2018: limited use of the log", "a role of its own reads it, and each reading is logged"
    ),
    "S62_5": Row("s.62(5) DPA 2018: to the Commissioner on request", "one command makes a signed export"),
    "F11": Row("Finding 11: threshold for a group link", "two independent sources, or it is refused"),
    "F12": Row(
        "Finding 12: victims justified", "an enforcement agency is told of a victim with a reason only"
    ),
    "F14_CAP": Row(
        "Finding 14: 203 people to 44 recipients",
        "one subject; a second person over 8 recipients; no forwarding",
    ),
    "F14_BREACH": Row(
        "Finding 14; s.67 DPA 2018: reported late", "a clock of 72 hours with alarms at 24, 48 and 60"
    ),
    "F15": Row(
        "Finding 15; s.45 DPA 2018: right of access", "export by handover reference, third parties redacted"
    ),
    "S46_48": Row(
        "s.46-48 DPA 2018: rectify, erase, restrict",
        "told to every recipient, each confirms; evidence is restricted",
    ),
    "S42": Row(
        "s.35, s.42, Sch 8 DPA 2018: appropriate policy",
        "a Part 3 leg without condition and policy is refused",
    ),
    "S115": Row(
        "s.115 Crime and Disorder Act 1998: its limits",
        "refused to DWP and to charities acting for themselves",
    ),
    "S16_4": Row(
        "s.16(4) PCSC Act 2022: its limits", "no patient information, nothing of a health or care authority"
    ),
    "ART5_1B": Row("Art 5(1)(b) UK GDPR; s.36 DPA 2018: purpose", "opening for another purpose is refused"),
    "URGENT": Row("Urgent moves: day and night", "clocks in hours, an escalation chain, a partial payload"),
    "PROBATION": Row(
        "Case transfer framework: 10 and 20 working days", "deadlines in working days of England and Wales"
    ),
    "CP15": Row("Child protection: conference in 15 working days", "the same clock for both nodes"),
    "YJS": Row(
        "YJB protocol: the home service stays responsible", "responsibility moves at the three-month review"
    ),
    "INJUNCTION": Row("Policing and Crime Act 2009 s.36", "two years at most; a review hearing in the first"),
    "R9": Row("Case study J: an order against itself", "a requirement inside an excluded area is refused"),
    "SPOC": Row("Single point of contact", "opens core, contacts and actions; passes the rest on sealed"),
    "NON_LONDON": Row("Outside London", "no standing queue; call-back first; county and district apart"),
    "MISDIRECTED": Row(
        "Misdirected handovers", "returned, purged with attestation, sent again with its history"
    ),
    "R11": Row("Wrong area", "an address outside the destination is refused; an override is on record"),
    "BROKER_CRASH": Row(
        "Nothing lost, nothing twice", "a broker killed between receipt and answer: one record, one task"
    ),
    "SIGNATURE": Row("Signature and replay", "altered, old, revoked or dated ahead: refused unopened"),
    "PQC": Row("NCSC post-quantum migration 2028, 2031, 2035", "hybrid keys; an inventory; no downgrade"),
    "GSC": Row("Government Security Classifications", "SECRET refused; the marking travels and is shown"),
    "LEGACY": Row("Names of 2017", "older agency names are understood, today's are shown"),
    "GVM": Row("The discontinued matrix", "its scores and its successor's are refused wherever they stand"),
}
