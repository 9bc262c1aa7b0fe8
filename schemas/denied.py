"""What may not be sent at all, refused by name and with the reason (domain 6.4, R18).

Duty: the list of prohibited fields with their spellings, and the patterns of scores in text. The shape is
closed, so such a field would be refused as unknown anyway; here the sender learns why it will never be known.
It leaves out the walk through a document (:mod:`schemas.reading`).

Rules
-----
- A name is compared without case, separators and what stands round it: ``gang_member``, ``gangMember``,
  ``is-gang-member`` and ``GANG MEMBER FLAG`` are one name.
- Assertions and the tool of a risk rating may not mention a discontinued or internal scoring at all; other
  text may not give a score of it. The omission list may name whatever was left out.

>>> prohibited_name("isGangMember").remedy
'remove it; what is known of a group goes into gang_association, as a graded assertion with a review date'
>>> prohibited_name("gang_association") is None
True
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

Path = tuple[str | int, ...]
"""A place in a document: names and list indices from the root."""


@dataclass(frozen=True, slots=True)
class Prohibition:
    """``inside``: a name that has one of these in it, separators left out. ``words``: short names that count
    only as a whole word. ``message`` says what it is and why it is refused."""

    inside: tuple[str, ...]
    words: frozenset[str]
    message: str
    remedy: str


SCORE = Prohibition(
    inside=(
        "gangsmatrix", "gangmatrix", "gangsviolencematrix", "gangviolencematrix", "matrixscore", "matrixrag",
        "matrixrating", "matrixband", "violenceharm", "harmscore", "gvmscore", "vhascore", "gvmrag", "vharag",
    ),
    words=frozenset({"gvm", "vha", "matrix"}),
    message="a Gangs Violence Matrix or Violence Harm Assessment score is never sent: the Matrix ended on 13 "
    "February 2024 and its data were to be destroyed, the Assessment is internal to the Met (R18)",
    remedy="remove it; a risk rating here is a dated judgement by a named role, in risk_to or risk_from",
)  # fmt: skip

PROHIBITIONS: tuple[Prohibition, ...] = (
    SCORE,
    Prohibition(
        inside=("ethnic", "racial", "skincolour", "skincolor"),
        words=frozenset({"race", "iccode", "ethnos"}),
        message="ethnicity is never sent: no action depends on it (s.35, s.37 DPA 2018; s.149 Equality "
        "Act 2010)",
        remedy="remove it; monitoring is done separately and in aggregate",
    ),
    Prohibition(
        inside=("religio",),
        words=frozenset({"faith", "belief", "beliefs"}),
        message="religion is never sent: no action depends on it (s.35, s.37 DPA 2018)",
        remedy="remove it; a need that follows from it goes into core.reasonable_adjustments",
    ),
    Prohibition(
        inside=("immigration", "asylum", "leavetoremain", "residencestatus", "settledstatus"),
        words=frozenset({"visa", "nrpf", "refugee"}),
        message="immigration status is never sent: it is another purpose, and no immigration authority takes "
        "part (s.36 DPA 2018)",
        remedy="remove it",
    ),
    Prohibition(
        inside=("sexuality", "sexualorientation", "sexualpreference", "sexlife", "sexuallife"),
        words=frozenset(),
        message="sexuality is never sent: no action depends on it (s.35, s.37 DPA 2018)",
        remedy="remove it",
    ),
    Prohibition(
        inside=(
            "gangmember", "gangnominal", "gangaffiliat", "gangflag", "ganglabel", "gangstatus", "gangname",
            "isgang", "ingang",
        ),
        words=frozenset({"gang", "gangs", "nominal"}),
        message="membership of a gang is never a field: a label without source and date cannot be judged or "
        "corrected (s.38 DPA 2018)",
        remedy="remove it; what is known of a group goes into gang_association, as a graded assertion with a "
        "review date",
    ),
    Prohibition(
        inside=(
            "sourceidentity", "sourcename", "sourceperson", "nameofsource", "identityofsource", "informant",
            "informer", "sourcehandler", "covertsource", "humansource",
        ),
        words=frozenset({"chis"}),
        message="the identity of a source is never sent: it endangers the source (3x5x2 handling)",
        remedy="remove it; grading and corroboration_sources say how far the statement can be relied on",
    ),
    Prohibition(
        inside=("photo", "mugshot", "facialimage", "custodyimage", "portrait"),
        words=frozenset({"image", "images", "picture", "pictures"}),
        message="photographs are not sent: no action depends on one (s.37 DPA 2018)",
        remedy="remove it; who needs one asks the agency that holds it",
    ),
    Prohibition(
        inside=(
            "knownassociate", "listofassociates", "associatelist", "associateslist", "familymember",
            "relatives", "sibling", "householdmember", "linkedperson", "linkedpeople", "linkedindividual",
            "codefendant", "otherperson", "otherpeople", "otherindividual", "friends", "peergroup",
        ),
        words=frozenset({"peers", "network"}),
        message="lists of other people are never sent, unless a court order names them: they are data "
        "subjects too (s.37 DPA 2018; R8)",
        remedy="remove it; third parties whom an order names go into associates",
    ),
)  # fmt: skip
"""Everything that domain 6.4 prohibits, each with its reason in law."""

OURS = frozenset({"gang_association"})
"""Field names of the shape that would look prohibited."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_LETTER = re.compile(r"[^a-z]+")


