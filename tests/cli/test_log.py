"""``gateway log``: a node shows its log, and a stranger with the network's bundle judges it, offline."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import bookkeeping
from gateway.cli.output import Exit
from gateway.clock import SystemClock
from gateway.core.ceremony import Bundle, pack
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.log import Checkpoint, make_checkpoint, origin, own_line
from gateway.core.merkle import leaf_hash, root_of
from gateway.core.root import network_id
from gateway.core.witness import make_cosignature
from gateway.flows import accounts
from gateway.flows.node import log_leaf
from gateway.keystore import KeyStore
from gateway.ports import CheckpointRow, CosignatureRow, Transaction, WitnessRow
from gateway.stores import open_store
from gateway.testing.store_cases.rows import access
from keys_example import demo_network, unlocked

AREA = "E09000012"
MID = "0123456789abcdef" * 2
LEAVES = 7


@pytest.fixture
def bundle(gateway: Any) -> Path:
    """The demo network, published. (``gateway`` has made the folder the current one.)"""
    network = demo_network(SystemClock().now(), ENTITLEMENTS)
    path = Path("demo.bundle")
    path.write_bytes(pack(Bundle(network.roots, network.directory, tuple(network.cards.values()))))
    return path


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Hackney's demo keys in place of the key store; counts how often it was unlocked."""
    asked: list[int] = []

    def opened(_: object) -> KeyStore:
        asked.append(1)
        return unlocked(AREA)

    monkeypatch.setattr(bookkeeping, "open_keys", opened)
    return asked


@pytest.fixture
def node(gateway: Any, bundle: Path, keys: list[int]) -> Callable[..., Any]:
    """Hackney, joined, with seven leaves. Runs a command of ``gateway log`` with its configuration."""
    made = gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo",
        "--generate-passphrase", "pass", "--agency", "police",
    )  # fmt: skip
    assert made.code == 0, made.err
    print_ = gateway("directory", "show", "--network", str(bundle), "--json").json["fingerprint"]
    joined = gateway("join", str(bundle), "--expect", print_, "--config", "hackney/gateway.toml")
    assert joined.code == 0, joined.err
    write(lambda tx: [leaf(tx, number) for number in range(LEAVES)])
    return lambda *words: gateway("log", *words, "--config", "hackney/gateway.toml", "--json")


def leaf(tx: Transaction, number: int) -> None:
    log_leaf(tx, "sent", 1_795_514_700 + number, mid=MID if number % 3 == 0 else "f" * 32, stmt=str(number))


def write(work: Callable[[Transaction], object]) -> None:
    async def run() -> None:
        store = open_store("sqlite:///hackney/gateway.db")
        await store.start()
        await store.write(work)
        await store.close()

    asyncio.run(run())


@pytest.fixture
def export(node: Callable[..., Any]) -> Path:
    """The log, exported."""
    made = node("export", "audit.log")
    assert (made.code, made.json["size"]) == (0, LEAVES)
    return Path("audit.log")


@pytest.fixture
def judge(gateway: Any, bundle: Path) -> Callable[..., tuple[int, str, str]]:
    """(exit code, verdict, reasons), by the bundle and no configuration."""

    def judged(*words: str, network: Path = bundle) -> tuple[int, str, str]:
        done = gateway("log", "verify", *words, "--network", str(network), "--json")
        return done.code, done.json["verdict"], " ".join(done.json["reasons"])

    return judged


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def forged(leaves: Sequence[bytes], area: str = AREA, key: str = "log") -> bytes:
    """A checkpoint over other leaves, signed with a key that is at hand."""
    store = unlocked(area)
    signer = store.log_signer(area) if key == "log" else store.signer(f"{area}/node")
    net = network_id(demo_network(SystemClock().now(), ENTITLEMENTS).roots[0])
    hashes = [leaf_hash(one.removesuffix(b"\n")) for one in leaves]
    return make_checkpoint(signer, net=net, area=area, size=len(hashes), root=root_of(hashes)).note


