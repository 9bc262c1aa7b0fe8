"""Cutting a document into parts by who may read them, and merging the parts that one reader opened.

Duty: :func:`cut` divides a document (JSON) into the fewest parts such that every field of one part has
exactly the same readers; :func:`merge` puts the parts that one reader holds together again (protocol 4.3).

It leaves out encryption, the routing table and the question whether the document is lawful
(:mod:`gateway.core.policy`). Who may ever read a field is data (:mod:`gateway.core.entitlements`); what the
document adds to that is :mod:`gateway.core.narrowing`.

Rules
-----
- A reader reads a field when its agency type is entitled to the field's group AND its own entry in
  ``routing.recipients`` names the section AND the document's ``visible_to`` admits it.
- Own entry only: of ``routing.recipients`` a reader gets its own entry, of ``lawful_basis`` those that the
  entry names.
- An agency in ``minimal_view.agencies`` gets the condition's number and the minimal text, nothing else of it.
- Whose entry has a ``reciprocal_ref`` gets that reference in the place of what says who the person is
  (:data:`gateway.core.entitlements.IDENTITY`).
- An action goes whole to its own agency; co-ordinators get the titles of the others' actions.
- ``visible_to`` and ``minimal_view.agencies`` are the sender's instructions. They are never sent: readers do
  not learn of each other.
- Items of the lists in :data:`ITEM_IDS` carry their id in every part, so that a reader can join them; any
  other list is one value. Null is a value and is kept.
- A document that widens is refused, never silently narrowed.

>>> merge([{"core": {"family_name": "EXAMPLE"}}, {"core": {"known_as": ["J"]}}])
{'core': {'family_name': 'EXAMPLE', 'known_as': ['J']}}
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from gateway.core.encoding import Json, JsonObject
from gateway.core.entitlements import GATED, group_of, reach, says_who
from gateway.core.joining import ITEM_IDS, identity, merge
from gateway.core.narrowing import Circumstances, circumstances, named, widenings
from gateway.errors import NotAllowed, Problem, TooLarge

__all__ = ["MAX_AUDIENCES", "Part", "Reader", "cut", "merge", "refusal"]

MAX_AUDIENCES = 62
"""Parts of one envelope that can carry sections: 64 (protocol 4.1) less statement and routing table."""

ACTION_TITLE = ("action_id", "agency", "code", "title")
"""What the co-ordinating agencies see of an action that is not their own (domain 6.4)."""

_SETTLED = "*"
"""Stands for a path where the readers have been worked out already and nothing below narrows them."""


@dataclass(frozen=True, slots=True)
class Reader:
    """An agency that the document goes to. ``principal`` and ``agency`` (its type) are the directory's;
    ``index`` is its place in ``routing.recipients``."""

    principal: str
    agency: str
    index: int


@dataclass(frozen=True, slots=True)
class Part:
    """``sections`` is a fragment of the document; ``readers`` the principals who may read all of it."""

    readers: frozenset[str]
    sections: JsonObject

    def __repr__(self) -> str:
        return f"Part(readers={sorted(self.readers)}, sections=<plaintext>)"


_Readers = int
"""A set of readers: bit n stands for the n-th reader given to :func:`cut`. A cut makes thousands of them."""

_Shown = tuple[JsonObject, str, _Readers]


def cut(
    document: JsonObject,
    readers: Sequence[Reader],
    entitlements: Mapping[str, AbstractSet[str]],
    *,
    judged: bool = False,
) -> tuple[Part, ...]:
    """The fewest parts with equal audiences, in an order that depends on the audiences alone.

    Fields that none of ``readers`` may read are in no part. ``document`` is not changed. ``judged``: the
    caller comes from :func:`gateway.core.policy.check` with the same document and the same entitlements: its
    rule R4 has looked for what widens.

    Raises NotAllowed with every place that names an agency that may not read there (R4), or at the first
    field that belongs to no group, item without an id of its own, or reader that does not fit its entry;
    TooLarge over :data:`MAX_AUDIENCES` audiences.
    """
    if not judged and (problems := tuple(widenings(document, entitlements))):
        raise refusal(problems)
    _check_readers(document, readers)
    fragments = _Cutter.of(document, tuple(readers), entitlements).cut()
    parts = [
        Part(frozenset(r.principal for bit, r in enumerate(readers) if audience >> bit & 1), sections)
        for audience, sections in fragments.items()
        if audience
    ]
    if len(parts) > MAX_AUDIENCES:
        raise TooLarge(
            f"the document falls into {len(parts)} audiences; an envelope holds {MAX_AUDIENCES}",
            code="too_many_audiences",
            field="/routing/recipients",
            remedy="use fewer different visible_to lists, or send it in two handovers",
        )
    return tuple(sorted(parts, key=lambda part: (-len(part.readers), sorted(part.readers))))


def refusal(problems: Sequence[Problem]) -> NotAllowed:
    """One NotAllowed for all ``problems``; field, remedy and rule are the first one's."""
    first = problems[0]
    return NotAllowed(
        f"{first.message}" if len(problems) == 1 else f"{len(problems)} rules are broken",
        field=first.field,
        remedy=first.remedy,
        rule=first.rule,
        problems=problems,
    )


