"""Parsers of documents of trust, of what people carry between machines, and of evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from fuzzing.changes import Changes
from fuzzing.seeds import (
    NODE,
    POLICE,
    Target,
    World,
    as_dict,
    body_of,
    decoded,
    found,
    is_object,
    mixed,
    raw,
    resigned,
    tree,
    value,
)
from gateway.client.client import read_network
from gateway.core import (
    agency_part,
    breakglass,
    ceremony,
    directory,
    draft,
    encoding,
    evidence,
    keys,
    request,
    root,
    silence,
    suspension,
)
from gateway.core.examination import judge_evidence
from gateway.core.keys import KemKey
from gateway.errors import GatewayError, Misconfigured, Refused


def documents(world: World) -> Iterator[tuple[str, Target]]:
    network, net, now = world.network, world.net, world.now
    root_signers, signers = world.signers("r1", "r2", "r3"), world.signers("d1", "d2")
    node, police = world.identity(NODE), world.identity(POLICE)
    first = [body_of(one)[1] for one in world.roots]

    def chain(changes: Changes) -> list[bytes]:
        made = changes.note(b"bx/1/root", changes.pick(first), root_signers)
        return [made] if changes.random.random() < 0.5 else [*world.roots, made]

    yield "root", Target(chain, lambda notes: root.verify_roots(notes, now=now), world.roots, weight=0.5)
    newest = root.verify_roots(world.roots, now=now)
    directories = [one.encode() for one in world.file["directories"].values()]
    yield "directory", Target(
        resigned(directories, signers),
        lambda data: directory.open_directory(data, newest, now=now), directories,
    )  # fmt: skip
    mine = [one for one in world.cards if f'"principal":"{POLICE}"'.encode() in one]
    yield "key card", Target(
        resigned(mine, [police]),
        lambda data: directory.open_card(data, net=net, min_suite=2, keyring=network.keyring), mine,
    )  # fmt: skip
    stops = [one.encode() for one in world.file["suspensions"].values()]
    yield "suspension", Target(
        mixed(resigned(stops, world.signers("d3")), raw(stops)),
        lambda data: suspension.open_suspension(data, root=newest, directory=network.directory, now=now),
        stops,
    )  # fmt: skip
    glass = breakglass.make_break_glass(
        node,
        net=net,
        directory=7,
        created=now,
        until=now + 3600,
        reason="directory_expired",
        by="duty_officer",
    )
    yield "break-glass", Target(
        resigned([glass], [node]),
        lambda data: breakglass.open_break_glass(data, net=net, keyring=network.keyring, now=now), [glass],
    )  # fmt: skip
    yield from files(world, mine)


def files(world: World, cards: Sequence[bytes]) -> Iterator[tuple[str, Target]]:
    """What people carry between machines."""
    node, police, log = world.identity(NODE), world.identity(POLICE), world.log_key("E09000012", NODE)
    kemkeys = [KemKey(bytes(31) + bytes([n]), world.now, world.now + 86_400) for n in range(2)]
    hackney_police = world.identity("E09000012/police")
    pairs = zip((node, hackney_police), kemkeys, strict=True)
    own = [ceremony.make_card(one, [key], net=world.net, version=1) for one, key in pairs]
    members = [
        request.Member(node.name, "NODE", node, log=log),
        request.Member(hackney_police.name, "POLICE", hackney_police),
    ]
    asked = request.make_request("E09000012", "Hackney", members, own)
    body = body_of(json.loads(asked)["request"][0].encode())[1]

    def join(changes: Changes) -> bytes:
        if changes.random.random() < 0.3:
            return changes.canonical(changes.json(json.loads(asked)))
        made = changes.note(b"bx/1/request", body, [node, hackney_police, log])
        return encoding.encode({"request": [made.decode(errors="replace")]}) if _plain(made) else made

    yield "join request", Target(join, request.open_request, [asked], weight=0.5)
    part = agency_part.make_part(police, agency="POLICE", card=cards[0], net=world.net)
    yield "agency's part", Target(resigned([part], [police]), agency_part.read_part, [part])
    bundle = ceremony.pack(ceremony.Bundle(tuple(world.roots), world.directory, tuple(world.cards[:2])))
    packed = [json.loads(bundle)]
    yield "bundle of trust", Target(tree(packed), ceremony.unpack, [bundle])
    yield "cards", Target(tree([json.loads(ceremony.pack_cards(world.cards[:2]))]), ceremony.unpack_cards)
    drafts = [*packed, {**packed[0], "next": encoding.b64(encoding.encode(body_of(world.directory)[1]))}]
    yield (
        "draft",
        Target(tree(drafts), lambda data: _draft(data, world.now), raises=(GatewayError,), weight=0.3),
    )
    yield "documents of a node", Target(
        value([{**packed[0], "suspensions": []}]),
        lambda told: read_network(as_dict(told), world.file["fingerprint"], world.now), weight=0.3,
    )  # fmt: skip
    derivation = keys.Derivation(bytes(keys.SALT), keys.CHEAP)
    file = keys.seal_key_file(keys.KeyFile(NODE, "identity", "demo", bytes(32), 0, 0), bytes(32), derivation)
    fault = (Refused, Misconfigured)
    yield (
        "key file",
        Target(tree([json.loads(file)]), lambda data: keys.open_key_file(data, bytes(32)), [file], fault),
    )
    yield (
        "key file's cost",
        Target(tree([json.loads(file)]), lambda data: keys.derivation_of(data, "demo"), [file], fault),
    )
    whole = [json.loads(one) for one in found("evidence", "bundle") if is_object(one)]
    yield "evidence", Target(tree(whole), evidence.unpack)
    yield (
        "evidence, judged",
        Target(
            tree(whole), lambda data: judge_evidence(data, world.file["fingerprint"]), raises=(), weight=0.1
        ),
    )
    silent = [one["silence"] for one in whole if "silence" in one]
    if silent:
        yield "proof of silence", Target(tree(silent), decoded(silence.read_silence))


def _plain(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _draft(data: bytes, now: int) -> object:
    made = draft.unpack_draft(data)
    return draft.progress(made), draft.listed(made, now), draft.text_fingerprint(made)