# --- the node's side --------------------------------------------------------------------------------


def test_a_checkpoint_is_signed_once_and_shown_as_often_as_asked(
    gateway: Any, node: Callable[..., Any], keys: list[int]
) -> None:
    first = node("checkpoint")
    assert (first.code, first.json["size"]) == (0, LEAVES)
    assert node("checkpoint").json == first.json
    assert len(keys) == 1  # nobody is asked for a passphrase without need
    plain = gateway("log", "checkpoint", "--config", "hackney/gateway.toml")
    assert plain.out == first.json["note"]
    assert plain.out.startswith(f"{first.json['origin']}\n{LEAVES}\n{first.json['root']}\n\n— ")


def test_an_export_and_its_checkpoint_are_valid(
    gateway: Any, export: Path, judge: Callable[..., Any], bundle: Path
) -> None:
    assert [json.loads(line)["stmt"] for line in lines(export)] == [str(n) for n in range(LEAVES)]
    assert judge(str(export)) == (Exit.OK, "VALID", "")
    told = gateway("log", "verify", str(export), "--network", str(bundle))
    assert told.out.startswith("VALID\n  bx/1/log/")
    assert told.out.endswith(f"/{AREA}, {LEAVES} leaves\n")
    assert gateway("log", "verify", str(export), "--config", "hackney/gateway.toml").code == Exit.OK


def test_an_export_is_made_in_pages(
    node: Callable[..., Any], judge: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bookkeeping, "MAX_LEAVES", 3)
    assert node("export", "paged.log").code == 0
    assert judge("paged.log") == (Exit.OK, "VALID", "")


def test_an_export_that_cannot_be_written_says_so(node: Callable[..., Any]) -> None:
    done = node("export", "no/such/folder.log")
    assert (done.code, done.error) == (Exit.USAGE, "no_file")


def test_a_log_without_leaves_is_exported_and_valid(
    node: Callable[..., Any], judge: Callable[..., Any]
) -> None:
    note = forged([])
    Path("empty.log").write_bytes(b"")
    Path("empty.log.checkpoint").write_bytes(note)
    assert judge("empty.log") == (Exit.OK, "VALID", "")
    Path("empty.log").write_bytes(b"{}\n")
    assert judge("empty.log")[:2] == (Exit.CANNOT_TELL, "CANNOT_TELL")


# --- attack cases, on an export ---------------------------------------------------------------------


def removed(leaves: list[bytes]) -> list[bytes]:
    return leaves[:2] + leaves[3:]


def removed_first(leaves: list[bytes]) -> list[bytes]:
    return leaves[1:]


def edited(leaves: list[bytes]) -> list[bytes]:
    return [*leaves[:3], leaves[3].replace(b'"sent"', b'"Sent"'), *leaves[4:]]


def reordered(leaves: list[bytes]) -> list[bytes]:
    return [leaves[0], leaves[2], leaves[1], *leaves[3:]]


def truncated(leaves: list[bytes]) -> list[bytes]:
    return leaves[:-1]


def cut_within_a_leaf(leaves: list[bytes]) -> list[bytes]:
    return [*leaves[:-1], leaves[-1][:-5]]


def inserted(leaves: list[bytes]) -> list[bytes]:
    return [leaves[0], b"{}\n", *leaves[1:]]


def replaced(leaves: list[bytes]) -> list[bytes]:
    return [*leaves[:-1], b"{}\n"]


def blank_line(leaves: list[bytes]) -> list[bytes]:
    return [*leaves[:4], b"\n", *leaves[4:]]


def emptied(leaves: list[bytes]) -> list[bytes]:
    return leaves[:0]


