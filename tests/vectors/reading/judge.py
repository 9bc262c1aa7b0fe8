"""One case of a vector file: what the reader here makes of it. README.md beside this folder is the format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import shapes, text, tree
from .text import Bad, b64, need, sha256

Case = Mapping[str, Any]
PLAIN: dict[str, Callable[[Case], dict[str, Any]]] = {}
"""Formats that need nothing but the standard library."""


def plain(work: Callable[[Case], dict[str, Any]]) -> Callable[[Case], dict[str, Any]]:
    PLAIN[work.__name__.rstrip("_")] = work
    return work


def octets(case: Case, name: str) -> bytes:
    """``name`` as text, or ``name_b64``, with zeros up to ``name_filled`` bytes."""
    data = case[name].encode() if name in case else text.unb64(case[f"{name}_b64"])
    return data.ljust(case.get(f"{name}_filled", 0), b"\0")


def cases_of(file: Case) -> Iterator[Case]:
    """Each case with the fields of its file, its own laid over them."""
    shared = {name: value for name, value in file.items() if name != "cases"}
    for case in file["cases"]:
        yield {**shared, **case}


@plain
def json_(case: Case) -> dict[str, Any]:
    return {"value": text.parse(octets(case, "json"))}


@plain
def base64(case: Case) -> dict[str, Any]:
    return {"hex": text.unb64(case["base64"], case.get("size")).hex()}


@plain
def identifier(case: Case) -> dict[str, Any]:
    forms = {"area": text.AREA, "principal": text.PRINCIPAL, "id": text.HEX_ID}
    text.word(case["identifier"], forms[case["what"]])
    return {}


@plain
def fingerprint(case: Case) -> dict[str, Any]:
    return {"fingerprint": text.fingerprint(octets(case, "hash"))}


@plain
def network_id(case: Case) -> dict[str, Any]:
    note = octets(case, "root")
    net = sha256(b"bx/1/network" + note[: note.rfind(b"\n\n") + 1])
    return {"net_b64": b64(net), "fingerprint": text.fingerprint(net)}


@plain
def padme(case: Case) -> dict[str, Any]:
    return {"padme": shapes.padme(case["length"])}


@plain
def pad(case: Case) -> dict[str, Any]:
    padded = shapes.pad(octets(case, "content"))
    return {"size": len(padded), "sha256_b64": b64(sha256(padded))}


@plain
def unpad(case: Case) -> dict[str, Any]:
    return {"content_b64": b64(shapes.unpad(octets(case, "padded")))}


@plain
def head(case: Case) -> dict[str, Any]:
    return {"head_b64": b64(shapes.head_hash(octets(case, "header")))}


@plain
def wrapping_key(case: Case) -> dict[str, Any]:
    key = shapes.wrapping_key(
        octets(case, "shared"),
        octets(case, "net"),
        octets(case, "head"),
        case["slot"],
        octets(case, "public"),
    )
    return {"wrapping_key_b64": b64(key)}


@plain
def commitment(case: Case) -> dict[str, Any]:
    return {"commitment_b64": b64(shapes.commitment(octets(case, "wrapping_key"), case["principal"]))}


@plain
def part_keys(case: Case) -> dict[str, Any]:
    ek, com = shapes.part_keys(octets(case, "key"), octets(case, "net"), octets(case, "head"), case["part"])
    return {"ek_b64": b64(ek), "com_b64": b64(com)}


@plain
def bundle(case: Case) -> dict[str, Any]:
    return {"envelopes": [b64(sha256(one)) for one in shapes.unbundle(octets(case, "body"))]}


@plain
def merge(case: Case) -> dict[str, Any]:
    from .joining import merge as joined  # noqa: PLC0415

    return {"view": joined(case["parts"])}


@plain
def tree_root(case: Case) -> dict[str, Any]:
    return {"root_b64": b64(tree.root([tree.leaf_hash(leaf.encode()) for leaf in case["leaves"]]))}


@plain
def inclusion(case: Case) -> dict[str, Any]:
    proof = [text.unb64(one) for one in case["proof"]]
    leaf = tree.leaf_hash(octets(case, "leaf"))
    tree.inclusion(leaf, case["index"], case["size"], proof, octets(case, "root"))
    return {}


@plain
def consistency(case: Case) -> dict[str, Any]:
    proof = [text.unb64(one) for one in case["proof"]]
    roots = octets(case, "first_root"), octets(case, "second_root")
    tree.consistency(case["first"], roots[0], case["second"], roots[1], proof)
    return {}


@dataclass
class Network:
    """network.json: the vector-only principals, their seeds and the directories by their version."""

    file: Case
    opened: dict[str, Any] = field(default_factory=dict)

    def view(self, version: str, now: int, suspensions: list[str]) -> Any:
        from .documents import open_network  # noqa: PLC0415

        if version not in self.opened:
            roots = [one.encode() for one in self.file["roots"]]
            note = self.file["directories"][version].encode()
            self.opened[version] = open_network(roots, note, [], self.file["now"])
        return self.opened[version].view(now, [self.file["suspensions"][one].encode() for one in suspensions])

    def seeds(self, principal: str) -> list[bytes]:
        held = self.file["principals"].get(principal, {}).get("subkeys", [])
        return [text.unb64(one["seed_b64"]) for one in sorted(held, key=lambda one: -one["from"])]


def blob_pieces(case: Case) -> tuple[Any, list[bytes]]:
    """(item, [header, chunk, ...]): the file sealed as the case says, which need not be as its item says."""
    from .blob import read_item, seal  # noqa: PLC0415

    made = case["sealed_with"]
    blob = bytes.fromhex(made["blob"])
    return read_item(case["item"]), seal(
        octets(case, "file"), octets(made, "key"), octets(made, "header"), blob
    )


class Judge:
    """All formats. ``stream`` files remember what they have seen from one case to the next."""

    def __init__(self, folder: Path) -> None:
        self.network = Network(json.loads((folder / "network.json").read_text()))

    def __call__(self, case: Case, memory: dict[Any, Any]) -> dict[str, Any]:
        name = case["format"]
        if name in PLAIN:
            return PLAIN[name](case)
        if name == "stream":
            return self.stream(case, memory)
        return getattr(self, name)(case)  # type: ignore[no-any-return]

    def view(self, case: Case) -> Any:
        """As of the case's own clock."""
        version, now = case.get("directory_version", "7"), case.get("now", self.network.file["now"])
        return self.network.view(version, now, case.get("suspended", []))

    def envelope(self, case: Case) -> dict[str, Any]:
        from .envelope import read_as_agency, read_as_node  # noqa: PLC0415

        reader: str = case["reader"]
        about = {"directory": self.view(case), "seeds": self.network.seeds, "reader": reader}
        about |= {"now": case["now"], "via": case.get("via")}
        data = octets(case, "envelope")
        node = reader.endswith("/node")
        opened = read_as_node(data, **about) if node else read_as_agency(data, slot=case["slot"], **about)
        contents = {str(n): part.decode() for n, part in opened.parts.items() if n}
        said = opened.statement
        gives = {
            "from": said["from"],
            "mid": said["mid"],
            "stmt_b64": b64(opened.note.hash),
            "parts": contents,
        }
        return gives if node else {**gives, "view": opened.view}

    def stream(self, case: Case, memory: dict[Any, Any]) -> dict[str, Any]:
        """4.5: one place, one statement; one message id, one place."""
        case = {**case, "envelope_b64": case["envelopes_b64"][case["which"]]}
        gives = self.envelope(case)
        data = octets(case, "envelope")
        from .shapes import split  # noqa: PLC0415

        place = (gives["from"], *self._place(case))
        taken, known = memory.get(("mid", gives["mid"])), memory.get(place)
        if taken or known:
            need(known, "mid")
            need(known == gives["stmt_b64"], "equivocation")
            return {**gives, "duplicate": True}
        memory["mid", split(data).mid] = place
        memory[place] = gives["stmt_b64"]
        return gives

    def _place(self, case: Case) -> tuple[str, int]:
        from .envelope import prove  # noqa: PLC0415

        opened, _ = prove(
            octets(case, "envelope"), directory=self.view(case), seeds=self.network.seeds,
            reader=case["reader"], slot=0, now=case["now"], via=None,
        )  # fmt: skip
        return opened.statement["stream"], opened.statement["seq"]

    def xwing(self, case: Case) -> dict[str, Any]:
        from .xwing import Key  # noqa: PLC0415

        key = Key(octets(case, "seed"))
        gives = {"public_sha256_b64": b64(sha256(key.public))}
        if "ciphertext_b64" in case:
            gives["shared_b64"] = b64(key.decapsulate(octets(case, "ciphertext")))
        return gives

    def xwing_public(self, case: Case) -> dict[str, Any]:
        from .xwing import check_public  # noqa: PLC0415

        check_public(octets(case, "public"))
        return {}

    def note(self, case: Case) -> dict[str, Any]:
        from .notes import open_note  # noqa: PLC0415

        known = [(one["name"], text.unb64(one["public_b64"])) for one in case["keys"]]
        found = open_note(
            octets(case, "note"),
            case["context"],
            lambda name: [public for other, public in known if other == name],
            single=case.get("single", False),
        )
        return {"signers": sorted({name for name, _ in found.keys}), "hash_b64": b64(found.hash)}

    def trust(self, case: Case) -> dict[str, Any]:
        from . import documents  # noqa: PLC0415

        def opened(one: Case) -> Any:
            """What a case leaves out is that of network.json; but cards, which it then has none of."""
            roots = [note.encode() for note in one.get("roots", self.network.file["roots"])]
            directory = one.get("directory", self.network.file["directories"]["7"]).encode()
            cards = [note.encode() for note in one.get("cards", [])]
            return documents.open_network(roots, directory, cards, case["now"], case.get("fingerprint"))

        network = opened(case)
        if "before" in case:
            documents.check_successor(opened(case["before"]), network)
        if "seal_to" in case:
            need(case["seal_to"] in network.cards, "no_valid_key")
            return {
                "sealing_sha256_b64": b64(sha256(network.cards[case["seal_to"]].sealing_key(case["now"])))
            }
        return {
            "net_b64": b64(network.root.net),
            "root_version": network.root.version,
            "directory_version": network.directory.version,
            "cards": {name: card.version for name, card in sorted(network.cards.items())},
        }

    def receipt(self, case: Case) -> dict[str, Any]:
        from . import receipts  # noqa: PLC0415

        receipt = receipts.open_receipt(octets(case, "note"), self.view(case))
        if "message" in case:
            told = case["message"]
            message = receipts.Message(
                env=text.unb64(told["env_b64"]), stmt=text.unb64(told["stmt_b64"]), mid=told["mid"],
                sender=told["from"], created=told["created"], to=told["to"],
                agencies=frozenset(told["agencies"]),
            )  # fmt: skip
            receipts.check_about(receipt, message, case["now"])
        return {"by": receipt.by, "state": receipt.state, "hash_b64": b64(receipt.hash)}

    def receipt_chain(self, case: Case) -> dict[str, Any]:
        from . import receipts  # noqa: PLC0415

        found = [receipts.open_receipt(note.encode(), self.view(case)) for note in case["notes"]]
        return {"states": receipts.chain(found)}

    def checkpoint(self, case: Case) -> dict[str, Any]:
        from .log import open_checkpoint  # noqa: PLC0415

        size, root = open_checkpoint(octets(case, "note"), case["origin"], self.view(case))
        return {"size": size, "root_b64": b64(root)}

    def cosigned(self, case: Case) -> dict[str, Any]:
        from .log import cosigned  # noqa: PLC0415

        return {"times": cosigned(octets(case, "note"), case["origin"], self.view(case))}

    def suspension(self, case: Case) -> dict[str, Any]:
        from .documents import open_suspension  # noqa: PLC0415

        view = self.view(case)
        key, until = open_suspension(octets(case, "note"), view.root, view.directory, case["now"])
        return {"key_b64": b64(key), "until": until}

    def blob_item(self, case: Case) -> dict[str, Any]:
        from .blob import read_item  # noqa: PLC0415

        item = read_item(case["item"])
        return {"blob": item.blob.hex(), "size": item.size}

    def blob(self, case: Case) -> dict[str, Any]:
        from .blob import unseal  # noqa: PLC0415

        item, pieces = blob_pieces(case)
        file = unseal(b"".join(pieces[at] for at in case["order"]) + octets(case, "more"), item)
        return {"file_sha256_b64": b64(sha256(file))}

    def blob_seal(self, case: Case) -> dict[str, Any]:
        _, pieces = blob_pieces(case)
        sealed = b"".join(pieces)
        return {"size": len(sealed), "hash_b64": b64(hashlib.blake2b(sealed, digest_size=32).digest())}

    def evidence(self, case: Case) -> dict[str, Any]:
        from .evidence import judge  # noqa: PLC0415

        return {"verdict": judge(octets(case, "bundle"), case["fingerprint"])}


def outcome(judge: Callable[[], dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """(what `expect` is compared with, what the case gives)."""
    try:
        gives = judge()
    except Bad as refused:
        return refused.code, {}
    if "verdict" in gives:
        return gives["verdict"], {}
    return ("duplicate" if gives.pop("duplicate", False) else "good"), gives
