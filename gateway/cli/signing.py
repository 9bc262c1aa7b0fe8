"""What ``gateway directory`` does: read the files that people carry, take one step, write one file.

Every decision is made in :mod:`gateway.core.draft`; here are files, keys and the words for people.
Fingerprints of everything that somebody must compare are in every answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.cli.files import read_input, write_output
from gateway.cli.keyring import cards_of, day
from gateway.cli.output import Usage
from gateway.clock import SystemClock
from gateway.config import Agency, Settings, load
from gateway.core import draft as drafts
from gateway.core.agency_part import read_part
from gateway.core.ceremony import Member, Request, Roles, make_request, make_root, open_request, pack
from gateway.core.directory import Directory, Principal, parse_principal
from gateway.core.draft import Draft, pack_draft, unpack_draft
from gateway.core.durations import DAY
from gateway.core.encoding import JsonObject, decode_object, fields, octets
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.keys import PUBLIC, check_public, fingerprint, fingerprint_of
from gateway.core.root import ROOT_LIFE
from gateway.core.suspension import Suspension
from gateway.core.trust import Network
from gateway.errors import Conflict, Misconfigured, NotAllowed
from gateway.identity import open_keys
from gateway.keystore import KeyStore
from schemas.areas import display_name
from schemas.vocabulary import agency_type

PUBLIC_FILE = {"env": str, "name": str, "public": str, "purpose": str}

Facts = dict[str, Any]


# --- the steps --------------------------------------------------------------------------------------


def roles(
    root: Sequence[Path], root_threshold: int, directory: Sequence[Path], directory_threshold: int
) -> tuple[str, Roles]:
    """(environment, who may sign) out of .pub files. Raises Usage, Malformed."""
    environments: set[str] = set()
    of_root = dict(public_of(path, "root", environments) for path in root)
    of_directory = dict(public_of(path, "directory", environments) for path in directory)
    if len(environments) != 1:
        raise Usage("the keys are of different environments", code="environment", remedy="use keys of one")
    return environments.pop(), Roles(of_root, root_threshold, of_directory, directory_threshold)


def public_of(path: Path, purpose: str, environments: set[str]) -> tuple[str, bytes]:
    body = fields(decode_object(read_input(path)), PUBLIC_FILE)
    if body["purpose"] != purpose:
        raise Usage(
            f"{path.name} is not a {purpose} key", code="purpose", remedy=f"name a {purpose} key's .pub file"
        )
    public = octets(body, "public", PUBLIC)
    check_public(public)
    environments.add(str(body["env"]))
    return str(body["name"]), public


def create(named: tuple[str, Roles], keys: Path, passphrase: bytes, out: Path) -> Facts:
    """Raises Conflict when there is a draft already, NotAllowed when none of the root keys is here."""
    if out.exists():
        raise Conflict(
            f"{out} exists", code="draft_exists", remedy="a network is not overwritten: name another --out"
        )
    environment, signing = named
    store, now = KeyStore.open(keys, passphrase, environment), SystemClock().now()
    here = {file.name for file in store.names().values() if file.purpose == "root"}
    signers = [store.named_signer(name, "root") for name in sorted(here & set(signing.root))]
    if not any(signer.public == signing.root[signer.name] for signer in signers):
        raise NotAllowed(
            "none of the root keys named is in this key store",
            code="not_a_signer",
            remedy="run it where a root key is, with its .pub file among those named",
        )
    life = ROOT_LIFE[environment] - DAY  # a day for signing: its signers' clocks are not one
    note = make_root(environment, signing, created=now, expires=now + life, signers=signers)
    draft = drafts.found(note, ENTITLEMENTS)
    drafts.root_of(draft)
    write_output(out, pack_draft(draft))
    return facts(draft, now)


def request(config: Path | None, network: Path, expect: str, out: Path, parts: Sequence[Path] = ()) -> Facts:
    """The request of the configured node, for the network whose root is in ``network``. ``parts``: files of
    agencies that keep their own key (`gateway agency-agent init`)."""
    settings, draft = load(config), read_draft(network)
    if expect:
        drafts.check_network(draft, expect)
    if drafts.root_of(draft).env != settings.environment:
        raise Misconfigured(
            f"this network is not of environment {settings.environment!r}",
            code="network_env",
            field="/environment",
            remedy="ask for the network of this environment; demo keys are public",
        )
    store, now = open_keys(settings), SystemClock().now()
    members = [
        _node(settings, store),
        *(_member(settings, store, *item) for item in settings.agencies.items()),
    ]
    names = [member.principal for member in members]
    cards = cards_of(store, names, drafts.net_of(draft), now)
    own = [read_part(read_input(path)) for path in parts]
    data = make_request(settings.area, display_name(settings.area), members, cards, parts=own)
    write_output(out, data)
    return {
        **request_facts(open_request(data)),
        "network": fingerprint(drafts.net_of(draft)),
        "file": str(out),
    }


def _node(settings: Settings, store: KeyStore) -> Member:
    name = f"{settings.area}/node"
    return Member(name, "NODE", store.signer(name), store.log_signer(settings.area))


def _member(settings: Settings, store: KeyStore, role: str, agency: Agency) -> Member:
    name = f"{settings.area}/{role}"
    kind = agency_type(agency.type or role)
    return Member(name, kind, store.signer(name), organisation=agency.organisation)


def add(network: Path, file: Path, expect: str, *, replacing: bool) -> Facts:
    now = SystemClock().now()
    joining = open_request(read_input(file))
    draft = drafts.admit(read_draft(network), joining, expect=expect, now=now, replacing=replacing)
    write_output(network, pack_draft(draft))
    return facts(draft, now)


def sign(network: Path, keys: Path, passphrase: bytes, name: str, expect: str, *, renewing: bool) -> Facts:
    """Raises Misconfigured when the key is not here, NotAllowed when the network does not list it."""
    now, draft = SystemClock().now(), read_draft(network)
    environment = drafts.root_of(draft).env
    store = KeyStore.open(keys, passphrase, environment)
    purposes = _purposes(store, name, draft)
    if renewing:
        draft = drafts.renew(draft, now=now)
    elif expect and expect.strip().lower() != _text(draft, purposes):
        raise NotAllowed(
            "the text to be signed is not the one whose fingerprint was read out",
            code="text_fingerprint",
            remedy="ask the signer before you for the file again; do not sign this one",
        )
    for purpose in purposes:
        draft = drafts.sign(draft, store.named_signer(name, purpose), now=now)
    write_output(network, pack_draft(draft))
    return facts(draft, now)


def _purposes(store: KeyStore, name: str, draft: Draft) -> Sequence[str]:
    """What a person signs now. Who holds keys of both kinds signs a further root first and the directory when
    the root has all its signatures: one text at a time, each under its own fingerprint."""
    found = [file.purpose for file in store.names().values() if file.name == name]
    wanted = [purpose for purpose in ("root", "directory") if purpose in found]
    if len(wanted) > 1 and len(draft.roots) > 1:
        return ["directory" if drafts.progress(draft)[0].complete else "root"]
    return wanted or ["directory"]  # asking the store for it says what is missing and what to do


def _text(draft: Draft, purposes: Sequence[str]) -> str:
    return drafts.text_fingerprint(draft) if "directory" in purposes else drafts.root_fingerprint(draft)


def publish(network: Path, out: Path) -> Facts:
    now, draft = SystemClock().now(), read_draft(network)
    write_output(out, pack(drafts.finish(draft, now=now)))
    return {**facts(draft, now), "file": str(out)}


def show(network: Path) -> Facts:
    """Of a draft, a bundle, or a request to join."""
    data = read_input(network)
    if "request" in decode_object(data):
        return request_facts(open_request(data))
    return facts(unpack_draft(data), SystemClock().now())


def read_draft(path: Path) -> Draft:
    return unpack_draft(read_input(path))


# --- words ------------------------------------------------------------------------------------------


def request_facts(found: Request) -> Facts:
    return {
        "request": True,
        "area": found.area,
        "name": found.name,
        "fingerprint": found.fingerprint,
        "principals": _principals(found.principals),
    }


def _principals(entries: JsonObject) -> Facts:
    listed = [parse_principal(name, entry) for name, entry in sorted(entries.items())]
    return {entry.name: _principal(entry) for entry in listed}


def _principal(entry: Principal) -> Facts:
    return {
        "agency": entry.agency,
        "organisation": entry.organisation,
        "hosted": entry.hosted,
        "key": fingerprint_of(entry.sign),
    }


def facts(draft: Draft, now: int) -> Facts:
    """Everything that a signer or a joiner should look at."""
    root, listed = drafts.root_of(draft), drafts.listed(draft, now)
    signed = dict(zip(("root", "directory"), drafts.progress(draft), strict=True))
    return {
        "fingerprint": fingerprint(drafts.net_of(draft)),
        "environment": root.env,
        "version": listed.version,
        "signed": draft.body is None,
        "text": drafts.text_fingerprint(draft),
        "root": {
            "version": root.version,
            "text": drafts.root_fingerprint(draft),
            "expires": day(root.expires),
        },
        "expires": day(listed.expires),
        "signatures": {
            name: {"by": list(step.names), "needed": step.threshold, "complete": step.complete}
            | ({"owed": step.owed} if step.owed else {})
            for name, step in signed.items()
        },
        "signers": {
            name: {key: fingerprint_of(public) for key, public in role.keys.items()}
            for name, role in (("root", root.root), ("directory", root.directory))
        },
        "areas": {
            code: {
                "name": name,
                "principals": {
                    entry.name: _listed(entry, listed)
                    for entry in listed.principals.values()
                    if entry.area == code
                },
            }
            for code, name in listed.areas.items()
        },
    }


def _listed(entry: Principal, listed: Directory) -> Facts:
    found = _principal(entry)
    if entry.sign in listed.revoked:
        found["revoked"] = day(listed.revoked[entry.sign])
    if entry.retiring is not None:
        found["retiring"] = {"key": fingerprint_of(entry.retiring.key), "until": day(entry.retiring.until)}
    return found


def suspension_facts(found: Suspension) -> Facts:
    return {
        "key": fingerprint_of(found.key),
        "created": day(found.created),
        "until": day(found.until),
        "reason": found.reason,
        "by": found.by,
    }


def network_facts(network: Network) -> Facts:
    """Of a network that a node has verified and joined."""
    return {
        "fingerprint": network.fingerprint,
        "environment": network.env,
        "version": network.version,
        "expires": day(network.expires),
        "areas": dict(network.areas),
    }


def overview(found: Mapping[str, Any]) -> str:
    if found.get("request"):
        lines = [f"request of {found['name']} ({found['area']})", f"fingerprint {found['fingerprint']}"]
        return "\n".join([*lines, *_lines(found["principals"])])
    complete = found["signatures"]["directory"]["complete"]
    state = "signed" if complete else "being signed" if found["signed"] else "not signed yet"
    lines = [
        f"network     {found['fingerprint']}  ({found['environment']})",
        f"directory   version {found['version']}, {state}, until {found['expires']}",
    ]
    if found["text"]:
        lines.append(f"text        {found['text']}")
    if found["root"]["version"] > 1:
        lines.append(f"root text   {found['root']['text']}  (version {found['root']['version']})")
    for name, step in found["signatures"].items():
        owed = f"; {step['owed']} more by keepers of the root before" if "owed" in step else ""
        by = ", ".join(step["by"]) or "none"
        lines.append(f"{name:<11} {len(step['by'])} of {step['needed']} signatures: {by}{owed}")
    for code, area in found["areas"].items():
        lines += [f"{area['name']} ({code})", *_lines(area["principals"])]
    return "\n".join(lines)


def _lines(principals: Mapping[str, Any]) -> Iterable[str]:
    for name, entry in principals.items():
        organisation = f" ({entry['organisation']})" if entry["organisation"] else ""
        held = "" if entry["hosted"] or entry["agency"] == "NODE" else "  (keeps its own key)"
        yield f"  {name.partition('/')[2]:<22} {entry['agency']}{organisation}  {entry['key']}{held}"
        if "revoked" in entry:
            yield f"  {'':<22} REVOKED {entry['revoked']}"
        if "retiring" in entry:
            yield f"  {'':<22} before: {entry['retiring']['key']}, counts until {entry['retiring']['until']}"


def after(found: Mapping[str, Any], network: Path) -> str:
    """The next command once somebody has signed."""
    if all(step["complete"] for step in found["signatures"].values()):
        return f"gateway directory publish --network {network}"
    if found["root"]["version"] > 1 and not found["signatures"]["root"]["complete"]:
        return f"gateway directory sign --network {network} --expect {found['root']['text']}, by a keeper"
    if not found["signed"] and found["areas"]:
        return f"gateway directory sign --network {network} --keys FOLDER --name NAME"
    if not found["signed"]:
        return f"gateway directory add REQUEST --expect FINGERPRINT --network {network}"
    return f"gateway directory sign --network {network} --expect {found['text']}, at the next signer's"
