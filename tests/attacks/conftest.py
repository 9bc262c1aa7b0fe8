"""A borough whose node obeys no rule, and what must hold when its bytes arrive.

`Insider` has Hackney's real keys and seals with the real key schedule, but for whatever a test overrides: an
attack that an outsider could not even begin is tried by somebody who can. `Attack` throws bytes at Bexley's
real door, `flows.receive`, and holds Bexley to its answer: the one typed error, and nothing stored, answered
or handed over. Shared as fixtures: with importmode=importlib a conftest cannot be imported.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as aead

from gateway.core import kem, layout, notes, schedule
from gateway.core.encoding import JsonObject, b64
from gateway.core.envelope import split
from gateway.core.receipts import About, make_receipt
from gateway.errors import GatewayError
from gateway.flows import receive
from gateway.flows.held import body_of
from gateway.flows.receipts import about
from gateway.flows.vault import write_sections
from gateway.ports import EnvelopeRow, Lane, Outgoing
from gateway.testing.boroughs import BEXLEY, HACKNEY, World, two_boroughs
from schemas.samples import minimal_example

NODE, POLICE, HOUSING = f"{BEXLEY}/node", f"{BEXLEY}/police", f"{BEXLEY}/housing"
LEG = "ab" * 16
Reader = tuple[str, Collection[int]]


def routing(*entries: JsonObject, **changes: Any) -> bytes:
    """Part 1 of a handover from Hackney; by default one leg, the police's in slot 1."""
    table = {
        "type": "HANDOVER_NOTIFICATION",
        "handover": f"HO-{HACKNEY}-2026-000900",
        "version": 1,
        "urgency": "STANDARD",
        "legs": list(entries) or [leg()],
    }
    return write_sections({"routing": {**table, **changes}})


def leg(**changes: Any) -> JsonObject:
    return {"slot": 1, "principal": POLICE, "leg": LEG, "reply_to": f"{HACKNEY}/police", **changes}


def section(word: str = "EXAMPLE") -> bytes:
    return write_sections({"core": {"family_name": word}})


def line(signer: notes.Signer, text: bytes, *, name: str | None = None) -> bytes:
    """A signature line over any bytes, under any name."""
    stamp = b64(notes.key_id(name or signer.name, signer.public) + signer.sign(text))
    return f"— {name or signer.name} {stamp}\n".encode()


def glue(header: bytes, slots: Sequence[bytes], parts: Sequence[bytes]) -> bytes:
    """An envelope out of pieces, whoever made them."""
    return layout.join(header, b"".join(slots), parts)


def refused(error: type[GatewayError], code: str) -> Any:
    """``pytest.raises`` of exactly this class with exactly this code."""
    return pytest.raises(error, check=lambda caught: type(caught) is error and caught.code == code)