# --- Cutting ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Splits a value into one fragment per audience, from the root down, narrowing the readers on the way."""

    document: JsonObject
    readers: tuple[Reader, ...]
    entitlements: Mapping[str, AbstractSet[str]]
    facts: Circumstances
    groups: Mapping[str, _Readers]
    entries: tuple[JsonObject, ...]
    """Each reader's own entry in ``routing.recipients``."""
    unnamed: _Readers
    """Those for whom a reference stands for the person."""

    @classmethod
    def of(
        cls, document: JsonObject, readers: tuple[Reader, ...], entitlements: Mapping[str, AbstractSet[str]]
    ) -> _Cutter:
        groups = {group: _those(readers, told) for group, told in entitlements.items()}
        told = _entries(document)
        entries = tuple(told[reader.index] for reader in readers)
        unnamed = _bits(entry.get("reciprocal_ref") is not None for entry in entries)
        return cls(document, readers, entitlements, circumstances(document), groups, entries, unnamed)

    def cut(self) -> dict[_Readers, JsonObject]:
        fragments: dict[_Readers, JsonObject] = {}
        for name, value in self.document.items():
            for audience, fragment in self.split(value, name, self.naming(name)):
                fragments.setdefault(audience, {})[name] = fragment
        return fragments

    def split(self, value: Json, path: str, readers: _Readers) -> Iterable[tuple[_Readers, Json]]:
        """The fragments of any value. Every audience comes once."""
        if isinstance(value, list) and value and path in ITEM_IDS:
            return self.items(value, path, readers)
        if isinstance(value, dict) and value:
            return self.object(value, path, readers)
        return ((self.entitled(path, self.admitted(value, path, readers), value), value),)

    def object(
        self, value: JsonObject, path: str, readers: _Readers
    ) -> Iterable[tuple[_Readers, JsonObject]]:
        """The fragments of an object; none when it holds nothing but an instruction."""
        readers = self.admitted(value, path, readers)
        fragments: dict[_Readers, JsonObject] = {}
        for key, child in value.items():
            if key != "visible_to":
                below = path if path == _SETTLED else f"{path}.{key}"
                if isinstance(child, str):  # most are, and nothing in the document narrows a word
                    fragments.setdefault(self.entitled(below, readers, child), {})[key] = child
                    continue
                for audience, fragment in self.split(child, below, readers):
                    fragments.setdefault(audience, {})[key] = fragment
        return fragments.items()

    def items(self, values: list[Json], path: str, readers: _Readers) -> Iterable[tuple[_Readers, Json]]:
        """Each item falls apart on its own; whatever is left of it in a fragment carries its id."""
        fragments: dict[_Readers, list[Json]] = {}
        for index, item in enumerate(_identified(values, path)):
            ids = {name: item[name] for name in ITEM_IDS[path] if name in item}
            pieces: dict[_Readers, JsonObject] = {}
            for shown, place, admitted in self.shown(item, index, path, readers):
                for audience, piece in self.object(shown, place, admitted):
                    pieces.setdefault(audience, {}).update(piece)
            for audience, whole in pieces.items():
                fragments.setdefault(audience, []).append(ids | whole)
        return ((audience, list(items)) for audience, items in fragments.items())

    def shown(self, item: JsonObject, index: int, path: str, readers: _Readers) -> Iterator[_Shown]:
        """What of an item is shown to whom: ``(fields, path, readers)``, once or twice for one item."""
        match path:
            case "routing.recipients":
                yield item, path, readers & _bits(reader.index == index for reader in self.readers)
            case "lawful_basis":
                yield item, path, readers & self.listing("lawful_basis", item["id"])
            case "roles":
                group = "roles.victim" if item["role"] == "VICTIM" else "roles"
                yield item, _SETTLED, self.within(group, readers)
            case "actions":
                yield from self.action(item, readers)
            case "orders.conditions":
                yield from self.condition(item, readers)
            case _:
                yield item, path, readers

    def action(self, item: JsonObject, readers: _Readers) -> Iterator[_Shown]:
        agency = item.get("agency")
        own = self.within("actions", readers & _those(self.readers, (agency,)))
        title = {name: item[name] for name in ACTION_TITLE if name in item}
        yield title, _SETTLED, own | self.within("actions.titles", readers)
        yield {name: item[name] for name in item if name not in title}, _SETTLED, own

    def condition(self, item: JsonObject, readers: _Readers) -> Iterator[_Shown]:
        """The minimal view wins (protocol 6): its agencies see nothing else of the condition."""
        minimal = item.get("minimal_view")
        agencies = minimal.get("agencies") if isinstance(minimal, dict) else None
        lesser = readers & _those(self.readers, agencies if isinstance(agencies, list) else ())
        if isinstance(minimal, dict):
            text = {name: minimal[name] for name in minimal if name != "agencies"}
            yield {"minimal_view": text}, _SETTLED, self.within("orders.minimal_view", lesser)
        yield {k: v for k, v in item.items() if k != "minimal_view"}, "orders.conditions", readers & ~lesser

    def admitted(self, value: Json, path: str, readers: _Readers) -> _Readers:
        """The readers that the document's own instruction at this place leaves."""
        admitted = named(value, path, self.facts)
        return readers if admitted is None else readers & _those(self.readers, admitted)

    def entitled(self, path: str, readers: _Readers, value: Json) -> _Readers:
        """The readers of one value, by its group. Nothing at all (null, [], {}) in the place of a whole
        section is for whoever reads anything of that section."""
        if path == _SETTLED:
            return readers
        if self.unnamed and says_who(path):
            readers &= ~self.unnamed
        group = group_of(path)
        if group is not None:
            return self.within(group, readers)
        below = reach(path, self.entitlements)
        if below and (value is None or value in ([], {})):
            return readers & _those(self.readers, below)
        raise _refused(
            "/" + "/".join(name.replace("~", "~0").replace("/", "~1") for name in path.split(".")),
            "this field belongs to no field group, so nobody may read it",
            "remove the field",
        )

    def within(self, group: str, readers: _Readers) -> _Readers:
        return readers & self.groups.get(group, 0)

    def naming(self, name: str) -> _Readers:
        """The readers whose entry names the section that this top-level name goes with; all for a block."""
        if name not in GATED:
            return _bits(True for _ in self.readers)
        return self.listing("sections", GATED[name])

    def listing(self, name: str, value: Json) -> _Readers:
        """The readers who have ``value`` in the list ``name`` of their own entry."""
        lists = (entry.get(name) for entry in self.entries)
        return _bits(isinstance(given, list) and value in given for given in lists)


