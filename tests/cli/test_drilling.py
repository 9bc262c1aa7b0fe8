"""The document of a drill passes every rule, whenever and to whomever it goes, and is about nobody."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cli.drilling import NEVER, compose, suited
from gateway.core.drills import check as check_invented
from gateway.core.policy import check
from gateway.core.registers import Registers
from schemas.handover import parse_notification
from schemas.vocabulary import Agency

NAMES = sorted(agency.value for agency in Agency)


@settings(max_examples=60, deadline=None)
@given(
    chosen=st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    urgent=st.booleans(),
    now=st.integers(1_790_000_000, 1_860_000_000),
)
def test_any_drill_is_lawful_at_any_hour(chosen: list[str], urgent: bool, now: int) -> None:
    needed = ["POLICE", "CHILDRENS_SOCIAL_CARE"] if urgent else []
    agencies = suited([*needed, *chosen], child=urgent)[:8]
    if not agencies:
        return
    document = compose(
        origin="E09000012",
        destination="E09000004",
        sender="COMMUNITY_SAFETY",
        agencies=agencies,
        urgent=urgent,
        now=now,
    )
    check_invented(document, "prod")
    for held in (None, Registers()):  # no borough's own register knows of drills
        check(parse_notification(json.dumps(document).encode()), now=now, registers=held)
    assert document["message"]["drill"] is True
    assert [leg["agency"] for leg in document["routing"]["recipients"]] == agencies


def test_agencies_are_those_that_deal_with_the_invented_person() -> None:
    everybody = [*NAMES, *NAMES]
    adult, child = suited(everybody, child=False), suited(everybody, child=True)
    assert "CHILDRENS_SOCIAL_CARE" not in adult
    assert "PROBATION" not in child
    assert not NEVER & {*adult, *child}
    assert len(set(adult)) == len(adult)