@dataclass
class Insider:
    """Seals one message to Bexley as protocol 4 says, but for what a test overrides or reaches into.

    ``header``, ``bag``, ``statement``, ``note``, ``pad`` are called on the way with what an honest sender
    would use and give what is used instead. After `seal` the pieces are there to be taken apart.
    """

    signer: notes.Signer
    net: bytes
    now: int
    keys_of: Callable[[str], bytes]
    readers: Sequence[Reader] = ((NODE, (1,)), (POLICE, (2,)))
    contents: Sequence[bytes] = field(default_factory=lambda: (routing(), section()))
    context: str = "bx/1/message"
    kind: int = 1
    to: bytes = BEXLEY.encode()
    nslots: int = 2
    created: int = 0
    life: int = 3600
    seq: int = 1
    stream: str = "cd" * 16
    prev: bytes = bytes(32)
    mid: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    named: Mapping[int, str] = field(default_factory=dict)
    header: Callable[[bytes], bytes] = lambda header: header
    bag: Callable[[int, bytes], bytes] = lambda index, bag: bag
    statement: Callable[[JsonObject], object] = lambda body: None
    note: Callable[[str, JsonObject], bytes] | None = None
    pad: Callable[[int, bytes], bytes] = lambda number, content: layout.pad(content)

    def seal(self) -> bytes:
        count = 1 + len(self.contents)
        self.created = self.created or self.now
        self.expires = self.created + self.life
        fixed = b"BXE1" + bytes((2, self.kind, 0, self.nslots, count)) + self.mid
        self.head_bytes = self.header(
            fixed + self.expires.to_bytes(8, "big") + bytes((len(self.to),)) + self.to
        )
        self.head = layout.head_of(self.head_bytes)
        self.scope = schedule.scope_of(self.net, self.head)
        self.keys = [secrets.token_bytes(32) for _ in range(count)]
        pairs = [self._slot(index, count) for index in range(self.nslots)]
        self.slots, self.commitments = [slot for slot, _ in pairs], [named for _, named in pairs]
        sealed = [self.part(number, content) for number, content in enumerate(self.contents, start=1)]
        body = self.body(sealed)
        self.statement(body)
        signed = self.note(self.context, body) if self.note else self.sign(self.context, body)
        self.parts = [self.part(0, signed), *sealed]
        return glue(self.head_bytes, self.slots, self.parts)

    def sign(self, context: str, body: JsonObject) -> bytes:
        return notes.sign_note(context, body, [self.signer])

    def sign_text(self, body: bytes) -> bytes:
        """A note whose body is any bytes at all."""
        text = self.context.encode() + b"\n" + body + b"\n"
        return text + b"\n" + line(self.signer, text)

    def slot(self, index: int, principal: str, bag: bytes) -> tuple[bytes, bytes]:
        """(slot, commitment) for a reader, under this envelope's header."""
        public = self.keys_of(principal)
        shared, ciphertext = kem.encapsulate(public)
        wrapping = schedule.wrapping_key(shared, self.scope, index, public)
        named = schedule.recipient_commitment(wrapping, self.named.get(index, principal))
        return ciphertext + aead(bag, None, bytes(24), wrapping), named

    def part(self, number: int, content: bytes, key: bytes | None = None) -> bytes:
        encryption, commitment = schedule.part_keys(key or self.keys[number], self.scope, number)
        return commitment + aead(self.pad(number, content), None, bytes(24), encryption)

    def _slot(self, index: int, count: int) -> tuple[bytes, bytes]:
        if index >= len(self.readers):
            return secrets.token_bytes(1120 + 32 * count + 16), secrets.token_bytes(32)
        principal, numbers = self.readers[index]
        bag = b"".join(key if j in {0, *numbers} else bytes(32) for j, key in enumerate(self.keys))
        return self.slot(index, principal, self.bag(index, bag))

    def body(self, sealed: Sequence[bytes]) -> JsonObject:
        return {
            "created": self.created,
            "dir": 1,
            "expires": self.expires,
            "from": self.signer.name,
            "head": b64(self.head),
            "mid": self.mid.hex(),
            "net": b64(self.net),
            "parts": [b64(hashlib.sha256(part).digest()) for part in sealed],
            "prev": b64(self.prev),
            "seen": {"seq": 0, "stream": ""},
            "seq": self.seq,
            "slots": b64(hashlib.sha256(b"".join(self.slots)).digest()),
            "stream": self.stream,
            "to": [b64(commitment) for commitment in self.commitments],
            "v": 1,
        }


