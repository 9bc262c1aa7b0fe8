"""For what an agency may open: its own work and nothing else, and nobody enforces against a victim."""

from __future__ import annotations

import pytest

from gateway.core.purposes import DEFAULT, MEANING, RULE, Purpose, check, check_content, purposes_of
from gateway.errors import NotAllowed
from schemas.vocabulary import Agency

ENFORCERS = {"POLICE", "PROBATION", "YOUTH_JUSTICE", "COMMUNITY_SAFETY"}


def test_who_may_open_to_enforce() -> None:
    assert {agency for agency in Agency if Purpose.ENFORCEMENT in purposes_of(agency)} == ENFORCERS


@pytest.mark.parametrize("agency", sorted(Agency))
def test_every_agency_has_the_default_and_may_account_for_itself(agency: str) -> None:
    for purpose in (DEFAULT, Purpose.SAFEGUARDING, Purpose.ACCOUNTABILITY):
        check(purpose, agency)
    for other in ("IMMIGRATION", "REFUSE_SERVICE", "RESEARCH", "", "enforcement"):
        with pytest.raises(NotAllowed) as error:
            check(other, agency)
        assert (error.value.rule, error.value.field) == (RULE, "/purpose")
        assert all(name in error.value.remedy for name in purposes_of(agency))


def test_every_purpose_is_explained() -> None:
    assert set(MEANING) == set(Purpose)


@pytest.mark.parametrize(
    ("roles", "refused"),
    [
        (["VICTIM"], True),
        (["AT_RISK", "WITNESS"], True),
        (["VICTIM", "SUSPECTED"], False),
        (["CONVICTED"], False),
        ([], False),
    ],
)
def test_nobody_enforces_against_somebody_who_is_to_be_protected(roles: list[str], refused: bool) -> None:
    sections = {"roles": [{"role": role, "assertion": "AS1"} for role in roles]}
    check_content(Purpose.SAFEGUARDING, sections)
    if not refused:
        check_content(Purpose.ENFORCEMENT, sections)
        return
    with pytest.raises(NotAllowed) as error:
        check_content(Purpose.ENFORCEMENT, sections)
    assert (error.value.code, error.value.rule) == ("purpose", RULE)