@pytest.mark.parametrize(
    "attack",
    [
        removed, removed_first, edited, reordered, truncated, cut_within_a_leaf, inserted, replaced,
        blank_line, emptied,
    ],
)  # fmt: skip
def test_attack_105_an_export_that_was_changed_is_invalid(
    attack: Callable[[list[bytes]], list[bytes]], export: Path, judge: Callable[..., Any]
) -> None:
    changed = attack(lines(export))
    assert changed != lines(export)
    export.write_bytes(b"".join(changed))
    code, verdict, reasons = judge(str(export))
    assert (code, verdict) == (Exit.VERIFICATION_FAILED, "INVALID")
    short = len(changed) < LEAVES
    assert (f"ends after {len(changed)} of {LEAVES}" in reasons) is short, reasons
    assert ("are not those that were signed" in reasons) is not short


def test_leaves_that_nobody_has_signed_for_are_not_called_valid(
    export: Path, judge: Callable[..., Any]
) -> None:
    with export.open("ab") as file:
        file.write(b"{}\n{}\n")
    code, verdict, reasons = judge(str(export))
    assert (code, verdict) == (Exit.CANNOT_TELL, "CANNOT_TELL")
    assert f"the first {LEAVES} leaves are good; 2 come after" in reasons


def test_attack_106_an_older_checkpoint_unmasks_a_history_that_was_written_anew(
    export: Path, judge: Callable[..., Any]
) -> None:
    """The log's owner signs another log with the real key; somebody has kept what it signed before."""
    kept = forged(lines(export)[:4])
    Path("kept").write_bytes(kept)
    both = ("--checkpoint", "kept", "--checkpoint", f"{export}.checkpoint")
    assert judge(str(export), *both) == (Exit.OK, "VALID", "")
    anew = edited(lines(export))
    export.write_bytes(b"".join(anew))
    Path(f"{export}.checkpoint").write_bytes(forged(anew))
    assert judge(str(export))[1] == "VALID"  # alone it cannot be seen
    code, verdict, reasons = judge(str(export), *both)
    assert (code, verdict) == (Exit.VERIFICATION_FAILED, "INVALID")
    assert "leaves 0 to 3 are not those" in reasons


def test_attack_106_a_log_that_shrank_does_not_reach_the_checkpoint_that_was_kept(
    export: Path, judge: Callable[..., Any]
) -> None:
    Path("kept").write_bytes(Path(f"{export}.checkpoint").read_bytes())
    shorter = lines(export)[:5]
    export.write_bytes(b"".join(shorter))
    Path(f"{export}.checkpoint").write_bytes(forged(shorter))
    assert judge(str(export))[1] == "VALID"
    code, _, reasons = judge(str(export), "--checkpoint", "kept")
    assert code == Exit.VERIFICATION_FAILED
    assert f"ends after 5 of {LEAVES}" in reasons


def test_attack_106_the_node_itself_refuses_to_sign_what_shrank(node: Callable[..., Any]) -> None:
    assert node("checkpoint").code == 0
    with sqlite3.connect("hackney/gateway.db") as database:
        database.execute("DELETE FROM log WHERE n = 6")
    database.close()
    done = node("checkpoint")
    assert (done.code, done.error) == (Exit.FAILED, "log_shrunk")
    assert "docs/operations.md" in done.json["error"]["remedy"]


def test_a_leaf_changed_in_the_database_is_exported_and_found(
    node: Callable[..., Any], judge: Callable[..., Any]
) -> None:
    assert node("checkpoint").code == 0
    with sqlite3.connect("hackney/gateway.db") as database:
        database.execute("UPDATE log SET leaf = ? WHERE n = 2", (b'{"n":9}',))
    database.close()
    assert node("export", "audit.log").code == 0
    assert judge("audit.log")[1] == "INVALID"
    done = node("prove", "--index", "2")
    assert (done.code, done.error) == (Exit.FAILED, "log_broken")


