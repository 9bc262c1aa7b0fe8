"""A person of an agency opens one attachment: on record first (s.62 DPA 2018), then verified, then read."""

from __future__ import annotations

from gateway.errors import NotFound
from gateway.flows import accounts
from gateway.flows.deliver import access
from gateway.flows.node import Caller, Node
from gateway.flows.retrieve import take_out
from gateway.flows.slots import check_hosted, view_for
from gateway.ports import Attachment, EnvelopeRow, Side, Transaction


async def open_attachment(
    node: Node, caller: Caller, leg: str, blob: str, *, justification: str
) -> Attachment:
    """The file ``blob`` of a leg of this agency, known to be whole; its plaintext comes with its pieces.

    Raises NotFound for another's leg or file, Unavailable (``attachment_missing``) while it is on its way,
    NotAllowed for an agency that keeps its own key, Refused when what came is not what was signed.
    """
    check_hosted(node, caller.principal)
    now = node.clock.now()

    def record(tx: Transaction) -> EnvelopeRow:
        row = tx.leg(leg)
        envelope = tx.envelope(row.mid) if row else None
        if (
            row is None
            or envelope is None
            or (row.side, row.principal) != (Side.DESTINATION, caller.principal)
        ):
            raise NotFound(
                "no such leg for this agency", code="no_leg", remedy="list yours with GET /v1/inbox"
            )
        seen = access(caller, row, "CONSULTATION", justification, now, sections=[f"attachment/{blob}"])
        accounts.record(tx, seen)
        return envelope

    envelope = await node.store.write(record)
    _, files = take_out(node, envelope.peer, view_for(node, envelope, caller.principal))
    file = next((file for file in files if file.blob == blob), None)
    if file is None:
        raise NotFound(
            "no such attachment for this agency",
            code="no_attachment",
            remedy="open the handover: it lists the attachments of the sections that this agency reads",
        )
    await file.check()
    return file
