"""pyas2lib: a whole AS2 exchange without network or disk.

One cycle: build (sign SHA-256, encrypt AES-256), parse (decrypt, verify), the signed MDN built, and verified
by the sender.

oscrypto 1.3.0, which it stands on, cannot read the version of an OpenSSL such as 3.0.17 (it expects one digit
a place) and refuses to load; while it loads, it is given a pattern that can.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:] = [entry for entry in sys.path if Path(entry) != HERE]
sys.path.insert(0, str(HERE.parent))

from _certificates import certificate  # noqa: E402
from _line import document, serve  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, pkcs12  # noqa: E402

SEARCH = re.search
DIGIT, DIGITS = r"\b(\d\.\d\.\d[a-z]*)\b", r"\b(\d+\.\d+\.\d+[a-z]*)\b"
re.search = lambda pattern, *more: SEARCH(DIGITS if pattern == DIGIT else pattern, *more)
import oscrypto.asymmetric  # noqa: E402, F401

re.search = SEARCH
from pyas2lib.as2 import Mdn, Message, Organization, Partner  # noqa: E402
from pyas2lib.constants import SYNCHRONOUS_MDN  # noqa: E402


def party(name: str) -> tuple[bytes, bytes]:
    key, made = certificate(name)
    kept = pkcs12.serialize_key_and_certificates(b"k", key, made, None, NoEncryption())
    return kept, made.public_bytes(Encoding.PEM)


def organization(name: str, key: bytes) -> Organization:
    return Organization(as2_name=name, sign_key=key, sign_key_pass="", decrypt_key=key, decrypt_key_pass="")


def partner(name: str, pem: bytes) -> Partner:
    return Partner(
        as2_name=name,
        verify_cert=pem,
        encrypt_cert=pem,
        validate_certs=False,
        sign=True,
        digest_alg="sha256",
        encrypt=True,
        enc_alg="aes_256_cbc",
        mdn_mode=SYNCHRONOUS_MDN,
        mdn_digest_alg="sha256",
    )


def main() -> None:
    (key, pem), (other_key, other_pem) = party("hackney"), party("bexley")
    hackney, bexley = organization("hackney", key), organization("bexley", other_key)
    to_bexley, to_hackney = partner("bexley", other_pem), partner("hackney", pem)
    body = document()

    def cycle() -> None:
        sent = Message(sender=hackney, receiver=to_bexley)
        sent.build(body, filename="handover.json", content_type="application/json")
        received = Message()
        status, _, mdn = received.parse(
            sent.headers_str + b"\r\n" + sent.content,
            find_org_cb=lambda _: bexley,
            find_partner_cb=lambda _: to_hackney,
        )
        if status != "processed" or received.content.strip() != body.strip():
            raise SystemExit(f"not carried: {status}")
        answer = Mdn()
        status, detail = answer.parse(
            mdn.headers_str + b"\r\n" + mdn.content, find_message_cb=lambda *_: sent
        )
        if status != "processed":
            raise SystemExit(f"not acknowledged: {status} {detail}")

    serve(cycle)


if __name__ == "__main__":
    main()
