"""What is on file, out of the settings: the gate before a node starts, and the registers that rules ask.

Duty: refuse to start a production node without its assessments, its policy documents and its data protection
officer (R25; finding F7: no impact assessment for years), and turn ``[governance]`` into the
:class:`gateway.core.registers.Registers` of the node. It leaves out the rules
(:mod:`gateway.core.rules.basis`) and whether an assessment is a good one: a machine can ask for a reference.

A demo network has fictional people and fictional documents, those of the examples, unless its settings say
otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import date

from gateway.config import Governance, OnFile, Settings
from gateway.core import registers
from gateway.core.entitlements import AGENCIES
from gateway.core.powers import POWERS
from gateway.core.registers import Agreement, Registers, Term, check_narrowing
from gateway.errors import Misconfigured, Problem
from gateway.ports import Places
from gateway.stores.places import open_places

REQUIRED: Mapping[str, str] = {
    "dpia_ref": "the data protection impact assessment (s.64 DPA 2018, Art 35 UK GDPR)",
    "eia_ref": "the equality impact assessment (s.149 Equality Act 2010)",
    "dpo": "the role of the data protection officer",
    "policies": "an appropriate policy document (s.42 DPA 2018)",
}
"""Setting -> what it stands for. Agreements are not among them: without one a node runs and sends nothing."""


def check(settings: Settings, today: date) -> None:
    """Raises Misconfigured naming every setting without which a production node does not start (R25)."""
    if settings.environment != "prod":
        return
    held = settings.governance
    problems = [
        Problem(f"/governance/{name}", f"{what} is missing", f"set {name} in [governance]", "R25")
        for name, what in REQUIRED.items()
        if not getattr(held, name)
    ]
    if held.policies and not any(_term(one).on(today) for one in held.policies):
        problems.append(
            Problem("/governance/policies", "none is in date", "review it, and enter its new term", "R25")
        )
    if problems:
        raise Misconfigured(
            "this node may not start: " + "; ".join(problem.message for problem in problems),
            code="governance",
            field=problems[0].field,
            remedy="`gateway config example` prints the section [governance]",
            rule="R25",
            problems=problems,
        )


def registers_of(settings: Settings, entitlements: Mapping[str, AbstractSet[str]]) -> Registers:
    """Raises Misconfigured for entries that contradict each other, name what there is not, or would widen the
    signed ``entitlements``."""
    held = settings.governance
    _check_words(held)
    narrowing = {group: frozenset(told) for group, told in held.entitlements.items()}
    check_narrowing(entitlements, narrowing)
    if settings.environment == "demo" and not (held.agreements or held.policies):
        return replace(registers.FICTIONAL, narrowing=narrowing, commenced=frozenset(held.commenced))
    return registers.registers(
        (
            Agreement(one.ref, one.begins, one.ends, frozenset(one.areas), frozenset(one.agencies))
            for one in held.agreements
        ),
        map(_term, held.policies),
        narrowing,
        held.commenced,
    )


def places_of(settings: Settings) -> Places | None:
    """The table of addresses. Raises Misconfigured when the one named is not usable."""
    table = settings.governance.uprn_table
    return open_places(table) if table else None


def _term(one: OnFile) -> Term:
    return Term(one.ref, one.begins, one.ends)


def _check_words(held: Governance) -> None:
    """A misspelt agency or power would be found out when something is not sent."""
    for index, agreement in enumerate(held.agreements):
        if not AGENCIES.issuperset(agreement.agencies):
            raise _unknown(f"/governance/agreements/{index}/agencies", "an agency type that there is not")
    if not POWERS.keys() >= set(held.commenced):
        raise _unknown("/governance/commenced", "a power that there is not")


def _unknown(field: str, what: str) -> Misconfigured:
    return Misconfigured(
        f"{what} in [governance]",
        code="governance",
        field=field,
        remedy="`gateway schema rules` lists agencies and powers",
    )


EXAMPLE = """\
[governance]
dpia_ref = "DPIA-2026-04"                 # data protection impact assessment
eia_ref = "EIA-2026-02"                   # equality impact assessment
dpo = "Data Protection Officer"           # the role, never a name
# uprn_table = "/etc/gateway/uprn.csv"    # columns uprn,area; without it addresses are not checked
# commenced = ["CWSA2026_S4"]             # powers that have come into force since this release

[[governance.policies]]                   # appropriate policy documents
ref = "APD-HACK-2026-02"
from = 2026-01-01
until = 2029-12-31

[[governance.agreements]]                 # data sharing agreements
ref = "DSA-LDN-GANGS-07"
from = 2026-01-01
until = 2029-12-31
# areas = ["E09000012", "E09000004"]      # none: the whole network

[[governance.agreements]]
ref = "DSA-HACK-DWP-01"
from = 2026-01-01
until = 2029-12-31
agencies = ["DWP", "VOLUNTARY_SECTOR"]    # none: every type

# [governance.entitlements]               # fewer readers than the directory lists, never more
# history = ["POLICE", "PROBATION"]
"""
"""The section as an operator writes it; a test reads it."""
