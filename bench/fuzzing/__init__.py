"""Fuzzing: every parser of foreign bytes, by name (:func:`targets`), for bench/fuzz.py and tests/fuzz."""

from __future__ import annotations

from fuzzing import said, trust, wire
from fuzzing.seeds import Target, World, changes_for

__all__ = ["Target", "changes_for", "targets"]


def targets() -> dict[str, Target]:
    """Made once: it opens keys and makes good inputs."""
    world = World()
    found = [wire.outer, wire.signed_by_peers, wire.of_logs, trust.documents, said.inside, said.heard]
    return {name: target for make in found for name, target in make(world)} | dict(said.ours())
