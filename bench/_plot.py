"""The picture of a run, as SVG that needs no library: measures against their goals, peers side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from _summary import Found, number

WIDTH, LEFT, ROW, BAR = 900, 400, 24, 14
MOST = 3.0
"""A bar ends at three times the goal; the number beside it says how far it would go."""

GOOD, BAD, OURS, PEER, INK, FAINT = "#2a7f62", "#c4532b", "#2a5d9f", "#9aa7b5", "#222", "#bbb"


def picture(found: Sequence[Found], title: str, peers: Mapping[str, Any] | None) -> str:
    """The SVG's text."""
    upper = 70 + ROW * len(found)
    rates = _rates(peers) if peers else []
    height = upper + (80 + ROW * len(rates) if rates else 20)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" font-family="sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(16, 22, "How far each measure reaches its goal (1 = the goal, longer is better)", bold=True),
        _text(16, 40, title, faint=True),
        *_goals(found),
    ]
    if rates:
        parts.append(
            _text(16, upper + 24, "Cycles a second, logarithmic (ours: durable, brokered, signed)", bold=True)
        )
        parts += _bars(rates, upper + 40)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _goals(found: Sequence[Found]) -> list[str]:
    scale = (WIDTH - LEFT - 120) / MOST
    parts = [_line(LEFT + scale, 50, LEFT + scale, 56 + ROW * len(found))]
    for place, one in enumerate(found):
        y = 56 + ROW * place
        parts.append(_text(16, y + BAR - 2, f"{one.measure.number}  {one.measure.what}"))
        if one.value is None:
            parts.append(_text(LEFT + 4, y + BAR - 2, "not measured", faint=True))
            continue
        length = max(min(one.share, MOST), 0.01) * scale
        parts.append(_bar(LEFT, y, length, GOOD if one.reached else BAD))
        shown = f"{number(one.value['median'])} {one.measure.unit}".strip()
        sign = ">=" if one.measure.more else "<="
        parts.append(_text(LEFT + length + 6, y + BAR - 2, f"{shown} ({sign} {number(one.measure.goal)})"))
    return parts


def _rates(peers: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    titles = peers["titles"]
    rows = [(titles.get(name, name), rate["median"], name) for name, rate in peers["rates"].items()]
    return [
        (title, rate, PEER if name in titles else OURS)
        for title, rate, name in sorted(rows, key=lambda row: row[1])
        if rate > 0
    ]


def _bars(rates: Sequence[tuple[str, float, str]], top: int) -> list[str]:
    low = math.log10(min(rate for _, rate, _ in rates)) - 0.3
    high = max(math.log10(max(rate for _, rate, _ in rates)), low + 0.1)
    scale = (WIDTH - LEFT - 120) / (high - low)
    parts = []
    for place, (title, rate, colour) in enumerate(rates):
        y, length = top + ROW * place, (math.log10(rate) - low) * scale
        parts += [_text(16, y + BAR - 2, title), _bar(LEFT, y, length, colour)]
        parts.append(_text(LEFT + length + 6, y + BAR - 2, number(rate)))
    return parts


def _text(x: float, y: float, text: str, *, bold: bool = False, faint: bool = False) -> str:
    style = ' font-weight="bold" font-size="14"' if bold else ' fill="#666" font-size="10"' if faint else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{style}>{escape(text)}</text>'


def _bar(x: float, y: float, length: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1}" x2="{x2:.1f}" y2="{y2}" stroke="{FAINT}" stroke-dasharray="4 3"/>'
