"""Roots, directories, key cards and suspensions (6): what a node may believe, and what may follow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .network import (
    B_HOUSING,
    B_NODE,
    B_POLICE,
    BEXLEY,
    CREATED,
    DIRECTORIES,
    H_NODE,
    HACKNEY,
    KEEPERS,
    LOGS,
    NET,
    NEW_NODE,
    NOW,
    ROOT,
    ROOTS,
    SIGNERS,
    SUBKEYS,
    card,
    directory,
    directory_body,
    entry,
    members,
    named,
    random,
    role,
    root_body,
    subkey,
    suspension,
)
from .note_files import SMALL, mixed_order
from .plain import DAY, Signer, b64, fingerprint, note, sha256, signed, text_of
from .tables import LOW_ORDER
from .vector import File, Files, case, file

FINGERPRINT = fingerprint(NET)
CARDED = (B_NODE, B_POLICE)
CARDS = [card(name) for name in CARDED]


def bundle(
    roots: Sequence[bytes] = (ROOT,), listed: bytes = DIRECTORIES["7"], cards: Sequence[bytes] = ()
) -> dict[str, Any]:
    """Of network.json where a field is left out."""
    found: dict[str, Any] = {}
    if list(roots) != [ROOT]:
        found["roots"] = [one.decode() for one in roots]
    if listed != DIRECTORIES["7"]:
        found["directory"] = listed.decode()
    if cards:
        found["cards"] = [one.decode() for one in cards]
    return found


def one(
    name: str, expect: str, comment: str, found: dict[str, Any], attacks: Sequence[int] = (),
    gives: dict[str, Any] | None = None, **more: Any,
) -> File:  # fmt: skip
    folder = "good" if expect == "good" else "bad"
    cases = [case(expect, "", gives=gives)]
    shared = {"now": NOW, **found, **more}
    return file(f"trust/{folder}/{name}", "trust", comment, cases, attacks, **shared)


def files() -> Files:
    yield from _good()
    yield from _roots()
    yield from _root_bodies()
    yield from _directories()
    yield from _successors()
    yield from _cards()
    yield from _suspensions()


# --- chains that hold -------------------------------------------------------------------------------


def later_root(version: int, *signers: str, **changes: Any) -> bytes:
    body = root_body(version=version, net=b64(NET), **changes)
    return note("bx/1/root", body, *named(ROOTS, *signers))


NEW_ROLES = {
    "root": role(named(ROOTS, "r2", "r3", "r4")),
    "directory": role(named(KEEPERS, "d2", "d3", "d4")),
}
SECOND = later_root(2, "r2", "r3", roles=NEW_ROLES)
"""r1 and d1 have gone, r4 and d4 have come: r2 and r3 are the threshold of both."""
THIRD = later_root(3, "r3", "r4", roles=NEW_ROLES, created=CREATED + DAY)


def gives(root: int = 1, version: int = 7, **cards: int) -> dict[str, Any]:
    return {"net_b64": b64(NET), "root_version": root, "directory_version": version, "cards": cards}


def _good() -> Files:
    every = dict.fromkeys(CARDED, 2)
    yield one(
        "whole",
        "good",
        "The network of the vectors",
        bundle(cards=CARDS),
        gives=gives(**every),
        fingerprint=FINGERPRINT,
    )
    yield one(
        "all-three-signed",
        "good",
        "More signatures than the threshold",
        bundle(listed=directory("d1", "d2", "d3")),
        gives=gives(),
    )
    rotated = bundle([ROOT, SECOND], directory("d2", "d4"))
    yield one("root-2", "good", "Two keepers have changed", rotated, gives=gives(2), fingerprint=FINGERPRINT)
    chain = bundle([ROOT, SECOND, THIRD], directory("d3", "d4"))
    yield one("root-3", "good", "A chain of three", chain, gives=gives(3), fingerprint=FINGERPRINT)
    old = bundle([note("bx/1/root", root_body(), *named(ROOTS, "r1", "r2")), SECOND], directory("d2", "d3"))
    yield one(
        "old-root-over",
        "good",
        "Only the newest root must be in date",
        old,
        gives=gives(2),
        now=NOW + 20 * DAY,
    )
    after = bundle(listed=directory("d1", "d3", version=8))
    yield one("next-directory", "good", "The next version", after, gives=gives(1, 8), before=bundle())
    yield one("same-directory", "good", "The same bytes again", bundle(), gives=gives(), before=bundle())
    cosigned = bundle(listed=directory("d2", "d3"))
    yield one(
        "same-directory-cosigned",
        "good",
        "The same text with other signatures",
        cosigned,
        gives=gives(),
        before=bundle(),
    )
    furthest = bundle(listed=directory(version=10_007))
    yield one("jump-10000", "good", "The furthest jump", furthest, gives=gives(1, 10_007), before=bundle())
    yield one(
        "directory-over",
        "good",
        "An expired directory still says who signed what",
        bundle(),
        gives=gives(),
        now=NOW + 40 * DAY,
    )
    yield one(
        "root-2-after-1",
        "good",
        "A newer root after the one accepted",
        rotated,
        gives=gives(2),
        before=bundle(),
    )
    yield from _good_cards()


def _good_cards() -> Files:
    def sealing(name: str, comment: str, cards: Sequence[bytes], wanted: bytes, **more: Any) -> File:
        found = {"sealing_sha256_b64": b64(sha256(wanted))}
        return one(name, "good", comment, bundle(cards=cards), gives=found, seal_to=B_POLICE, **more)

    old, new = SUBKEYS[B_POLICE, 1].public, SUBKEYS[B_POLICE, 2].public
    yield sealing("seal-newest", "Of two that are valid, the one that began last", [card(B_POLICE)], new)
    early = {"now": NOW - 5 * DAY}
    older = bundle(listed=directory(created=NOW - 6 * DAY, expires=NOW), cards=[card(B_POLICE)])
    yield one(
        "seal-before-the-next",
        "good",
        "Before the next one begins",
        older,
        gives={"sealing_sha256_b64": b64(sha256(old))},
        seal_to=B_POLICE,
        **early,
    )
    yield sealing("seal-older-ended", "After the older one ended", [card(B_POLICE)], new, now=NOW + 5 * DAY)
    first = card(B_POLICE, version=1, subkeys=[subkey(B_POLICE, 1)])
    yield sealing("newest-card", "The newest card counts, whatever the order", [card(B_POLICE), first], new)
    later = {"suite": 3, "pk": b64(random("suite 3", 64)), "from": NOW, "until": NOW + DAY}
    both = card(B_POLICE, subkeys=[subkey(B_POLICE, 2), later])
    yield sealing("suite-3-passed-over", "A subkey of a suite that nobody knows yet is left out", [both], new)
    weak = card(B_POLICE, subkeys=[subkey(B_POLICE, 1, suite=1)])
    yield one(
        "card-weaker-suite",
        "good",
        "A card of a weaker suite is left out",
        bundle(cards=[weak]),
        [103],
        gives(),
    )
    gone = card(B_POLICE, signer=Signer(B_POLICE, "a key of before"))
    yield one(
        "card-another-key",
        "good",
        "A card by a key that is not the listed one is left out",
        bundle(cards=[gone, card(B_HOUSING)]),
        [103],
        gives(**{B_HOUSING: 2}),
    )
    revoked = bundle(listed=DIRECTORIES["8"], cards=[card(H_NODE), card(B_NODE)])
    yield one(
        "card-revoked-owner",
        "good",
        "A card by a revoked key is left out",
        revoked,
        [103],
        gives(1, 8, **{B_NODE: 2}),
    )
    retiring = bundle(
        listed=DIRECTORIES["10"], cards=[card(H_NODE, version=9), card(H_NODE, signer=NEW_NODE, version=1)]
    )
    yield one(
        "card-by-listed-key-first",
        "good",
        "The listed key's card goes before any by the retiring key",
        retiring,
        gives=gives(1, 10, **{H_NODE: 1}),
    )
    alone = bundle(listed=DIRECTORIES["10"], cards=[card(H_NODE, version=9)])
    yield one(
        "card-by-retiring-key",
        "good",
        "While it counts, the retiring key's card does",
        alone,
        gives=gives(1, 10, **{H_NODE: 9}),
    )
    yield one(
        "card-by-retired-key", "good", "Afterwards it is left out", alone, gives=gives(1, 10), now=NOW + 3600
    )


# --- roots ------------------------------------------------------------------------------------------


def _roots() -> Files:
    def chain(name: str, expect: str, comment: str, attack: int, *roots: bytes, **more: Any) -> File:
        return one(name, expect, comment, bundle(roots), [attack], **more)

    yield chain("no-root", "root_none", "No root at all", 97)
    wrong = fingerprint(sha256(b"another"))
    yield chain(
        "fingerprint", "fingerprint", "Another network than the one read aloud", 100, ROOT, fingerprint=wrong
    )
    half = note("bx/1/root", root_body(), ROOTS["r1"])
    yield chain("root-1-of-2", "root_threshold", "One signature of two", 93, half)
    yield chain("root-starts-at-2", "root_net", "The chain starts at version 2", 97, _founding(2))
    yield chain(
        "root-skipped", "root_version", "Version 3 after version 1", 97, ROOT, later_root(3, "r1", "r2")
    )
    yield chain(
        "root-again",
        "root_version",
        "Version 2 twice",
        97,
        ROOT,
        SECOND,
        later_root(2, "r2", "r3", roles=NEW_ROLES),
    )
    foreign = role([Signer("r5"), Signer("r6")])
    yield chain(
        "root-old-only",
        "unknown_key",
        "By the old keepers alone, for others",
        97,
        ROOT,
        later_root(2, "r1", "r2", roles={**NEW_ROLES, "root": foreign}),
    )
    new_only = note(
        "bx/1/root",
        root_body(version=2, net=b64(NET), roles={**NEW_ROLES, "root": foreign}),
        Signer("r5"),
        Signer("r6"),
    )
    yield chain("root-new-only", "unknown_key", "By the new keepers alone", 97, ROOT, new_only)
    one_old = later_root(2, "r2", "r4", roles=NEW_ROLES)
    yield chain(
        "root-one-old", "root_threshold_old", "One of the old keepers, two of the new", 97, ROOT, one_old
    )
    one_new = later_root(2, "r1", "r2", roles=NEW_ROLES)
    yield chain(
        "root-one-new", "root_threshold_new", "Two of the old keepers, one of the new", 97, ROOT, one_new
    )
    yield chain(
        "root-env", "root_env", "The environment is switched", 97, ROOT, later_root(2, "r1", "r2", env="prod")
    )
    yield chain(
        "root-net-other",
        "root_net",
        "Another network",
        97,
        ROOT,
        note("bx/1/root", root_body(version=2, net=b64(random("net"))), *named(ROOTS, "r1", "r2")),
    )
    yield chain(
        "root-net-missing",
        "root_net_form",
        "Version 2 without its network",
        97,
        ROOT,
        note("bx/1/root", root_body(version=2), *named(ROOTS, "r1", "r2")),
    )
    yield chain("root-over", "root_expired", "The newest root is over", 101, ROOT, now=CREATED + 365 * DAY)
    yield chain("root-future", "root_future", "From the future", 101, ROOT, now=CREATED - 121)


def _founding(version: int) -> bytes:
    return note("bx/1/root", root_body(version=version, net=b64(bytes(32))), *named(ROOTS, "r1", "r2"))


def _root_bodies() -> Files:
    def founded(name: str, expect: str, comment: str, attack: int, **changes: Any) -> File:
        root = note("bx/1/root", root_body(**changes), *named(ROOTS, "r1", "r2"))
        return one(f"root-{name}", expect, comment, bundle([root]), [attack])

    def roles(**changes: Any) -> dict[str, Any]:
        return {**root_body()["roles"], **changes}

    keys = named(ROOTS, "r1", "r2", "r3")
    yield founded("threshold-0", "field_value", "A threshold of 0", 97, roles=roles(root=role(keys, 0)))
    yield founded("threshold-4", "field_value", "A threshold of 4 of 3", 97, roles=roles(root=role(keys, 4)))
    yield founded("life", "root_life", "It would live too long", 101, expires=CREATED + 3660 * DAY + 1)
    yield founded("time", "root_time", "It is over before it begins", 101, expires=CREATED)
    yield founded("env-unknown", "field_value", "An environment that nobody knows", 97, env="test")
    yield founded("version-0", "field_value", "Version 0", 97, version=0)
    yield founded("v-2", "version", "A later form", 48, v=2)
    yield founded("field-unknown", "field_unknown", "A field that nobody knows", 48, x=1)
    yield founded("net-in-first", "root_net_form", "The first root names a network", 97, net=b64(bytes(32)))
    shared = role([*named(KEEPERS, "d1", "d2"), _as("d9", ROOTS["r3"])])
    yield founded("key-in-two-roles", "key_twice", "One key in two roles", 94, roles=roles(directory=shared))
    yield founded(
        "key-two-names",
        "key_twice",
        "One key under two names",
        94,
        roles=roles(root=role([*keys, _as("r9", ROOTS["r1"])])),
    )
    for name, public in [("low-order", SMALL["of order 8"]), ("mixed-order", mixed_order())]:
        weak = {"threshold": 2, "keys": {**role(keys)["keys"], "r9": b64(public)}}
        yield founded(
            f"key-{name}", "weak_key", f"A key of {name.replace('-', ' ')}", 42, roles=roles(root=weak)
        )
    short = {"threshold": 2, "keys": {**role(keys)["keys"], "r9": b64(bytes(31))}}
    yield founded("key-short", "base64_size", "A key of 31 bytes", 42, roles=roles(root=short))
    capital = {"threshold": 2, "keys": {**role(keys)["keys"], "R9": b64(KEEPERS["d4"].public)}}
    yield founded("key-name", "field_value", "A key name with a capital", 99, roles=roles(root=capital))


def _as(name: str, signer: Signer) -> Signer:
    found = Signer(name)
    found.public = signer.public
    return found


# --- directories ------------------------------------------------------------------------------------


def _directories() -> Files:
    def listed(name: str, expect: str, comment: str, attack: int, found: bytes, **more: Any) -> File:
        return one(f"directory-{name}", expect, comment, bundle(listed=found), [attack], **more)

    def changed(name: str, expect: str, comment: str, attack: int, **changes: Any) -> File:
        return listed(name, expect, comment, attack, directory(**changes))

    def principal(name: str, **changes: Any) -> dict[str, Any]:
        return members(**{name: entry(name, **changes)})

    yield listed("1-of-2", "directory_threshold", "One signature of two", 93, directory("d1"))
    yield listed(
        "root-keys",
        "unknown_key",
        "Signed by the root's keepers",
        95,
        note("bx/1/directory", directory_body(), *named(ROOTS, "r1", "r2")),
    )
    mixed = note("bx/1/directory", directory_body(), KEEPERS["d1"], ROOTS["r1"])
    yield listed("one-root-key", "directory_threshold", "One of its signers, one of the root's", 95, mixed)
    two_names = signed(text_of(DIRECTORIES["7"]), KEEPERS["d1"], _named_as("d2", KEEPERS["d1"]))
    yield listed("one-key-two-names", "directory_threshold", "One key under two names", 94, two_names)
    twice = signed(text_of(DIRECTORIES["7"]), KEEPERS["d1"], KEEPERS["d1"])
    yield listed("line-twice", "note_repeated", "One line twice", 94, twice)
    wrong = DIRECTORIES["7"].replace(b"Hackney (vectors)", b"Hackney (changed)")
    yield listed("changed", "signature", "A name was changed", 93, wrong)
    yield changed("net", "directory_net", "Of another network", 99, net=b64(random("net")))
    yield changed("life", "directory_life", "It would live too long", 91, expires=NOW - DAY + 30 * DAY + 1)
    yield changed("time", "directory_time", "It is over before it begins", 91, expires=NOW - DAY)
    yield changed("future", "directory_future", "From the future", 92, created=NOW + 121, expires=NOW + DAY)
    yield changed("min-suite", "min_suite", "It asks for a newer suite", 103, min_suite=3)
    yield changed("v-2", "version", "A later form", 48, v=2)
    yield changed("field-unknown", "field_unknown", "A field that nobody knows", 48, x=1)
    yield changed("field-missing", "field_missing", "Without its revocations", 47, revoked=...)
    foreign = members()
    foreign[HACKNEY]["principals"][B_POLICE] = entry(B_POLICE)
    yield changed("foreign", "foreign_principal", "An area lists another's agency", 99, members=foreign)
    lower = {**members(), "e09000001": {"name": "x", "principals": {}}}
    yield changed("area-form", "field_value", "An area that is none", 99, members=lower)
    alike = members()
    alike[BEXLEY]["principals"]["E09000004/роlice"] = entry(B_POLICE)
    yield changed("confusable", "json_key", "A name that looks like another", 99, members=alike)
    empty = {**members(), "E09000033": {"name": "x", "principals": {}}}
    yield changed("node-missing", "node_missing", "An area without a node", 99, members=empty)
    yield changed(
        "node-no-log",
        "node_entry",
        "A node without a log key",
        99,
        members=members(**{H_NODE: _without_log(H_NODE)}),
    )
    yield changed(
        "agency-log",
        "node_entry",
        "An agency with a log key",
        99,
        members=principal(B_POLICE, log=b64(random("log"))),
    )
    yield changed(
        "agency-node", "node_entry", "An agency of type NODE", 99, members=principal(B_POLICE, agency="NODE")
    )
    yield changed(
        "key-shared",
        "key_twice",
        "Two principals with one key",
        99,
        members=principal(B_POLICE, sign=b64(SIGNERS[B_HOUSING].public)),
    )
    yield changed(
        "log-is-identity",
        "key_twice",
        "The log key is the identity key",
        111,
        members=principal(H_NODE, log=b64(SIGNERS[H_NODE].public)),
    )
    yield changed(
        "key-of-root",
        "key_twice",
        "A principal's key is the root's",
        99,
        members=principal(B_POLICE, sign=b64(ROOTS["r1"].public)),
    )
    yield changed(
        "key-weak",
        "weak_key",
        "A key of mixed order",
        42,
        members=principal(B_POLICE, sign=b64(mixed_order())),
    )
    yield changed(
        "key-zero", "weak_key", "A key of zeros", 42, members=principal(B_POLICE, sign=b64(bytes(32)))
    )
    yield changed("hosted-number", "field_type", "1 for true", 47, members=principal(B_POLICE, hosted=1))
    named_ = members()
    named_[HACKNEY]["name"] = "Hack\u202eney"
    yield changed("name-bidi", "field_value", "A name that turns itself round", 74, members=named_)
    named_ = members()
    named_[HACKNEY]["name"] = "x" * 81
    yield changed("name-long", "field_value", "A name of 81 characters", 99, members=named_)
    yield changed(
        "entitlement-order",
        "field_value",
        "Agency types in another order",
        32,
        entitlements={"core": ["POLICE", "HOUSING"]},
    )
    yield changed(
        "entitlement-twice",
        "field_value",
        "An agency type twice",
        32,
        entitlements={"core": ["POLICE", "POLICE"]},
    )
    revoked = {"key": b64(SIGNERS[H_NODE].public), "at": NOW, "reason": "lost"}
    yield changed("revoked-twice", "key_twice", "A key is revoked twice", 37, revoked=[revoked, revoked])
    yield changed(
        "revoked-words",
        "field_value",
        "Words where a reason code belongs",
        37,
        revoked=[{**revoked, "reason": "we lost it"}],
    )
    retiring = {"retiring": [{"key": b64(SIGNERS[H_NODE].public), "until": NOW + 29 * DAY + 1}]}
    yield changed(
        "retiring-late",
        "retiring_life",
        "A key would go on counting too long",
        37,
        members=members(**{H_NODE: entry(H_NODE, sign=b64(NEW_NODE.public), **retiring)}),
    )
    same = {"retiring": [{"key": b64(SIGNERS[B_POLICE].public), "until": NOW}]}
    yield changed(
        "retiring-itself",
        "key_twice",
        "A key retires in favour of itself",
        99,
        members=principal(B_POLICE, **same),
    )
    yield changed(
        "retiring-none",
        "field_value",
        "A list without a key that retires",
        37,
        members=principal(B_POLICE, retiring=[]),
    )


def _named_as(name: str, signer: Signer) -> Signer:
    from types import SimpleNamespace  # noqa: PLC0415

    return SimpleNamespace(name=name, public=signer.public, sign=signer.sign)  # type: ignore[return-value]


def _without_log(name: str) -> dict[str, Any]:
    return {field: value for field, value in entry(name).items() if field != "log"}


# --- what may follow --------------------------------------------------------------------------------


def _successors() -> Files:
    def after(
        name: str, expect: str, comment: str, attack: int, new: dict[str, Any], old: dict[str, Any]
    ) -> File:
        return one(name, expect, comment, new, [attack], before=old)

    yield after(
        "directory-rolled-back",
        "directory_rollback",
        "Version 7 after 8",
        89,
        bundle(),
        bundle(listed=directory(version=8)),
    )
    other = directory(expires=NOW + 28 * DAY)
    yield after(
        "directory-equivocation",
        "directory_equivocation",
        "Another version 7",
        90,
        bundle(listed=other),
        bundle(),
    )
    yield after(
        "directory-jump",
        "directory_jump",
        "One more than the furthest jump",
        96,
        bundle(listed=directory(version=10_008)),
        bundle(),
    )
    rotated = bundle([ROOT, SECOND], directory("d2", "d3"))
    yield after("root-rolled-back", "root_rollback", "Root 1 after root 2", 97, bundle(), rotated)
    yield after(
        "old-signers",
        "unknown_key",
        "Signers of before, after the root has replaced them",
        98,
        bundle([ROOT, _third()], directory("d1", "d2")),
        rotated,
    )
    another = later_root(2, "r2", "r3", roles=NEW_ROLES, expires=CREATED + 300 * DAY)
    yield after(
        "root-equivocation",
        "root_equivocation",
        "Another root 2",
        97,
        bundle([ROOT, another], directory("d2", "d3")),
        rotated,
    )
    beside = later_root(3, "r3", "r4", roles=NEW_ROLES, created=CREATED + DAY)
    yield after(
        "root-passed-by",
        "root_equivocation",
        "A root 3 whose chain leaves out the root 2 accepted",
        97,
        bundle([ROOT, another, beside], directory("d2", "d3")),
        rotated,
    )
    stranger = note("bx/1/root", root_body(created=CREATED + 1), *named(ROOTS, "r1", "r2"))
    net = sha256(b"bx/1/network" + text_of(stranger))
    elsewhere = note("bx/1/directory", directory_body(net=b64(net)), *named(KEEPERS, "d1", "d2"))
    yield after(
        "another-network",
        "other_network",
        "Another network in the place of ours",
        100,
        bundle([stranger], elsewhere),
        bundle(),
    )


def _third() -> bytes:
    only = {"root": NEW_ROLES["root"], "directory": role(named(KEEPERS, "d3", "d4"))}
    return later_root(2, "r2", "r3", roles=only)


# --- key cards --------------------------------------------------------------------------------------


def _cards() -> Files:
    def held(name: str, expect: str, comment: str, *cards: bytes, attack: int = 103, **more: Any) -> File:
        return one(f"card-{name}", expect, comment, bundle(cards=cards), [attack], **more)

    other = card(B_POLICE, subkeys=[subkey(B_POLICE, 2)])
    yield held("equivocation", "card_equivocation", "Two cards of one version", card(B_POLICE), other)
    yield held(
        "for-another", "card_principal", "A card for somebody else", card(B_POLICE, principal=B_HOUSING)
    )
    yield held("net", "card_net", "Of another network", card(B_POLICE, net=b64(random("net"))))
    yield held(
        "two-signers",
        "note_single",
        "Signed by another too",
        note("bx/1/keycard", _body(), SIGNERS[B_POLICE], SIGNERS[B_NODE]),
    )
    changed = card(B_POLICE).replace(b'"version":2', b'"version":3')
    yield held("changed", "signature", "The version was changed", changed)
    yield held("none", "field_value", "No subkey", card(B_POLICE, subkeys=[]))
    many = [{"suite": 3, "pk": "", "from": NOW + n, "until": NOW + DAY} for n in range(17)]
    yield held("seventeen", "field_value", "17 subkeys", card(B_POLICE, subkeys=many))
    yield held(
        "subkey-twice", "key_twice", "One subkey twice", card(B_POLICE, subkeys=[subkey(B_POLICE, 2)] * 2)
    )
    yield held(
        "time",
        "subkey_time",
        "It ends before it begins",
        card(B_POLICE, subkeys=[subkey(B_POLICE, 2, until=0)]),
    )
    yield held("version-0", "field_value", "Version 0", card(B_POLICE, version=0))
    yield held("field-unknown", "field_unknown", "A field that nobody knows", card(B_POLICE, x=1))
    public = SUBKEYS[B_POLICE, 2].public
    for name, point in list(LOW_ORDER.items())[:3]:
        weak = subkey(B_POLICE, 2, pk=b64(public[:1184] + point))
        yield held(
            f"low-order-{name.replace(' ', '-')}",
            "kem_low_order",
            f"An X25519 half of low order: {name}",
            card(B_POLICE, subkeys=[weak]),
            attack=44,
        )
    wrong = subkey(B_POLICE, 2, pk=b64(b"\xff\xff\xff" + public[3:]))
    yield held(
        "ml-kem",
        "kem_public",
        "An ML-KEM half that is not reduced",
        card(B_POLICE, subkeys=[wrong]),
        attack=45,
    )
    short = subkey(B_POLICE, 2, pk=b64(public[:-1]))
    yield held("short", "base64_size", "A byte short", card(B_POLICE, subkeys=[short]), attack=45)
    sealing = {"seal_to": B_POLICE}
    yield held(
        "all-over", "no_valid_key", "Every subkey is over", card(B_POLICE), now=NOW + 11 * DAY, **sealing
    )
    early = card(B_POLICE, subkeys=[subkey(B_POLICE, 2, **{"from": NOW + 1})])
    yield held("too-early", "no_valid_key", "None has begun", early, **sealing)
    yield held("no-card", "no_valid_key", "No card", **sealing)


def _body() -> dict[str, Any]:
    from .network import card_body  # noqa: PLC0415

    return card_body(B_POLICE)


# --- suspensions ------------------------------------------------------------------------------------


def _suspensions() -> Files:
    def stopped(name: str, expect: str, comment: str, found: bytes, attack: int = 102, **more: Any) -> File:
        folder = "good" if expect == "good" else "bad"
        told = more.pop("gives", None)
        shared = {"note": found.decode(), "now": NOW, **more}
        attacks = [attack] if expect != "good" else []
        return file(
            f"suspensions/{folder}/{name}",
            "suspension",
            comment,
            [case(expect, "", gives=told)],
            attacks,
            **shared,
        )

    police, node = SIGNERS[B_POLICE], SIGNERS[B_NODE]
    d1, key = KEEPERS["d1"], SIGNERS[B_POLICE].public
    told = {"key_b64": b64(key), "until": NOW + 3000}
    yield stopped("by-one-signer", "good", "By any one directory signer", suspension(d1, key), gives=told)
    yield stopped("by-itself", "good", "By the key itself", suspension(police, key), gives=told)
    log = LOGS[HACKNEY].public
    yield stopped(
        "of-a-log",
        "good",
        "Of a log key",
        suspension(d1, log),
        gives={"key_b64": b64(log), "until": NOW + 3000},
    )
    longest = suspension(d1, key, until=NOW - 600 + 72 * 3600)
    yield stopped(
        "longest", "good", "72 hours, the longest", longest, gives={**told, "until": NOW - 600 + 72 * 3600}
    )
    yield stopped(
        "too-long",
        "suspension_life",
        "72 hours and a second",
        suspension(d1, key, until=NOW - 600 + 72 * 3600 + 1),
    )
    yield stopped("outsider", "unknown_key", "By an outsider", suspension(Signer("d9"), key))
    yield stopped("root-keeper", "unknown_key", "By a keeper of the root", suspension(ROOTS["r1"], key))
    yield stopped("member-of-another", "suspension_signer", "A member stops another", suspension(node, key))
    yield stopped(
        "two-lines", "note_single", "By two", note("bx/1/suspend", _suspended(key), d1, KEEPERS["d2"])
    )
    yield stopped("unlisted-key", "suspension_key", "Of a key that nobody has", suspension(d1, random("key")))
    yield stopped(
        "signers-key", "suspension_key", "Of a directory signer's key", suspension(d1, KEEPERS["d2"].public)
    )
    yield stopped("net", "suspension_net", "Of another network", suspension(d1, key, net=b64(random("net"))))
    yield stopped(
        "backwards", "suspension_time", "It is over before it begins", suspension(d1, key, until=NOW - 600)
    )
    yield stopped("future", "suspension_future", "From the future", suspension(d1, key, created=NOW + 121))
    yield stopped("over", "suspension_over", "Over", suspension(d1, key), now=NOW + 3000)
    yield stopped(
        "words", "field_value", "Words where a reason code belongs", suspension(d1, key, reason="we lost it")
    )
    yield stopped(
        "revoked-signer",
        "unknown_key",
        "By a key that the directory revokes",
        suspension(SIGNERS[H_NODE], SIGNERS[H_NODE].public),
        directory_version="8",
    )


def _suspended(key: bytes) -> dict[str, Any]:
    import json  # noqa: PLC0415

    found: dict[str, Any] = json.loads(text_of(suspension(KEEPERS["d1"], key)).split(b"\n")[1])
    return found
