"""The same cases, judged by the gateway's own code: what the test compares the second reader with.

A node's envelopes come in by the real door, `flows.receive.accept`, of a node made of the vectors' network,
with a store of its own; so what is stored and answered is looked at too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reading.judge import blob_pieces, octets
from reading.text import sha256

from gateway.core import encoding, kem, layout, merkle, schedule
from gateway.core.audience import merge
from gateway.core.blob import Unsealer, read_item, sealed_size
from gateway.core.envelope import SKEW, open_part, open_statement, split, unbundle
from gateway.core.examination import _chain, _way_of_a_leg, judge_evidence
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener, fingerprint
from gateway.core.log import log_keyring, open_checkpoint
from gateway.core.notes import open_note
from gateway.core.receipts import open_receipt
from gateway.core.root import network_id
from gateway.core.trust import Network
from gateway.core.witness import open_cosigned
from gateway.errors import Forged, GatewayError
from gateway.flows import receipts as flow_receipts
from gateway.flows import receive
from gateway.flows.node import Node, Pace, Trust, Wake
from gateway.flows.vault import read_sections
from gateway.ports import EnvelopeRow, Side
from gateway.stores import MEMORY, open_store
from gateway.testing.boroughs import ManualClock, _Memory

Case = Mapping[str, Any]
b64, unb64 = encoding.b64, encoding.unb64


class Keys:
    """The vectors' published seeds, in the place of a node's key files."""

    def __init__(self, file: Case) -> None:
        self.file = file

    def principals(self) -> Collection[str]:
        return list(self.file["principals"])

    def signer(self, principal: str) -> IdentityKey:
        return IdentityKey(principal, unb64(self.file["principals"][principal]["sign_seed_b64"]))

    def opener(self, principal: str) -> SubkeyOpener:
        held = self.file["principals"][principal]["subkeys"]
        subkeys = [KemKey(unb64(one["seed_b64"]), one["from"], one["until"]) for one in held]
        return SubkeyOpener(principal, subkeys)

    def log_signer(self, area: str) -> IdentityKey:
        node = f"{area}/node"
        return IdentityKey(node, unb64(self.file["principals"][node]["log_seed_b64"]))


class Product:
    def __init__(self, folder: Path) -> None:
        self.file = json.loads((folder / "network.json").read_text())
        self.networks: dict[tuple[str, tuple[str, ...]], Network] = {}

    def network(self, case: Case) -> Network:
        version, suspended = case.get("directory_version", "7"), tuple(case.get("suspended", ()))
        if (version, suspended) not in self.networks:
            roots = [one.encode() for one in self.file["roots"]]
            self.networks[version, suspended] = Network.build(
                roots,
                self.file["directories"][version].encode(),
                [one.encode() for one in self.file["cards"]] if version == "7" else [],
                now=self.file["now"],
                suspensions=[self.file["suspensions"][name].encode() for name in suspended],
            )
        return self.networks[version, suspended]

    async def __call__(self, case: Case, memory: dict[Any, Any]) -> dict[str, Any]:
        made = getattr(self, case["format"].rstrip("_"))(case, memory)
        return (await made) if asyncio.iscoroutine(made) else made

    # --- tables

    def json(self, case: Case, _: object) -> dict[str, Any]:
        return {"value": encoding.decode(octets(case, "json"))}

    def base64(self, case: Case, _: object) -> dict[str, Any]:
        return {"hex": unb64(case["base64"], case.get("size")).hex()}

    def identifier(self, case: Case, _: object) -> dict[str, Any]:
        forms = {"area": encoding.AREA, "principal": encoding.PRINCIPAL, "id": encoding.HEX_ID}
        encoding.text({"x": case["identifier"]}, "x", forms[case["what"]])
        return {}

    def fingerprint(self, case: Case, _: object) -> dict[str, Any]:
        return {"fingerprint": fingerprint(octets(case, "hash"))}

    def network_id(self, case: Case, _: object) -> dict[str, Any]:
        net = network_id(octets(case, "root"))
        return {"net_b64": b64(net), "fingerprint": fingerprint(net)}

    def padme(self, case: Case, _: object) -> dict[str, Any]:
        return {"padme": layout.padme(case["length"])}

    def pad(self, case: Case, _: object) -> dict[str, Any]:
        padded = layout.pad(octets(case, "content"))
        return {"size": len(padded), "sha256_b64": b64(sha256(padded))}

    def unpad(self, case: Case, _: object) -> dict[str, Any]:
        return {"content_b64": b64(layout.unpad(octets(case, "padded")))}

    def head(self, case: Case, _: object) -> dict[str, Any]:
        return {"head_b64": b64(layout.head_of(octets(case, "header")))}

    def wrapping_key(self, case: Case, _: object) -> dict[str, Any]:
        scope = schedule.scope_of(octets(case, "net"), octets(case, "head"))
        key = schedule.wrapping_key(octets(case, "shared"), scope, case["slot"], octets(case, "public"))
        return {"wrapping_key_b64": b64(key)}

    def commitment(self, case: Case, _: object) -> dict[str, Any]:
        made = schedule.recipient_commitment(octets(case, "wrapping_key"), case["principal"])
        return {"commitment_b64": b64(made)}

    def part_keys(self, case: Case, _: object) -> dict[str, Any]:
        scope = schedule.scope_of(octets(case, "net"), octets(case, "head"))
        ek, com = schedule.part_keys(octets(case, "key"), scope, case["part"])
        return {"ek_b64": b64(ek), "com_b64": b64(com)}

    def bundle(self, case: Case, _: object) -> dict[str, Any]:
        return {"envelopes": [b64(sha256(one)) for one in unbundle(octets(case, "body"))]}

    def merge(self, case: Case, _: object) -> dict[str, Any]:
        return {"view": merge(case["parts"])}

    def xwing(self, case: Case, _: object) -> dict[str, Any]:
        key = kem.DecapsulationKey(octets(case, "seed"))
        gives = {"public_sha256_b64": b64(sha256(key.public))}
        if "ciphertext_b64" in case:
            gives["shared_b64"] = b64(key.decapsulate(octets(case, "ciphertext")))
        return gives

    def xwing_public(self, case: Case, _: object) -> dict[str, Any]:
        kem.check_public(octets(case, "public"))
        return {}

    # --- the log

    def tree_root(self, case: Case, _: object) -> dict[str, Any]:
        return {"root_b64": b64(merkle.root_of(merkle.leaf_hash(leaf.encode()) for leaf in case["leaves"]))}

    def inclusion(self, case: Case, _: object) -> dict[str, Any]:
        proof = [unb64(one) for one in case["proof"]]
        leaf = merkle.leaf_hash(octets(case, "leaf"))
        merkle.verify_inclusion(leaf, case["index"], case["size"], proof, octets(case, "root"))
        return {}

    def consistency(self, case: Case, _: object) -> dict[str, Any]:
        proof = [unb64(one) for one in case["proof"]]
        first, second = octets(case, "first_root"), octets(case, "second_root")
        merkle.verify_consistency(case["first"], first, case["second"], second, proof)
        return {}

    def checkpoint(self, case: Case, _: object) -> dict[str, Any]:
        found = open_checkpoint(
            octets(case, "note"), case["origin"], log_keyring(self.network(case), case.get("now"))
        )
        return {"size": found.size, "root_b64": b64(found.root)}

    def cosigned(self, case: Case, _: object) -> dict[str, Any]:
        found = open_cosigned(octets(case, "note"), case["origin"], self.network(case))
        return {"times": dict(found.times)}

    # --- notes and documents

    def note(self, case: Case, _: object) -> dict[str, Any]:
        known = [(one["name"], unb64(one["public_b64"])) for one in case["keys"]]
        found = open_note(
            octets(case, "note"),
            case["context"],
            lambda name: [public for other, public in known if other == name],
            single=case.get("single", False),
        )
        return {"signers": sorted({key.name for key in found.keys}), "hash_b64": b64(found.hash)}

    def trust(self, case: Case, _: object) -> dict[str, Any]:
        network = self._built(case, case)
        if "before" in case:
            self._built(case["before"], case).check_successor(network)
        if "seal_to" in case:
            return {"sealing_sha256_b64": b64(sha256(network.sealing_key(case["seal_to"], case["now"])))}
        return {
            "net_b64": b64(network.net),
            "root_version": network.root.version,
            "directory_version": network.version,
            "cards": {name: card.version for name, card in sorted(network.cards.items())},
        }

    def _built(self, one: Case, case: Case) -> Network:
        roots = [note.encode() for note in one.get("roots", self.file["roots"])]
        directory = one.get("directory", self.file["directories"]["7"]).encode()
        cards = [note.encode() for note in one.get("cards", [])]
        return Network.build(roots, directory, cards, now=case["now"], expect=case.get("fingerprint"))

    def suspension(self, case: Case, _: object) -> dict[str, Any]:
        found = self.network(case).open_suspension(octets(case, "note"), case["now"])
        return {"key_b64": b64(found.key), "until": found.until}

    def evidence(self, case: Case, _: object) -> dict[str, Any]:
        return {"verdict": judge_evidence(octets(case, "bundle"), case["fingerprint"]).verdict.value}

    # --- attachments

    def blob_item(self, case: Case, _: object) -> dict[str, Any]:
        item = read_item(case["item"])
        return {"blob": item.blob, "size": item.size}

    def blob(self, case: Case, _: object) -> dict[str, Any]:
        _, pieces = blob_pieces(case)
        unsealer = Unsealer(read_item(case["item"]))
        file = unsealer.push(b"".join(pieces[at] for at in case["order"]) + octets(case, "more"))
        return {"file_sha256_b64": b64(sha256(file + unsealer.finish()))}

    def blob_seal(self, case: Case, _: object) -> dict[str, Any]:
        """The header is chance in the gateway's sealer, so what the second one has sealed is opened."""
        _, pieces = blob_pieces(case)
        item = replace(read_item(case["item"]), hash=unb64(case["gives"]["hash_b64"]))
        unsealer = Unsealer(item)
        file = unsealer.push(b"".join(pieces)) + unsealer.finish()
        assert file == octets(case, "file")
        return {"size": sealed_size(item.size), "hash_b64": b64(unsealer._hash.digest())}

    # --- receipts

    async def receipt(self, case: Case, _: object) -> dict[str, Any]:
        network = self.network(case)
        receipt = open_receipt(
            octets(case, "note"),
            net=network.net,
            keyring=network.keyring_at(case.get("now", self.file["now"])),
        )
        if "message" in case:
            told = case["message"]
            node = await self.node(case, told["from"].partition("/")[0])
            flow_receipts._belongs(
                node, receipt, self._sent(told) if receipt.about.mid == told["mid"] else None, told["to"]
            )
            _check_leg(receipt, told, case["now"])
        return {"by": receipt.by, "state": receipt.state, "hash_b64": b64(receipt.hash)}

    def _sent(self, told: Case) -> EnvelopeRow:
        return EnvelopeRow(
            mid=told["mid"],
            side=Side.ORIGIN,
            kind=1,
            peer=told["to"],
            stream="",
            seq=1,
            statement=unb64(told["stmt_b64"]),
            digest=unb64(told["env_b64"]),
            expires=0,
            body=b"",
            created=told["created"],
        )

    def receipt_chain(self, case: Case, _: object) -> dict[str, Any]:
        network = self.network(case)
        found = [
            open_receipt(
                note.encode(), net=network.net, keyring=network.keyring_at(case.get("now", self.file["now"]))
            )
            for note in case["notes"]
        ]
        return {"states": [receipt.state for receipt in _chain(found, _way_of_a_leg)]}

    # --- envelopes

    async def node(self, case: Case, area: str) -> Node:
        store = open_store(MEMORY)
        await store.start()
        return Node(
            area=area, store=store, transport=None, clock=ManualClock(case["now"]),
            keys=_Memory(Keys(self.file)), trust=Trust(self.network(case)), agencies={}, pace=Pace(),
            wake=Wake(),
        )  # type: ignore[arg-type] # fmt: skip

    async def envelope(self, case: Case, memory: dict[Any, Any]) -> dict[str, Any]:
        reader: str = case["reader"]
        if not reader.endswith("/node"):
            return self._as_agency(case)
        node = await self.node(case, reader.partition("/")[0])
        return await self._as_node(node, case)

    async def stream(self, case: Case, memory: dict[Any, Any]) -> dict[str, Any]:
        node = memory.get("node")
        if node is None:
            node = memory["node"] = await self.node(case, case["reader"].partition("/")[0])
        node.clock._at = case["now"]
        case = {**case, "envelope_b64": case["envelopes_b64"][case["which"]]}
        before = await _stored(node)
        gives = await self._as_node(node, case)
        return gives if await _stored(node) != before else {**gives, "duplicate": True}

    def _as_agency(self, case: Case) -> dict[str, Any]:
        network, parsed = self.network(case), split(octets(case, "envelope"))
        statement, slot = open_statement(
            parsed,
            net=network.net,
            opener=Keys(self.file).opener(case["reader"]),
            area=case["reader"].partition("/")[0],
            keyring=network.keyring_at(case["now"]),
            now=case["now"],
            index=case["slot"],
        )
        parts, found = {}, []
        for number, key in enumerate(slot.keys):
            if number > 1 and key is not None:
                content = open_part(parsed, number, key, net=network.net)
                found.append(read_sections(content))
                parts[str(number)] = content.decode()
        return {**_said(statement), "parts": parts, "view": merge(found)}

    async def _as_node(self, node: Node, case: Case) -> dict[str, Any]:
        data = octets(case, "envelope")
        refused = await receive.accept(node, data, via=case.get("via"))
        if refused is not None:
            raise refused
        parsed = split(data)
        statement, slot = open_statement(
            parsed,
            net=node.network.net,
            opener=node.keys.opener(node.principal),
            area=node.area,
            keyring=node.network.keyring_at(case["now"]),
            now=case["now"],
        )
        assert slot.keys[1] is not None
        return {
            **_said(statement),
            "parts": {"1": open_part(parsed, 1, slot.keys[1], net=node.network.net).decode()},
        }


def _said(statement: Any) -> dict[str, Any]:
    return {"from": statement.sender, "mid": statement.mid, "stmt_b64": b64(statement.hash)}


def _check_leg(receipt: Any, told: Case, now: int) -> None:
    """What `flows.receipts._take` looks at beside the bytes: time, and whose leg it is."""
    if receipt.at > now + SKEW:
        raise Forged("a receipt from the future", code="receipt_date")
    if receipt.state not in flow_receipts.NODE_RECEIPTS and receipt.by not in told["agencies"]:
        raise Forged("a receipt by an agency that this message was not for", code="receipt_by")


async def _stored(node: Node) -> Sequence[Any]:
    tables = node.store.memory.tables  # type: ignore[attr-defined]
    return sorted(tables.envelopes)


async def outcome(product: Product, case: Case, memory: dict[Any, Any]) -> tuple[str, dict[str, Any]]:
    """As `reading.judge.outcome`."""
    try:
        gives = await product(case, memory)
    except GatewayError as error:
        return error.code, {}
    if "verdict" in gives:
        return gives["verdict"], {}
    return ("duplicate" if gives.pop("duplicate", False) else "good"), gives