def _bits(holds: Iterable[bool]) -> _Readers:
    """The readers for whom it holds, told in their order."""
    return sum(1 << bit for bit, one in enumerate(holds) if one)


def _those(readers: Sequence[Reader], agencies: Container[Json]) -> _Readers:
    return _bits(reader.agency in agencies for reader in readers)


def _entries(document: JsonObject) -> list[JsonObject]:
    routing = document.get("routing")
    entries = routing.get("recipients") if isinstance(routing, dict) else None
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def _check_readers(document: JsonObject, readers: Sequence[Reader]) -> None:
    """A reader at another agency's entry would get that agency's sections."""
    entries = _entries(document)
    for at, reader in enumerate(readers):
        pointer = f"/routing/recipients/{reader.index}"
        if not 0 <= reader.index < len(entries) or entries[reader.index].get("agency") != reader.agency:
            raise _refused(pointer, "not the entry of this agency", "name the agency's own entry")
        if reader.principal in {other.principal for other in readers[:at]}:
            raise _refused(pointer, "this recipient is named twice", "name each recipient once")


def _refused(pointer: str, message: str, remedy: str) -> NotAllowed:
    return refusal([Problem(pointer, message, remedy, "R4")])


def _identified(values: list[Json], path: str) -> list[JsonObject]:
    """The items, each an object with an id that no other has."""
    items = [value for value in values if isinstance(value, dict)]
    ids = {identity(item, path) for item in items}
    if len(items) < len(values) or None in ids or len(ids) < len(items):
        pointer = "/" + path.replace(".", "/")
        raise _refused(pointer, "an item has no id of its own", "give every item an id of its own")
    return items
