"""Rule R5: every leg has a lawful basis that reaches its recipient, and every basis is complete.

Duty: hold each leg against the powers that it names (:mod:`gateway.core.powers`) and against the node's
registers (:mod:`gateway.core.registers`). It leaves out which sections an agency may read at all (R4).

Rules
-----
- Each power of a basis must reach each recipient that uses the basis: a power that does not reach somebody
  lends nothing to the next.
- Every basis rests on a sharing agreement in date, or on a one-off decision with the data protection
  officer's reference (finding F6). A basis under Part 3 DPA 2018 names its Schedule 8 condition and an
  appropriate policy document in date (s.35, s.42).
- Without registers (a document judged away from any node) what only a register can answer is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from gateway.core.encoding import Json, JsonObject
from gateway.core.entitlements import group_of
from gateway.core.narrowing import circumstances, named
from gateway.core.powers import AGREEMENT, POWERS, Power
from gateway.core.registers import Registers, Term
from gateway.core.rules import Case
from gateway.errors import Problem
from schemas.routing import LawfulBasis, Recipient
from schemas.vocabulary import Regime

OWN = "give the recipient a basis of its own"


def r5_lawful_basis(case: Case) -> Iterator[Problem]:
    """R5 whole (s.35, s.42 and Sch 8 DPA 2018; domain 3.4; findings F5, F6)."""
    held = {basis.id: basis for basis in case.document.lawful_basis}
    for index, leg in enumerate(case.document.routing.recipients):
        for at, name in enumerate(leg.lawful_basis):
            pointer = f"/routing/recipients/{index}/lawful_basis/{at}"
            if name not in held:
                yield Problem(pointer, "no lawful basis has this id", "name an entry of lawful_basis", "R5")
                continue
            wrong = _unreached(case, held[name], leg) or _uncovered(case, held[name], leg)
            if wrong:
                yield Problem(pointer, wrong, OWN, "R5")
    for index, basis in enumerate(case.document.lawful_basis):
        yield from _complete(case, f"/lawful_basis/{index}", basis)
        yield from _powers(case, f"/lawful_basis/{index}/powers", basis)
        if case.registers is not None:
            yield from _on_file(case, case.registers, f"/lawful_basis/{index}", basis)


# --- the powers ---------------------------------------------------------------------------------------


def _powers(case: Case, pointer: str, basis: LawfulBasis) -> Iterator[Problem]:
    """Each is one that there is, in force, and there for a subject of this age and in this danger."""
    commenced = case.registers.commenced if case.registers is not None else frozenset()
    for index, code in enumerate(basis.powers):
        power = POWERS.get(code)
        if power is None:
            yield Problem(
                f"{pointer}/{index}", "no power of this code", "use a code of `gateway schema rules`", "R5"
            )
        elif not power.commenced and code not in commenced:
            yield Problem(f"{pointer}/{index}", "a power that is not in force", "name another power", "R5")
        elif not power.ages[0] <= case.age <= power.ages[1]:
            yield Problem(
                f"{pointer}/{index}", "not a power for a subject of this age", "name another power", "R5"
            )
        elif power.threat and not _threat_on_record(case):
            yield Problem(
                f"{pointer}/{index}",
                "a power to protect life, and no threat on record",
                "give move.evidence_of_threat_ref or urgent.threat_to_life_ref, or name another power",
                "R5",
            )


def _threat_on_record(case: Case) -> bool:
    if case.document.move.evidence_of_threat_ref:
        return True
    urgent = case.document.urgent
    return urgent is not None and bool(urgent.threat_to_life_ref or urgent.evidence_ref)


def _unreached(case: Case, basis: LawfulBasis, leg: Recipient) -> str:
    """Why this basis does not carry this leg; "" when it does. Unknown powers are told of once, elsewhere."""
    for code in basis.powers:
        power = POWERS.get(code)
        if power is None:
            continue
        if not reaches(power, leg) or case.document.message.authorised_by.agency in power.not_from:
            return "a power of this basis does not reach this recipient"
        if power.outside and _carries_what_is_outside(case, power, leg):
            return "a power of this basis does not carry what this recipient would read"
    return ""


def reaches(power: Power, leg: Recipient) -> bool:
    """Directly, or through the authority for which the recipient acts under a contract."""
    agent = leg.acting_on_behalf_of
    return leg.agency in power.reaches or (
        power.on_behalf and agent is not None and agent.authority in power.reaches
    )


def _carries_what_is_outside(case: Case, power: Power, leg: Recipient) -> bool:
    """Whether the leg would be given a field that the power leaves out, or a statement of an authority from
    which it carries none."""
    for path in power.outside:
        section, _, field = path.partition(".")
        held = getattr(getattr(case.document, section), field, None) is not None
        if held and section in leg.sections and leg.agency in case.entitlements.get(group_of(path) or "", ()):
            return True
    return "history" in leg.sections and any(
        _source(item) in power.not_from and leg.agency in _readers(case, item)
        for item in _items(case.content, "history")
    )


def _items(content: JsonObject, name: str) -> list[Json]:
    items = content.get(name)
    return items if isinstance(items, list) else []


def _source(item: Json) -> Json:
    return item.get("source_agency") if isinstance(item, dict) else None


def _readers(case: Case, item: Json) -> frozenset[str]:
    return named(item, "history", circumstances(case.content)) or frozenset()


# --- what is recorded -----------------------------------------------------------------------------------


def _complete(case: Case, pointer: str, basis: LawfulBasis) -> Iterator[Problem]:
    if AGREEMENT in basis.powers and not _agreed(case, basis):
        yield Problem(
            f"{pointer}/agreement", "no agreement in force", "record it, or use another power", "R5"
        )
    if not basis.dsa_ref and not basis.one_off:
        yield Problem(
            f"{pointer}/dsa_ref", "no sharing agreement", "name it, or record a one-off decision", "R5"
        )
    required = ("sch8_condition", "apd_ref") if basis.regime is Regime.DPA2018_PART3 else ("article6",)
    for field in required:
        if not getattr(basis, field):
            yield Problem(f"{pointer}/{field}", "missing under this regime", "state it", "R5")


def _agreed(case: Case, basis: LawfulBasis) -> bool:
    agreement = basis.agreement
    return (
        agreement is not None
        and agreement.given
        and agreement.at.timestamp() <= case.now
        and (agreement.withdrawn_at is None or agreement.withdrawn_at.timestamp() > case.now)
    )


# --- what is on file --------------------------------------------------------------------------------------


def _on_file(case: Case, held: Registers, pointer: str, basis: LawfulBasis) -> Iterator[Problem]:
    if basis.dsa_ref and (wrong := _not_in_force(held.agreements.get(basis.dsa_ref), case.today)):
        yield Problem(
            f"{pointer}/dsa_ref",
            f"the sharing agreement {wrong}",
            "name one that is, record a one-off decision, or have it entered in [governance] agreements",
            "R5",
        )
    if case.document.message.drill:
        return  # nobody's data is processed: a borough's policy documents name no drill
    if basis.apd_ref and (wrong := _not_in_force(held.policies.get(basis.apd_ref), case.today)):
        yield Problem(
            f"{pointer}/apd_ref",
            f"the appropriate policy document {wrong}",
            "name one that is, or have it entered in [governance] policies",
            "R5",
        )


def _not_in_force(term: Term | None, today: date) -> str:
    if term is None:
        return "is not in this node's register"
    return "" if term.on(today) else "is not in date"


def _uncovered(case: Case, basis: LawfulBasis, leg: Recipient) -> str:
    """Why the agreement that the basis names is none with this recipient; "" when it is or is not known."""
    agreement = case.registers.agreements.get(basis.dsa_ref or "") if case.registers is not None else None
    if agreement is None:
        return ""
    for area in case.areas(leg):
        if not agreement.covers(area, leg.agency):
            return "the sharing agreement of this basis does not cover this recipient"
    return ""
