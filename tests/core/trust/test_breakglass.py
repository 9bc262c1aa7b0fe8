"""Going on sending under an expired directory: signed, a day at most, for one version (protocol 6)."""

from __future__ import annotations

import pytest

from gateway.core.breakglass import MAX_BREAK_GLASS, make_break_glass, open_break_glass
from gateway.core.encoding import b64
from gateway.core.notes import sign_note
from gateway.errors import Expired, Forged, GatewayError, Malformed, Unsupported, Untrusted

NODE, AREA = "E09000012/node", "E09000012"


def refused(kind, code, work, *args, **more):
    with pytest.raises(GatewayError) as caught:
        work(*args, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)


@pytest.fixture
def end(trust):
    """When the directory of the kit expires."""
    return trust.NOW + 20 * trust.DAY


def note(trust, end, signer=NODE, context="bx/1/break-glass", **changes):
    body = {
        "v": 1, "net": b64(trust.net), "area": AREA, "directory": 7, "created": end, "until": end + trust.DAY,
        "reason": "signer_away", "by": "duty_manager",
    } | changes  # fmt: skip
    return sign_note(context, {k: v for k, v in body.items() if v is not None}, [trust.key(signer)])


def opened(trust, end, told=None, now=None):
    view = trust.build()
    now = end if now is None else now
    return open_break_glass(told or note(trust, end), net=trust.net, keyring=view.keyring_at(now), now=now)


def test_under_it_an_expired_directory_sends_for_a_day(trust, end):
    view, glass = trust.build(), opened(trust, end)
    assert (glass.area, glass.directory, glass.reason, glass.by) == (AREA, 7, "signer_away", "duty_manager")
    for now in (end, end + trust.DAY - 1):
        refused(Expired, "directory_expired", view.check_sendable, now)
        view.check_sendable(now, break_glass=glass)
    refused(Expired, "directory_expired", view.check_sendable, end + trust.DAY, break_glass=glass)


def test_it_is_for_one_directory(trust, end):
    glass = opened(trust, end, note(trust, end, directory=6))
    refused(Expired, "directory_expired", trust.build().check_sendable, end, break_glass=glass)


def test_it_does_not_outlive_the_root(trust, end):
    after = trust.NOW + 300 * trust.DAY
    glass = opened(trust, after, note(trust, after))
    refused(Expired, "root_expired", trust.build().check_sendable, after, break_glass=glass)


def test_it_begins_when_it_says(trust, end):
    glass = opened(trust, end, note(trust, end, created=end + 200), now=end + 200)
    assert glass.covers(7, end + 80)
    assert not glass.covers(7, end + 79)


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"v": 2}, Unsupported, "version"),
        ({"net": b64(bytes(32))}, Forged, "net"),
        ({"area": "e09000012"}, Malformed, "field_value"),
        ({"area": "E09000004"}, Forged, "break_glass_area"),
        ({"directory": 0}, Malformed, "field_value"),
        ({"reason": "I was told to"}, Malformed, "field_value"),
        ({"by": "Sgt Smith"}, Malformed, "field_value"),
        ({"by": None}, Malformed, "field_missing"),
        ({"extra": 1}, Malformed, "field_unknown"),
    ],
)
def test_each_field(trust, end, changes, kind, code):
    refused(kind, code, opened, trust, end, note(trust, end, **changes))


def test_a_day_and_not_a_second_more(trust, end):
    assert MAX_BREAK_GLASS == 86_400
    refused(Expired, "break_glass_life", opened, trust, end, note(trust, end, until=end + 86_401))
    refused(Malformed, "break_glass_time", opened, trust, end, note(trust, end, until=end))
    assert opened(trust, end, note(trust, end, created=end + 120))
    refused(Expired, "future", opened, trust, end, note(trust, end, created=end + 121))


def test_a_node_alone_breaks_it_with_its_identity_key(trust, end):
    refused(Untrusted, "unknown_key", opened, trust, end, note(trust, end, signer=f"{NODE}#log"))
    refused(Untrusted, "unknown_key", opened, trust, end, note(trust, end, signer="dir-1"))
    refused(Forged, "break_glass_area", opened, trust, end, note(trust, end, signer=f"{AREA}/police"))
    refused(Forged, "note_context", opened, trust, end, note(trust, end, context="bx/1/suspend"))


def test_made_and_opened(trust, end):
    facts = {"net": trust.net, "directory": 7, "created": end, "reason": "signer_away", "by": "duty_manager"}
    made = make_break_glass(trust.key(NODE), until=end + 60, **facts)
    assert opened(trust, end, made).until == end + 60
    refused(Expired, "break_glass_life", make_break_glass, trust.key(NODE), until=end + 86_401, **facts)
    police = trust.key(f"{AREA}/police")
    refused(Malformed, "break_glass_area", make_break_glass, police, until=end + 60, **facts)


def test_a_note_that_is_over_still_explains_what_came_under_it(trust, end):
    assert opened(trust, end, now=end + 5 * trust.DAY).created == end