def test_attack_111_a_checkpoint_by_the_identity_key_proves_nothing(
    export: Path, judge: Callable[..., Any]
) -> None:
    Path(f"{export}.checkpoint").write_bytes(forged(lines(export), key="identity"))
    assert judge(str(export))[:2] == (Exit.CANNOT_TELL, "CANNOT_TELL")


def test_a_checkpoint_that_was_changed_is_invalid(export: Path, judge: Callable[..., Any]) -> None:
    path = Path(f"{export}.checkpoint")
    path.write_bytes(path.read_bytes().replace(b"\n7\n", b"\n6\n"))
    assert judge(str(export))[:2] == (Exit.VERIFICATION_FAILED, "INVALID")


def test_checkpoints_of_two_logs_are_not_mixed(export: Path, judge: Callable[..., Any]) -> None:
    Path("other").write_bytes(forged(lines(export), area="E09000004"))
    code, verdict, reasons = judge(
        str(export), "--checkpoint", "other", "--checkpoint", f"{export}.checkpoint"
    )
    assert (code, verdict) == (Exit.VERIFICATION_FAILED, "INVALID")
    assert "different logs" in reasons


def test_without_the_network_or_the_checkpoint_nobody_can_tell(
    export: Path, judge: Callable[..., Any], gateway: Any
) -> None:
    Path("broken.bundle").write_bytes(b"{}")
    assert judge(str(export), network=Path("broken.bundle"))[:2] == (Exit.CANNOT_TELL, "CANNOT_TELL")
    wrong = gateway("log", "verify", str(export), "--network", "demo.bundle", "--expect", "aaaa", "--json")
    assert (wrong.code, wrong.json["verdict"]) == (Exit.CANNOT_TELL, "CANNOT_TELL")
    Path(f"{export}.checkpoint").unlink()
    code, verdict, reasons = judge(str(export))
    assert (code, verdict) == (Exit.CANNOT_TELL, "CANNOT_TELL")
    assert "--checkpoint" in reasons
    missing = gateway("log", "verify", "nothing", "--network", "demo.bundle", "--json")
    assert (missing.code, missing.error) == (Exit.USAGE, "no_file")


# --- proofs -----------------------------------------------------------------------------------------


@pytest.fixture
def proof(node: Callable[..., Any]) -> dict[str, Any]:
    """Of the three leaves about one message."""
    done = node("prove", "--message", MID)
    assert done.code == 0, done.err
    return dict(done.json)


def stored(proof: object) -> str:
    Path("leaf.proof").write_text(json.dumps(proof))
    return "leaf.proof"


def test_a_proof_of_every_leaf_about_a_message_is_valid(
    gateway: Any, proof: dict[str, Any], judge: Callable[..., Any], bundle: Path
) -> None:
    assert [one["index"] for one in proof["leaves"]] == [0, 3, 6]
    assert judge(stored(proof)) == (Exit.OK, "VALID", "")
    told = gateway("log", "verify", "leaf.proof", "--network", str(bundle), "--json").json
    assert [one["index"] for one in told["leaves"]] == [0, 3, 6]
    assert {json.loads(one["leaf"])["mid"] for one in told["leaves"]} == {MID}


def test_one_leaf_is_proven_by_its_index(node: Callable[..., Any], judge: Callable[..., Any]) -> None:
    assert judge(stored(node("prove", "--index", "0").json)) == (Exit.OK, "VALID", "")


