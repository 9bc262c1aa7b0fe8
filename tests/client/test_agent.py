"""The agent at work: there and back, crashes at every step, adapters that fail, subkeys that are renewed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.api.app import build
from gateway.client import Connection
from gateway.client.http import checked
from gateway.client.records import Pending
from gateway.core.ceremony import make_card
from gateway.core.encoding import b64
from gateway.core.rotation import Pace
from gateway.errors import (
    Conflict,
    GatewayError,
    Misconfigured,
    NotAllowed,
    NotFound,
    Rejected,
    Unauthenticated,
    Unavailable,
    Untrusted,
)
from gateway.flows import relay
from gateway.flows.tokens import create
from gateway.flows.trust import trust_of
from gateway.flows.vault import secrets_of
from gateway.ports import Parcel, Task
from gateway.testing.boroughs import HACKNEY, sections
from gateway.testing.own_key import network_with_own_keys, signer_of


async def test_the_whole_way_there_and_back(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    assert await agent.turn() == 1
    ((key, view),) = side.desk.given
    leg = await side.leg(ref)
    assert (key, view.kind, view.principal) == (f"notification-{leg.id}", Parcel.NOTIFICATION, leg.principal)
    assert sections(view)["core"]["family_name"] == "EXAMPLE"
    answer = side.reply(leg.id, reason_text="CanaryZebulonQuux")
    await agent.take_answer(answer)
    assert (answer.settled, answer.refused) == (1, [])
    await side.world.settle()
    ours = await side.leg(ref, side.world.hackney)
    assert (ours.state, bool(ours.opened)) == ("ACCEPTED", True)
    kept = await side.receipts(ref)
    assert [row.state for row in kept] == ["opened", "acknowledged", "accepted"]
    assert all(row.applied for row in kept)
    told = side.world.hackney.desks["police"].given
    (words,) = [view for _, view in told if view.kind is Parcel.REPLY]
    assert words.content["reply"]["reason_text"] == "CanaryZebulonQuux"
    assert await agent.turn() == 0


async def test_nothing_of_the_content_is_in_its_state_or_the_nodes_keys(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    leg = await side.leg(ref)
    await agent.take_answer(side.reply(leg.id, reason_text="CanaryZebulonQuux"))
    written = b"".join(path.read_bytes() for path in side.folder.iterdir() if path.name != "network.json")
    assert b"EXAMPLE" not in written
    assert b"CanaryZebulonQuux" not in written
    assert {path.stat().st_mode & 0o077 for path in side.folder.iterdir()} == {0}
    row = await side.node.store.read(lambda tx: tx.envelope(leg.mid))
    assert leg.principal not in secrets_of(side.node, row).readers


async def test_news_and_replies_are_delivered_and_settled(document: Any, side: Any) -> None:
    """Bexley's police is told that its answer is late, as a hosted agency is."""
    agent = await side.ready()
    ref = await side.send(document)
    await agent.turn()
    side.world.clock.advance(40 * 86_400)
    for _ in range(3):  # each clock sets its next step when the one before has fired
        await side.world.bexley.turn()
    assert await agent.turn() >= 1
    news = [view for _, view in side.desk.given if view.kind is Parcel.STATUS]
    late = {"overdue_acknowledge", "overdue_decide", "action_overdue"}
    assert {view.content["event"] for view in news} <= late
    assert news
    waiting = await side.node.store.read(lambda tx: relay.waiting(tx, agent.principal, 50))
    assert not waiting
    assert (await side.leg(ref)).state == "DELIVERED"


class Killed(BaseException):
    """The process is gone here."""


CRASHES = ["deliver", "keep-given", "keep-signed", "bring", "brought"]


