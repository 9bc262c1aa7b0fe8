"""The powers under which something may be shared, whom each reaches and what it never carries: domain 3.4.

Duty: one row a power. A new power is a new row and nothing else. It leaves out the judging (rule R5, in
:mod:`gateway.core.rules.basis`) and whether an agreement between agencies is in date
(:mod:`gateway.core.registers`).

Rules
-----
- A code that has no row is no power: it is refused, as a sender cannot be believed about a law of its own.
- ``reaches`` is of recipients. Somebody who is not in it may still act for one who is, with a contract, where
  ``on_behalf`` says so (s.115(1) Crime and Disorder Act 1998).
- What a power does not carry is named by field (``outside``) and by who discloses (``not_from``).
- An offer of help can be declined; supervision and enforcement cannot, so they do not rest on agreement.

>>> sorted(POWERS["OMA2007_S14"].reaches)
['POLICE', 'PROBATION']
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.entitlements import agencies

ADULT_SOCIAL_CARE: Final = "ADULT_SOCIAL_CARE"

HEALTH_OR_SOCIAL_CARE = agencies("N C L") | {ADULT_SOCIAL_CARE}
"""Health and social care authorities: s.16(4) of the 2022 Act keeps their personal information out."""

PATIENT_INFORMATION = (
    "identifiers.nhs_number",
    "safeguarding.hospital",
    "support.substance",
    "support.mental_health",
)
"""Fields that come from or point to a patient's record."""

SOCIAL_CARE_INFORMATION = (
    "safeguarding.s47_enquiry",
    "safeguarding.child_protection_plan",
    "safeguarding.looked_after",
    "support.care_status",
    "support.pathway_plan_ref",
)
"""Fields that a social care authority is the source of."""

AUTHORITIES = agencies("all but D T V")
"""Police, councils with all their services, probation, health: the relevant authorities of s.115."""

SAFEGUARDERS = agencies("P B Y C L H E N S X") | {ADULT_SOCIAL_CARE}
"""Who co-operates for the welfare of children under the Children Acts."""


@dataclass(frozen=True, slots=True)
class Power:
    """``ages``: completed years on the day of issue for which the power is there. ``threat``: a reference to
    the threat must be recorded. ``commenced`` False: enacted, and in force only where a node's settings say
    so (``[governance] commenced``)."""

    code: str
    words: str
    reaches: frozenset[str]
    on_behalf: bool = False
    not_from: frozenset[str] = frozenset()
    outside: tuple[str, ...] = ()
    ages: tuple[int, int] = (0, 200)
    threat: bool = False
    commenced: bool = True


CHILD: Final = (0, 17)
ADULT: Final = (18, 200)

_ROWS = (
    Power("CDA1998_S115", "Crime and Disorder Act 1998 s.115", AUTHORITIES, on_behalf=True),
    Power(
        "PCSC2022_S16",
        "Police, Crime, Sentencing and Courts Act 2022 s.16",
        AUTHORITIES,
        not_from=HEALTH_OR_SOCIAL_CARE,
        outside=PATIENT_INFORMATION + SOCIAL_CARE_INFORMATION,
    ),
    Power("CA2004_S10", "Children Act 2004 s.10", SAFEGUARDERS, on_behalf=True, ages=(0, 24)),
    Power("CA2004_S11", "Children Act 2004 s.11", SAFEGUARDERS, on_behalf=True, ages=CHILD),
    Power("CA1989_S17", "Children Act 1989 s.17", SAFEGUARDERS, on_behalf=True, ages=CHILD),
    Power("CA1989_S47", "Children Act 1989 s.47", SAFEGUARDERS, ages=CHILD),
    Power(
        "CA1989_S23C",
        "Children Act 1989 s.23C and what follows it",
        agencies("C L H E N X") | {ADULT_SOCIAL_CARE},
        on_behalf=True,
    ),
    Power(
        "CWSA2026_S4",
        "Children's Wellbeing and Schools Act 2026 s.4",
        SAFEGUARDERS,
        ages=CHILD,
        commenced=False,
    ),
    Power("EA2002_S175", "Education Act 2002 s.175", agencies("C E"), ages=CHILD),
    Power(
        "CARE2014_S42", "Care Act 2014 ss.42-45", agencies("P B H N S X") | {ADULT_SOCIAL_CARE}, ages=ADULT
    ),
    Power("HSCA2012_S251B", "Health and Social Care Act 2012 s.251B", agencies("N") | {ADULT_SOCIAL_CARE}),
    Power("HA1996_PT7", "Housing Act 1996 Part 7", agencies("C L H X") | {ADULT_SOCIAL_CARE}, on_behalf=True),
    Power("HA1996_S208", "Housing Act 1996 s.208", agencies("H X")),
    Power("HA1996_S213B", "Housing Act 1996 s.213B", agencies("H X")),
    Power("OMA2007_S14", "Offender Management Act 2007 s.14", agencies("P B")),
    Power("COMMON_LAW_PROTECT_LIFE", "Common law duty to protect life", agencies("all"), threat=True),
    Power("ECHR_ART2", "European Convention on Human Rights Art 2", agencies("all"), threat=True),
    Power("VITAL_INTERESTS", "Vital interests of a person", agencies("all"), threat=True),
    Power("AGREEMENT", "The subject's recorded agreement", agencies("all but P B Y")),
)

AGREEMENT: Final = "AGREEMENT"

POWERS: Mapping[str, Power] = MappingProxyType({row.code: row for row in _ROWS})
"""Code -> power."""
