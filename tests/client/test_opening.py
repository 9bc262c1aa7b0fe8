"""Reading what the node says, before anything of it is believed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.client.opening import read_entry, read_sealed
from gateway.errors import Forged, Malformed, Refused
from gateway.ports import Parcel, Side

LEG = "ab" * 16


def told(keys: Any, **changes: Any) -> dict[str, Any]:
    return {
        "parcel": f"notification-{LEG}", "kind": "notification", "leg": LEG, "version": 1,
        "handover": "HO-E09000012-2026-000417", "principal": keys.principal, "agency": "POLICE",
        "counterpart": "E09000012/police",
        "state": "DELIVERED", "urgency": "STANDARD", "acknowledge_by": 0, "decide_by": 0, "envelope": "",
        "slot": 1, "received": "", "chain": [], "content": {}, **changes,
    }  # fmt: skip


def test_a_parcel_of_each_kind_says_which_side_of_its_leg_we_are_on(side: Any) -> None:
    keys = side.keys
    assert read_sealed(told(keys), keys).leg.side is Side.DESTINATION
    replied = told(keys, kind="reply", principal="E09000012/police", counterpart=keys.principal)
    assert read_sealed(replied, keys).kind is Parcel.REPLY
    assert read_sealed(replied, keys).leg.side is Side.ORIGIN
    for principal, counterpart in (
        (keys.principal, "E09000012/police"),
        ("E09000012/police", keys.principal),
    ):
        news = told(keys, kind="status", principal=principal, counterpart=counterpart, content={"event": "x"})
        assert read_sealed(news, keys).content == {"event": "x"}


@pytest.mark.parametrize(
    "changes",
    [
        {"principal": "E09000004/housing"},
        {"kind": "reply"},
        {"kind": "status", "principal": "E09000004/housing"},
    ],
)
def test_a_parcel_of_another_agency_is_refused(side: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(Forged) as refused:
        read_sealed(told(side.keys, **changes), side.keys)
    assert refused.value.code == "relay_agency"


@pytest.mark.parametrize("name", sorted(told(type("K", (), {"principal": "E09000004/police"}))))
def test_a_parcel_without_one_of_its_fields_is_none(side: Any, name: str) -> None:
    body = told(side.keys)
    del body[name]
    with pytest.raises(Malformed) as refused:
        read_sealed(body, side.keys)
    assert refused.value.code == "relay_form"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("leg", "../x"), ("leg", None), ("kind", "parcel"), ("principal", "police"), ("counterpart", 7),
        ("version", "one"), ("version", None), ("chain", 7), ("slot", [1]), ("envelope", "!"),
    ],
)  # fmt: skip
def test_a_field_of_another_form_is_refused(side: Any, name: str, value: object) -> None:
    with pytest.raises(Refused):
        read_sealed(told(side.keys, **{name: value}), side.keys)


@pytest.mark.parametrize("line", [{}, {"parcel": "x", "kind": "notification"}, {"kind": "x", "leg": LEG}])
def test_a_line_of_another_form_is_refused(line: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_entry(line)
