"""What a node watches over, in SQL: streams and their gaps, peers' cosignatures, and standing alarms. The
contract is :class:`gateway.ports.Transaction`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql

from gateway.ports import AlarmRow, CosignatureRow, GapRow, LooseRow, StreamRow, WitnessRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import ALARM, COSIGNATURE, GAP, LOOSE, STREAM, WITNESS
from gateway.stores.statements import Statement, put, replacing, select

_s, _g, _c, _a = tables.streams.c, tables.gaps.c, tables.cosignatures.c, tables.alarms.c

_STREAMS: Final = Statement(select(STREAM, _s.outgoing == bindparam("outgoing")).order_by(_s.peer))
_insert_gap = postgresql.insert(tables.gaps).values({name: bindparam(name) for name in GAP.names})
_PUT_GAP: Final = Statement(
    _insert_gap.on_conflict_do_update(
        index_elements=["peer", "stream", "first"],
        set_={name: _insert_gap.excluded[name] for name in GAP.names[3:]},
    )
)
_DROP_GAP: Final = Statement(
    sa.delete(tables.gaps).where(
        _g.peer == bindparam("peer"), _g.stream == bindparam("stream"), _g.first == bindparam("first")
    )
)
_GAPS: Final = Statement(
    select(
        GAP,
        sa.or_(bindparam("peer", type_=sa.Text) == sa.literal_column("''"), _g.peer == bindparam("peer")),
        sa.or_(
            bindparam("stream", type_=sa.Text) == sa.literal_column("''"), _g.stream == bindparam("stream")
        ),
    ).order_by(_g.peer, _g.stream, _g.first)
)
_of_stream = sa.and_(_g.peer == bindparam("peer"), _g.stream == bindparam("stream"))
_GAP_BELOW: Final = Statement(
    select(GAP, _of_stream, _g.first <= bindparam("seq")).order_by(_g.first.desc()).limit(1)
)
_FIRST_GAP: Final = Statement(select(GAP, _of_stream).order_by(_g.first).limit(1))
_COUNT_GAPS: Final = Statement(sa.select(sa.func.count()).select_from(tables.gaps).where(_of_stream))
_PUT_COSIGNATURE: Final = put(COSIGNATURE)
_of_log = select(COSIGNATURE, _c.origin == bindparam("origin")).order_by(_c.size, _c.by)
_COSIGNATURES: Final = Statement(_of_log)
_COSIGNATURES_AT: Final = Statement(_of_log.where(_c.size == bindparam("size")))
_w, _l = tables.witnesses.c, tables.loose.c
_WITNESSES: Final = Statement(select(WITNESS).order_by(_w.peer))
_WITNESS: Final = Statement(select(WITNESS, _w.peer == bindparam("peer")))
_PUT_WITNESS: Final = replacing(WITNESS, "peer")
_all_loose = select(LOOSE).order_by(_l.origin, _l.via)
_LOOSE: Final = Statement(_all_loose)
_LOOSE_OF: Final = Statement(_all_loose.where(_l.origin == bindparam("origin")))
_PUT_LOOSE: Final = replacing(LOOSE, "origin", "via")
_DROP_LOOSE: Final = Statement(
    sa.delete(tables.loose).where(_l.origin == bindparam("origin"), _l.via == bindparam("via"))
)
_PUT_ALARM: Final = put(ALARM)
_newest = select(ALARM).order_by(_a.id.desc()).limit(bindparam("limit"))
_STANDING: Final = Statement(_newest.where(tables.STANDING))
_ALARM: Final = Statement(select(ALARM, _a.id == bindparam("alarm")))
_of_code = select(ALARM, tables.STANDING, _a.code == bindparam("code")).limit(bindparam("limit"))
_STANDING_OF_CODE: Final = Statement(_of_code.order_by(_a.peer, _a.subject))
_STANDING_OF_PEER: Final = Statement(_of_code.where(_a.peer == bindparam("peer")).order_by(_a.subject))
_CLEARED: Final = Statement(_newest.where(sa.text("cleared > 0")))
_CLEAR: Final = Statement(
    sa.update(tables.alarms)
    .where(tables.STANDING, _a.id == bindparam("alarm"))
    .values(cleared=bindparam("at"), cleared_by=bindparam("who"))
)


class WatchPart(Part):
    """The part of a transaction that this file holds."""

    def streams(self, *, outgoing: bool) -> Sequence[StreamRow]:
        return STREAM.load_all(self._session.rows(_STREAMS, outgoing=outgoing))

    def put_gap(self, row: GapRow) -> None:
        self._session.change(_PUT_GAP, GAP.dump(row))

    def drop_gap(self, peer: str, stream: str, first: int) -> None:
        self._session.change(_DROP_GAP, {"peer": peer, "stream": stream, "first": first})

    def gaps(self, *, peer: str = "", stream: str = "") -> Sequence[GapRow]:
        return GAP.load_all(self._session.rows(_GAPS, peer=peer, stream=stream))

    def gap_at(self, peer: str, stream: str, seq: int) -> GapRow | None:
        found = self._session.one(_GAP_BELOW, peer=peer, stream=stream, seq=seq)
        below = GAP.load(found) if found else None
        return below if below is not None and seq <= below.last else None

    def first_gap(self, peer: str, stream: str) -> GapRow | None:
        found = self._session.one(_FIRST_GAP, peer=peer, stream=stream)
        return GAP.load(found) if found else None

    def count_gaps(self, peer: str, stream: str) -> int:
        found = self._session.one(_COUNT_GAPS, peer=peer, stream=stream)
        return int(found[0]) if found else 0

    def put_cosignature(self, row: CosignatureRow) -> bool:
        return self._session.change(_PUT_COSIGNATURE, COSIGNATURE.dump(row)) == 1

    def cosignatures(self, origin: str, *, size: int | None = None) -> Sequence[CosignatureRow]:
        if size is None:
            return COSIGNATURE.load_all(self._session.rows(_COSIGNATURES, origin=origin))
        return COSIGNATURE.load_all(self._session.rows(_COSIGNATURES_AT, origin=origin, size=size))

    def witness(self, peer: str) -> WitnessRow | None:
        found = self._session.one(_WITNESS, peer=peer)
        return WITNESS.load(found) if found else None

    def witnesses(self) -> Sequence[WitnessRow]:
        return WITNESS.load_all(self._session.rows(_WITNESSES))

    def put_witness(self, row: WitnessRow) -> None:
        self._session.change(_PUT_WITNESS, WITNESS.dump(row))

    def loose(self, origin: str = "") -> Sequence[LooseRow]:
        if origin:
            return LOOSE.load_all(self._session.rows(_LOOSE_OF, origin=origin))
        return LOOSE.load_all(self._session.rows(_LOOSE))

    def put_loose(self, row: LooseRow) -> None:
        self._session.change(_PUT_LOOSE, LOOSE.dump(row))

    def drop_loose(self, origin: str, via: str) -> None:
        self._session.change(_DROP_LOOSE, {"origin": origin, "via": via})

    def put_alarm(self, row: AlarmRow) -> bool:
        return self._session.change(_PUT_ALARM, ALARM.dump(row)) == 1

    def alarms(self, *, cleared: bool = False, limit: int = 100) -> Sequence[AlarmRow]:
        return ALARM.load_all(self._session.rows(_CLEARED if cleared else _STANDING, limit=limit))

    def alarm(self, alarm: str) -> AlarmRow | None:
        found = self._session.one(_ALARM, alarm=alarm)
        return ALARM.load(found) if found else None

    def standing_alarms(self, code: str, *, peer: str = "", limit: int = 100) -> Sequence[AlarmRow]:
        if peer:
            found = self._session.rows(_STANDING_OF_PEER, code=code, peer=peer, limit=limit)
        else:
            found = self._session.rows(_STANDING_OF_CODE, code=code, limit=limit)
        return ALARM.load_all(found)

    def clear_alarm(self, alarm: str, at: int, by: str) -> bool:
        return self._session.change(_CLEAR, {"alarm": alarm, "at": at, "who": by}) == 1
