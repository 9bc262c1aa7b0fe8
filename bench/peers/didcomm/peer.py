"""didcomm: pack (signed, then authenticated encryption), unpack, and a packed acknowledgement back."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from _line import document, serve
from authlib.jose import OKPKey
from didcomm.common.resolvers import ResolversConfig
from didcomm.common.types import VerificationMaterial, VerificationMaterialFormat, VerificationMethodType
from didcomm.did_doc.did_doc import DIDDoc
from didcomm.did_doc.did_resolver_in_memory import DIDResolverInMemory
from didcomm.message import Message
from didcomm.pack_encrypted import PackEncryptedConfig, pack_encrypted
from didcomm.secrets.secrets_resolver import Secret
from didcomm.secrets.secrets_resolver_in_memory import SecretsResolverInMemory
from didcomm.unpack import unpack

HACKNEY, BEXLEY = "did:example:hackney", "did:example:bexley"
KEYS = (("Ed25519", "authentication"), ("X25519", "keyAgreement"))


def party(did: str) -> tuple[DIDDoc, list[Secret]]:
    methods, secrets = [], []
    for curve, _ in KEYS:
        key = OKPKey.generate_key(curve, is_private=True)
        kid = f"{did}#{curve.lower()}"
        public = json.loads(key.as_json())
        methods.append({"id": kid, "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": public})
        private = json.dumps(key.as_dict(is_private=True))
        material = VerificationMaterial(VerificationMaterialFormat.JWK, private)
        secrets.append(Secret(kid, VerificationMethodType.JSON_WEB_KEY_2020, material))
    uses = {use: [f"{did}#{curve.lower()}"] for curve, use in KEYS}
    described = {"@context": ["https://www.w3.org/ns/did/v1"], "id": did, "verificationMethod": methods}
    return DIDDoc.deserialize({**described, **uses, "service": []}), secrets


def main() -> None:
    (mine, secrets), (theirs, other_secrets) = party(HACKNEY), party(BEXLEY)
    documents = DIDResolverInMemory([mine, theirs])
    hackney = ResolversConfig(SecretsResolverInMemory(secrets), documents)
    bexley = ResolversConfig(SecretsResolverInMemory(other_secrets), documents)
    body, how = json.loads(document()), PackEncryptedConfig(forward=False)

    async def carry(said: dict, of: str, to: str, sender: ResolversConfig, receiver: ResolversConfig) -> dict:
        message = Message(id="1", type="handover/1.0", body=said, frm=of, to=[to])
        packed = await pack_encrypted(
            resolvers_config=sender, message=message, frm=of, sign_frm=of, to=to, pack_config=how
        )
        return (await unpack(receiver, packed.packed_msg)).message.body

    async def both() -> None:
        if await carry(body, HACKNEY, BEXLEY, hackney, bexley) != body:
            raise SystemExit("not carried")
        answer = {"state": "opened", "at": 1795514700}
        if await carry(answer, BEXLEY, HACKNEY, bexley, hackney) != answer:
            raise SystemExit("not acknowledged")

    loop = asyncio.new_event_loop()
    serve(lambda: loop.run_until_complete(both()))


if __name__ == "__main__":
    main()
