"""PyNaCl: the floor. Ed25519 over the document, a sealed box around both; a small answer back likewise.

No format, no check of who may what, no storage: what any design with these primitives pays at least.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from _line import document, serve
from nacl.public import PrivateKey, SealedBox
from nacl.signing import SigningKey

ANSWER = b'{"state":"opened","leg":"0195f3a0-0000-7000-8000-000000000000","at":1795514700}'


class Party:
    def __init__(self) -> None:
        self.signs, secret = SigningKey.generate(), PrivateKey.generate()
        self.verifies, self.opens, self.seals = (
            self.signs.verify_key,
            SealedBox(secret),
            SealedBox(secret.public_key),
        )


def carry(body: bytes, of: Party, to: Party) -> bytes:
    sealed = to.seals.encrypt(of.signs.sign(body))
    return of.verifies.verify(to.opens.decrypt(sealed))


def main() -> None:
    hackney, bexley, body = Party(), Party(), document()

    def cycle() -> None:
        if carry(body, hackney, bexley) != body or carry(ANSWER, bexley, hackney) != ANSWER:
            raise SystemExit("not carried")

    serve(cycle)


if __name__ == "__main__":
    main()
