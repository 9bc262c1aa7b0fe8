"""A person of an agency opens one attachment: on record first (s.62 DPA 2018), then unsealed."""

from __future__ import annotations

from gateway.core import purposes
from gateway.errors import NotFound
from gateway.flows import accounts, parcels
from gateway.flows.accounts import access
from gateway.flows.node import Caller, Node
from gateway.flows.retrieve import take_out
from gateway.flows.slots import check_hosted, view_for
from gateway.ports import Attachment, EnvelopeRow, Side, Transaction


async def open_attachment(
    node: Node,
    caller: Caller,
    leg: str,
    blob: str,
    *,
    justification: str,
    purpose: str = purposes.DEFAULT,
) -> Attachment:
    """The file ``blob`` of a leg of this agency. Raises NotFound for another's leg or file, NotAllowed for an
    agency that keeps its own key or a purpose that is not this handover's; whether the file is here and whole
    shows with its pieces."""
    check_hosted(node, caller.principal)
    purposes.check(purpose, caller.agency)
    now = node.clock.now()

    def record(tx: Transaction) -> tuple[EnvelopeRow, parcels.Beside]:
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
        bar = parcels.check_open(tx, row, justification)
        seen = access(
            caller,
            row,
            "CONSULTATION",
            justification,
            now,
            sections=[f"attachment/{blob}"],
            purpose=purpose,
        )
        accounts.record(tx, seen)
        return envelope, parcels.beside(tx, row, bar)

    envelope, beside = await node.store.write(record)
    found = beside.left_out(view_for(node, envelope, caller.principal))
    content, files = take_out(node, envelope.peer, found)
    purposes.check_content(purpose, content)
    file = next((file for file in files if file.blob == blob), None)
    if file is None:
        raise NotFound(
            "no such attachment for this agency",
            code="no_attachment",
            remedy="open the handover: it lists the attachments of the sections that this agency reads",
        )
    return file
