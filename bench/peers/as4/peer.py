"""as4: the security work of a Peppol AS4 message and its signed receipt, without network or disk.

One cycle: build (sign RSA-SHA256, gzip, encrypt AES-128-GCM), parse (verify, decrypt), the signed
non-repudiation receipt built, and verified by the sender against what it signed. The document is the text of
a small XML element, since Peppol carries XML.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).parent.parent))

from _certificates import certificate
from _line import document, serve
from as4 import AS4LocalPrivateKey
from as4.peppol import (
    build_peppol_message,
    create_peppol_external_party,
    create_peppol_internal_party,
    parse_peppol_message,
    parse_peppol_receipt,
    peppol_security_policy,
)

NAMES = {
    "sender": "9932:9999999999",
    "recipient": "9932:1111111111",
    "sender_country_id": "GB",
    "document_type_identifier_scheme": "busdox-docid-qns",
    "document_type_identifier_value": "urn:example:handover::Handover##urn:example:1::2.1",
    "process_identifier": "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
}


def main() -> None:
    (key, mine), (other_key, theirs) = certificate("PTE000001"), certificate("PTE000002")
    hackney = create_peppol_internal_party("PTE000001", mine, AS4LocalPrivateKey(key))
    bexley = create_peppol_internal_party("PTE000002", theirs, AS4LocalPrivateKey(other_key))
    to_bexley = create_peppol_external_party("PTE000002", theirs)
    policy = peppol_security_policy(mine)
    payload = f'<Handover xmlns="urn:example:handover">{escape(document().decode())}</Handover>'.encode()

    def cycle() -> None:
        message = build_peppol_message(payload, local_party=hackney, remote_party=to_bexley, **NAMES)
        body, boundary = message.get_request_data()
        received = parse_peppol_message(
            message.get_http_headers(boundary), body, bexley, security_policy=policy
        )
        _, signal = received.build_signal()
        if not received.successful:
            raise SystemExit("not carried")
        parse_peppol_receipt(signal, theirs).verify_non_repudiation(message.signed_references)

    serve(cycle)


if __name__ == "__main__":
    main()