@lru_cache(maxsize=512)  # a document has some 150 different names, each many times
def prohibited_name(name: str) -> Prohibition | None:
    """The prohibition that a field of this name falls under, or None."""
    if name in OURS:
        return None
    words = _NO_LETTER.sub(" ", _HUMP.sub(" ", unicodedata.normalize("NFKC", name)).lower()).split()
    squeezed = "".join(words)
    for prohibition in PROHIBITIONS:
        if not prohibition.words.isdisjoint((*words, squeezed)) or any(
            part in squeezed for part in prohibition.inside
        ):
            return prohibition
    return None


# --- Text -----------------------------------------------------------------------------------------------

_SYSTEM = r"(?:gvm|vha|gangs? (?:violence )?matrix|(?:trident|met|police) matrix|violence harm assessments?)"
_GRADE = r"(?:scor(?:e|es|ed|ing)|rag|rating|rated|red|amber|green|band(?:ed)?|[0-9]+)"
_BETWEEN = r"(?: [a-z0-9]+){0,4}? "
_MENTION = re.compile(rf"\b{_SYSTEM}\b")
_SCORED = re.compile(
    rf"\b(?:{_SYSTEM}|the matrix){_BETWEEN}{_GRADE}\b|\b{_GRADE}{_BETWEEN}(?:{_SYSTEM}|the matrix)\b"
)
_SEPARATORS = re.compile(r"[\W_]+")
_NO_MENTION = frozenset({"statement", "category", "assessor", "tool"})
"""Fields whose content would be data of the scoring if they so much as named it."""
_ABOUT_THE_SUBJECT = ("history", "gang_association", "risk_to", "risk_from")
_OMITTED = ("data_quality", "omitted")


def prohibited_text(path: Path, text: str) -> Prohibition | None:
    """The prohibition that text at this place falls under, or None."""
    if path[:2] == _OMITTED:
        return None
    normal = unicodedata.normalize("NFKC", text)
    lower = normal.lower()
    # Every name of the scoring has one of these in it and hardly any text has: it needs no closer look, which
    # would cost as much as all the rest of reading a document.
    if not ("matrix" in lower or "gvm" in lower or "vha" in lower or "harm" in lower):
        return None
    plain = _SEPARATORS.sub(" ", normal).lower()
    strict = bool(path) and path[0] in _ABOUT_THE_SUBJECT and path[-1] in _NO_MENTION
    return SCORE if _SCORED.search(plain) or (strict and _MENTION.search(plain)) else None