def _first(proof: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = proof["leaves"][0]
    return found


ZERO = base64.b64encode(bytes(32)).decode()
ATTACKS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another leaf": lambda p: _first(p).update(leaf="{}"),
    "another place": lambda p: _first(p).update(index=1),
    "a place outside": lambda p: _first(p).update(index=LEAVES),
    "a place before the first": lambda p: _first(p).update(index=-1),
    "no proof": lambda p: _first(p).update(proof=[]),
    "too short": lambda p: _first(p)["proof"].pop(),
    "too long": lambda p: _first(p)["proof"].append(ZERO),
    "another sibling": lambda p: _first(p)["proof"].__setitem__(0, ZERO),
    "no base64": lambda p: _first(p)["proof"].__setitem__(0, "?"),
    "a number for a hash": lambda p: _first(p)["proof"].__setitem__(0, 7),
    "no list": lambda p: _first(p).update(proof="x"),
    "a field more": lambda p: _first(p).update(extra=1),
    "half a character": lambda p: _first(p).update(leaf="\ud800"),
    "no leaf at all": lambda p: p.update(leaves=[]),
    "no leaf, but a number": lambda p: p.update(leaves=[1]),
    "another root": lambda p: p.update(checkpoint=p["checkpoint"].replace("\n7\n", "\n8\n")),
    "the checkpoint of another tree": lambda p: p.update(checkpoint=forged([b"{}"] * 7).decode()),
    "size 0": lambda p: p.update(checkpoint=forged([]).decode()),
    "no note": lambda p: p.update(checkpoint="\ud800"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_105_a_proof_that_was_changed_is_invalid(
    attack: str, proof: dict[str, Any], judge: Callable[..., Any]
) -> None:
    ATTACKS[attack](proof)
    code, verdict, reasons = judge(stored(proof))
    assert (code, verdict) == (Exit.VERIFICATION_FAILED, "INVALID"), reasons
    assert reasons


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"checkpoint":1,"leaves":[]}', b"[" * 9999]
)
def test_what_is_no_proof_is_not_judged(content: bytes, judge: Callable[..., Any], tmp_path: Path) -> None:
    Path("thing").write_bytes(content)
    assert judge("thing")[:2] == (Exit.CANNOT_TELL, "CANNOT_TELL")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ((), Exit.USAGE, "missing"),
        (("--index", "1", "--message", MID), Exit.USAGE, "missing"),
        (("--message", "xyz"), Exit.USAGE, "message"),
        (("--receipt", "xyz"), Exit.USAGE, "receipt"),
        (("--receipt", ZERO), Exit.NOT_FOUND, "no_leaf"),
        (("--message", "0" * 32), Exit.NOT_FOUND, "no_leaf"),
        (("--index", str(LEAVES)), Exit.NOT_FOUND, "no_leaf"),
    ],
)
def test_what_cannot_be_proven_says_why(
    words: Sequence[str], code: Exit, error: str, node: Callable[..., Any]
) -> None:
    done = node("prove", *words)
    assert (done.code, done.error) == (code, error)


# --- witnesses and the access log ---------------------------------------------------------------------

PEER = "E09000004"


def cosign(at: int = 1_795_514_800) -> Checkpoint:
    """What a heartbeat and its answer leave behind: our checkpoint as shown, and Bexley's word on it."""
    net = network_id(demo_network(SystemClock().now(), ENTITLEMENTS).roots[0])
    signed: list[Checkpoint] = []

    def work(tx: Transaction) -> None:
        row = tx.checkpoint(origin(net, AREA))
        assert row is not None
        own = Checkpoint(row.origin, row.size, row.root, row.note)
        line = make_cosignature(unlocked(PEER).log_signer(PEER), own, net=net, area=PEER, at=at).line
        for area, when, text in ((AREA, row.at, own_line(own)), (PEER, at, line)):
            tx.put_cosignature(CosignatureRow(row.origin, row.size, row.root, area, when, text.encode()))
        tx.put_witness(WitnessRow(PEER, size=row.size))
        tx.put_checkpoint(CheckpointRow(origin(net, PEER), 40, bytes(32), at + 1, b"note"), after=None)
        signed.append(own)

    write(work)
    return signed[0]