@dataclass
class Attack:
    """Bytes at the real door, and what must hold after them."""

    world: World
    sent: int = 0
    NODE, POLICE, HOUSING, LEG = NODE, POLICE, HOUSING, LEG
    routing, leg, section = staticmethod(routing), staticmethod(leg), staticmethod(section)
    line, glue, refused = staticmethod(line), staticmethod(glue), staticmethod(refused)

    @property
    def node(self) -> Any:
        return self.world.bexley.node

    def insider(self, **changes: Any) -> Insider:
        """Hackney's node in bad hands."""
        node, now = self.world.hackney.node, self.world.clock.now()
        return Insider(
            **{
                "signer": node.keys.signer(node.principal),
                "net": node.network.net,
                "now": now,
                "keys_of": lambda name: node.network.sealing_key(name, now),
                **changes,
            }
        )

    def dump(self, borough: Any = None) -> Mapping[str, Any]:
        """Everything a borough stores, to compare before and after."""
        tables = (borough or self.world.bexley).node.store.memory.tables.copy()
        return {one.name: getattr(tables, one.name) for one in dataclasses.fields(tables)}

    async def publish(self, body: bytes, lane: Lane = Lane.STANDARD) -> None:
        """Through the broker, and everything that follows from it."""
        await self.world.hackney.node.transport.publish(Outgoing(BEXLEY, lane, body, secrets.token_hex(8)))
        await self.world.settle()

    async def welcome(self, envelope: bytes, lane: Lane = Lane.STANDARD) -> None:
        """The attack's control: without what makes it an attack, the message is taken."""
        mid = split(envelope).mid
        await self.publish(envelope, lane)
        assert await self.answers(mid) == [("received", "")]

    async def garbage(self, envelope: bytes, error: type[GatewayError], code: str) -> None:
        """The sender is not proven: one typed error; quarantine; no row, no answer, nothing handed over."""
        before, aside = self.dump(), len(self.world.broker.quarantined(BEXLEY))
        with refused(error, code):
            await receive.accept(self.node, envelope)
        await self.publish(envelope)
        assert self.world.broker.quarantined(BEXLEY)[aside:] == [envelope]
        assert self.dump() == before
        assert not self.handed()

    async def told(self, envelope: bytes, code: str) -> None:
        """The sender is proven: a signed refusal, the bytes held for a person; nothing for any agency."""
        before = self.dump()
        await self.publish(envelope)
        assert await self.answers(split(envelope).mid) == [("refused", code)]
        after = self.dump()
        held = [row for key, row in after["held"].items() if key not in before["held"]]
        assert [(row.code, body_of(self.node.keys, row)) for row in held] == [(code, envelope)]
        assert all(envelope not in row.body for row in held)  # sealed: nobody knows what it says
        for table in ("handovers", "legs", "events", "tasks", "accesses"):
            assert after[table] == before[table], table
        assert not self.handed()

    async def evidence(self, envelope: bytes, code: str) -> None:
        """It contradicts its own stream: kept as evidence, nothing else changes, nobody is answered. Who said
        two things in one place is alarmed, with both."""
        before = self.dump()
        await self.publish(envelope)
        after = self.dump()
        alarms = [row for key, row in after["alarms"].items() if key not in before["alarms"]]
        assert [row.code for row in alarms] == [code] * (code == "equivocation")
        assert [len(json.loads(row.evidence)["notes"]) for row in alarms] == [2] * len(alarms)
        held = [row for key, row in after["held"].items() if key not in before["held"]]
        assert [(row.code, body_of(self.node.keys, row)) for row in held] == [(code, envelope)]
        kept = {"held": None, "alarms": None}
        assert {**after, **kept} == {**before, **kept}

    async def answers(self, mid: str) -> list[tuple[str, str]]:
        """What Bexley's node has signed about a message."""
        rows = await self.node.store.read(lambda tx: tx.receipts(mid=mid, by=NODE))
        return [(row.state, row.code) for row in rows]

    def handed(self) -> list[Any]:
        """What any agency of Bexley has been given."""
        return [view for desk in self.world.bexley.desks.values() for _, view in desk.given]

    def example(self) -> dict[str, Any]:
        """A fresh copy of example 1."""
        copy: dict[str, Any] = json.loads(minimal_example())
        return copy

    # --- receipts, which come the other way: Bexley lies to Hackney

    async def delivered(self) -> EnvelopeRow:
        """Example 1 has arrived at all seven; Bexley's row of the message."""
        ref = (await self.world.hackney.submit(self.example())).ref
        await self.world.settle()
        mid = (await self.world.hackney.legs(ref))["police"].mid
        row = await self.node.store.read(lambda tx: tx.envelope(mid))
        assert row is not None
        return row

    def receipt(self, told: EnvelopeRow | About, *, by: str = "police", **more: Any) -> bytes:
        """A receipt by one of Bexley's keys, of whatever it says."""
        return make_receipt(
            more.pop("signer", None) or self.node.keys.signer(f"{BEXLEY}/{by}"),
            net=more.pop("net", self.node.network.net),
            about=told if isinstance(told, About) else about(told),
            at=more.pop("at", self.world.clock.now()),
            state=more.pop("state", "acknowledged"),
            **more,
        ).note

    async def send_receipts(self, *found: bytes) -> None:
        """A receipts envelope from Bexley's node to Hackney's, in a fresh place of its stream."""
        self.sent += 1
        stream = await self.node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=True))
        now = self.world.clock.now()
        bexley = Insider(
            signer=self.node.keys.signer(NODE),
            net=self.node.network.net,
            now=now,
            keys_of=lambda name: self.node.network.sealing_key(name, now),
            readers=((f"{HACKNEY}/node", (1,)),),
            contents=(write_sections({"receipts": [note.decode() for note in found]}),),
            context="bx/1/receipts",
            kind=2,
            to=HACKNEY.encode(),
            stream=stream.stream,
            seq=stream.seq + 1000 + self.sent,
        )
        body = Outgoing(HACKNEY, Lane.RECEIPTS, bexley.seal(), secrets.token_hex(8))
        await self.node.transport.publish(body)
        await self.world.deliver_mail(self.world.hackney)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with two_boroughs() as opened:
        yield opened


@pytest.fixture
def attack(world: World) -> Attack:
    return Attack(world)
