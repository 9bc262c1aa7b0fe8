"""What is done when a timer of each kind falls due: one line a kind (:mod:`gateway.flows.timers`)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.flows.timers import Fire

FIRES: Mapping[str, Fire] = {}