def test_an_export_names_the_boroughs_that_cosigned(
    gateway: Any, node: Callable[..., Any], judge: Callable[..., Any], bundle: Path
) -> None:
    """An older checkpoint than the newest: the leaves up to it are what the peer saw."""
    assert node("checkpoint").code == 0
    seen = cosign()
    assert node("checkpoint").json["note"].count("\n— ") == 2
    write(lambda tx: leaf(tx, LEAVES))
    time.sleep(1.1)  # a new checkpoint is signed at most once a second
    made = node("export", "audit.log")
    assert (made.json["size"], made.json["cosigned_file"]) == (LEAVES + 1, "audit.log.cosigned")
    told = gateway("log", "verify", "audit.log", "--network", str(bundle))
    assert told.code == Exit.OK
    assert f"  cosigned by {PEER} Bexley at 2026-11-24T10:06:40Z: {seen.size} leaves\n" in told.out
    found = gateway("log", "verify", "audit.log", "--network", str(bundle), "--json").json
    assert found["witnesses"] == [
        {"area": PEER, "name": "Bexley", "size": seen.size, "at": "2026-11-24T10:06:40Z"}
    ]
    Path("audit.log").write_bytes(b"".join(edited(lines(Path("audit.log")))))
    assert judge("audit.log")[1] == "INVALID"


def test_attack_109_a_false_cosignature_makes_the_export_invalid(
    node: Callable[..., Any], judge: Callable[..., Any]
) -> None:
    assert node("checkpoint").code == 0
    cosign()
    assert node("export", "audit.log").code == 0
    path = Path("audit.log.cosigned")
    text, _, line = path.read_text().rstrip("\n").rpartition(" ")
    stamp = bytearray(base64.b64decode(line))
    stamp[11] ^= 1  # the time
    path.write_text(f"{text} {base64.b64encode(stamp).decode()}\n")
    assert judge("audit.log")[:2] == (Exit.VERIFICATION_FAILED, "INVALID")


def test_who_follows_whom(gateway: Any, node: Callable[..., Any]) -> None:
    before = node("witnesses").json["witnesses"]
    assert before == [
        {
            "area": PEER, "name": "Bexley", "cosigned": 0, "cosigned_at": None, "followed": 0,
            "followed_at": None, "loose": 0, "forked": False,
        }
    ]  # fmt: skip
    assert node("checkpoint").code == 0
    cosign()
    (one,) = node("witnesses").json["witnesses"]
    assert (one["cosigned"], one["cosigned_at"]) == (LEAVES, "2026-11-24T10:06:40Z")
    assert (one["followed"], one["followed_at"]) == (40, "2026-11-24T10:06:41Z")
    plain = gateway("log", "witnesses", "--config", "hackney/gateway.toml").out
    assert plain == (
        f"{PEER} Bexley: cosigned {LEAVES} leaves of ours at 2026-11-24T10:06:40Z; we follow 40 of its\n"
    )


def test_the_access_log_is_held_against_the_tree(gateway: Any, node: Callable[..., Any]) -> None:
    write(lambda tx: [accounts.record(tx, access(f"HO-{number}")) for number in range(3)])
    good = node("access-check")
    assert (good.code, good.json["verdict"], good.json["rows"]) == (Exit.OK, "VALID", 3)
    with sqlite3.connect("hackney/gateway.db") as database:
        ids = [row[0] for row in database.execute("SELECT id FROM accesses ORDER BY n")]
        database.execute("UPDATE accesses SET actor = 'nobody' WHERE id = ?", (ids[0],))
        database.execute("DELETE FROM accesses WHERE id = ?", (ids[2],))
    database.close()
    bad = node("access-check")
    assert (bad.code, bad.json["altered"], bad.json["removed"]) == (
        Exit.VERIFICATION_FAILED, [ids[0]], [ids[2]],
    )  # fmt: skip
    plain = gateway("log", "access-check", "--config", "hackney/gateway.toml").out
    assert plain == (
        f"INVALID: 2 entries of the access log, 0 from before the tree\n"
        f"  altered: {ids[0]}\n  removed: {ids[2]}\n"
    )
