"""The closed list of what is kept at rest."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.stores import records, tables

COLUMNS = {
    "alarms": "id at code peer subject evidence cleared cleared_by",
    "accesses": "n id at operation principal actor role ref version leg sections recipients"
    " justification note salt purpose sealed",
    "action_results": "leg statement action result code",
    "actions": "leg action code blocks place planned started due target state reason late local updated",
    "blob_segments": "peer blob no data mid",
    "blobs": "peer blob state sealed created owner media_type size hash key ref version destination sent",
    "breach_steps": "breach n what at recorded role actor code sealed",
    "breaches": "id source about ref version area agency near_miss aware created opened parts people code",
    "bridge_contacts": "area fingerprint added verified until by number_from",
    "bridge_files": "mid area ref version exported documents delivered by",
    "checkpoints": "origin size root at note",
    "covers": "role until at by",
    "cosignatures": "origin size by root at line",
    "drafts": "id ref version owner actor role destination urgency legs created expires body secrets epoch",
    "envelopes": "mid side kind peer stream seq statement digest expires body secrets epoch"
    " ref version created",
    "gaps": "peer stream first last noticed asked alarmed prev",
    "handovers": "id ref version side origin destination urgency state submitted_by created updated"
    " drill partial onward_of answers purge_after review_by issued address_check custody",
    "held": "id at code lane peer digest body place state size count seen settled by",
    "holds": "id ref code role actor placed until review lifted lifted_by",
    "idempotency": "key request ref version created",
    "leg_events": "n id leg at event before after by code",
    "legs": "n id ref version side principal agency counterpart state urgency mid delivered opened"
    " acknowledge_by decide_by overdue updated via duty",
    "log": "n leaf nodes about",
    "loose": "origin via size root note at asked stream seq",
    "notice_legs": "notice principal leg counterpart state updated code onward",
    "notice_messages": "mid notice",
    "notices": "id ref version kind side peer by code mid urgency created answer_by state parent facts",
    "outbox": "id peer lane mid state due attempts created expires error stream seq worker",
    "punctures": "epoch path",
    "purges": "id ref version area at why messages parts files unanswered epochs slots note",
    "receipts": "n id hash mid by state code at prev note peer ours leg ref version sent_in applied urgent",
    "restrictions": "id ref principal ground withheld review made actor role ended",
    "settings": "name value",
    "streams": "peer outgoing stream seq head top at busy asks",
    "tasks": "id kind principal leg mid state due attempts error created subject worker lane",
    "pages": "id role code principal agency area ref leg urgent since state due created attempts error"
    " worker",
    "timers": "subject kind step due fired",
    "tokens": "id digest principal label created expires revoked also",
    "trust": "kind subject version note",
    "urgent": "ref issued other drill called authorised reviewed kept review_by downgraded actor",
    "leaders": "name worker",
    "workers": "id role version place started beats at ready",
    "witnesses": "peer size wanted their_stream their_seq told our_stream our_seq gossiped",
}


def test_a_new_column_is_added_on_purpose() -> None:
    """Before you lengthen this list: the column must not be able to hold anything out of a document.

    Sealed bytes: envelopes.body, held.body, blob_segments.data. Wrapped keys: envelopes.secrets,
    record_key, blobs.key. Signed notes
    of codes and hashes: receipts.note, purges.note, trust.note, checkpoints.note, cosignatures.line, and
    alarms.evidence. The words of the person who acted
    (s.62): accesses.sealed, breach_steps.sealed; in rows of older
    releases accesses.note, as it was written.
    """
    assert {name: " ".join(table.c.keys()) for name, table in tables.metadata.tables.items()} == COLUMNS


@pytest.mark.parametrize(
    "record",
    [value for value in vars(records).values() if isinstance(value, records.Record)],
    ids=lambda r: r.table.name,
)
def test_every_field_of_a_record_is_a_column_and_only_known_columns_are_ours_alone(
    record: records.Record[object],
) -> None:
    ours_alone = {column.name for column in record.table.c} - set(record.names)
    assert ours_alone <= {"n", "stream", "seq", "worker"}
    assert len(record.names) == len(dataclasses.fields(record.kind))
