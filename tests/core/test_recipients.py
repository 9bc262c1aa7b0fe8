"""Room for what is to be sealed: exactly what fits with its statement, by the protocol's own sizes."""

from __future__ import annotations

import pytest

from gateway.core.recipients import check_room
from gateway.errors import GatewayError, TooLarge

MIB = 1024 * 1024
STATEMENT = 5000  # bytes kept free for the note of part 0
CASES = [(2, 2), (2, 3), (4, 3), (16, 3), (16, 64), (12, 20)]


def padme(size: int) -> int:
    """Written from protocol 4.2, with the logarithms it names."""
    exponent = size.bit_length() - 1
    step = 2 ** (exponent - exponent.bit_length())
    return -(-size // step) * step


def part(content: int) -> int:
    """Length field, commitment, padded content, tag."""
    return 4 + 32 + padme(max(4 + content, 512)) + 16


def envelope(slots: int, contents: list[int]) -> int:
    parts = 1 + len(contents)
    return 43 + slots * (1120 + 32 * parts + 16) + part(STATEMENT) + sum(map(part, contents))


@pytest.mark.parametrize(("slots", "parts"), CASES)
def test_the_largest_content_that_fits_and_the_next(kit, slots: int, parts: int) -> None:
    """Near the end the steps of padding are 32 KiB apart, so a second part of fine steps finds the edge."""
    others = [300] * (parts - 2)
    large = max(size for size in range(0, MIB, 4096) if envelope(slots, [size, *others]) <= MIB)
    sizes = [large, *others]
    if others:
        sizes[-1] = max(s for s in range(300, 40_000, 4) if envelope(slots, [*sizes[:-1], s]) <= MIB)
    check_room(slots, [bytes(size) for size in sizes])
    over = next(s for s in range(sizes[-1], MIB) if envelope(slots, [*sizes[:-1], s]) > MIB)
    with kit.refused(TooLarge, "envelope_size"):
        check_room(slots, [bytes(size) for size in [*sizes[:-1], over]])


@pytest.mark.parametrize(("slots", "parts"), CASES)
def test_a_few_bytes_beyond_the_edge_are_refused(slots: int, parts: int) -> None:
    """Each slot has a key for each part: what is counted of them decides here."""
    taken = refused = 0
    for size in range(MIB - 400_000, MIB, 8192):
        for fine in range(500, 9000, 500):
            contents = [size, fine] + [100] * (parts - 3) if parts > 2 else [size]
            try:
                check_room(slots, [bytes(one) for one in contents])
                fits = True
            except GatewayError:
                fits = False
            assert fits is (envelope(slots, contents) <= MIB)
            taken, refused = taken + fits, refused + (not fits)
    assert taken
    assert refused
