"""joserfc: a JWS (EdDSA) inside a JWE (ECDH-ES, X25519, A256GCM), and a small answer back likewise."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from _line import document, serve
from joserfc import jwe, jws
from joserfc.jwk import OKPKey

ALGORITHMS = ["EdDSA", "Ed25519"]
ANSWER = b'{"state":"opened","leg":"0195f3a0-0000-7000-8000-000000000000","at":1795514700}'


class Party:
    def __init__(self) -> None:
        self.signs = OKPKey.generate_key("Ed25519")
        self.opens = OKPKey.generate_key("X25519")


def send(body: bytes, of: Party, to: Party) -> str:
    signed = jws.serialize_compact({"alg": "Ed25519"}, body, of.signs, algorithms=ALGORITHMS)
    return jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM"}, signed, to.opens)


def receive(sealed: str, of: Party, to: Party) -> bytes:
    signed = jwe.decrypt_compact(sealed, to.opens).plaintext
    return jws.deserialize_compact(signed, of.signs, algorithms=ALGORITHMS).payload


def main() -> None:
    hackney, bexley, body = Party(), Party(), document()

    def cycle() -> None:
        if receive(send(body, hackney, bexley), hackney, bexley) != body:
            raise SystemExit("not carried")
        if receive(send(ANSWER, bexley, hackney), bexley, hackney) != ANSWER:
            raise SystemExit("not acknowledged")

    serve(cycle)


if __name__ == "__main__":
    main()