@pytest.mark.parametrize("where", CRASHES)
async def test_killed_on_the_way_in_it_delivers_under_one_key_and_signs_once(
    side: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    agent = await side.ready()
    ref = await side.send()
    _kill(agent, side, where)
    with pytest.raises(Killed):
        await agent.turn()
    side.desk.__dict__.pop("deliver", None)
    agent = side.another()
    await agent.ledger.resume()
    await agent.turn()
    await side.world.settle()
    assert set(side.desk.keys) == {f"notification-{(await side.leg(ref)).id}"}
    assert [row.state for row in await side.receipts(ref)] == ["opened"]
    assert (await side.leg(ref, side.world.hackney)).opened
    await agent.take_answer(side.reply((await side.leg(ref)).id))
    await side.world.settle()
    assert (await side.leg(ref, side.world.hackney)).state == "ACCEPTED"


def _kill(agent: Any, side: Any, where: str) -> None:
    """Let the process die at one step."""

    async def dead(*_: Any, **__: Any) -> Any:
        raise Killed

    kept = agent.records.keep
    counted = {"keep-given": 1, "keep-signed": 2}

    def keep(record: Any) -> None:
        kept(record)
        counted[where] -= 1
        if not counted[where]:
            raise Killed

    real = agent.client.bring_receipts

    async def brought(*args: Any) -> Any:
        await real(*args)
        raise Killed

    match where:
        case "deliver":
            side.desk.deliver = dead
        case "keep-given" | "keep-signed":
            agent.records.keep = keep
        case "bring":
            agent.client.bring_receipts = dead
        case "brought":
            agent.client.bring_receipts = brought


ANSWER_CRASHES = ["before words", "after words", "before receipts", "after receipts"]


@pytest.mark.parametrize("where", ANSWER_CRASHES)
async def test_killed_while_answering_the_answer_is_signed_once_and_its_words_go_once(
    side: Any, where: str
) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    leg = (await side.leg(ref)).id
    name = "bring_words" if "words" in where else "bring_receipts"
    real = getattr(agent.client, name)

    async def dying(*args: Any) -> Any:
        if where.startswith("after"):
            await real(*args)
        raise Killed

    setattr(agent.client, name, dying)
    with pytest.raises(Killed):
        await agent.take_answer(side.reply(leg, reason_text="words"))
    agent = side.another()
    await agent.upkeep()
    await agent.ledger.resume()
    answer = side.reply(leg, reason_text="words")
    await agent.take_answer(answer)
    assert (answer.settled, answer.refused) == (1, [])
    await side.world.settle()
    assert [row.state for row in await side.receipts(ref)] == ["opened", "acknowledged", "accepted"]
    told = side.world.hackney.desks["police"].given
    assert len([key for key, view in told if view.kind is Parcel.REPLY]) == 1


async def test_a_lost_state_is_taken_up_from_what_the_node_has(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    leg = (await side.leg(ref)).id
    for path in side.folder.iterdir():
        path.unlink()
    agent = side.another()
    await agent.upkeep()
    await agent.take_answer(side.reply(leg))
    await side.world.settle()
    assert [row.state for row in await side.receipts(ref)] == ["opened", "acknowledged", "accepted"]


async def test_a_state_older_than_the_nodes_forks_no_chain(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    leg = (await side.leg(ref)).id
    backup = {path.name: path.read_bytes() for path in side.folder.iterdir()}
    await agent.take_answer(side.reply(leg, "RECEIVED"))
    for name, data in backup.items():
        (side.folder / name).write_bytes(data)
    agent = side.another()
    await agent.upkeep()
    answer = side.reply(leg)
    with pytest.raises(Unavailable) as behind:
        await agent.take_answer(answer)
    assert behind.value.code == "state_behind"
    await agent.take_answer(answer)
    await side.world.settle()
    assert [row.state for row in await side.receipts(ref)] == ["opened", "acknowledged", "accepted"]


async def test_a_step_that_the_node_forbids_is_no_reason_to_begin_again(side: Any) -> None:
    """Only a chain out of step is taken up anew; what the table forbids is said to the agency."""
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()

    async def forbidden(*_: Any) -> str:
        raise Conflict("not possible", code="illegal_transition")

    agent.client.bring_receipts = forbidden
    answer = side.reply((await side.leg(ref)).id)
    await agent.take_answer(answer)
    assert answer.refused == ["illegal_transition"]


async def test_an_adapter_that_is_away_is_called_again_later_with_the_same_key(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    side.desk.fail = [Unavailable("away", code="away")] * 2
    for _ in range(3):
        await agent.turn()
    assert side.desk.keys == [f"notification-{(await side.leg(ref)).id}"]


async def test_what_an_adapter_refuses_is_held_at_the_node_for_a_person(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    side.desk.fail = [Rejected("not this", code="bad_parcel")]
    await agent.turn()
    leg = await side.leg(ref)
    task = await side.node.store.read(lambda tx: tx.task(f"notification-{leg.id}"))
    assert (task.state, task.error) == (Task.HELD, "bad_parcel")
    assert await agent.turn() == 0
    assert not await side.receipts(ref)


async def test_a_bug_in_a_profile_is_one_parcels_affair(side: Any) -> None:
    class Breaking:
        agency = "POLICE"

        def present(self, view: Any, leg: Any) -> Any:
            raise KeyError(view["core"]["family_name"])

    agent = await side.ready()
    agent.profile = Breaking()
    ref = await side.send()
    await agent.turn()
    leg = await side.leg(ref)
    task = await side.node.store.read(lambda tx: tx.task(f"notification-{leg.id}"))
    assert (task.state, task.error) == (Task.HELD, "adapter_fault")


async def test_a_slow_adapter_is_called_again(side: Any) -> None:
    agent = await side.ready()
    agent.timing = type(agent.timing)(wait=0, pause=0.0, adapter=0.01)
    await side.send()
    real = side.desk.deliver

    async def slow(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(60)

    side.desk.deliver = slow
    await agent.turn()
    side.desk.deliver = real
    await agent.turn()
    assert len(side.desk.given) == 1


@pytest.mark.parametrize(
    ("state", "more", "code"),
    [
        ("ACCEPTED", {}, "not_opened"),
        ("COMPLETED", {}, "illegal_transition"),
    ],
)
async def test_what_cannot_be_answered_now_is_refused_and_nothing_is_signed(
    side: Any, state: str, more: dict[str, str], code: str
) -> None:
    agent = await side.ready()
    ref = await side.send()
    answer = side.reply((await side.leg(ref)).id, state, **more)
    await agent.take_answer(answer)
    assert answer.refused == [code]
    await side.world.settle()
    assert not await side.receipts(ref)
    assert not [key for key in side.world.hackney.desks["police"].keys if key.startswith("reply")]


async def test_it_can_be_returned_unread(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    answer = side.reply((await side.leg(ref)).id, "RETURNED", reason_code="WRONG_AREA")
    await agent.take_answer(answer)
    await side.world.settle()
    leg = await side.leg(ref, side.world.hackney)
    events = await side.world.hackney.node.store.read(lambda tx: tx.history(leg.id))
    # What came back is ordered to be destroyed, and goes (gateway.flows.returned).
    assert (answer.settled, [event.after for event in events][-2:]) == (1, ["RETURNED", "PURGED"])


async def test_the_same_answer_again_is_a_repetition_and_other_words_are_none(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    leg = (await side.leg(ref)).id
    for _ in range(2):
        answer = side.reply(leg, reason_text="first")
        await agent.take_answer(answer)
        assert (answer.settled, answer.refused) == (1, [])
    answer = side.reply(leg, reason_text="second")
    await agent.take_answer(answer)
    assert answer.refused == ["answered_otherwise"]
    await side.world.settle()
    assert [row.state for row in await side.receipts(ref)] == ["opened", "acknowledged", "accepted"]


@pytest.mark.parametrize("leg", ["ab" * 16, "../../etc/passwd", ""])
async def test_an_answer_to_no_leg_of_ours_is_refused(side: Any, leg: str) -> None:
    agent = await side.ready()
    answer = side.reply(leg)
    await agent.take_answer(answer)
    assert answer.refused[0] in {"no_leg", "no_parcel"}


async def test_another_agencys_leg_is_not_answered(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    housing = (await side.world.bexley.legs(ref))["housing"]
    answer = side.reply(housing.id, "RETURNED", reason_code="WRONG_AREA")
    await agent.take_answer(answer)
    assert answer.refused == ["no_parcel"]


# --- subkeys ----------------------------------------------------------------------------------------


async def test_a_fresh_subkey_every_week_and_the_node_learns_its_card(side: Any) -> None:
    agent = await side.ready()
    assert len(side.store.made) == 1
    side.world.clock.advance(7 * 86_400)
    await agent.upkeep()
    await agent.upkeep()
    assert len(side.store.made) == 2
    cards = await side.node.store.read(lambda tx: tx.trust("keycard", agent.principal))
    assert cards[-1].version == side.world.clock.now()
    assert len(cards) == 2


async def test_what_is_sealed_to_the_new_subkey_opens(side: Any, document: Any) -> None:
    agent = await side.ready()
    agent.timing = type(agent.timing)(wait=0, pause=0.0, subkeys=Pace(every=600))
    side.world.clock.advance(600)
    await agent.upkeep()
    (card,) = (await side.node.store.read(lambda tx: tx.trust("keycard", agent.principal)))[-1:]
    node, now = side.world.hackney.node, side.world.clock.now()
    await node.store.write(lambda tx: tx.put_trust(card))
    newer = await node.store.read(lambda tx: trust_of(tx, now))
    node.trust.network, node.trust.marks = newer.network, newer.marks
    assert node.network.sealing_key(agent.principal, now) == side.store.made[-1].public
    await side.send(document)
    await agent.turn()
    assert len(side.desk.given) == 1


async def test_a_card_that_goes_back_or_is_anothers_is_not_kept(side: Any) -> None:
    agent = await side.ready()
    net, now = side.node.network.net, side.world.clock.now()
    for signer, version, code in (
        (agent.client.keys.signer, now - 7200, "card_rollback"),
        (agent.client.keys.signer, now + 1000, "card_time"),
        (signer_of("E09000004/housing"), now + 1, "card_principal"),
    ):
        note = make_card(signer, side.store.made, net=net, version=version)
        with pytest.raises((Conflict, Rejected)) as refused:
            await agent.client.bring_card(note)
        assert refused.value.code == code


async def test_a_seed_goes_on_time_and_not_before_what_was_sealed_to_it(side: Any) -> None:
    """The agent was off for three weeks: what waits for it is opened first."""
    agent = await side.ready()
    await agent.turn()
    old = side.store.made[0].public
    await side.send()
    side.world.clock.advance(21 * 86_400)
    agent = side.another()
    await agent.upkeep()
    assert old in {key.public for key in side.store.made}
    await agent.turn()
    assert len(side.desk.given) == 1
    assert old in {key.public for key in side.store.made}
    await agent.turn()
    assert old not in {key.public for key in side.store.made}
    assert old not in agent.client.keys.opener.publics()
    assert len(side.store.made) == 1


# --- running ----------------------------------------------------------------------------------------


async def test_running_it_delivers_what_comes_and_stops_when_told(side: Any) -> None:
    agent = side.agent
    agent.timing = type(agent.timing)(wait=1, pause=0.01)
    async with agent.running():
        ref = await side.send()
        for _ in range(300):
            if (await side.leg(ref)).opened:
                break
            await asyncio.sleep(0.01)
    assert (await side.leg(ref)).opened
    assert len(side.desk.given) == 1


async def test_a_node_that_is_away_is_waited_for(side: Any) -> None:
    agent = side.agent
    real, calls = agent.client.refresh, []

    async def away() -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise Unavailable("away", code="node_away")
        return await real()

    agent.client.refresh = away
    async with agent.running():
        assert len(calls) == 3


async def test_no_such_leg_raises_not_found_for_the_library_too(side: Any) -> None:
    client = side.client()
    await client.refresh()
    with pytest.raises(NotFound):
        await client.open("notification-" + "ab" * 16)


# --- handing in -------------------------------------------------------------------------------------


class HandIn:
    """A document that the agency's system hands in through its adapter."""

    key = "drop-1"

    def __init__(self, document: Any) -> None:
        self.body = json.dumps(document).encode()
        self.accepted: list[str] = []
        self.refused: list[str] = []

    async def done(self, ref: str) -> None:
        self.accepted.append(ref)

    async def refuse(self, error: GatewayError) -> None:
        self.refused.append(error.code)


async def test_a_handover_is_handed_in_once_at_the_agencys_own_node(side: Any, document: Any) -> None:
    node, now = side.world.hackney.node, side.world.clock.now()
    server = TestServer(build(node))
    await server.start_server()
    made = await node.store.write(lambda tx: create(tx, f"{HACKNEY}/community_safety", "agent", now))
    side.agent.client._line = Connection(side.session, str(server.make_url("/")), made[0])
    handed = HandIn(document)
    for _ in range(2):  # a crash before it was settled
        await side.agent.take_submission(handed)
    await server.close()
    assert handed.accepted == [document["message"]["handover_id"]] * 2
    assert len(await side.world.hackney.legs(handed.accepted[0])) == 7


async def test_a_handover_that_a_rule_forbids_is_refused_to_the_agency(side: Any, document: Any) -> None:
    await side.ready()
    handed = HandIn(document)  # from Hackney, handed in at Bexley
    await side.agent.take_submission(handed)
    assert (handed.accepted, handed.refused) == ([], ["not_ours"])


# --- the line to the node ---------------------------------------------------------------------------


async def test_what_the_node_says_is_an_error_again(side: Any) -> None:
    with pytest.raises(Unauthenticated):
        await side.client(token="bhg_wrong").parcels()
    line = Connection(side.session, "http://127.0.0.1:9", side.token)
    with pytest.raises(Unavailable) as away:
        await line.get("/v1/relay")
    assert away.value.code == "node_away"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (302, {}, Rejected),
        (400, {"code": "query"}, Rejected),
        (403, {"code": "hosted"}, NotAllowed),
        (404, {}, NotFound),
        (409, {}, Conflict),
        (429, {}, Unavailable),
        (500, {}, Unavailable),
        (503, {"code": "store"}, Unavailable),
    ],
)
def test_every_status_has_its_error(status: int, body: dict[str, Any], kind: type[GatewayError]) -> None:
    assert checked(200, {"a": 1}) == {"a": 1}
    with pytest.raises(GatewayError) as found:
        checked(status, body)
    assert type(found.value) is kind
    assert found.value.code == (body.get("code") or kind.code)


async def test_a_redirect_is_not_followed(side: Any) -> None:
    """The token is for this node alone."""
    came: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        came.append(request.headers.get("Authorization", ""))
        return web.json_response({"parcels": []})

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/elsewhere")

    app = web.Application()
    app.router.add_get("/v1/relay", moved)
    app.router.add_get("/elsewhere", elsewhere)
    server = TestServer(app)
    await server.start_server()
    line = Connection(side.session, str(server.make_url("/")), side.token)
    with pytest.raises((Rejected, Unavailable)):
        await line.get("/v1/relay")
    await server.close()
    assert came == []


async def test_a_token_that_is_revoked_ends_the_agent_with_the_reason(side: Any) -> None:
    agent = side.agent
    agent.timing = type(agent.timing)(wait=0, pause=0.01)
    async with agent.running() as work:
        (row,) = [
            row
            for row in await side.node.store.read(lambda tx: tx.tokens())
            if row.principal == agent.principal
        ]
        await side.node.store.write(lambda tx: tx.revoke_token(row.id, side.world.clock.now()))
        with pytest.raises(Unauthenticated):
            await asyncio.wait_for(asyncio.shield(work), 5)


async def test_after_a_restart_nothing_older_is_taken_up(side: Any) -> None:
    await side.ready()
    newest = side.node.network.version
    agent = side.another()
    assert agent.client.network.version == newest
    older = network_with_own_keys(agent.principal, at=side.world.clock.now() - 3 * 86_400)
    told = await side.client().refresh()
    stale = {**told, "directory": b64(older.directory)}
    with pytest.raises(Untrusted) as refused:
        agent.client.take_up(stale, side.world.clock.now())
    assert refused.value.code == "directory_rollback"
    side.client().take_up(stale, side.world.clock.now())  # the control: a client that knew nothing takes it


async def test_a_sender_who_joined_since_is_looked_up_before_anything_is_refused(side: Any) -> None:
    """The agent's documents are older than the message: it fetches newer ones and opens."""
    agent = await side.ready()
    await side.send()
    known = agent.client.network
    blind = replace(known, directory=replace(known.directory, principals=_without_hackney(known)))
    agent.client._network = blind
    await agent.turn()
    assert len(side.desk.given) == 1


def _without_hackney(network: Any) -> Any:
    return {
        name: principal
        for name, principal in network.directory.principals.items()
        if not name.startswith(HACKNEY)
    }


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json", b'{"v":1}'])
async def test_a_damaged_record_is_named_and_not_guessed_at(side: Any, damage: bytes) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    leg = (await side.leg(ref)).id
    (side.folder / f"{leg}.json").write_bytes(damage)
    with pytest.raises(Misconfigured) as found:
        agent.records.find(leg)
    assert found.value.code == "state_damaged"


async def test_a_record_reads_as_it_was_kept(side: Any) -> None:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    leg = (await side.leg(ref)).id
    record = agent.records.find(leg)
    pending = Pending("ab", 7, {"v": 1, "parts": ["x"]})
    agent.records.keep(replace(record, pending=pending, answer="cd"))
    assert agent.records.find(leg) == replace(record, pending=pending, answer="cd")
    assert agent.records.unfinished() == []
    agent.records.keep(replace(record, sent=0))
    assert agent.records.unfinished() == [leg]
